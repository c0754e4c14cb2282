import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from milter64.cli.main import main
from milter64.discover import recorded_prefixes
from milter64.discover.dns64_prefix import NAME
from rig.dnsserver import DnsServer, Fault


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer({NAME: {"A": ["192.0.0.170", "192.0.0.171"]}}) as server:
        yield server


@pytest.fixture
def config(tmp_path: Path, server: DnsServer) -> str:
    path = tmp_path / "milter64.toml"
    path.write_text(f"""
        dns.nameservers = ["{server.address}"]
        greylist.store = "sqlite:{tmp_path}/greylist.sqlite"
        [translation]
        prefixes = ["64:ff9b::/96", "2001:db8:64::/48"]
        explicit = [{{ ipv4 = "198.51.100.7", ipv6 = "2001:db8:aaaa::7" }}]
    """)
    return str(path)


WELL_KNOWN = "64:ff9b::/96"
LOCAL = "2001:db8:64::/48"
NO_SOURCE = "no IPv4 packet comes from such an address (RFC 1812 5.3.7)"
FORBIDDEN = "64:ff9b::/96 must not carry a non-global address (RFC 6052 3.1)"


@pytest.mark.parametrize(
    ("address", "rows"),
    [
        ("64:ff9b::c01f:c40a", [("translated", "192.31.196.10", WELL_KNOWN, "decoded by 64:ff9b::/96")]),
        ("64:ff9b::192.31.196.10", [("translated", "192.31.196.10", WELL_KNOWN, "decoded by 64:ff9b::/96")]),
        ("2001:db8:64:c01f:c4:a00::", [("translated", "192.31.196.10", LOCAL, "decoded by 2001:db8:64::/48")]),
        (
            "2001:db8:aaaa::7",
            [
                (
                    "translated",
                    "198.51.100.7",
                    "198.51.100.7/32 = 2001:db8:aaaa::7/128",
                    "decoded by 198.51.100.7/32 = 2001:db8:aaaa::7/128",
                )
            ],
        ),
        (
            "::ffff:192.31.196.10",
            [("mapped", "192.31.196.10", "::ffff:0:0/96", "IPv4 as a socket shows it (RFC 4291 2.5.5.2)")],
        ),
        (
            "64:ff9b::a00:1",
            [("invalid", "", WELL_KNOWN, f"inside 64:ff9b::/96, and no legal translation: {FORBIDDEN}")],
        ),
        (
            "2001:db8:64:c01f:ffc4:a00::",
            [
                (
                    "invalid",
                    "",
                    LOCAL,
                    "inside 2001:db8:64::/48, and no legal translation: bits 64 to 71 are not zero (RFC 6052 2.2)",
                )
            ],
        ),
        (
            "64:ff9b:1::c01f:c40a",
            [("undecoded", "", "", "a translator's address, and no configured prefix covers it")],
        ),
        (
            "2001:db8:64:7f00:0:100::",
            [("invalid", "", LOCAL, f"inside 2001:db8:64::/48, and no legal translation: {NO_SOURCE}")],
        ),
        (
            "64:ff9b::7f00:1",
            [("invalid", "", WELL_KNOWN, f"inside 64:ff9b::/96, and no legal translation: {FORBIDDEN}")],
        ),
        ("127.0.0.1", [("ipv4", "", "", NO_SOURCE)]),
        ("2001:db8::25", [("ipv6", "", "", "native IPv6: no prefix and no mapping covers it")]),
        (
            "192.31.196.10",
            [
                ("ipv4", "64:ff9b::c01f:c40a", WELL_KNOWN, "encoded by 64:ff9b::/96"),
                ("ipv4", "2001:db8:64:c01f:c4:a00::", LOCAL, "encoded by 2001:db8:64::/48"),
            ],
        ),
        (
            "10.0.0.1",
            [
                ("ipv4", "2001:db8:64:a00:0:100::", LOCAL, "encoded by 2001:db8:64::/48"),
                ("ipv4", "", WELL_KNOWN, FORBIDDEN),
            ],
        ),
        (
            "198.51.100.7",
            [
                (
                    "ipv4",
                    "2001:db8:aaaa::7",
                    "198.51.100.7/32 = 2001:db8:aaaa::7/128",
                    "encoded by 198.51.100.7/32 = 2001:db8:aaaa::7/128",
                )
            ],
        ),
    ],
)
def test_an_address_is_translated_and_the_reason_told(
    address: str, rows: list[tuple[str, str, str, str]], config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["translate", address, "--config", config, "--json"]) == os.EX_OK
    assert json.loads(capsys.readouterr().out) == [
        {"address": address, "origin": origin, "other": other, "via": via, "reason": reason}
        for origin, other, via, reason in rows
    ]


def test_without_prefixes_an_ipv4_address_has_no_other_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none.toml"
    path.write_text("translation.prefixes = []")
    assert main(["translate", "192.31.196.10", "--config", str(path)]) == os.EX_OK
    assert capsys.readouterr().out.splitlines() == [
        "ADDRESS        ORIGIN  OTHER FORM  REASON",
        "192.31.196.10  ipv4    -           no prefix is configured, and no mapping covers it",
    ]


