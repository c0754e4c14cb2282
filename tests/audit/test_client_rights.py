"""Who has which rights by the address on the wire; from tables."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from milter64.audit.facts.lookups import Known
from milter64.audit.facts.postconf import Postfix, Service
from milter64.audit.facts.smtpd_services import Case
from milter64.audit.report_line import Level
from milter64.audit.rules.client_rights import by_ipv4, client_rights
from milter64.audit.rules.postfix_settings import Trouble
from milter64.config.load_file import parse
from rig.scene import Scene, service, smtpd

RELAY, RECIPIENT, CLIENT = "smtpd_relay_restrictions", "smtpd_recipient_restrictions", "smtpd_client_restrictions"
USUAL = "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination"
"""Postfix's default for RELAY."""
ITSELF = "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128"
"""Debian's mynetworks."""
WIRES = ("64:ff9b::1717:1717", "64:ff9b::5151:5151", "64:ff9b::9090:9090", "64:ff9b::cbcb:cbcb")
TABLES: Mapping[str, Mapping[str, str] | str] = {
    "cidr:/all": dict.fromkeys(WIRES, "OK"),
    "hash:/one": {"64:ff9b::c01f:c40a": "ok"},
    "hash:/gone": "no such file",
}


def told(
    *services: Service, settings: str = "", ipv4: bool = True, more: Mapping[str, str] | None = None, **main: str
) -> list[Trouble]:
    postfix = Postfix(
        directory=Path("/etc/postfix"),
        main={"inet_protocols": "all", RELAY: USUAL, **main, **(more or {})},
        services=services or (smtpd(),),
        lookups=Known(tables=TABLES, own=("192.31.196.25", "2001:db8:25::25")),
    )
    made, problems = parse(settings)
    assert not problems
    return list(client_rights(Case(postfix, made), ipv4=ipv4))


def short(troubles: list[Trouble]) -> list[str]:
    return [f"{'' if each.breaks else '? '}{each.where}" for each in troubles]


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (f"{ITSELF} [64:ff9b::]/96", ITSELF),
        (f"[64:ff9b::]/64, {ITSELF}", ITSELF),
        (f"{ITSELF},[64:ff9b::/96]", ITSELF),
        (f"{ITSELF} [::]/0", ITSELF),
        (f"{ITSELF} [64:ff9b::]/97", ITSELF),
        (f"{ITSELF} ![64:ff9b::c01f:c400]/120 [64:ff9b::]/96", f"{ITSELF} ![64:ff9b::c01f:c400]/120"),
        (f"{ITSELF} cidr:/all", ITSELF),
        (f"cidr:/all hash:/one {ITSELF} [64:ff9b::]/96", f"hash:/one {ITSELF}"),
        ("[64:ff9b::]/96", "127.0.0.0/8 [::1]/128"),
    ],
)
def test_a_translators_prefix_in_mynetworks_lets_all_of_ipv4_relay(value: str, left: str) -> None:
    (trouble,) = told(mynetworks=value)
    assert short([trouble]) == ["mynetworks"]
    assert "all of IPv4 may relay" in trouble.what
    assert trouble.remedy.endswith(f"postconf -e 'mynetworks = {left}' && postfix reload")


@pytest.mark.parametrize(
    "value",
    [
        ITSELF,
        f"{ITSELF} 192.168.0.0/16 [fd00::]/8 [fe80::]/64",
        f"{ITSELF} ![64:ff9b::]/96 [::]/0",
        f"{ITSELF} ![::]/0 [64:ff9b::]/96",
        f"{ITSELF} ![64:ff9b::]/97 [64:ff9b::]/98",
        f"{ITSELF} !cidr:/all cidr:/all",
        f"{ITSELF} hash:/one hash:/gone",
        f"{ITSELF} example.com /no/such/file",
        f"{ITSELF} [::ffff:192.31.196.1]/200 [::1]/x 192.31.196.0/ []/ / ! ![] 1.2.3.4/99 [::]/129 type: {{}}",
        f"{ITSELF} 192.31.196.25 [2001:db8:25::25]/128",
        "",
    ],
)
def test_other_networks_are_no_translators(value: str) -> None:
    assert told(mynetworks=value) == []


def test_the_own_link_may_hold_the_prefix() -> None:
    prefix = 'translation.prefixes = ["2001:db8:25::/96"]'
    (trouble,) = told(settings=prefix, mynetworks=f"{ITSELF} [2001:db8:25::]/64")
    assert "[2001:db8:25::]/64 is or holds" in trouble.what


