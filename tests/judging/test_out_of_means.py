"""Too few threads or sockets to ask with."""

import time
from collections.abc import Callable, Collection
from contextlib import closing
from functools import partial

import pytest

from milter64.checks.all_checks import REMOTE, Check
from milter64.dns.lookup import Answer, Asking, Lookup
from milter64.dns.unanswered import OutOfMeans
from milter64.judging.check_runner import CheckRunner
from milter64.judging.remembered_findings import RememberedFindings
from milter64.mail.finding import Finding, Key
from milter64.mail.session import Envelope
from rig.envelopes import envelope
from rig.records import Records, zone

SPF, IPREV = ("spf", "smtp.mailfrom"), ("iprev", "policy.iprev")
CLIENT = "192.31.196.10"
ENVELOPE = envelope(CLIENT, "mail.honest.example", "a@honest.example")
ZONE = f"honest.example TXT v=spf1 ip4:{CLIENT} -all"


def runner(records: Records, memory: RememberedFindings | None = None) -> CheckRunner:
    return CheckRunner(records, memory or RememberedFindings(records), lambda _: None, lambda: None)  # type: ignore[arg-type]  # a fake


def soon() -> float:
    return time.monotonic() + 10


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have two checks wait for something else than an answer."""
    for key in (SPF, IPREV):

        def wait(envelope: Envelope, lookup: Lookup, check: Check = REMOTE[key]) -> Asking[Finding]:
            yield None
            return (yield from check(envelope, lookup))

        monkeypatch.setitem(REMOTE, key, wait)


@pytest.mark.usefixtures("waiting")
def test_where_no_thread_is_to_be_had_the_place_is_given_back() -> None:
    asked = runner(Records(zone(ZONE)))
    asked.close()
    for _ in range(40):
        with pytest.raises(RuntimeError):
            asked.ask(ENVELOPE, [SPF, IPREV], soon())
    assert asked.ask(ENVELOPE, [SPF], soon())[0][SPF].result == "pass"


@pytest.mark.usefixtures("waiting")
def test_a_place_is_given_back_once_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[Callable[[], object]] = []

    def out_of_threads(check: Callable[..., object], *arguments: object) -> None:
        left.append(partial(check, *arguments))
        raise RuntimeError("can't start new thread")  # which leaves the task to another

    with closing(runner(Records(zone(ZONE)))) as asked:
        monkeypatch.setattr(asked._pool, "submit", out_of_threads)  # noqa: SLF001  no other way to run out of them
        for _ in range(3):
            with pytest.raises(RuntimeError):
                asked.ask(ENVELOPE, [SPF, IPREV], soon())
        for task in left:
            task()
        assert asked.bounds()["waiting_verdicts"] == (0, 32)


class OutOfSockets(Records):
    """Is asked about addresses, and can't ask."""

    def ask(self, name: str, rdtype: str, deadline: float = 0.0, _lasting: float = 0.0) -> Answer:
        if rdtype in ("PTR", "A"):
            raise OutOfMeans("too many open files")
        return super().ask(name, rdtype, deadline)


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ("v=spf1 a -all", {}),
        ("v=spf1 ptr -all", {}),
        ("v=spf1 ptr +all", {SPF}),
        ("v=spf1 -all", {SPF}),
    ],
)
def test_what_we_have_no_means_to_ask_has_no_finding(record: str, found: Collection[Key]) -> None:
    records = OutOfSockets(zone(f"honest.example TXT {record}"))
    memory = RememberedFindings(records)
    with closing(runner(records, memory)) as asked:
        assert asked.ask(ENVELOPE, [SPF, IPREV], soon())[0].keys() == set(found)
        assert asked.ask_in_turn(ENVELOPE, [SPF, IPREV], soon()).keys() == set(found)
        assert memory.recall(ENVELOPE, [SPF, IPREV])[0].keys() == set(found)
