"""What each smtpd of a master.cf is for: whom strangers talk to is not always on port 25."""

from pathlib import Path

import pytest

from milter64.audit.facts.lookups import Known
from milter64.audit.facts.postconf import Postfix, Service
from milter64.audit.facts.smtpd_kinds import kinds

HAPROXY = {"smtpd_upstream_proxy_protocol": "haproxy"}
FOR_USERS = {"smtpd_client_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject"}
RELAY_FOR_USERS = {"smtpd_relay_restrictions": "permit_sasl_authenticated,reject"}
FOR_OWN_HOSTS = {"smtpd_client_restrictions": "permit_mynetworks,reject"}
LOOKUPS = Known(
    hosts={"localhost": ("127.0.0.1", "::1"), "mx.example.org": ("192.0.2.25",), "debian.example.org": ("127.0.1.1",)}
)


def smtpd(name: str = "smtp", type: str = "inet", **overrides: str) -> Service:  # noqa: A002  Postfix's word
    return Service(name=name, type=type, chroot=True, command="smtpd", overrides=overrides)


def kinds_of(*services: Service, **main: str) -> str:
    postfix = Postfix(
        directory=Path("/etc/postfix"), main={"inet_interfaces": "all", **main}, services=services, lookups=LOOKUPS
    )
    return ", ".join(kind.name.lower() for _, kind in kinds(postfix))


@pytest.mark.parametrize(
    ("services", "found"),
    [
        ((smtpd(),), "front"),
        ((smtpd("25"), smtpd("submission")), "front, submission"),
        ((smtpd("192.0.2.25:smtp"), smtpd("[2001:db8:25::25]:25")), "front, front"),
        ((smtpd("mx.example.org:smtp"), smtpd("debian.example.org:smtp")), "front, other"),
        # On the loopback are this host's own programs, on whichever port.
        ((smtpd("192.0.2.25:smtp"), smtpd("127.0.0.1:smtp", smtpd_milters="")), "front, other"),
        ((smtpd(), smtpd("localhost:25"), smtpd("[::1]:smtp")), "front, other, other"),
        ((smtpd("127.0.0.1:smtp"),), "other"),
        # A proxy speaks for strangers.
        ((smtpd("10025", **HAPROXY),), "front"),
        ((smtpd("127.0.0.1:smtp", **HAPROXY),), "front"),
        ((smtpd("127.0.0.1:2525", **HAPROXY), smtpd("localhost:10026")), "front, back"),
        ((smtpd(), smtpd("2525", **HAPROXY)), "front, front"),
        ((smtpd(), smtpd("10587", **HAPROXY, **FOR_USERS)), "front, submission"),
        ((smtpd(), smtpd("10465", **HAPROXY, **RELAY_FOR_USERS)), "front, submission"),
        ((smtpd(), smtpd("10025", **HAPROXY, **FOR_OWN_HOSTS)), "front, other"),
        ((smtpd("smtpd", type="pass"), smtpd("588", **FOR_USERS)), "front, submission"),
        # A NAT leads from port 25 to another, where there is nobody on port 25.
        ((smtpd("2525"),), "front"),
        ((smtpd("2525"), smtpd("127.0.0.1:smtp"), smtpd("587")), "front, other, submission"),
        ((smtpd("2525"), smtpd("2526", **FOR_OWN_HOSTS), smtpd("127.0.0.1:10025")), "front, other, back"),
        ((smtpd(), smtpd("2525")), "front, other"),
        ((smtpd("smtpd", type="pass"), smtpd("2525")), "front, other"),
    ],
)
def test_what_an_smtpd_is_for(services: tuple[Service, ...], found: str) -> None:
    assert kinds_of(*services) == found


@pytest.mark.parametrize(
    ("interfaces", "found"),
    [
        ("all", "front"),
        ("loopback-only", "other"),
        ("127.0.0.1", "other"),
        ("localhost", "other"),
        ("debian.example.org, [::1]", "other"),
        ("localhost mx.example.org", "front"),
        ("nowhere.example.org", "front"),
    ],
)
def test_a_service_without_a_host_is_where_inet_interfaces_says(interfaces: str, found: str) -> None:
    assert kinds_of(smtpd(), inet_interfaces=interfaces) == found
    assert kinds_of(smtpd("192.0.2.25:smtp"), inet_interfaces=interfaces) == "front"


def test_what_master_binds_is_main_cfs_word_alone() -> None:
    assert kinds_of(smtpd(inet_interfaces="loopback-only")) == "front"
