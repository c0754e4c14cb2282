"""Which way a mail to elsewhere takes, as a real Postfix routes it, whose services say who they are and where to."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from milter64.audit.facts.lookups import Known
from milter64.audit.facts.mail_routes import Route, going_out, routes
from milter64.audit.facts.postconf import Service, read
from rig.lab import Lab
from rig.postfix import Postfix
from rig.process import until
from rig.scene import SERVICES, Scene, check, service
from rig.smtp import Smtp

NAMES = ("smtp", "relay", "smart", "other")
TELLING = "{name} unix - n n - - pipe user=nobody argv={script} ${{nexthop}}"
SAYING = '#!/bin/sh\necho "next hop $1;"\nexit 67\n'
"""pipe(8) names itself, and what a command says that knows nobody."""
HERE, RELAY = "elsewhere.invalid", "[relay.example]:587"


@pytest.mark.parametrize(
    ("settings", "tables", "route"),
    [
        ({}, {}, ("smtp", "", "default_transport")),
        ({"relayhost": RELAY}, {}, ("smtp", RELAY, "relayhost")),
        ({"default_transport": f"smart:{RELAY}"}, {}, ("smart", RELAY, "default_transport")),
        ({"default_transport": f"smart:{RELAY}", "relayhost": "no.example"}, {}, ("smart", RELAY, "default_transport")),
        ({"default_transport": "smart", "relayhost": RELAY}, {}, ("smart", RELAY, "relayhost")),
        ({"default_transport": "smart"}, {}, ("smart", "", "default_transport")),
        ({"relay_transport": f"smart:{RELAY}"}, {}, ("smtp", "", "default_transport")),
        ({}, {"transport_maps": f"* smart:{RELAY}"}, ("smart", RELAY, "transport_maps")),
        ({}, {"transport_maps": f"* :{RELAY}"}, ("smtp", RELAY, "transport_maps")),
        ({"relayhost": RELAY}, {"transport_maps": "* other:"}, ("other", "", "transport_maps")),
        ({"relayhost": RELAY}, {"transport_maps": "* other"}, ("other", "", "transport_maps")),
        ({"relayhost": RELAY}, {"transport_maps": "* :"}, ("smtp", RELAY, "relayhost")),
        ({}, {"transport_maps": f"other.example smart:{RELAY}"}, ("smtp", "", "default_transport")),
        (
            {},
            {"sender_dependent_relayhost_maps": f"@lab.example {RELAY}"},
            ("smtp", RELAY, "sender_dependent_relayhost_maps"),
        ),
        ({}, {"sender_dependent_relayhost_maps": f"@other.example {RELAY}"}, ("smtp", "", "default_transport")),
        (
            {"relayhost": RELAY},
            {"sender_dependent_relayhost_maps": "@lab.example DUNNO"},
            ("smtp", RELAY, "relayhost"),
        ),
        (
            {"default_transport": f"smart:{RELAY}"},
            {"sender_dependent_relayhost_maps": "@lab.example no.example"},
            ("smart", RELAY, "default_transport"),
        ),
        (
            {"relayhost": "no.example"},
            {"sender_dependent_default_transport_maps": f"@lab.example other:{RELAY}"},
            ("other", RELAY, "sender_dependent_default_transport_maps"),
        ),
        (
            {"relayhost": RELAY},
            {"sender_dependent_default_transport_maps": "@lab.example other:"},
            ("other", RELAY, "relayhost"),
        ),
        (
            {},
            {"sender_dependent_default_transport_maps": "@lab.example other:"},
            ("other", "", "sender_dependent_default_transport_maps"),
        ),
        (
            {},
            {
                "sender_dependent_default_transport_maps": "@lab.example other:",
                "sender_dependent_relayhost_maps": f"postmaster@lab.example {RELAY}",
                "transport_maps": "postmaster@elsewhere.invalid relay:",
            },
            ("relay", "", "transport_maps"),
        ),
    ],
)
def test_the_route_is_postfixs(
    lab: Lab, settings: dict[str, str], tables: Mapping[str, str], route: tuple[str, str, str]
) -> None:
    values: dict[str, Any] = {"default_transport": "smtp", "relay_transport": "relay", **settings}
    for name, text in tables.items():
        (lab.folder / name).write_text(text + "\n")
        values[name] = f"texthash:{lab.folder / name}"
    values["smtpd_relay_restrictions"] = "permit_mynetworks, reject"
    script = lab.folder / "say"
    script.write_text(SAYING)
    script.chmod(0o755)
    postfix = lab.start(Postfix, services=[TELLING.format(name=name, script=script) for name in NAMES], **values)
    with Smtp("127.0.0.1", postfix.port) as client:
        client.ehlo()
        assert client.transaction("postmaster@lab.example", [f"postmaster@{HERE}"]).code == 250
    line = until(lambda: re.search(r"relay=(\w+), .*next hop (.*?);", postfix.output), "what became of it")
    transport, next_hop, by = route
    assert (line[1], line[2]) == (transport, next_hop or HERE)
    facts = replace(Scene(domains=("lab.example",)).facts(), postfix=read(postfix.queue.parent / "etc"))
    found, trouble = routes(facts)
    assert (found, trouble) == ({"lab.example": Route(transport=transport, next_hop=next_hop, by=by)}, "")


SMART = service("smart")
OTHER = service("other", smtp_bind_address="192.0.2.26")
AMAVIS = service("smtp-amavis", smtp_send_xforward_command="yes")
INSIDE = service("reinject", smtp_bind_address="127.0.0.1")


@pytest.mark.parametrize(
    ("services", "tables", "main", "found"),
    [
        ((), {}, {}, "smtp, relay"),
        ((OTHER,), {}, {}, "smtp, relay, other"),
        # Who feeds a filter on this host goes nowhere.
        ((AMAVIS,), {}, {"content_filter": "smtp-amavis:[127.0.0.1]:10024"}, "smtp, relay"),
        ((INSIDE,), {}, {}, "smtp, relay"),
        ((service("in6", smtp_bind_address6="[::1]"),), {}, {}, "smtp, relay"),
        # With a relay for all, the world sees nothing of this host.
        ((), {}, {"relayhost": RELAY}, ""),
        ((), {}, {"relayhost": RELAY, "relay_domains": "inside.example"}, ""),
        ((SMART,), {}, {"default_transport": f"smart:{RELAY}"}, ""),
        ((SMART,), {}, {"default_transport": f"smart:{RELAY}", "relay_domains": "inside.example"}, "relay"),
        ((SMART,), {"t": {"*": f"smart:{RELAY}"}}, {"transport_maps": "t"}, ""),
        ((SMART,), {"t": {"*": f"smart:{RELAY}"}}, {"transport_maps": "t", "relay_domains": "inside.example"}, ""),
        (
            (SMART,),
            {"t": {"*": f"smart:{RELAY}", "inside.example": "relay:"}},
            {"transport_maps": "t", "relay_domains": "inside.example"},
            "relay",
        ),
        # But for what has a way of its own.
        ((OTHER,), {}, {"relayhost": RELAY}, ""),
        ((OTHER,), {"t": {"big.example": "other:"}}, {"relayhost": RELAY, "transport_maps": "t"}, "other"),
        ((OTHER,), {"t": {"big.example": "other"}}, {"relayhost": RELAY, "transport_maps": "t"}, "other"),
        ((OTHER,), {"t": {"big.example": "other:[10.0.0.5]"}}, {"relayhost": RELAY, "transport_maps": "t"}, ""),
        ((OTHER,), {"t": {"big.example": "other:[10.0.0.5]"}}, {"transport_maps": "t"}, "smtp, relay"),
        ((OTHER,), {"t": "a database"}, {"relayhost": RELAY, "transport_maps": "t"}, "other"),
        ((), {}, {"default_transport": "error"}, ""),
    ],
)
def test_services_that_go_out_to_the_world(
    services: tuple[Service, ...], tables: dict[str, dict[str, str] | str], main: dict[str, str], found: str
) -> None:
    facts = Scene(services=(*SERVICES, *services), main=main, lookups=Known(tables=tables)).facts()
    assert ", ".join(each.name for each in going_out(facts, routes(facts)[0])) == found


def test_of_a_domain_that_goes_by_a_relay_no_spf_is_asked() -> None:
    lines = Scene(
        main={"sender_dependent_relayhost_maps": "s"},
        domains=("example.org", "example.net"),
        lookups=Known(tables={"s": {"@example.net": RELAY}}),
    ).lines("outbound")
    check(lines, "ok", "sender_dependent_relayhost_maps", f"mail from example.net goes out by {RELAY}", "")
    spf = {line.subject for line in lines if line.subject.startswith("SPF of example.")}
    assert spf == {"SPF of example.org from 192.0.2.25", "SPF of example.org from 2001:db8:25::25"}


def test_a_table_that_cannot_be_asked_is_told_of() -> None:
    lines = Scene(main={"transport_maps": "s"}, lookups=Known(tables={"s": "no such file"})).lines("outbound")
    check(lines, "warning", "routes", "is taken for empty: s: no such file", "as a user who may read it")
    check(lines, "ok", "families of smtp, relay", "both are ready", "")


def test_mail_that_is_left_to_another_kind_of_service_is_told_of() -> None:
    lines = Scene(main={"default_transport": "error:no"}).lines("outbound")
    assert [(line.subject, line.reason) for line in lines] == [
        ("default_transport", "all mail to elsewhere is left to error")
    ]


def test_a_service_that_goes_out_beside_a_relay_is_judged() -> None:
    scene = Scene(
        services=(*SERVICES, OTHER),
        main={"relayhost": RELAY, "transport_maps": "t"},
        lookups=Known(tables={"t": {"big.example": "other:"}}),
    )
    lines = scene.lines("outbound")
    check(lines, "ok", "relayhost", f"all mail goes out by {RELAY}, whose addresses", "")
    check(lines, "problem", "IPv4 source of other", "192.0.2.26, by smtp_bind_address, and no interface has it", "set")
    assert not any("smtp, relay" in line.subject for line in lines)
