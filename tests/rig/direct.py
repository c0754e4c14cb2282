"""Messages that are handed to milter64 itself, without an SMTP server between that would refuse strange ones."""

from dataclasses import dataclass

from rig.milterclient import MilterClient, Reply, Text
from rig.service import Milter64
from rig.world import HONEST, STRANGER, behind


def session(milter: Milter64) -> MilterClient:
    """Return a new connection to milter64, as a mail server makes one for each session."""
    return MilterClient(("127.0.0.1", milter.port))


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message from a client at `address`, the one on the wire."""

    address: str
    helo: Text = "mail.honest.example"
    sender: str = "a@honest.example"
    recipient: str = "b@lab.example"

    def offer(self, milter: Milter64) -> Reply:
        """Go as far as RCPT, and return the answer to it."""
        with session(milter) as client:
            return self.offer_in(client)

    def send(self, milter: Milter64) -> Reply:
        """Send it all; the answer is that to RCPT, or if it is a yes, that to the end of the message."""
        with session(milter) as client:
            if (reply := self.offer_in(client)).action != "continue":
                return reply
            client.data()
            client.header("Subject", "test")
            client.eoh()
            return client.eom(i="QUEUEID")

    def offer_in(self, client: MilterClient) -> Reply:
        """Go as far as RCPT in a new session of one's own."""
        client.connect(address=self.address, j="mx.lab.example")
        client.helo(self.helo)
        client.mail(f"<{self.sender}>")
        return client.rcpt(f"<{self.recipient}>")


def judges_rightly(milter: Milter64, domain: str = "honest.example") -> bool:
    """Whether milter64 knows an honest client of a domain, which has to be like honest.example, from a forger."""
    honest = Message(address=behind(HONEST), sender=f"a@{domain}").send(milter)
    forged = Message(address=behind(STRANGER), sender=f"a@{domain}", helo="stranger.example").offer(milter)
    results = [
        value for name, value in honest.headers if name == "Authentication-Results" and "smtp.mailfrom=" in value
    ]
    assert honest.action == "continue", honest.text
    assert [f"smtp.mailfrom={domain}" in result and "spf=pass" in result for result in results] == [True], results
    assert forged.text.startswith("550 5.7.23 SPF fail"), forged
    return True
