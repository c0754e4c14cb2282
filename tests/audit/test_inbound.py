from dataclasses import replace

import pytest

from milter64.audit.facts.host import Address, Listener
from rig.scene import (
    ADDRESSES,
    FOUR,
    FOUR_OUT,
    HOST,
    LISTENERS,
    ON_LINK,
    OTHER_FOUR,
    OTHER_SIX,
    SIX,
    SIX_OUT,
    ZONE,
    Doors,
    Scene,
    check,
    pointer,
)

WITHOUT_SIX = replace(
    HOST,
    addresses=tuple(each for each in ADDRESSES if each.address != SIX),
    routes=(FOUR_OUT, *ON_LINK),
    sources={"IPv4": FOUR},
)
BEHIND_NAT = replace(
    HOST,
    addresses=(Address(address="10.0.0.25", length=24, interface="eth0"), *ADDRESSES[3:]),
    sources={"IPv4": "10.0.0.25", "IPv6": SIX},
)
SIIT = replace(
    HOST,
    addresses=(ADDRESSES[3], ADDRESSES[4], Address(address="2001:db8:25::4:25", length=64, interface="eth0")),
    routes=(SIX_OUT, *ON_LINK),
    sources={"IPv6": SIX},
)
MAPPING = f'translation.explicit = [{{ ipv4 = "{FOUR}", ipv6 = "2001:db8:25::4:25" }}]'


def flagged(*flags: str) -> Scene:
    addresses = [replace(each, flags=frozenset(flags)) if each.address == SIX else each for each in ADDRESSES]
    return Scene(host=replace(HOST, addresses=tuple(addresses)))


def test_a_sound_host() -> None:
    assert [(line.level.value, line.subject, line.reason) for line in Scene().lines("inbound")] == [
        ("ok", "MX of example.org", "10 mx.example.org"),
        ("ok", "A of mx.example.org", f"{FOUR}: eth0 has it"),
        ("ok", f"port 25 of {FOUR}", "answers 220 mx.example.org ESMTP Postfix"),
        ("ok", f"PTR of {FOUR}", "mx.example.org, which leads back"),
        ("ok", "AAAA of mx.example.org", f"{SIX}: eth0 has it"),
        ("ok", f"port 25 of {SIX}", "answers 220 mx.example.org ESMTP Postfix"),
        ("ok", f"PTR of {SIX}", "mx.example.org, which leads back"),
        ("ok", "IPv4 default route", "via 192.0.2.1 on eth0"),
        ("ok", "IPv6 default route", "via fe80::1 on eth0"),
        ("ok", "ports open to IPv6 alone", "none"),
    ]


NO_MX = Scene(zone=ZONE.replace("example.org MX 10 mx.example.org", f"example.org A {FOUR}"))
NULL_MX = Scene(zone=ZONE.replace("MX 10 mx.example.org", "MX 0 ."))
ALIAS = Scene(zone=f"{ZONE}\n mail.example.org CNAME mx.example.org".replace("MX 10 mx", "MX 10 mail"))
NO_ADDRESS = Scene(zone=f"{ZONE}\n example.org MX 20 gone.example.org")
BACKUP = Scene(zone=f"{ZONE}\n example.org MX 20 backup.example.net\n backup.example.net A 203.0.113.1")
ELSEWHERE = Scene(
    zone="example.org MX 10 in.example.net\n in.example.net A 203.0.113.1", main={"myhostname": "out.example.org"}
)


