from dataclasses import replace

import pytest

from milter64.audit.facts.facts import Translators
from milter64.audit.facts.host import Address
from rig.scene import (
    ADDRESSES,
    FOUR,
    FOUR_OUT,
    HOST,
    ON_LINK,
    OTHER_FOUR,
    OTHER_SIX,
    SERVICES,
    SIX,
    SIX_OUT,
    ZONE,
    Scene,
    check,
    pointer,
    service,
    smtpd,
)

FAMILIES = "families of smtp, relay"
SOURCE_FOUR, SOURCE_SIX = "IPv4 source of smtp, relay", "IPv6 source of smtp, relay"


def test_a_sound_host() -> None:
    assert [(line.level.value, line.subject, line.reason) for line in Scene().lines("outbound")] == [
        ("ok", SOURCE_FOUR, f"{FOUR}, by the kernel"),
        ("ok", f"PTR of {FOUR}", "mx.example.org, which leads back"),
        ("ok", f"EHLO name from {FOUR}", f"mx.example.org leads to {FOUR}"),
        ("ok", f"SPF of EHLO mx.example.org from {FOUR}", "pass: a of mx.example.org"),
        ("ok", f"SPF of example.org from {FOUR}", f"pass: ip4:{FOUR} of example.org"),
        ("ok", SOURCE_SIX, f"{SIX}, by the kernel"),
        ("ok", f"PTR of {SIX}", "mx.example.org, which leads back"),
        ("ok", f"EHLO name from {SIX}", f"mx.example.org leads to {SIX}"),
        ("ok", f"SPF of EHLO mx.example.org from {SIX}", "pass: a of mx.example.org"),
        ("ok", f"SPF of example.org from {SIX}", f"pass: ip6:{SIX} of example.org"),
        ("ok", FAMILIES, "IPv4 and IPv6, in any order: both are ready"),
    ]


# The address that is sent from

TWO = replace(
    HOST,
    addresses=(
        *ADDRESSES,
        Address(address=OTHER_FOUR, length=24, interface="eth0"),
        Address(address=OTHER_SIX, length=64, interface="eth0", flags=frozenset({"temporary"})),
    ),
)
SECOND = replace(TWO, sources={"IPv4": OTHER_FOUR, "IPv6": SIX})
TEMPORARY = replace(TWO, sources={"IPv4": FOUR, "IPv6": OTHER_SIX})
PRIVATE = replace(
    HOST,
    addresses=(
        Address(address="10.0.0.25", length=24, interface="eth0"),
        Address(address="fd00::25", length=64, interface="eth0"),
    ),
    sources={"IPv4": "10.0.0.25", "IPv6": "fd00::25"},
)
OUTSIDE = {"proxy_interfaces": f"nat.example.org {FOUR} {SIX}"}


SIX_OUTSIDE = {"proxy_interfaces": SIX}
BOUND = {"smtp_bind_address6": SIX}


def main(**settings: str) -> Scene:
    return Scene(host=TWO, main=settings)


