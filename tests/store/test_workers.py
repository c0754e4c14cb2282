"""What workers learn they share: a service with two, asked one by one."""

from pathlib import Path

import pytest

from milter64.greylist.pair import pair_key
from rig.direct import Message, session
from rig.lab import Lab
from rig.process import until
from rig.procfs import children, server_of
from rig.rows import stored
from rig.service import Line, Milter64

SENDER = "a@none.example"


class Service:
    """milter64 with two workers, which greylist everybody and need no DNS for it."""

    def __init__(self, lab: Lab, rows: Path, *, delay: str) -> None:
        self.milter = lab.start(
            Milter64,
            f"""
            [milter]
            workers = 2
            [greylist]
            apply = "all"
            store = "sqlite:{rows}"
            delay = "{delay}"
            [iprev]
            enabled = false
            [spf]
            enabled = false
            """,
        )

    @property
    def workers(self) -> set[int]:
        """The process ids of the workers that serve."""
        return until(lambda: len(pids := set(children(self.milter.pid))) == 2 and pids, "two workers")

    def offer(self, recipient: str, worker: int) -> str:
        """Try to deliver through a worker, and return what becomes of it: "continue", or why not."""
        message = Message(address="192.0.2.1", helo="none.example", sender=SENDER, recipient=recipient)

        def reply() -> str | None:
            with session(self.milter) as client:
                if server_of(client.port) != worker:
                    return None
                reply = message.offer_in(client)
                return reply.text or reply.action

        return until(reply, f"a session with {worker}")

    def standing(self, recipient: str) -> str:
        """Return what the log says last of the greylist and a recipient."""

        def about(line: Line) -> bool:
            return recipient in line.get("to", "") and "greylist" in line

        self.milter.wait_log(about)
        return str([line for line in self.milter.log if about(line)][-1]["greylist"])


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return tmp_path / "rows.sqlite"


def test_a_first_try_on_one_worker_and_the_retry_on_the_other_are_one_greylisting(lab: Lab, rows: Path) -> None:
    service = Service(lab, rows, delay="1s")
    one, other = service.workers
    assert "Greylisted" in service.offer("b@lab.example", one)
    assert service.standing("b@lab.example") == "new"
    until(lambda: stored(rows))
    until(lambda: service.offer("b@lab.example", other) == "continue", "the retry to pass")
    assert [line["greylist"] for line in service.milter.log if "greylist" in line].count("new") == 1


def test_a_row_of_one_worker_is_known_to_both_and_after_a_restart(lab: Lab, rows: Path) -> None:
    service = Service(lab, rows, delay="1h")
    one, other = service.workers
    recipients = {"b@lab.example": one, "c@lab.example": other}
    for recipient, worker in recipients.items():
        assert "Greylisted" in service.offer(recipient, worker)
        assert service.standing(recipient) == "new"
    until(lambda: {key for key, _ in stored(rows)} == {pair_key(SENDER, recipient) for recipient in recipients})
    for recipient, worker in recipients.items():
        assert "Greylisted" in service.offer(recipient, ({one, other} - {worker}).pop())
        until(lambda: service.standing(recipient) == "waiting")  # noqa: B023  it is called at once
    assert service.milter.stop() == 0
    service = Service(lab, rows, delay="1h")
    for recipient in recipients:
        for worker in service.workers:
            assert "Greylisted" in service.offer(recipient, worker)
            assert service.standing(recipient) == "waiting"