@pytest.mark.parametrize(
    ("scene", "level", "subject", "reason", "remedy"),
    [
        (NO_MX, "warning", "MX of example.org", "fall back to the domain's own", "example.org. MX 10 mx.example.org."),
        (NO_MX, "ok", "A of example.org", "eth0 has it", ""),
        (NULL_MX, "ok", "MX of example.org", "RFC 7505", ""),
        (
            ALIAS,
            "problem",
            "addresses of mail.example.org",
            "alias of mx.example.org",
            "let the MX name mx.example.org",
        ),
        (ALIAS, "ok", "A of mail.example.org", "eth0 has it", ""),
        (NO_ADDRESS, "problem", "addresses of gone.example.org", "neither A nor AAAA", "publish the addresses"),
        (BACKUP, "ok", "addresses of backup.example.net", "another host's: 203.0.113.1", ""),
        (ELSEWHERE, "warning", "MX that are this host", "no MX is named out.example.org", "proxy_interfaces"),
        (Scene(failing=["MX example.org"]), "problem", "MX of example.org", "SERVFAIL", "mend the resolver"),
        (Scene(failing=["mx.example.org"]), "problem", "AAAA of mx.example.org", "SERVFAIL", "mend the resolver"),
    ],
)
def test_what_is_published(scene: Scene, level: str, subject: str, reason: str, remedy: str) -> None:
    check(scene.lines("inbound"), level, subject, reason, remedy)


@pytest.mark.parametrize("failing", ["A in.example.net", "AAAA in.example.net"])
def test_a_host_of_which_dns_does_not_tell_all_is_not_said_to_lack_what_is_not_known(failing: str) -> None:
    lines = replace(ELSEWHERE, zone="example.org MX 10 in.example.net", failing=[failing]).lines("inbound")
    check(lines, "problem", failing.replace(" ", " of "), "DNS gives no answer", "mend the resolver")
    told = {line.subject for line in lines}
    assert not told & {"addresses of in.example.net", "MX that are this host"}


AAAA, A = "AAAA of mx.example.org", "A of mx.example.org"
PRIVATE_A = Scene(zone=ZONE.replace(f"A {FOUR}", "A 10.0.0.25"), host=BEHIND_NAT)
NAT = Scene(host=BEHIND_NAT, main={"proxy_interfaces": f"[{FOUR}], 192.0.2.99"})
ADDRESS_OF_MAPPING = Scene(host=SIIT, settings=MAPPING)


@pytest.mark.parametrize(
    ("scene", "level", "subject", "reason", "remedy"),
    [
        (Scene(host=WITHOUT_SIX), "problem", AAAA, "no interface here has it", "take the AAAA record away"),
        (Scene(host=BEHIND_NAT), "problem", A, "no interface here has it", "name it in Postfix's proxy_interfaces"),
        (PRIVATE_A, "problem", A, "10.0.0.25 is of private use", "publish the address that the world reaches"),
        (NAT, "ok", A, f"{FOUR}: the outside of a NAT, by proxy_interfaces", ""),
        (ADDRESS_OF_MAPPING, "ok", A, "it stands for 2001:db8:25::4:25, by translation.explicit", ""),
        (Scene(host=SIIT), "problem", A, "no interface here has it", ""),
        (flagged("dadfailed", "tentative"), "problem", AAAA, "eth0 may not use", "take the address from the other"),
        (flagged("tentative"), "problem", AAAA, "eth0 may not use", ""),
        (flagged("temporary", "mngtmpaddr"), "warning", AAAA, "it is temporary", "publish an address that stays"),
        (flagged("deprecated"), "warning", AAAA, "it is deprecated", ""),
        (flagged("nodad"), "ok", AAAA, "eth0 has it", ""),
    ],
)
def test_whether_an_address_is_this_hosts(scene: Scene, level: str, subject: str, reason: str, remedy: str) -> None:
    check(scene.lines("inbound"), level, subject, reason, remedy)


def test_nothing_more_is_asked_about_an_address_that_is_not_here() -> None:
    assert not any(SIX in line.subject for line in Scene(host=WITHOUT_SIX).lines("inbound"))


NO_WAY_OUT = replace(HOST, routes=ON_LINK, sources={"IPv4": FOUR})
UNREACHABLE = replace(HOST, routes=(FOUR_OUT, replace(SIX_OUT, leads=False)), sources={"IPv4": FOUR})
POLICY = replace(HOST, routes=(FOUR_OUT,))
NOBODY = Doors(greetings={FOUR: None})
FOUR_ONLY = ZONE.replace(f"mx.example.org AAAA {SIX}", "")
ROUTE = "IPv6 default route"