@pytest.mark.parametrize(
    ("scene", "level", "subject", "reason", "remedy"),
    [
        (main(smtp_bind_address=FOUR), "ok", SOURCE_FOUR, f"{FOUR}, by smtp_bind_address", ""),
        (main(smtp_bind_address6=f"[{SIX}]"), "ok", SOURCE_SIX, f"{SIX}, by smtp_bind_address6", ""),
        (main(smtp_bind_address="192.0.2.9"), "problem", SOURCE_FOUR, "no interface has it", "set smtp_bind_address"),
        (main(smtp_bind_address="192.0.2.9"), "warning", f"{SOURCE_FOUR}, in fact", f"{FOUR}, by the kernel", "set"),
        (main(smtp_bind_address="192.0.2.9"), "problem", FAMILIES, "IPv4 is not ready", "mend"),
        (main(inet_interfaces=f"{FOUR}, ::1"), "ok", SOURCE_FOUR, f"{FOUR}, by inet_interfaces", ""),
        (main(inet_interfaces=f"[{OTHER_SIX}] {FOUR}"), "problem", SOURCE_SIX, "by inet_interfaces: it is temp", "set"),
        (main(inet_interfaces=f"{FOUR} {OTHER_FOUR}"), "warning", SOURCE_FOUR, "by the kernel; there are 2", "set"),
        (main(inet_interfaces=f"localhost, {FOUR}"), "warning", SOURCE_FOUR, f"{FOUR}, by the kernel", ""),
        (main(inet_interfaces="127.0.0.1"), "warning", SOURCE_FOUR, f"{FOUR}, by the kernel", ""),
        (main(inet_interfaces="loopback-only"), "warning", SOURCE_FOUR, f"{FOUR}, by the kernel", ""),
        (
            main(inet_interfaces=FOUR, smtp_bind_address="0.0.0.0"),
            "warning",
            SOURCE_FOUR,
            f"{FOUR}, by the kernel",
            f"set smtp_bind_address = {FOUR}",
        ),
        (main(), "warning", SOURCE_SIX, "there are 2, and the next start", f"smtp_bind_address6 = {SIX}"),
        (Scene(host=TEMPORARY), "problem", SOURCE_SIX, "it is temporary, and no PTR", f"smtp_bind_address6 = {SIX}"),
        (Scene(host=PRIVATE), "warning", "IPv4 outside", "10.0.0.25 is of private use", "proxy_interfaces"),
        (Scene(host=PRIVATE), "problem", "IPv6 outside", "fd00::25 is of private use", "an address of its own"),
        (Scene(host=PRIVATE, main=SIX_OUTSIDE), "warning", "IPv4 outside", "10.0.0.25 is of private use", "proxy"),
        (Scene(host=SECOND), "warning", SOURCE_FOUR, f"{OTHER_FOUR}, by", f"set smtp_bind_address = {OTHER_FOUR}"),
        (Scene(host=PRIVATE, main=OUTSIDE), "ok", f"PTR of {FOUR}", "leads back", ""),
        (Scene(host=PRIVATE, main=OUTSIDE), "ok", f"SPF of example.org from {SIX}", "pass", ""),
        (Scene(main={"relayhost": "[smart.example]:587"}), "ok", "relayhost", "goes out by [smart.example]:587", ""),
    ],
)
def test_the_source_address(scene: Scene, level: str, subject: str, reason: str, remedy: str) -> None:
    check(scene.lines("outbound"), level, subject, reason, remedy)


def test_with_a_relayhost_the_rest_is_not_this_hosts_concern() -> None:
    assert len(Scene(main={"relayhost": "smart.example"}).lines("outbound")) == 1


def test_services_with_addresses_of_their_own_are_looked_at_one_by_one() -> None:
    bulk = service("bulk", smtp_bind_address=OTHER_FOUR, smtp_helo_name="bulk.example.org", inet_protocols="ipv4")
    scene = Scene(host=TWO, services=(*SERVICES, bulk), main={"smtp_bind_address": FOUR, "smtp_bind_address6": SIX})
    lines = scene.lines("outbound")
    check(lines, "ok", "IPv4 source of bulk", f"{OTHER_FOUR}, by smtp_bind_address", "")
    check(lines, "problem", f"PTR of {OTHER_FOUR}", "there is none", "have the provider")
    check(lines, "problem", f"EHLO name from {OTHER_FOUR}", "bulk.example.org does not lead", "bulk.example.org. A 192")
    check(lines, "problem", "families of bulk", "IPv4 only, and IPv4 is not ready", "mend the lines above")
    check(lines, "ok", FAMILIES, "both are ready", "")
    (see,) = (line.see for line in lines if line.subject == "IPv4 source of bulk")
    assert see == "postconf -P bulk/unix/smtp_bind_address"


# What the world sees of it

