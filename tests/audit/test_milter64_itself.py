from dataclasses import replace

import pytest

from milter64.address.client import Origin
from milter64.audit.facts.facts import Translators
from milter64.audit.facts.host import Address, Clock, Route
from milter64.discover.recorded_prefixes import Sighting
from rig.scene import ADDRESSES, HOST, SERVICES, SIX, Doors, Scene, check, smtpd

TRANSLATION = "DNS64 and translation.prefixes"


def test_a_sound_host() -> None:
    assert [(line.level.value, line.subject, line.reason) for line in Scene().lines("milter64")] == [
        ("ok", "milters: smtp/inet", "milter64 is first"),
        ("ok", "milter64's socket", "answers on inet:8864@127.0.0.1"),
        ("ok", "resolver", "127.0.0.1, by resolv.conf"),
        ("ok", TRANSLATION, "the resolver is no DNS64; configured: 64:ff9b::/96"),
        ("ok", "clock", "2026-11-18 11:06 UTC, synchronised"),
    ]


# Postfix's way to it

INSIDE = 'milter.socket = "unix:/var/spool/postfix/milter64/milter64.sock"'
OUTSIDE = 'milter.socket = "unix:/run/milter64/milter64.sock"'
NOT_CHROOTED = (smtpd(chroot=False), *SERVICES[1:])


def asked(milters: str, settings: str = "", *, chroot: bool = True, **main: str) -> Scene:
    services = SERVICES if chroot else NOT_CHROOTED
    return Scene(main={"smtpd_milters": milters, **main}, settings=settings, services=services)


FRONT = "milters: smtp/inet"


@pytest.mark.parametrize(
    ("scene", "level", "subject", "reason", "remedy"),
    [
        (asked(""), "problem", FRONT, "milter64 is not asked", "inet:127.0.0.1:8864, first in smtpd_milters"),
        (asked("inet:127.0.0.1:9999"), "problem", FRONT, "milter64 is not asked", "milter64 postfix"),
        (asked("inet:127.0.0.1:8864 inet:127.0.0.1:1"), "ok", FRONT, "milter64 is first", ""),
        (
            asked("inet:127.0.0.1:1 inet:127.0.0.1:8864"),
            "problem",
            FRONT,
            "comes before milter64",
            "put milter64 first",
        ),
        (asked("unix:milter64/milter64.sock", INSIDE), "ok", FRONT, "milter64 is first; the chroot sees", ""),
        (asked("unix:milter64/milter64.sock", INSIDE, chroot=False), "ok", FRONT, "first; there is no chroot", ""),
        (asked("unix:/run/milter64/milter64.sock", OUTSIDE, chroot=False), "ok", FRONT, "first", ""),
        (asked("unix:/run/milter64/milter64.sock", OUTSIDE), "problem", "milters: milter.socket", "can't see", "unix:"),
        (asked("inet:127.0.0.1:8864", inet_protocols="ipv6"), "problem", FRONT, "can't reach", "inet:[::1]:8864"),
        (asked("inet:[::1]:8864", inet_protocols="ipv6"), "ok", FRONT, "milter64 is first", ""),
        (asked("unix:/run/milter64/milter64.sock", OUTSIDE), "problem", FRONT, "in its chroot there is no", "first"),
    ],
)
def test_the_way_from_postfix(scene: Scene, level: str, subject: str, reason: str, remedy: str) -> None:
    check(scene.lines("milter64"), level, subject, reason, remedy)


ACTION = "milters: smtp/inet milter_default_action"


@pytest.mark.parametrize(
    ("scene", "level", "reason"),
    [
        (asked("inet:127.0.0.1:8864", milter_default_action="accept"), "warning", "accept lets mail in unjudged"),
        (asked("inet:127.0.0.1:8864", milter_default_action="reject"), "problem", "reject: mail is lost"),
        (asked("inet:127.0.0.1:8864", 'mode = "observe"'), "warning", "tempfail makes mail wait"),
    ],
)
def test_what_happens_while_milter64_is_away(scene: Scene, level: str, reason: str) -> None:
    check(scene.lines("milter64"), level, ACTION, reason, "set ")
    assert not any(line.subject == FRONT for line in scene.lines("milter64"))


def test_submission_is_not_to_be_judged() -> None:
    lines = Scene(services=(*SERVICES, smtpd("submission"))).lines("milter64")
    check(lines, "problem", "milters: submission/inet", "users' mail would be judged", "set -o smtpd_milters= for it")
    (see,) = (line.see for line in lines if line.subject == "milters: submission/inet")
    assert see == "postconf -M submission/inet; postconf -P 'submission/inet/*'"


def test_of_a_postfix_that_is_not_known_nothing_is_said() -> None:
    assert not any("milters" in line.subject for line in Scene(services=()).lines("milter64"))