@pytest.mark.parametrize(
    ("scene", "level", "subject", "reason", "remedy"),
    [
        (Scene(host=NO_WAY_OUT), "problem", ROUTE, f"none: whoever calls {SIX}", "add the route, or take the AAAA"),
        (Scene(host=UNREACHABLE), "problem", ROUTE, "none: whoever calls", ""),
        (Scene(host=WITHOUT_SIX), "problem", ROUTE, "none: whoever calls", ""),
        (Scene(host=WITHOUT_SIX, zone=FOUR_ONLY), "ok", ROUTE, "none, and no IPv6 address", ""),
        (Scene(host=POLICY), "ok", ROUTE, f"none in the main table, and yet {SIX} has a way out", ""),
        (
            Scene(host=replace(HOST, routes=ON_LINK, sources={})),
            "problem",
            "IPv4 default route",
            "calls 192.0.2.25",
            "",
        ),
        (ADDRESS_OF_MAPPING, "ok", "IPv4 default route", "none, and no IPv4 address of this host", ""),
    ],
)
def test_the_default_route_of_each_family(scene: Scene, level: str, subject: str, reason: str, remedy: str) -> None:
    check(scene.lines("inbound"), level, subject, reason, remedy)


@pytest.mark.parametrize(
    ("scene", "level", "subject", "reason", "remedy"),
    [
        (Scene(doors=Doors(greetings={SIX: None})), "problem", f"port 25 of {SIX}", "nobody answers", "inet_protocols"),
        (
            Scene(host=replace(HOST, listeners=()), doors=Doors(greetings={SIX: None})),
            "problem",
            f"port 25 of {SIX}",
            "nobody answers",
            "start Postfix (postfix start)",
        ),
        (
            replace(NAT, doors=Doors(greetings={FOUR: None})),
            "warning",
            f"port 25 of {FOUR}",
            "a NAT need not",
            "outside",
        ),
        (Scene(doors=Doors(greetings={SIX: "554 no"})), "problem", f"port 25 of {SIX}", "it refuses", "mail log"),
        (Scene(doors=Doors(greetings={SIX: "220"})), "warning", f"name on port 25 of {SIX}", "calls itself noth", "is"),
        (Scene(doors=Doors(greetings={SIX: "2200 x"})), "problem", f"port 25 of {SIX}", "it refuses", "mail log"),
        (
            Scene(doors=Doors(greetings={SIX: "220 Other.example ESMTP"})),
            "warning",
            f"name on port 25 of {SIX}",
            "it calls itself other.example, and the MX is mx.example.org",
            "smtpd_banner",
        ),
        (Scene(zone=ZONE.replace(pointer(SIX), "x")), "warning", f"PTR of {SIX}", "there is none", "mx.example.org"),
        (
            Scene(zone=ZONE.replace(f"{pointer(SIX)} PTR mx", f"{pointer(SIX)} PTR other")),
            "warning",
            f"PTR of {SIX}",
            "other.example.org does not lead back",
            f"give other.example.org the address {SIX}",
        ),
        (Scene(failing=[pointer(SIX)]), "warning", f"PTR of {SIX}", "DNS gives no answer", "reverse zone"),
    ],
)
def test_what_answers_and_by_which_name(scene: Scene, level: str, subject: str, reason: str, remedy: str) -> None:
    check(scene.lines("inbound"), level, subject, reason, remedy)


def test_a_server_with_two_names_may_greet_by_either() -> None:
    scene = Scene(doors=Doors(greetings={SIX: "220 MX.example.org ESMTP", FOUR: "220 real.example.org ESMTP"}))
    lines = replace(scene, main={"myhostname": "real.example.org"}).lines("inbound")
    assert not any("name on port 25" in line.subject for line in lines)


