"""What is said of Postfix's restrictions that refuse translated clients, or know nothing of them; from tables."""

from dataclasses import replace
from pathlib import Path

import pytest

from milter64.audit.facts.facts import Translators
from milter64.audit.facts.lookups import Known
from milter64.audit.facts.postconf import Postfix, Service
from milter64.audit.facts.smtpd_services import Case
from milter64.audit.report_line import Level
from milter64.audit.rules.blind_restrictions import blind_restrictions
from milter64.audit.rules.postfix_settings import Trouble
from milter64.config.load_file import parse
from rig.scene import HOST, Scene, service, smtpd

CLIENT, RECIPIENT = "smtpd_client_restrictions", "smtpd_recipient_restrictions"
KEY = "s3cr3tk3ys3cr3tk3y"
WIRE = "64:ff9b::1717:1717"
TABLES = {
    "hash:/refusing": {"64:ff9b": "REJECT no mail through translators"},
    "hash:/names": {"unknown": "REJECT who are you"},
    "hash:/good": {"unknown": "DUNNO", "64:ff9b::c01f:c40a": "REJECT"},
    "cidr:/all": dict.fromkeys((WIRE, "64:ff9b::5151:5151", "64:ff9b::9090:9090", "64:ff9b::cbcb:cbcb"), "554 no"),
}


def told(*services: Service, settings: str = "", **main: str) -> list[Trouble]:
    postfix = Postfix(
        directory=Path("/etc/postfix"), main=main, services=services or (smtpd(),), lookups=Known(tables=TABLES)
    )
    made, problems = parse(settings)
    assert not problems
    return list(blind_restrictions(Case(postfix, made)))


def short(troubles: list[Trouble]) -> list[str]:
    """Return where each is and what it is about; what breaks nothing has a question mark."""
    return [f"{'' if each.breaks else '? '}{each.where}: {each.what.partition(': ')[0]}" for each in troubles]


@pytest.mark.parametrize(
    "name",
    [
        CLIENT,
        "smtpd_helo_restrictions",
        "smtpd_sender_restrictions",
        "smtpd_relay_restrictions",
        RECIPIENT,
        "smtpd_data_restrictions",
        "smtpd_end_of_data_restrictions",
    ],
)
@pytest.mark.parametrize(
    "restriction",
    ["reject_unknown_client_hostname", "reject_unknown_client", "reject_unknown_reverse_client_hostname"],
)
def test_a_restriction_to_clients_with_names_is_found_in_every_list(name: str, restriction: str) -> None:
    (trouble,) = told(**{name: f"permit_mynetworks, {restriction}, reject_unauth_destination"})
    assert short([trouble]) == [f"{name}: {restriction}"]
    command = f"postconf -e '{name} = permit_mynetworks, reject_unauth_destination' && postfix reload"
    assert trouble.remedy == f"take it out of {name}: {command}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("permit_sasl_authenticated reject_unknown_client_hostname", ["reject_unknown_client_hostname"]),
        ("permit_mynetworks, permit, reject_unknown_client_hostname", []),
        ("permit_mynetworks, reject, reject_unknown_client_hostname", []),
        ("reject_unauth_destination, REJECT_UNKNOWN_CLIENT_HOSTNAME", ["reject_unknown_client_hostname"]),
        ("warn_if_reject permit, reject_unknown_client", ["reject_unknown_client"]),
        ("warn_if_reject reject_unknown_client", ["? warned of, reject_unknown_client"]),
        ("reject_rbl_client zen.example.net", ["? reject_rbl_client zen.example.net"]),
        ("reject_rbl_client=zen.example.net=127.0.0.2", ["? reject_rbl_client zen.example.net"]),
        (
            f"reject_rbl_client {KEY}.zen.example.net=127.0.0.[2..11]",
            ["? reject_rbl_client zen.example.net"],
        ),
        ("permit_dnswl_client wl.example.net", ["? permit_dnswl_client wl.example.net"]),
        ("reject_rhsbl_client dbl.example.net", ["? reject_rhsbl_client dbl.example.net"]),
        ("reject_rhsbl_reverse_client dbl.example.net", ["? reject_rhsbl_reverse_client dbl.example.net"]),
        ("reject_rhsbl_sender dbl.example.net, reject_rhsbl_helo dbl.example.net", []),
        ("check_policy_service inet:127.0.0.1:10023", ["? inet:127.0.0.1:10023"]),
        ("check_policy_service { unix:postgrey/socket, timeout=10s }", ["? { unix:postgrey/socket, timeout=10s }"]),
        ("check_policy_service unix:private/policyd-spf", ["unix:private/policyd-spf"]),
        ("check_policy_service inet:localhost:12340", []),
        ("check_client_access hash:/refusing", ["hash:/refusing"]),
        ("check_client_access cidr:/all", ["cidr:/all"]),
        ("check_client_access hash:/names", ["hash:/names"]),
        ("check_reverse_client_hostname_access hash:/names", ["hash:/names"]),
        ("check_reverse_client_hostname_access hash:/refusing", []),
        ("check_client_access hash:/good, check_sender_access hash:/refusing", []),
        ("hash:/refusing, permit_mynetworks", ["hash:/refusing"]),
        ("reject_unknown_sender_domain, reject_invalid_helo_hostname, reject_unknown_recipient_domain", []),
    ],
)
def test_each_restriction_is_known_by_what_it_does_to_strangers(value: str, expected: list[str]) -> None:
    found = [each.replace(f"{CLIENT}: ", "") for each in short(told(**{CLIENT: value}))]
    assert found == expected