PTR_SIX = f"{pointer(SIX)} PTR mx.example.org"
EXAMPLE = f"example.org TXT v=spf1 ip4:{FOUR} ip6:{SIX} -all"
BIG = " ".join(f"include:i{n}.example.org" for n in range(11))
SPF_FOUR, SPF_SIX = f"SPF of example.org from {FOUR}", f"SPF of example.org from {SIX}"
EHLO_SPF = f"SPF of EHLO mx.example.org from {SIX}"


def spf(record: str) -> Scene:
    return Scene(zone=ZONE.replace(EXAMPLE, f"example.org TXT {record}" if record else ""))


def ehlo_spf(record: str) -> Scene:
    return Scene(zone=ZONE.replace("TXT v=spf1 a -all", f"TXT {record}"))


DEEP = ZONE.replace(EXAMPLE, f"example.org TXT v=spf1 include:spf.example.net -all\n spf.{EXAMPLE}").replace(
    "spf.example.org", "spf.example.net"
)


@pytest.mark.parametrize(
    ("scene", "level", "subject", "reason", "remedy"),
    [
        (Scene(zone=ZONE.replace(PTR_SIX, "")), "problem", f"PTR of {SIX}", "there is none; many servers refuse", "mx"),
        (Scene(failing=[pointer(SIX)]), "problem", f"PTR of {SIX}", "DNS gives no answer", "reverse zone"),
        (Scene(main={"smtp_helo_name": "x.example"}), "problem", f"EHLO name from {SIX}", "x.example does not", "AAAA"),
        (Scene(failing=["mx.example.org"]), "problem", f"EHLO name from {SIX}", "DNS gives no answer", "mend the"),
        (Scene(main={"smtp_helo_name": "mx"}), "problem", f"EHLO name from {SIX}", "mx is no full name", "myhostname"),
        (spf(f"v=spf1 ip4:{FOUR} -all"), "problem", SPF_SIX, "fail: ", f"add ip6:{SIX} to that of example.org"),
        (spf(f"v=spf1 ip6:{SIX} ~all"), "problem", SPF_FOUR, "softfail: ", f"add ip4:{FOUR}"),
        (spf(f"v=spf1 ip4:{FOUR} ?all"), "problem", SPF_SIX, "neutral: ", f"with ip6:{SIX} in it"),
        (spf(f"v=spf1 ip6:{SIX} ?all"), "warning", SPF_FOUR, "neutral: ", f"with ip4:{FOUR} in it"),
        (spf(""), "problem", SPF_SIX, "none: no SPF record", f'"v=spf1 ip6:{SIX} -all"'),
        (spf(""), "warning", SPF_FOUR, "none: no SPF record", f'"v=spf1 ip4:{FOUR} -all"'),
        (spf("v=spf1 bogus -all"), "problem", SPF_FOUR, "permerror: ", "mend the record of example.org"),
        (spf(f"v=spf1 {BIG} ip4:{FOUR} -all"), "problem", SPF_FOUR, "permerror: ", "mend the record"),
        (Scene(zone=DEEP), "ok", SPF_SIX, f"pass: ip6:{SIX} of spf.example.net", ""),
        (Scene(zone=DEEP, failing=["spf.example.net"]), "problem", SPF_SIX, "DNS gives no answer", "nameservers"),
        (ehlo_spf("other"), "warning", EHLO_SPF, "none: ", "publish mx.example.org. TXT"),
        (ehlo_spf("v=spf1 -all"), "problem", EHLO_SPF, "fail: ", f"add ip6:{SIX}"),
    ],
)
def test_what_receivers_ask(scene: Scene, level: str, subject: str, reason: str, remedy: str) -> None:
    check(scene.lines("outbound"), level, subject, reason, remedy)