REFUSED = Doors(refusal="connection refused")
FORBIDDEN = Doors(barred=True)
BARRED = Doors(obstacle="drwx------")
CROWDED = Scene(host=replace(HOST, backlog=128), main={"default_process_limit": "200"})
OPEN = 'milter.socket = "inet:8864"'


@pytest.mark.parametrize(
    ("scene", "level", "reason", "remedy"),
    [
        (Scene(doors=REFUSED), "problem", "nobody answers on inet:8864@127.0.0.1: connection refused", "restart"),
        (replace(asked("", INSIDE), doors=FORBIDDEN), "warning", "whether it answers on unix:/var/", "as root"),
        (Scene(doors=BARRED), "ok", "answers", ""),
        (asked("", inet_protocols="ipv6"), "ok", "answers on inet6:8864@[::1]", ""),
        (asked("", inet_protocols="ipv4"), "ok", "answers on inet:8864@127.0.0.1", ""),
        (
            replace(asked("", INSIDE), doors=BARRED),
            "problem",
            "postfix may not pass /var/spool/",
            "chgrp postfix /var/spool/postfix/milter64 && chmod 2750 /var/spool/postfix/milter64 && systemctl",
        ),
        (
            replace(asked("", f"{INSIDE}\nmilter.socket_mode = '0600'"), doors=BARRED),
            "problem",
            "postfix may not pass /var/spool/",
            "milter.socket_mode",
        ),
        (
            replace(asked("", 'milter.socket = "unix:/run/milter64/sock"'), doors=BARRED),
            "problem",
            "postfix may not pass /run/milter64/sock",
            "milter.socket_group",
        ),
        (asked("", INSIDE), "ok", "answers on unix:/var/spool/postfix/milter64/milter64.sock", ""),
        (CROWDED, "warning", "128 connections wait there, and Postfix may make 200", "net.core.somaxconn to 4096"),
        (replace(CROWDED, host=replace(HOST, backlog=200)), "ok", "answers", ""),
        (asked("", OPEN), "warning", "inet:8864@0.0.0.0 is open to other hosts", "localhost"),
        (asked("", f'milter.socket = "inet6:8864@[{SIX}]"'), "warning", "is open to other hosts", "unix"),
        (asked("", 'milter.socket = "inet6:8864@[::1]"'), "ok", "answers", ""),
    ],
)
def test_the_socket(scene: Scene, level: str, reason: str, remedy: str) -> None:
    check(scene.lines("milter64"), level, "milter64's socket", reason, remedy)


# Whom it asks, and what it decodes


def resolvers(*nameservers: str) -> Scene:
    return Scene(host=replace(HOST, nameservers=nameservers))


@pytest.mark.parametrize(
    ("scene", "level", "reason"),
    [
        (resolvers("::1"), "ok", "::1, by resolv.conf"),
        (resolvers(SIX), "ok", SIX),
        (resolvers("fe80::25%lo"), "ok", "fe80::25%lo"),
        (resolvers("127.0.0.53", "9.9.9.9"), "warning", "9.9.9.9, by resolv.conf, is not on this host"),
        (Scene(settings='dns.nameservers = ["127.0.0.1:5353"]'), "ok", "127.0.0.1:5353, by dns.nameservers"),
        (Scene(settings='dns.nameservers = ["[2001:db8::53]:53"]'), "warning", "[2001:db8::53]:53, by dns.nameservers"),
    ],
)
def test_the_resolver(scene: Scene, level: str, reason: str) -> None:
    check(scene.lines("milter64"), level, "resolver", reason, "" if level == "ok" else "run a resolver here")


OTHER = Translators(prefixes=("2001:db8:64::/96", "64:ff9b::/96"))
BOTH = 'translation.prefixes = ["64:ff9b::/96", "2001:db8:64::/96"]'


@pytest.mark.parametrize(
    ("translators", "settings", "level", "reason", "remedy"),
    [
        (OTHER, "", "problem", "makes AAAA records in 2001:db8:64::/96, and milter64 knows 64:ff9b::/96", "discover"),
        (OTHER, "translation.prefixes = []", "problem", "64:ff9b::/96, and milter64 knows none", "without DNS64"),
        (
            Translators(forbidden=("'2001:db8:0:0:ff00::/96' has bits 64 to 71 set",)),
            "",
            "problem",
            "with a prefix that can't be configured: '2001:db8:0:0:ff00::/96' has bits 64 to 71 set",
            "another prefix",
        ),
        (OTHER, BOTH, "ok", "a DNS64, with 2001:db8:64::/96, 64:ff9b::/96, which milter64 knows", ""),
        (
            Translators(trouble="no answer in time"),
            "",
            "warning",
            "isn't known: no answer in time",
            "let it answer for ipv4only.arpa",
        ),
    ],
)
def test_the_translation_that_dns_tells_of(
    translators: Translators, settings: str, level: str, reason: str, remedy: str
) -> None:
    scene = Scene(translators=translators, settings=settings)
    check(scene.lines("milter64"), level, TRANSLATION, reason, remedy)


