"""Attempts out of Postfix's lines: each message once, in the order of their coming, and nothing kept for ever."""

from collections.abc import Iterable

import pytest

from milter64.history.postfix_lines import Came, Delivered, Queued, Refused, Said, Silent
from milter64.replay import traffic as module
from milter64.replay.traffic import Attempt, Traffic


def came(queue: str, at: float = 0.0, login: bytes = b"") -> Came:
    return Came(at, queue.encode(), b"mail.honest.example", b"192.31.196.10", login)


def queued(queue: str, count: int = 1, at: float = 0.0, sender: bytes = b"joe@honest.example") -> Queued:
    return Queued(at, queue.encode(), sender, count)


def delivered(queue: str, recipient: str, to: str = "", at: float = 0.0) -> Delivered:
    return Delivered(at, queue.encode(), (to or recipient).encode(), recipient.encode())


def refused(reply: bytes, *, milter: bool = False, by: bytes = b"smtpd", queue: bytes = b"NOQUEUE") -> Refused:
    envelope = b"ann@honest.example", b"you@example.org", b"x.example"
    return Refused(0.0, queue, by, milter, b"RCPT", b"unknown", b"192.31.196.40", reply, *envelope)


def attempts(lines: Iterable[Said]) -> tuple[list[Attempt], Traffic]:
    """Return all attempts, and who has made them out."""
    traffic = Traffic()
    return list(traffic.attempts(lines)), traffic


def test_a_message_is_one_attempt_for_all_whom_its_client_named() -> None:
    lines: list[Said] = [
        came("A"),
        queued("A", 3),
        delivered("A", "you@example.org"),
        delivered("A", "list@example.org", "x@y"),
    ]
    found, _ = attempts([*lines, delivered("A", "list@example.org", "z@y")])
    (attempt,) = found
    assert (attempt.queue, attempt.helo, attempt.sender) == (b"A", None, b"joe@honest.example")
    assert attempt.recipients == (b"you@example.org", b"list@example.org")


def test_two_whom_one_mailbox_belongs_to_are_two() -> None:
    lines: list[Said] = [came("A"), queued("A", 2), delivered("A", "info@example.org", "boss@example.org")]
    (attempt,), _ = attempts([*lines, delivered("A", "sales@example.org", "boss@example.org")])
    assert attempt.recipients == (b"info@example.org", b"sales@example.org")


def test_attempts_keep_the_order_of_their_coming() -> None:
    first: list[Said] = [came("A", 1.0), queued("A")]
    second: list[Said] = [came("B", 2.0), queued("B"), delivered("B", "you@example.org")]
    found, _ = attempts([*first, *second, refused(b"450 4.2.0 Greylisted"), delivered("A", "you@example.org")])
    assert [attempt.queue for attempt in found] == [b"A", b"B", b""]


def test_what_is_not_whole_after_five_minutes_is_taken_as_far_as_it_is_known() -> None:
    lines: list[Said] = [came("A"), queued("A", 2), delivered("A", "you@example.org"), came("B", 301.0), queued("B")]
    found, traffic = attempts([*lines, delivered("A", "late@example.org"), delivered("B", "you@example.org")])
    assert [(attempt.queue, attempt.recipients) for attempt in found] == [
        (b"A", (b"you@example.org",)),
        (b"B", (b"you@example.org",)),
    ]
    assert traffic.unfinished == 0


def test_a_queue_id_that_is_used_again_is_another_message() -> None:
    once: list[Said] = [queued("A"), delivered("A", "you@example.org")]
    found, traffic = attempts([came("A", 1.0), *once, came("A", 2.0), *once, came("A", 3.0), came("A", 4.0), *once])
    assert [attempt.at for attempt in found] == [1.0, 2.0, 4.0]
    assert traffic.unfinished == 1


def test_messages_without_a_client_are_nobodys() -> None:
    found, traffic = attempts([queued("A"), delivered("A", "you@example.org")])
    assert (found, traffic.unfinished) == ([], 0)


def test_no_more_than_so_many_messages_are_held() -> None:
    traffic = Traffic()
    first = next(
        traffic.attempts(
            [came("A"), queued("A", 2), delivered("A", "you@example.org"), *(came(f"B{n}") for n in range(10_000))]
        )
    )
    assert first.queue == b"A"


def test_no_more_than_so_many_recipients_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_TRIED", 2)
    lines: list[Said] = [came("A"), queued("A", 9), *(delivered("A", f"user{n}@example.org") for n in range(4))]
    left = iter(lines)

    first = next(Traffic().attempts(left))
    assert (first.queue, len(first.recipients), len(list(left))) == (b"A", 3, 1)


def test_a_recipient_whom_a_milter_or_a_greylister_refused_is_an_attempt() -> None:
    lines: list[Said] = [
        refused(b"550 5.7.23 SPF fail (milter64 d26eb094)", milter=True),
        refused(b"450 4.2.0 <you@example.org>: Recipient address rejected: Greylisted, see http://example.org"),
        refused(b"451 4.7.1 Greylisting in action, please come back later"),
    ]
    found, traffic = attempts(lines)
    assert [(attempt.helo, attempt.queue) for attempt in found] == [(b"x.example", b"")] * 3
    assert not traffic.refused


def test_what_others_refuse_is_counted_by_who_did_it() -> None:
    lines: list[Said] = [
        refused(b"550 5.1.1 <grey-list@example.org>: Recipient address rejected: User unknown"),
        refused(b"554 5.7.1 Service unavailable"),
        refused(b"550 5.7.1 Service unavailable", by=b"postscreen"),
        refused(b"550 5.7.1 no", milter=True)._replace(stage=b"CONNECT", recipient=None),
    ]
    found, traffic = attempts(lines)
    assert (found, traffic.refused) == ([], {"postfix": 2, "postscreen": 1, "milter": 1})


def test_a_message_that_is_refused_at_its_end_is_an_attempt_of_its_own() -> None:
    end = refused(b"5.7.1 no", milter=True, by=b"cleanup", queue=b"A")
    found, traffic = attempts([came("A"), end, queued("A"), delivered("A", "you@example.org")])
    assert [attempt.helo for attempt in found] == [b"x.example"]
    assert traffic.unfinished == 1


@pytest.mark.parametrize(("trusts", "judged"), [(True, [b"B"]), (False, [b"A", b"B"])])
def test_messages_of_who_has_authenticated_are_counted_unless_that_is_no_reason_to_trust(
    *, trusts: bool, judged: list[bytes]
) -> None:
    traffic = Traffic(trusts_logins=trusts)
    lines: list[Said] = [came("A", login=b"joe"), queued("A"), delivered("A", "you@example.org")]
    found = traffic.attempts([*lines, came("B"), queued("B"), delivered("B", "you@example.org")])
    assert [attempt.queue for attempt in found] == judged
    assert traffic.authenticated == trusts


@pytest.mark.parametrize("trusts", [True, False])
def test_a_message_of_his_that_is_refused_at_its_end_is_no_attempt_either(*, trusts: bool) -> None:
    traffic = Traffic(trusts_logins=trusts)
    end = refused(b"5.7.1 no", milter=True, by=b"cleanup", queue=b"A")
    assert len(list(traffic.attempts([came("A", login=b"joe"), end]))) == (not trusts)
    assert traffic.unfinished == 1


def test_clients_that_name_no_sender_are_counted() -> None:
    assert attempts([Silent(1.0), Silent(2.0)])[1].silent == 2