def test_every_sending_domain_is_asked_about() -> None:
    scene = Scene(domains=("example.org", "example.net"), zone=f"{ZONE}\n example.net TXT v=spf1 -all")
    lines = scene.lines("outbound")
    check(lines, "ok", SPF_SIX, "pass", "")
    check(lines, "problem", f"SPF of example.net from {SIX}", "fail", "example.net")
    check(lines, "problem", f"SPF of example.net from {FOUR}", "fail", "example.net")


def test_the_directive_that_spoke_is_evidence() -> None:
    (line,) = (line for line in spf("v=spf1 -all").lines("outbound") if line.subject == SPF_SIX)
    assert line.evidence == ("-all in the record of example.org",)


# Which family, and whether that can end in a refusal

NO_PTR = ZONE.replace(PTR_SIX, "")
NO_PTR_FOUR = ZONE.replace(f"{pointer(FOUR)} PTR mx.example.org", "")
FOUR_ZONE = ZONE.replace(f"mx.example.org AAAA {SIX}", "")
NO_SIX = replace(HOST, addresses=ADDRESSES[:3], routes=(FOUR_OUT, *ON_LINK), sources={"IPv4": FOUR})
HALF_SIX = replace(HOST, routes=(FOUR_OUT, *ON_LINK), sources={"IPv4": FOUR})
SIX_ONLY = replace(HOST, addresses=ADDRESSES[3:], routes=(SIX_OUT, *ON_LINK), sources={"IPv6": SIX})
NAT64 = Translators(prefixes=("64:ff9b::/96",))
BY_NAT64 = Scene(host=SIX_ONLY, translators=NAT64, main=OUTSIDE)
PIN = 'postconf -P "smtp/unix/inet_protocols=ipv4" "relay/unix/inet_protocols=ipv4"'


def protocols(value: str, scene: Scene) -> Scene:
    return replace(scene, main={**scene.main, "inet_protocols": value})


def prefer(value: str, scene: Scene) -> Scene:
    return replace(scene, main={**scene.main, "smtp_address_preference": value})


@pytest.mark.parametrize(
    ("scene", "level", "reason", "remedy"),
    [
        (prefer("ipv4", Scene()), "ok", "IPv4, then IPv6: both are ready", ""),
        (prefer("ipv6", Scene()), "ok", "IPv6, then IPv4: both are ready", ""),
        (protocols("ipv4", Scene(zone=NO_PTR)), "ok", "IPv4 only: it is ready", ""),
        (protocols("ipv6, ipv4", Scene()), "ok", "IPv4 and IPv6, in any order: both", ""),
        (protocols("ipv6", Scene()), "warning", "IPv6 only: hosts with IPv4 alone", "NAT64"),
        (protocols("ipv6", Scene(zone=NO_PTR)), "problem", "IPv6 only, and IPv6 is not ready", "mend the lines"),
        (Scene(zone=NO_PTR), "problem", "IPv6 is not ready: a refusal over IPv6 ends the delivery", PIN),
        (spf(f"v=spf1 ip4:{FOUR} -all"), "problem", "IPv6 is not ready", "-o inet_protocols=ipv4 in master.cf"),
        (prefer("ipv4", Scene(zone=NO_PTR)), "problem", "smtp_address_preference = ipv4 only orders", PIN),
        (Scene(zone=NO_PTR_FOUR), "problem", "IPv4 is not ready: mail will be refused", "mend the lines"),
        (spf("v=spf1 -all"), "problem", "IPv4 and IPv6 are not ready", "mend the lines above"),
        (Scene(host=NO_SIX, zone=FOUR_ZONE), "warning", "IPv6 has no way out", PIN),
        (Scene(host=NO_SIX), "problem", "IPv6 has no way out", PIN),
        (Scene(host=HALF_SIX, zone=FOUR_ZONE), "problem", "IPv6 has no way out", PIN),
        (Scene(host=HALF_SIX, main=BOUND), "problem", "IPv6 has no way out", PIN),
        (Scene(host=replace(HOST, sources={"IPv4": FOUR}), main=BOUND), "ok", "both are ready", ""),  # by source
        (prefer("ipv4", Scene(host=HALF_SIX)), "problem", "ipv4 only orders", PIN),
        (Scene(host=replace(HOST, sources={})), "problem", "no way out by IPv4 and IPv6", "default route"),
        (
            protocols("ipv6", Scene(host=NO_SIX)),
            "problem",
            "IPv6 only, and there is no way out by IPv6",
            "other family",
        ),
        (Scene(host=SIX_ONLY), "warning", "most of the world, can't be reached", "NAT64"),
        (
            Scene(host=SIX_ONLY, translators=Translators(trouble="NXDOMAIN from ::1")),
            "warning",
            "can't be reached, unless by NAT64, of which nothing is known: NXDOMAIN from ::1",
            "NAT64",
        ),
        (BY_NAT64, "ok", "IPv4 and IPv6, in any order: both are ready", ""),
        (protocols("ipv6", BY_NAT64), "ok", "IPv6 only, IPv4 by NAT64: both are ready", ""),
        (
            replace(BY_NAT64, zone=NO_PTR_FOUR),
            "problem",
            "IPv4 is not ready",
            "mend the lines",
        ),
    ],
)
def test_the_families(scene: Scene, level: str, reason: str, remedy: str) -> None:
    check(scene.lines("outbound"), level, FAMILIES, reason, remedy)