def test_what_stands_in_master_cf_is_told_of_there_and_mended_there() -> None:
    own = smtpd("192.0.2.1:smtp", smtpd_client_restrictions="reject_unknown_client_hostname,permit")
    (trouble,) = told(smtpd(), own)
    assert trouble.where == f"192.0.2.1:smtp/inet {CLIENT}"
    assert f"postconf -P 192.0.2.1:smtp/inet/{CLIENT}=permit && postfix reload" in trouble.remedy


def test_a_list_of_main_cf_is_told_of_once_and_not_for_a_service_that_has_its_own() -> None:
    services = (
        smtpd(),
        smtpd("2525"),
        smtpd("submission", smtpd_client_restrictions="permit_sasl_authenticated,reject"),
    )
    assert short(told(*services, **{CLIENT: "reject_unknown_client"})) == [f"{CLIENT}: reject_unknown_client"]


@pytest.mark.parametrize(
    ("name", "value", "told_of"),
    [
        ("submission", "permit_sasl_authenticated,reject_unknown_client", False),
        ("submission", "reject_unknown_client,permit_sasl_authenticated", True),
        ("127.0.0.1:10025", "reject_unknown_client", False),
    ],
)
def test_users_who_authenticate_and_filters_are_no_strangers(name: str, value: str, told_of: bool) -> None:  # noqa: FBT001  a column
    assert bool(told(smtpd(name, smtpd_client_restrictions=value))) is told_of


@pytest.mark.parametrize("value", ["permit_mynetworks, greedy", "check_sender_access hash:/x"])
def test_a_class_is_a_list_whether_a_list_or_a_table_leads_to_it(value: str) -> None:
    classes = {"greedy": "other", "other": "reject_unknown_client, permit"}
    (trouble,) = told(
        settings="", smtpd_restriction_classes="greedy, other", smtpd_recipient_restrictions=value, **classes
    )
    assert trouble.where == "other"
    assert "postconf -e 'other = permit'" in trouble.remedy


def test_where_no_translator_is_configured_nobody_comes_through_one() -> None:
    assert told(settings="translation.prefixes = []", **{CLIENT: "reject_unknown_client"}) == []
    mapping = 'translation.prefixes = []\ntranslation.explicit = [{ ipv4 = "192.0.2.1", ipv6 = "2001:db8:a::1" }]'
    assert told(settings=mapping, **{CLIENT: "reject_unknown_client"})


def test_a_class_is_never_left_empty() -> None:
    """Postfix's smtpd would end: restriction class needs a definition."""
    (trouble,) = told(smtpd_restriction_classes="a", a="reject_unknown_client", **{CLIENT: "a"})
    assert trouble.remedy.endswith("postconf -e 'a = check_client_access static:DUNNO' && postfix reload")


def test_a_class_that_names_itself_ends() -> None:
    assert told(smtpd_restriction_classes="a", a="a, reject_unknown_client", **{CLIENT: "a"})