def test_what_the_service_would_learn_or_has_learned_is_known(
    config: str, server: DnsServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    addresses = ("2001:db8:5::c01f:c40a", "2001:db8:6::c01f:c40a", "fd00::1", "2001:db8::25")

    def origins() -> list[str]:
        assert main(["translate", *addresses, "--config", config, "--json"]) == os.EX_OK
        return [row["origin"] for row in json.loads(capsys.readouterr().out)]

    assert origins() == ["ipv6"] * 4
    server.records[NAME] = {"AAAA": ["2001:db8:5::c000:aa", "2001:db8:5::c000:ab"]}
    assert origins() == ["undecoded", "ipv6", "ipv6", "ipv6"]
    noted = ("2001:db8:6::c000:aa", "2001:db8:6::c000:ab")
    learned = recorded_prefixes.Learned(began=1, dns64={server.address: noted}, masked=frozenset({"fd00::1"}))
    recorded_prefixes.write(tmp_path / "greylist.sqlite.network.json", [], learned)
    assert origins() == ["undecoded", "ipv6", "masked", "ipv6"]
    server.faults[NAME] = Fault.SERVFAIL
    assert origins() == ["ipv6", "undecoded", "masked", "ipv6"]


def test_a_nameserver_that_does_not_say_is_told_of_where_it_matters(
    config: str, server: DnsServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.records = {}
    assert main(["translate", "2001:db8::25", "--config", config]) == os.EX_OK
    assert capsys.readouterr().err == (
        f"milter64 translate: whether {server.address} is a DNS64 isn't known: NXDOMAIN\n"
    )
    asked = len(server.queries)
    assert main(["translate", "64:ff9b::c01f:c40a", "192.31.196.10", "--config", config]) == os.EX_OK
    assert len(server.queries) == asked


def test_what_is_no_address_is_told_of_and_the_others_are_translated(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    addresses = ["64:ff9b::c01f:c40a", "mx.example.org", "192.0.2.256", "2001:db8::25"]
    assert main(["translate", *addresses, "--config", config]) == os.EX_USAGE
    output = capsys.readouterr()
    assert output.err.splitlines() == [
        "milter64 translate: 'mx.example.org' is not an IP address",
        "milter64 translate: '192.0.2.256' is not an IP address",
    ]
    assert output.out.splitlines() == [
        "ADDRESS             ORIGIN      OTHER FORM     REASON",
        "64:ff9b::c01f:c40a  translated  192.31.196.10  decoded by 64:ff9b::/96",
        "2001:db8::25        ipv6        -              native IPv6: no prefix and no mapping covers it",
    ]


@pytest.mark.parametrize(
    ("address", "rows"),
    [
        ("unknown[64:ff9b::c01f:c40a]:40000", [("translated", "192.31.196.10", WELL_KNOWN, "decoded by 64:ff9b::/96")]),
        (
            "192.31.196.10:25",
            [
                ("ipv4", "64:ff9b::c01f:c40a", WELL_KNOWN, "encoded by 64:ff9b::/96"),
                ("ipv4", "2001:db8:64:c01f:c4:a00::", LOCAL, "encoded by 2001:db8:64::/48"),
            ],
        ),
        (
            "192.31.196.0/24",
            [
                ("ipv4", "64:ff9b::c01f:c400/120", WELL_KNOWN, "encoded by 64:ff9b::/96"),
                ("ipv4", "2001:db8:64:c01f:c4::/80", LOCAL, "encoded by 2001:db8:64::/48"),
            ],
        ),
        ("[64:ff9b::c01f:c400]/120", [("translated", "192.31.196.0/24", WELL_KNOWN, "decoded by 64:ff9b::/96")]),
        ("2001:db8:64:c01f:c4::/80", [("translated", "192.31.196.0/24", LOCAL, "decoded by 2001:db8:64::/48")]),
        ("64:ff9b::/64", [("translated", "", WELL_KNOWN, "holds all of 64:ff9b::/96, and more")]),
        ("2001:db8::25/128", [("ipv6", "", "", "native IPv6: no prefix and no mapping covers it")]),
        (
            "10.0.0.0/8",
            [
                ("ipv4", "2001:db8:64:a00::/56", LOCAL, "encoded by 2001:db8:64::/48"),
                ("ipv4", "", WELL_KNOWN, FORBIDDEN),
            ],
        ),
        ("127.0.0.0/9", [("ipv4", "", "", NO_SOURCE)]),
        (
            "64:ff9b::a00:0/104",
            [("invalid", "", WELL_KNOWN, f"inside 64:ff9b::/96, and no legal translation: {FORBIDDEN}")],
        ),
    ],
)
def test_what_people_paste_and_networks_are_translated(
    address: str, rows: list[tuple[str, str, str, str]], config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    test_an_address_is_translated_and_the_reason_told(address, rows, config, capsys)
