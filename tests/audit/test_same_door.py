"""One door to milter64, in whichever words: asked once, never twice, and one that it had before is replaced."""

from dataclasses import replace
from pathlib import Path

import pytest

from milter64.audit.facts.lookups import Known
from milter64.audit.facts.postconf import Postfix
from milter64.audit.rules.postfix_settings import Trouble, check, plan
from milter64.config.load_file import parse
from rig.scene import MAIN, smtpd

LOOKUPS = Known(
    hosts={
        "localhost": ("127.0.0.1", "::1"),
        "mx.example.org": ("192.0.2.25", "2001:db8:25::25"),
        "filter.example.org": ("192.0.2.99",),
    },
    own=("127.0.0.1", "::1", "192.0.2.25", "2001:db8:25::25"),
)
QUEUE = "unix:/var/spool/postfix/milter64/milter64.sock"
SIGNER = "inet:localhost:8891"


def postfix(milters: str, *, submission: str = "") -> Postfix:
    services = (smtpd(), smtpd("submission", smtpd_milters=submission))
    main = {**MAIN, "smtpd_milters": milters}
    return Postfix(directory=Path("/etc/postfix"), main=main, services=services, lookups=LOOKUPS)


def said(postfix: Postfix, socket: str) -> tuple[list[str], tuple[Trouble, ...]]:
    settings, problems = parse(f'milter.socket = "{socket}"')
    assert not problems
    return [setting.command() for setting in plan(postfix, settings)], check(postfix, settings)


@pytest.mark.parametrize(
    ("socket", "milter"),
    [
        ("inet6:8864@[::]", "inet:127.0.0.1:8864"),
        ("inet6:8864", "inet:localhost:8864"),
        ("inet6:8864@[::]", "inet:[::1]:8864"),
        ("inet6:8864@[::]", "inet:mx.example.org:8864"),
        ("inet6:8864@[::]", "inet:[2001:db8:25::25]:8864"),
        ("inet:8864@0.0.0.0", "inet:127.0.0.1:8864"),
        ("inet:8864@0.0.0.0", "inet:localhost:8864"),
        ("inet:8864@0.0.0.0", "inet:0.0.0.0:8864"),
        ("inet:8864@0.0.0.0", "inet:8864@mx.example.org"),
        ("inet:8864@localhost", "inet:[::]:8864"),
        ("inet:8864@192.0.2.25", "inet:mx.example.org:8864"),
        ("inet:9999@localhost", "inet:127.0.0.1:9999"),
        ("inet:8864@127.0.0.1", "inet:LOCALHOST:8864"),
    ],
)
def test_a_door_in_other_words_is_the_same(socket: str, milter: str) -> None:
    assert said(postfix(milter), socket) == ([], ())


@pytest.mark.parametrize("other", ["inet:localhost:8864", "inet:[::1]:8864", "inet:mx.example.org:8864"])
def test_the_same_door_in_two_words_is_asked_twice(other: str) -> None:
    lines, troubles = said(postfix(f"inet:127.0.0.1:8864, {other}"), "inet6:8864@[::]")
    assert lines == ["postconf -e 'smtpd_milters = inet:[::1]:8864'"]
    assert [trouble.what for trouble in troubles] == [f"milter64 is asked more than once, by {other} too"]


@pytest.mark.parametrize(
    ("socket", "milter"),
    [
        ("inet:8864@0.0.0.0", "inet:filter.example.org:8864"),
        ("inet6:8864@[::]", "inet:192.0.2.99:8864"),
        ("inet:8864@0.0.0.0", "inet:nowhere.example:8864"),
        ("inet:9999@localhost", "inet:127.0.0.1:9998"),
        ("inet:9999@localhost", "inet:filter.example.org:8864"),
        ("inet:9999@localhost", "unix:opendkim/opendkim.sock"),
        ("inet:9999@localhost", "inet:localhost:smtp"),
        ("inet:9999@localhost", "inet:127.0.0.2:8864"),
    ],
)
def test_another_door_is_kept_behind_ours(socket: str, milter: str) -> None:
    lines, troubles = said(postfix(milter), socket)
    assert lines[0].endswith(f", {milter}'")
    assert troubles[0].what == "milter64 is not asked"


@pytest.mark.parametrize(
    ("socket", "old"),
    [
        ("inet:8864@localhost", "unix:milter64/milter64.sock"),
        ("inet:8864@localhost", "unix:/run/milter64/milter64.sock"),
        ("inet:8864@localhost", "local:/run/milter64/own.sock"),
        ("inet:8864@localhost", "unix:/run/milter64.sock"),
        (QUEUE, "inet:127.0.0.1:8864"),
        (QUEUE, "inet:localhost:8864"),
        (QUEUE, "inet:mx.example.org:8864"),
        ("inet:9999@localhost", "inet:[::1]:8864"),
        ("inet:8864@127.0.0.1", "inet:[::1]:8864"),
    ],
)
def test_a_socket_that_was_ours_is_replaced_and_not_kept_beside(socket: str, old: str) -> None:
    before = postfix(f"{{ {old}, connect_timeout=9s }}, {SIGNER}", submission=old)
    lines, troubles = said(before, socket)
    named = {"inet:9999@localhost": "inet:127.0.0.1:9999", QUEUE: "unix:milter64/milter64.sock"}
    ours = named.get(socket, "inet:127.0.0.1:8864")
    assert lines == [
        f"postconf -e 'smtpd_milters = {{ {ours}, connect_timeout=9s }}, {SIGNER}'",
        "postconf -P submission/inet/smtpd_milters=",
    ]
    assert [trouble.where for trouble in troubles] == ["smtp/inet", "submission/inet"]
    assert troubles[0].what.endswith(f"and not on {old}")
    after = postfix(f"{{ {ours}, connect_timeout=9s }}, {SIGNER}")
    assert said(after, socket) == ([], ())


def test_one_that_was_ours_beside_the_one_that_is_has_mail_put_off_or_judged_twice() -> None:
    both = postfix(f"inet:127.0.0.1:8864, unix:milter64/milter64.sock, {SIGNER}")
    lines, troubles = said(both, "inet:8864@localhost")
    assert lines == [f"postconf -e 'smtpd_milters = inet:127.0.0.1:8864, {SIGNER}'"]
    assert [trouble.what for trouble in troubles] == [
        "milter64 is asked more than once, by unix:milter64/milter64.sock too"
    ]


def test_a_name_of_a_family_that_postfix_has_no_use_for_does_not_lead_there() -> None:
    main = {**MAIN, "inet_protocols": "ipv6", "smtpd_milters": "inet:[::1]:8864, inet:filter.example.org:8891"}
    _, troubles = said(replace(postfix(""), main=main), "inet:8864@localhost")
    assert [trouble.what for trouble in troubles] == [
        "with inet_protocols = ipv6 it can't reach inet:filter.example.org:8891, and puts mail off"
    ]