def test_several_in_one_list_go_together() -> None:
    value = "reject_unknown_client, reject_rbl_client a.example, reject_unauth_pipelining, reject_rbl_client b.example"
    commands = [trouble.remedy.rpartition("take it out of ")[2] for trouble in told(**{CLIENT: value})]
    line = f"one line for all that is said of {CLIENT}: postconf -e '{CLIENT} = reject_unauth_pipelining' && "
    assert commands == [f"{CLIENT}; {line}postfix reload"] * 3


def test_a_list_is_moved_to_milter64_unless_it_asks_it_already() -> None:
    (before,) = told(**{CLIENT: "reject_rbl_client bl.example.net"})
    assert before.remedy.startswith(
        "have milter64 ask it: printf '\\n[[dnslist]]\\nzone = \"bl.example.net\"\\n' >> /etc/milter64/milter64.toml "
        f"&& milter64 check-config && systemctl reload milter64; take it out of {CLIENT}: "
    )
    (after,) = told(settings='[[dnslist]]\nzone = "bl.example.net"\n', **{CLIENT: "reject_rbl_client bl.example.net"})
    assert after.remedy.startswith(f"take it out of {CLIENT}: ")


def test_a_key_is_shown_to_nobody() -> None:
    value = f"reject_rbl_client {KEY}.zen.example.net, reject_rhsbl_sender {KEY}.dbl.example.net"
    (trouble,) = told(**{CLIENT: value})
    assert KEY not in repr(trouble)
    assert trouble.remedy.endswith(f"take it out of {CLIENT}")


@pytest.mark.parametrize(
    ("rows", "count", "remedy"),
    [
        ("192.0.2.1 REJECT\n", 0, ""),
        ("8.8.8.0/24 REJECT\n", 1, "milter64 block 8.8.8.0/24"),
        ("# 9.9.9.9 OK\n8.8.4.4\tOK\n10.0.0.0/8 OK\n", 1, "milter64 allow 8.8.4.4/32"),
        ("8.8.4 550 no\n", 1, "milter64 block 8.8.4.0/24"),
        ("8.8.4.4 DUNNO\n", 1, "milter64 translate 8.8.4.4/32"),
        ("8.8.8.8 REJECT\n" * 4, 4, "milter64 block 8.8.8.8/32 ..."),
        ("2001:db8::/32 REJECT\nexample.com REJECT\n127.0.0.1 OK\n300.1.1.1 OK\n", 0, ""),
    ],
)
@pytest.mark.parametrize("kind", ["hash", "texthash", "proxy:hash"])
def test_rows_of_ipv4_match_nobody(tmp_path: Path, kind: str, rows: str, count: int, remedy: str) -> None:
    (tmp_path / "access").write_text(rows)
    found = told(**{CLIENT: f"check_client_access {kind}:{tmp_path}/access"})
    assert len(found) == bool(count)
    for each in found:
        assert (f"its {count} IPv4 rows" in each.what, each.breaks) == (True, False)
        assert each.remedy.endswith(remedy)
        assert ("postconf" in each.remedy, "take these out, row by row" in each.remedy) == (False, True)


def test_a_cidr_table_gets_one_in_wire_form_beside_it(tmp_path: Path) -> None:
    table = f"check_client_access cidr:{tmp_path}/clients"
    (tmp_path / "clients").write_text("8.8.8.0/24 REJECT\n")
    first, second = told(**{CLIENT: f"reject_unknown_client, {table}, permit_mynetworks"})
    after = f"{table}, {table}.wire, permit_mynetworks"
    line = f": milter64 translate <{tmp_path}/clients >{tmp_path}/clients.wire && postconf -e '{CLIENT} = {after}'"
    line = f"; one line for all that is said of {CLIENT}{line} && postfix reload"
    assert first.remedy == f"take it out of {CLIENT}{line}"
    assert second.remedy == f"have a table in wire form beside it{line}"
    assert told(**{CLIENT: after}) == []


SCREEN = service("smtp", type="inet", command="postscreen")
PASS = service("smtpd", type="pass", command="smtpd")