def test_services_that_are_pinned_say_so_each_with_its_own_commands() -> None:
    services = (smtpd(), service("smtp", inet_protocols="ipv4"), service("relay"))
    lines = Scene(services=services, zone=NO_PTR).lines("outbound")
    check(lines, "ok", "families of smtp", "IPv4 only: it is ready", "")
    check(lines, "problem", "families of relay", "IPv6 is not ready", 'postconf -P "relay/unix/inet_protocols=ipv4" &&')
    (see,) = (line.see for line in lines if line.subject == "families of smtp")
    assert see == "postconf -P smtp/unix/inet_protocols; postconf smtp_address_preference"


def test_what_speaks_against_a_family_is_evidence() -> None:
    (line,) = (line for line in Scene(zone=NO_PTR).lines("outbound") if line.subject == FAMILIES)
    assert line.evidence == ("inet_protocols = all", "smtp_address_preference = any", f"PTR of {SIX}")


@pytest.mark.parametrize(
    ("settings", "level", "reason", "remedy"),
    [
        ({}, "warning", "see the translator of 64:ff9b::/96, and nothing says", "proxy_interfaces"),
        (OUTSIDE, "ok", f"by 64:ff9b::/96; hosts with IPv4 alone see {FOUR}", ""),
    ],
)
def test_a_host_that_sends_through_nat64(settings: dict[str, str], level: str, reason: str, remedy: str) -> None:
    scene = Scene(host=SIX_ONLY, translators=NAT64, main=settings)
    check(scene.lines("outbound"), level, "IPv4 by NAT64", reason, remedy)


def test_a_host_whose_address_is_mapped_is_seen_by_that_address() -> None:
    settings = f'translation.explicit = [{{ ipv4 = "{OTHER_FOUR}", ipv6 = "{SIX}" }}]'
    lines = Scene(host=SIX_ONLY, translators=NAT64, main=OUTSIDE, settings=settings).lines("outbound")
    check(lines, "ok", "IPv4 by NAT64", f"hosts with IPv4 alone see {OTHER_FOUR}", "")
    check(lines, "problem", f"PTR of {OTHER_FOUR}", "there is none", "")
    assert not any(FOUR in line.subject for line in lines)


def test_a_postfix_whose_services_are_not_known_sends_by_smtp() -> None:
    check(Scene(services=()).lines("outbound"), "ok", "families of smtp", "both are ready", "")


def test_of_a_name_that_is_none_no_spf_is_asked_for() -> None:
    lines = Scene(main={"smtp_helo_name": "mx."}).lines("outbound")
    assert not any(line.subject.startswith("SPF of EHLO") for line in lines)
