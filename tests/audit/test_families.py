"""What Postfix reaches by the IP families that `inet_protocols` gives it, on Postfixes made of tables."""

from dataclasses import replace
from pathlib import Path

import pytest

from milter64.audit.facts.lookups import Known
from milter64.audit.facts.postconf import Postfix, Service
from milter64.audit.rules.postfix_settings import check, plan
from milter64.config.load_file import parse
from rig.scene import MAIN, smtpd

OURS = "inet:127.0.0.1:8864"
SIGNER = "inet:localhost:8891"
UNIX = 'milter.socket = "unix:/var/spool/postfix/milter64/milter64.sock"'
FOUR = 'milter.socket = "inet:8864@127.0.0.1"'
SIX = 'milter.socket = "inet6:8864@[::1]"'


def postfix(*services: Service, **main: str) -> Postfix:
    return Postfix(directory=Path("/etc/postfix"), main={**MAIN, **main}, services=services or (smtpd(),))


def lines(postfix: Postfix, text: str = "") -> list[str]:
    return [setting.command() for setting in plan(postfix, parse(text)[0])]


@pytest.mark.parametrize(
    ("protocols", "text", "named"),
    [
        ("ipv4", "", "inet:127.0.0.1:8864"),
        ("ipv6", "", "inet:[::1]:8864"),
        ("all", "", "inet:127.0.0.1:8864"),
        ("ipv4, ipv6", "", "inet:127.0.0.1:8864"),
        ("ipv4", 'milter.socket = "inet6:8864"', "inet:127.0.0.1:8864"),
        ("ipv6", FOUR, "inet:[::1]:8864"),
        ("ipv4", SIX, "inet:127.0.0.1:8864"),
        ("ipv6", UNIX, "unix:milter64/milter64.sock"),
    ],
)
def test_the_socket_is_named_by_an_address_of_a_family_that_postfix_has(protocols: str, text: str, named: str) -> None:
    assert lines(postfix(inet_protocols=protocols, smtpd_milters=""), text) == [
        f"postconf -e 'smtpd_milters = {named}'"
    ]


@pytest.mark.parametrize(("protocols", "text"), [("ipv6", FOUR), ("ipv4", SIX)])
def test_a_socket_that_postfix_reaches_by_no_name_has_to_be_another(protocols: str, text: str) -> None:
    named = "inet:[::1]:8864" if protocols == "ipv6" else OURS
    (trouble,) = check(postfix(inet_protocols=protocols, smtpd_milters=named), parse(text)[0])[:1]
    assert (trouble.where, trouble.breaks) == ("milter.socket", True)
    assert trouble.remedy.startswith('write socket = "inet:8864@localhost"')


@pytest.mark.parametrize(
    ("protocols", "name", "localhost", "remedy"),
    [
        ("ipv6", "inet:127.0.0.1:8864", (), "name it as inet:[::1]:8864"),
        ("ipv4", "inet:[::1]:8864", (), "name it as inet:127.0.0.1:8864"),
        ("ipv6", "inet:localhost:8864", ("127.0.0.1",), "name it as inet:[::1]:8864"),
        ("ipv6", "inet:localhost:8864", ("127.0.0.1", "::1"), ""),
        ("all", "inet:localhost:8864", ("127.0.0.1",), ""),
    ],
)
def test_we_are_out_of_reach_by_an_address_of_a_family_that_postfix_has_not(
    protocols: str, name: str, localhost: tuple[str, ...], remedy: str
) -> None:
    asked = replace(
        postfix(inet_protocols=protocols, smtpd_milters=name), lookups=Known(hosts={"localhost": localhost})
    )
    found = check(asked, parse("")[0])
    assert bool(found) is bool(lines(asked)) is bool(remedy)
    if remedy:
        assert found[0].where == "smtp/inet"
        assert name in found[0].what
        assert remedy in found[0].remedy


@pytest.mark.parametrize(
    ("service", "main", "where"),
    [
        (smtpd(), {"smtpd_milters": f"inet:[::1]:8864, {SIGNER}"}, "smtp/inet"),
        (smtpd("submission", smtpd_milters=SIGNER), {}, "submission/inet"),
        (smtpd("submission", smtpd_milters=f"{{ {SIGNER}, protocol=4 }}"), {}, "submission/inet"),
        (smtpd("2525", smtpd_milters="inet:[::1]:8891", inet_protocols="ipv4"), {}, "2525/inet"),
        (smtpd("2525", smtpd_milters="inet:192.0.2.1:8891"), {}, "2525/inet"),
        (smtpd("2525", smtpd_milters="inet:milter.example:8891"), {}, ""),
        (smtpd("2525", smtpd_milters=SIGNER, receive_override_options="no_milters"), {}, ""),
        (smtpd(), {"non_smtpd_milters": SIGNER}, "non_smtpd_milters"),
        (smtpd(), {"non_smtpd_milters": "unix:opendkim/sock"}, ""),
    ],
)
def test_other_milters_out_of_reach_put_mail_off_as_well(service: Service, main: dict[str, str], where: str) -> None:
    main = {"smtpd_milters": "inet:[::1]:8864", **main}
    services = [smtpd(), service] if service.name != "smtp" else [service]
    found = [each for each in check(postfix(*services, inet_protocols="ipv6", **main), parse("")[0]) if each.breaks]
    assert [each.where for each in found if "can't reach" in each.what] == ([where] if where else [])
    if where:
        assert "or on a unix socket, and name that" in found[0].remedy