@pytest.mark.parametrize("form", ["[64:ff9b::]/96\n", "# ours\n127.0.0.1\n[::]/0\n"])
def test_a_file_in_mynetworks_is_read(tmp_path: Path, form: str) -> None:
    (tmp_path / "networks").write_text(form)
    (trouble,) = told(mynetworks=f"{ITSELF} {tmp_path}/networks")
    assert f"{tmp_path}/networks is or holds" in trouble.what
    assert told(mynetworks=f"{ITSELF} !{tmp_path}/networks") == []


WIDE = f"{ITSELF} [64:ff9b::]/96"


@pytest.mark.parametrize(
    ("main", "what"),
    [
        ({RELAY: "", RECIPIENT: "permit_mynetworks, reject_unauth_destination"}, "may relay"),
        ({RELAY: USUAL, RECIPIENT: "reject_unknown_sender_domain"}, "may relay"),
        ({RELAY: "ours, reject_unauth_destination", "ours": "permit_mynetworks"}, "may relay"),
        ({RELAY: "ours, reject_unauth_destination", "ours": "reject, permit_mynetworks"}, ""),
        ({RELAY: "permit_sasl_authenticated, defer_unauth_destination"}, ""),
        ({RELAY: "permit_sasl_authenticated, reject_unauth_destination, permit_mynetworks"}, "would refuse"),
        ({RELAY: "permit_sasl_authenticated, reject"}, ""),
        ({RECIPIENT: "permit_sasl_authenticated, reject"}, "passes by what smtpd_relay_restrictions would refuse"),
        (
            {RELAY: "reject_unauth_destination", CLIENT: "permit_mynetworks, reject_rbl_client x.example"},
            "passes by what smtpd_client_restrictions would refuse",
        ),
    ],
)
def test_it_matters_where_mynetworks_is_used(main: dict[str, str], what: str) -> None:
    found = told(mynetworks=WIDE, smtpd_restriction_classes="ours", more=main)
    assert [what in each.what for each in found] == [True] * bool(what)


def test_each_service_has_its_own_networks_and_restrictions() -> None:
    own = smtpd("2525", mynetworks="[64:ff9b::]/96")
    (trouble,) = told(smtpd(), own, smtpd("10025", mynetworks=ITSELF), mynetworks=ITSELF)
    assert trouble.where == "2525/inet mynetworks"
    assert "postconf -P '2525/inet/mynetworks=127.0.0.0/8,[::1]/128'" in trouble.remedy
    submission = smtpd("submission", smtpd_relay_restrictions="permit_sasl_authenticated,reject")
    assert told(submission, mynetworks=WIDE) == []


def test_it_is_told_of_once_for_all_services() -> None:
    assert short(told(smtpd(), smtpd("2525"), mynetworks=WIDE)) == ["mynetworks"]


@pytest.mark.parametrize("name", ["smtpd_authorized_xclient_hosts", "smtpd_authorized_xforward_hosts"])
def test_who_may_say_who_he_is_may_not_come_through_a_translator(name: str) -> None:
    (trouble,) = told(more={name: "127.0.0.1 [64:ff9b::]/96"})
    assert short([trouble]) == [name]
    assert f"postconf -e '{name} = 127.0.0.1' && postfix reload" in trouble.remedy
    assert told(more={name: "127.0.0.1 [::1] 10.0.0.0/8"}) == []


def test_postscreen_lets_mynetworks_by() -> None:
    screen = service("smtp", type="inet", command="postscreen"), service("smtpd", type="pass", command="smtpd")
    main = {"mynetworks": WIDE, "postscreen_access_list": "permit_mynetworks, cidr:/etc/postfix/list"}
    assert short(told(*screen, more=main)) == ["mynetworks", "? postscreen_access_list"]
    assert short(told(smtpd(), more=main)) == ["mynetworks"]
    assert short(told(*screen, mynetworks=WIDE, postscreen_access_list="cidr:/list")) == ["mynetworks"]


@pytest.mark.parametrize(
    ("main", "expected"),
    [
        ({RELAY: "check_client_access cidr:/all, reject_unauth_destination"}, [RELAY]),
        ({RELAY: "", RECIPIENT: "check_client_access cidr:/all, reject_unauth_destination"}, [RECIPIENT]),
        ({RECIPIENT: "check_client_access cidr:/all, reject_unauth_destination"}, []),
        ({RELAY: "reject_unauth_destination, check_client_access cidr:/all"}, []),
        ({RELAY: "check_client_access hash:/one, reject_unauth_destination"}, []),
    ],
)
def test_an_access_table_may_let_all_of_ipv4_relay(main: dict[str, str], expected: list[str]) -> None:
    found = told(mynetworks=ITSELF, more=main)
    assert short(found) == expected
    for each in found:
        assert f"postconf -e '{expected[0]} = reject_unauth_destination' && postfix reload" in each.remedy


# Hosts of one's own


