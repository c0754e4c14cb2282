"""What smtpd_milter_maps, which goes before smtpd_milters, makes of milter64, on Postfixes made of tables."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from milter64.audit.facts.lookups import Known
from milter64.audit.facts.postconf import Postfix, Service
from milter64.audit.rules.postfix_settings import check, plan
from milter64.config.load_file import parse
from rig.scene import MAIN, smtpd

OURS, SIGNER = "inet:127.0.0.1:8864", "inet:localhost:8891"
TRANSLATED, FOUR, SIX = "64:ff9b::c01f:c40a", "192.31.196.10", "2001:db8::25"
OWN = ("127.0.0.1", "::1")
WHO = {
    TRANSLATED: f"{TRANSLATED} (a translated client)",
    FOUR: f"{FOUR} (an IPv4 client)",
    SIX: f"{SIX} (a native IPv6 client)",
}
TABLE = "cidr:/etc/postfix/maps"


def postfix(rows: Mapping[str, str] | str, *services: Service, **main: str) -> Postfix:
    return Postfix(
        directory=Path("/etc/postfix"),
        main={**MAIN, "smtpd_milters": f"{OURS}, {SIGNER}", "smtpd_milter_maps": TABLE, **main},
        services=(smtpd(), *services),
        lookups=Known(tables={TABLE: rows}),
    )


def troubles(postfix: Postfix, text: str = "") -> list[tuple[str, str]]:
    return [
        (trouble.where, trouble.what if trouble.breaks else f"? {trouble.what}")
        for trouble in check(postfix, parse(text)[0])
    ]


MAPS = "smtp/inet smtpd_milter_maps"
NOT_ASKED = "milter64 is not asked"
MISSING = f"{SIGNER} is not asked, which smtpd_milters has"
BEHIND = f"{SIGNER} comes before milter64, which takes its Authentication-Results for forged"


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ({}, []),
        ({TRANSLATED: "DISABLE"}, [f"it says DISABLE for {WHO[TRANSLATED]}: {NOT_ASKED}"]),
        ({TRANSLATED: "disable"}, [f"it says disable for {WHO[TRANSLATED]}: {NOT_ASKED}"]),
        ({SIX: "DISABLE"}, [f"it says DISABLE for {WHO[SIX]}: {NOT_ASKED}"]),
        ({FOUR: SIGNER}, [f"it says {SIGNER} for {WHO[FOUR]}: {NOT_ASKED}"]),
        (
            {FOUR: SIGNER, TRANSLATED: "DISABLE"},
            [
                f"it says DISABLE for {WHO[TRANSLATED]}: {NOT_ASKED}",
                f"it says {SIGNER} for {WHO[FOUR]}: {NOT_ASKED}",
            ],
        ),
        (
            {TRANSLATED: "DISABLE", SIX: "DISABLE"},
            [f"it says DISABLE for {WHO[TRANSLATED]} and {WHO[SIX]}: {NOT_ASKED}"],
        ),
        (dict.fromkeys(OWN, "DISABLE"), []),
        (dict.fromkeys(OWN, SIGNER), []),
        ({TRANSLATED: OURS}, [f"? it says {OURS} for {WHO[TRANSLATED]}: {MISSING}"]),
        ({TRANSLATED: f"{OURS}, {SIGNER}", SIX: f"{OURS} {SIGNER}"}, []),
        ({TRANSLATED: f"{SIGNER}, {OURS}"}, [BEHIND]),
        ({TRANSLATED: f"{OURS}, {SIGNER}, {OURS}"}, ["milter64 is asked more than once"]),
        ("no such file", [f"? it can't be asked, and goes before smtpd_milters: {TABLE}: no such file"]),
    ],
)
def test_the_map_is_asked_for_each_kind_of_client(rows: Mapping[str, str] | str, found: list[str]) -> None:
    assert troubles(postfix(rows)) == [(MAPS, what) for what in found]


def test_a_list_of_the_map_has_values_of_its_own() -> None:
    rows = {SIX: f"{{ {OURS}, default_action=accept }}, {SIGNER}"}
    assert [where for where, _ in troubles(postfix(rows))] == ["smtp/inet milter_default_action"]


def test_of_a_family_that_postfix_has_not_nobody_is_asked_about() -> None:
    assert troubles(postfix({FOUR: "DISABLE"}, smtpd_milters="inet:[::1]:8864", inet_protocols="ipv6")) == []


def test_every_prefix_has_its_translated_client() -> None:
    rows = {"2001:db8:64::c01f:c40a": "DISABLE"}
    text = 'translation.prefixes = ["64:ff9b::/96", "2001:db8:64::/96"]'
    assert troubles(postfix(rows)) == []
    assert troubles(postfix(rows), text)[0][1].startswith("it says DISABLE for 2001:db8:64::c01f:c40a (a translated")


def test_a_map_that_names_us_for_all_does_what_smtpd_milters_else_does() -> None:
    everybody = postfix(dict.fromkeys((TRANSLATED, FOUR, SIX), OURS), smtpd_milters="")
    assert (troubles(everybody), plan(everybody, parse("")[0])) == ([], ())
    some = postfix({TRANSLATED: OURS}, smtpd_milters="")
    assert troubles(some) == [("smtp/inet", NOT_ASKED)]
    assert len(plan(some, parse("")[0])) == 1


def test_a_front_may_have_no_map() -> None:
    fronts = postfix({TRANSLATED: "DISABLE"}, smtpd("192.0.2.25:smtp", smtpd_milter_maps=""))
    assert [where for where, _ in troubles(fronts)] == [MAPS]


@pytest.mark.parametrize(
    ("service", "rows", "what"),
    [
        (smtpd("submission", smtpd_milters=""), {TRANSLATED: OURS}, f"it says {OURS} for {TRANSLATED}: users' mail"),
        (smtpd("submission", smtpd_milters="", smtpd_milter_maps=""), {TRANSLATED: OURS}, ""),
        (smtpd("submission", smtpd_milters=""), {TRANSLATED: SIGNER}, ""),
        (smtpd("127.0.0.1:10025", smtpd_milters=""), {"127.0.0.1": OURS}, f"it says {OURS} for 127.0.0.1: mail that"),
        (smtpd("127.0.0.1:10025", smtpd_milters=""), {TRANSLATED: OURS}, ""),
    ],
)
def test_who_is_not_to_be_judged_is_not_by_the_map_either(service: Service, rows: dict[str, str], what: str) -> None:
    found = [each for each in check(postfix(rows, service), parse("")[0]) if each.where.startswith(service.key)]
    assert [each.what[: len(what)] for each in found] == ([what] if what else [])
    assert all(each.remedy == "in master.cf, set -o smtpd_milter_maps= for it" for each in found)
