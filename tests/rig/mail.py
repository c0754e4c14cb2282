"""A mail of a story, and what became of it: the reply, the delivered message, the line in the log."""

from dataclasses import dataclass
from email.message import Message

from rig.process import until
from rig.service import Line
from rig.smtp import Reply, Smtp
from rig.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail; its token, the recipient's local part, tells it from all others of the stage."""

    token: str
    address: str
    sender: str = "a@honest.example"
    helo: str = "mail.honest.example"
    login: str = ""
    message: str = "Subject: test\n\nHello.\n"

    @property
    def recipient(self) -> str:
        return f"{self.token}@lab.example"

    def send(self, stage: Stage) -> Reply:
        """Send it from its address; the reply is the first that is not a yes, or that to the message."""
        with Smtp("127.0.0.1", stage.postfix.port) as client:
            client.xclient(addr=self.address, login=self.login)
            client.ehlo(self.helo)
            return client.transaction(self.sender, [self.recipient], self.message)

    def retried(self, stage: Stage) -> Reply:
        """Send it, be greylisted, and send it again until that is over."""
        assert self.send(stage).code == 450
        return until(lambda: (reply := self.send(stage)).code != 450 and reply, "the greylist to let it pass")

    def delivered(self, stage: Stage) -> Message:
        """Wait for it in the inbox."""
        return until(
            lambda: next((m for m in stage.postfix.delivered(0) if m["Delivered-To"] == self.recipient), None),
            f"a message for {self.recipient}",
        )

    def logged(self, stage: Stage, event: str) -> Line:
        """Wait for the log line about it."""
        return stage.milter.wait_log(lambda line: line["event"] == event and self.recipient in line.get("to", ""))


def results(message: Message) -> str:
    """Return our Authentication-Results fields, which stand above Postfix's Received, each on one line."""
    names = [name for name in message if name in ("Authentication-Results", "Received")]
    fields = message.get_all("Authentication-Results", [])[: names.index("Received")]
    assert fields
    return "\n".join(" ".join(str(field).split()) for field in fields)


def facts(line: Line, *names: str) -> dict[str, object]:
    """Return some of a log line's values, None for those that it lacks."""
    return {name: line.get(name) for name in names}