def test_postscreen_greets_in_two_lines() -> None:
    lines = Scene(doors=Doors(greetings={SIX: "220-mx.example.org ESMTP"})).lines("inbound")
    assert not any("name on port 25" in line.subject for line in lines)


def listening(*listeners: tuple[str, int]) -> Scene:
    more = tuple(Listener(address=address, port=port, program="redis") for address, port in listeners)
    return Scene(host=replace(BEHIND_NAT, listeners=(*LISTENERS, *more)), main={"proxy_interfaces": FOUR})


CLAT = replace(SIIT, addresses=(*SIIT.addresses, Address(address="192.0.0.1", length=32, interface="clat")))
CLAT_AND_MORE = replace(
    CLAT,
    addresses=(*CLAT.addresses, Address(address="10.0.0.25", length=24, interface="eth1")),
    listeners=(Listener(address="*", port=6379),),
)
PORTS = "ports open to IPv6 alone"


@pytest.mark.parametrize(
    ("scene", "level", "reason", "remedy"),
    [
        (
            Scene(host=replace(HOST, listeners=(Listener(address="::", port=6379),))),
            "warning",
            "6379: over IPv4",
            "::1",
        ),
        (
            Scene(host=replace(HOST, listeners=(Listener(address=SIX, port=80),))),
            "warning",
            "80: over IPv4",
            "firewall",
        ),
        (Scene(host=replace(HOST, listeners=(Listener(address="*", port=80),))), "ok", "none", ""),
        (Scene(host=replace(HOST, listeners=(Listener(address="::1", port=80),))), "ok", "none", ""),
        (Scene(host=replace(HOST, listeners=(Listener(address="::", port=25),))), "ok", "none", ""),
        (
            listening(("0.0.0.0", 6379), ("::", 6379)),
            "warning",
            "6379 redis: over IPv6 by everybody, over IPv4 only where a NAT",
            "for",
        ),
        (listening(), "ok", "22 sshd: the NAT before IPv4 may lead to them too", ""),
        (listening(("*", 443), ("*", 587)), "ok", "22 sshd, 443 redis, 587 redis: the NAT", ""),
        (Scene(host=CLAT), "ok", "22 sshd: the host has no IPv4", ""),
        (Scene(host=CLAT_AND_MORE), "warning", "6379: over IPv6 by everybody", "::1"),
        (Scene(host=SIIT), "ok", "22 sshd: the host has no IPv4", ""),
        (Scene(host=WITHOUT_SIX), "ok", "the host has no public IPv6 address", ""),
    ],
)
def test_ports_that_only_ipv6_opens(scene: Scene, level: str, reason: str, remedy: str) -> None:
    check(scene.lines("inbound"), level, PORTS, reason, remedy)


def test_two_domains_with_one_exchanger_are_looked_at_once() -> None:
    scene = Scene(domains=("example.org", "example.net"), zone=f"{ZONE}\n example.net MX 5 MX.example.org")
    subjects = [line.subject for line in scene.lines("inbound")]
    assert subjects.count(f"port 25 of {SIX}") == 1
    assert "MX of example.net" in subjects


def test_a_name_from_dns_is_quoted_in_the_command_to_see_it() -> None:
    scene = Scene(zone="example.org MX 10 $(id).example.org")
    sees = [line.see for line in scene.lines("inbound") if "$(id)" in line.subject]
    assert sees == ["dig +short A '$(id).example.org'; dig +short AAAA '$(id).example.org'"]


def test_other_addresses_of_the_host_are_nobodys_concern() -> None:
    lines = Scene().lines("inbound")
    assert not any(other in str(line) for line in lines for other in (OTHER_FOUR, OTHER_SIX))


def test_each_family_has_its_own_command() -> None:
    sees = {line.subject: line.see for line in Scene().lines("inbound") if "default route" in line.subject}
    assert sees == {"IPv4 default route": "ip -4 route show default", "IPv6 default route": "ip -6 route show default"}