@pytest.mark.parametrize(
    ("value", "settings", "hosts"),
    [
        ("192.31.196.0/28 [2001:db8:25::]/64", "", "192.31.196.0/28, 2001:db8:25::/64"),
        ("192.31.196.9", "", "192.31.196.9"),
        ("192.31.196.9 192.31.196.0/28", 'trust.networks = ["192.31.196.0/24"]', ""),
        ("192.31.196.9", 'trust.relays = ["192.31.196.9"]', ""),
        ("[64:ff9b::c01f:c40a]/128", "", "64:ff9b::c01f:c40a"),
        ("[64:ff9b::c01f:c40a]/128", 'trust.networks = ["64:ff9b::c01f:c40a"]', ""),
        ("10.0.0.0/8 172.16.0.0/12 [fd00:25::]/48", "", ""),
        ("!192.31.196.0/28", "", ""),
    ],
)
def test_public_hosts_of_mynetworks_are_strangers_to_milter64(value: str, settings: str, hosts: str) -> None:
    found = told(settings=settings, mynetworks=f"{ITSELF} {value}")
    assert short(found) == ["? mynetworks"] * bool(hosts)
    for each in found:
        assert each.what.startswith(f"hosts of {hosts} may relay")
        trusted = ", ".join(f'"{host}"' for host in hosts.split(", "))
        assert each.remedy.endswith(f'[trust] networks = ["127.0.0.0/8", "::1/128", {trusted}]')


def test_where_mynetworks_gives_no_right_it_is_no_matter() -> None:
    assert told(mynetworks="192.31.196.0/28", more={RELAY: "reject_unauth_destination"}) == []


def test_another_smtpd_that_asks_milter64_takes_its_clients_for_strangers() -> None:
    milters = {"smtpd_milters": "inet:127.0.0.1:8864, inet:127.0.0.1:8891"}
    (trouble,) = told(smtpd(), smtpd("2525"), mynetworks=ITSELF, more=milters)
    assert short([trouble]) == ["? 2525/inet"]
    assert "postconf -P 2525/inet/smtpd_milters=inet:127.0.0.1:8891 && postfix reload" in trouble.remedy
    quiet = (
        smtpd("2525", smtpd_milters=""),
        smtpd("2526", receive_override_options="no_milters"),
        smtpd("127.0.0.1:smtp"),
    )
    assert told(smtpd(), *quiet, mynetworks=ITSELF, more=milters) == []


# Trust that never counts


@pytest.mark.parametrize(
    ("settings", "main", "ipv4", "remedy"),
    [
        ('trust.networks = ["::1", "192.31.196.0/24"]', {}, True, ""),
        (
            'trust.networks = ["::1", "192.31.196.0/24"]',
            {},
            False,
            '[trust] networks = ["::1", "64:ff9b::c01f:c400/120"]',
        ),
        (
            'trust.relays = ["192.31.196.9"]',
            {"inet_protocols": "ipv6"},
            True,
            '[trust] relays = ["64:ff9b::c01f:c409/128"]',
        ),
        ('trust.relays = ["10.0.0.0/8"]', {"inet_protocols": "ipv6"}, True, "[trust] relays = []"),
        ("", {"inet_protocols": "ipv6"}, True, ""),
        ('trust.relays = ["2001:db8::/32"]', {"inet_protocols": "ipv6"}, True, ""),
    ],
)
def test_an_ipv4_network_is_trusted_by_the_wire_alone(
    settings: str,
    main: dict[str, str],
    ipv4: bool,  # noqa: FBT001  a column
    remedy: str,
) -> None:
    found = told(settings=settings, ipv4=ipv4, mynetworks=ITSELF, more=main)
    assert short(found) == [f"? {settings.partition(' ')[0]}"] * bool(remedy)
    for each in found:
        assert "never matches" in each.what
        assert each.remedy.endswith(remedy)


@pytest.mark.parametrize(
    ("addresses", "some"),
    [
        (["127.0.0.1", "::1", "2001:db8::1"], False),
        (["192.0.0.1", "2001:db8::1"], False),
        (["10.0.0.2"], True),
        (["192.31.196.1"], True),
        ([], True),
    ],
)
def test_a_host_without_ipv4_has_no_clients_that_come_by_it(addresses: list[str], *, some: bool) -> None:
    assert by_ipv4(addresses) is some


def test_the_audit_tells_of_it_as_a_problem() -> None:
    scene = Scene(main={"mynetworks": WIDE, RELAY: USUAL})
    assert [(line.level, line.subject) for line in scene.lines("clients")] == [(Level.PROBLEM, "clients: mynetworks")]
    own = Scene(main={RELAY: USUAL}, services=(smtpd(mynetworks="[::]/0"),))
    assert [line.see for line in own.lines("clients")] == ["postconf -P 'smtp/inet/*'"]