def test_one_nameserver_of_several_that_does_not_say_is_told_of_beside_what_another_invents() -> None:
    scene = Scene(translators=Translators(prefixes=("2001:db8:64::/96",), trouble="NXDOMAIN from 192.0.2.53"))
    lines = [line for line in scene.lines("milter64") if line.subject == TRANSLATION]
    assert [(line.level.value, line.remedy[:6]) for line in lines] == [("problem", "add it"), ("warning", "let it")]


def test_clients_that_come_through_a_translator_that_is_not_configured() -> None:
    host = replace(HOST, peers=("64:ff9b:1::c01f:c40a", "64:ff9b::c01f:c40a", "2001:db8::1", "192.0.2.1"))
    check(Scene(host=host).lines("milter64"), "problem", "translation of clients", "is not configured", "discover")
    known = Scene(host=host, settings='translation.prefixes = ["64:ff9b::/96", "64:ff9b:1::/48"]')
    assert not any("of clients" in line.subject for line in known.lines("milter64"))


def seen(prefix: str, origin: Origin, *clients: str) -> Scene:
    return Scene(sightings=(Sighting(prefix=prefix, origin=origin, clients=frozenset(clients), latest=0),))


def test_clients_that_came_so_earlier_by_the_services_records() -> None:
    undecoded = seen("64:ff9b:1::/96", Origin.UNDECODED, *(f"64:ff9b:1::c01f:c4{n}" for n in range(10, 17)))
    lines = undecoded.lines("milter64")
    check(lines, "problem", "translation of clients", "is not configured", "discover")
    assert [len(line.evidence) for line in lines if line.subject == "translation of clients"] == [5]
    native = seen("2001:db8:64::/96", Origin.IPV6, "2001:db8:64::c01f:c40a")
    subject = "translation of clients from 2001:db8:64::/96"
    check(native.lines("milter64"), "warning", subject, "taken for native IPv6", "if it is a translator's, add")
    for scene in (undecoded, native):
        known = replace(scene, settings='translation.prefixes = ["2001:db8:64::/96", "64:ff9b:1::/96"]')
        assert not any("of clients" in line.subject for line in known.lines("milter64"))


@pytest.mark.parametrize(
    ("clock", "level", "reason", "remedy"),
    [
        (Clock(now=86400.0, synchronised=True), "problem", "it shows 1970-01-02", "set it"),
        (Clock(now=1795000000.0, synchronised=False), "warning", "nothing keeps it right", "chrony"),
    ],
)
def test_the_clock(clock: Clock, level: str, reason: str, remedy: str) -> None:
    check(Scene(host=replace(HOST, clock=clock)).lines("milter64"), level, "clock", reason, remedy)


def on_link(destination: str, gateway: str = "") -> Scene:
    route = Route(family="IPv6", destination=destination, interface="eth1", gateway=gateway)
    host = replace(HOST, routes=(*HOST.routes, route))
    return Scene(host=host, settings='translation.prefixes = ["2001:db8:1::/48"]')


OVERLAP = "translation prefix 2001:db8:1::/48"
IN_PREFIX = replace(
    on_link("2001:db8:1::/48").host,
    addresses=(*ADDRESSES, Address(address="2001:db8:1::1", length=48, interface="eth1")),
)


@pytest.mark.parametrize(
    ("scene", "level"),
    [
        (on_link("2001:db8:2::/64"), "ok"),
        (on_link("2001:db8:1:5::/64"), "problem"),
        (on_link("2001:db8::/32"), "problem"),
        (on_link("2001:db8:1:5::/64", gateway="fe80::1"), "ok"),
        (on_link("2001:db8:1::/48"), "ok"),  # a translator's own interface
        (replace(on_link("2001:db8:1::/48"), host=IN_PREFIX), "problem"),
        (on_link("default"), "ok"),
    ],
)
def test_a_prefix_in_which_neighbours_live(scene: Scene, level: str) -> None:
    reason, remedy = ("native IPv6 hosts", "a prefix of its own") if level == "problem" else ("no link", "")
    check(scene.lines("milter64"), level, OVERLAP, reason, remedy)


def test_a_prefix_of_96_bits_is_nobodys_link() -> None:
    scene = replace(on_link("64:ff9b::/96"), settings="")
    assert not any("translation prefix" in line.subject for line in scene.lines("milter64"))