def test_postscreens_lists_are_moved_with_their_weight() -> None:
    sites = "zen.example.net=127.0.0.[2..11]*3, bl.example.net*1 wl.example.net=127.0.[0..255].3*-2"
    (trouble,) = told(SCREEN, PASS, postscreen_dnsbl_sites=sites, postscreen_dnsbl_threshold="3")
    assert (trouble.where, trouble.breaks) == ("postscreen_dnsbl_sites", False)
    tables = (
        '\\n[[dnslist]]\\nzone = "zen.example.net"\\nanswers = ["127.0.0.2-11"]\\n'
        '\\n[[dnslist]]\\nzone = "bl.example.net"\\naction = "greylist"\\n'
    )
    assert f"printf '{tables}' >> " in trouble.remedy
    assert "; have milter64 ask wl.example.net in a [[dnslist]], with answers as here; " in trouble.remedy
    assert trouble.remedy.endswith("take them out: postconf -e 'postscreen_dnsbl_sites = ' && postfix reload")
    assert told(smtpd(), postscreen_dnsbl_sites=sites) == []


@pytest.mark.parametrize(
    ("length", "limits", "prefix", "expected"),
    [
        ("84", {"count": "50"}, "64:ff9b::/96", "?"),
        ("84", {"count": "50", "rate": "30"}, "64:ff9b::/96", "!"),
        ("84", {"count": "0", "rate": "0"}, "64:ff9b::/96", ""),
        ("127", {"count": "50"}, "64:ff9b::/96", "?"),
        ("128", {"count": "50", "rate": "30"}, "64:ff9b::/96", ""),
        ("84", {"count": "50"}, "2001:db8::/32", ""),
        ("84", {"count": "50"}, "2001:db8:100::/40", ""),
        ("84", {"count": "50"}, "2001:db8:64::/48", "?"),
        ("", {"count": "50", "rate": "30"}, "64:ff9b::/96", ""),
    ],
)
def test_limits_that_count_all_of_ipv4_as_one(length: str, limits: dict[str, str], prefix: str, expected: str) -> None:
    main = {f"smtpd_client_connection_{name}_limit": value for name, value in limits.items()}
    found = told(settings=f'translation.prefixes = ["{prefix}"]', smtpd_client_ipv6_prefix_length=length, **main)
    assert ["!" if each.breaks else "?" for each in found] == list(expected)
    for each in found:
        assert each.remedy.endswith("postconf -e 'smtpd_client_ipv6_prefix_length = 128' && postfix reload")


def test_who_is_spared_the_limits_is_no_one_client() -> None:
    main = {"smtpd_client_ipv6_prefix_length": "84", "smtpd_client_connection_count_limit": "50"}
    assert told(settings="", smtpd_client_event_limit_exceptions="127.0.0.0/8, [64:ff9b::]/96", **main) == []


# In the audit


DNS64 = Translators(prefixes=("64:ff9b::/96",))
RBL = {RECIPIENT: "permit_mynetworks, reject_rbl_client zen.example.net"}


@pytest.mark.parametrize(
    ("scene", "level"),
    [
        (Scene(main=RBL), Level.OK),
        (Scene(main={**RBL, "inet_protocols": "ipv6"}), Level.WARNING),
        (Scene(main=RBL, settings='translation.prefixes = ["2001:db8:64::/96"]'), Level.WARNING),
        (
            Scene(main=RBL, settings='translation.explicit = [{ ipv4 = "192.0.2.1", ipv6 = "2001:db8:a::1" }]'),
            Level.WARNING,
        ),
        (Scene(main=RBL, host=replace(HOST, peers=("192.31.196.10", "2001:db8::1"))), Level.OK),
        (Scene(main=RBL, host=replace(HOST, peers=("64:ff9b::c01f:c40a",))), Level.WARNING),
        (Scene(main=RBL, host=replace(HOST, addresses=HOST.addresses[3:])), Level.WARNING),
        (Scene(main={CLIENT: "reject_unknown_client_hostname"}), Level.PROBLEM),
        (
            Scene(main={CLIENT: "reject_unknown_client_hostname", "inet_protocols": "ipv6"}, translators=DNS64),
            Level.WARNING,
        ),
        (Scene(main={CLIENT: "reject_unknown_reverse_client_hostname"}), Level.PROBLEM),
        (Scene(main={CLIENT: "reject_unknown_reverse_client_hostname"}, translators=DNS64), Level.OK),
        (
            Scene(
                main={CLIENT: "reject_unknown_reverse_client_hostname"},
                settings='translation.prefixes = ["64:ff9b::/96", "2001:db8:64::/96"]',
                translators=DNS64,
            ),
            Level.PROBLEM,
        ),
    ],
)
def test_what_is_only_blind_is_told_of_where_somebody_comes_through_a_translator(scene: Scene, level: Level) -> None:
    assert [line.level for line in scene.lines("clients")] == [level]
