import json
import os
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from milter64.address.client import Origin
from milter64.address.translation_prefix import Prefix
from milter64.cli import discover as cli_discover
from milter64.cli.main import main
from milter64.config.load_file import parse
from milter64.discover import recorded_prefixes
from milter64.discover.pref64_option import Pref64
from milter64.discover.recorded_prefixes import Sighting
from milter64.discover.router_advertisement import Advertisement
from rig.lab import Lab
from rig.nsd import Nsd
from rig.pages import blocks, page
from rig.unbound import Unbound

IPV4ONLY = {".": "ipv4only.arpa. A 192.0.0.170\nipv4only.arpa. A 192.0.0.171"}
NOW = datetime.now(UTC).replace(microsecond=0)
NOON = NOW.replace(hour=12, minute=0, second=0)


@pytest.fixture
def configuration(lab: Lab) -> Path:
    """Of a host whose resolver is a DNS64; no client has come yet."""
    unbound = lab.start(Unbound, lab.start(Nsd, IPV4ONLY), dns64="2001:db8:122:344::/96")
    return configure(lab, unbound.server)


def configure(lab: Lab, nameserver: str) -> Path:
    file = lab.folder / "milter64.toml"
    file.write_text(
        f'[dns]\nnameservers = ["{nameserver}"]\n[greylist]\nstore = "sqlite:{lab.folder}/greylist.sqlite"\n'
    )
    return file


def note(configuration: Path, *sightings: Sighting) -> None:
    recorded_prefixes.write(configuration.with_name("greylist.sqlite.network.json"), sightings)


def seen(prefix: str, origin: Origin, *clients: str) -> Sighting:
    return Sighting(prefix=prefix, origin=origin, clients=frozenset(clients), latest=NOON.timestamp())


def discover(configuration: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["discover", "--config", str(configuration), "--wait", "0", *words]) == os.EX_OK
    return capsys.readouterr().out


def report(configuration: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(discover(configuration, capsys, "--json"))
    return found


CLIENTS = (
    seen("64:ff9b:1::/96", Origin.UNDECODED, *(f"64:ff9b:1::c01f:c4{n:02x}" for n in range(10, 47))),
    seen("64:ff9b::/96", Origin.TRANSLATED, "64:ff9b::c01f:c40a"),
)


def test_a_prefix_of_dns64_is_proposed_in_a_comment_alone(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report(configuration, capsys)
    (row,) = found["dns64"]
    assert row["prefixes"] == ["2001:db8:122:344::/96"]
    assert sorted(row["addresses"]) == ["2001:db8:122:344::c000:aa", "2001:db8:122:344::c000:ab"]
    assert found["proposal"] == {"prefixes": ["64:ff9b::/96"], "outbound_only": ["2001:db8:122:344::/96"]}
    assert tomllib.loads(found["toml"]) == {"translation": {"prefixes": ["64:ff9b::/96"]}}
    assert "where nothing has been changed" in discover(configuration, capsys)
    assert '# "2001:db8:122:344::/96"' in found["toml"]


def test_what_clients_came_from_is_proposed_with_what_is_configured(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note(configuration, *CLIENTS, seen("2001:db8:122:344::/96", Origin.IPV6, "2001:db8:122:344::c01f:c40a"))
    found = report(configuration, capsys)
    assert [(row["prefix"], row["clients"]) for row in found["clients"]["prefixes"]] == [
        ("64:ff9b:1::/96", 37),
        ("64:ff9b::/96", 1),
        ("2001:db8:122:344::/96", 1),
    ]
    assert found["proposal"] == {
        "prefixes": ["64:ff9b::/96", "64:ff9b:1::/96", "2001:db8:122:344::/96"],
        "outbound_only": [],
    }
    settings, problems = parse(found["toml"])
    assert ([prefix.text for prefix in settings.translation.prefixes], problems) == (found["proposal"]["prefixes"], [])


EVIDENCE = """\
Addresses that clients had, by the service's own records
  prefix          taken for   clients  such as                                latest
  64:ff9b:1::/96  undecoded   37       64:ff9b:1::c01f:c40a (192.31.196.10)  2026-11-20T12:00:00+00:00
  64:ff9b::/96    translated  1        64:ff9b::c01f:c40a (192.31.196.10)    2026-11-20T12:00:00+00:00
DNS64 (RFC 7050): the outbound prefix, which need not be the one that clients come from
  nameserver  prefix                 ipv4only.arpa AAAA
  127.0.0.1   2001:db8:122:344::/96  2001:db8:122:344::c000:aa, 2001:db8:122:344::c000:ab
Router advertisements (RFC 8781): the outbound prefix, which need not be the one that clients come from
  not asked (--wait 0)
"""


def test_the_evidence_is_shown_and_then_the_lines_as_in_the_docs(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note(configuration, *CLIENTS)
    printed = discover(configuration, capsys)
    printed = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", printed).replace(
        str(configuration), "/etc/milter64/milter64.toml"
    )
    printed = printed.replace(NOON.isoformat(), "2026-11-20T12:00:00+00:00")
    (lines,) = blocks(page("translation"), "text")
    # Columns are as wide as the port number and the order of DNS records have them.
    assert [sorted(line.replace(",", "").split()) for line in printed.splitlines()] == [
        sorted(line.replace(",", "").split()) for line in f"{EVIDENCE}{lines}".splitlines()
    ]


def test_what_is_known_too_little_of_is_said_so(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    nsd = lab.start(Nsd, {".": None})
    file = configure(lab, nsd.server)
    printed = discover(file, capsys)
    assert "the service has noted no client of a translator yet" in printed
    assert "not known whether it synthesises: SERVFAIL" in printed
    assert f"As {file} has it already, as far as is known\n" in printed
    assert "not asked (--wait 0)" in printed
    note(file, *CLIENTS)
    assert "where nothing has been changed" in discover(file, capsys)
    records_file = file.with_name("greylist.sqlite.network.json")
    records_file.unlink()
    records_file.mkdir()
    assert "not readable: Is a directory" in discover(file, capsys)


def test_a_resolver_that_is_no_dns64_is_told_from_one_that_does_not_say(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    file = configure(lab, lab.start(Nsd, IPV4ONLY).server)
    printed = discover(file, capsys)
    assert "none: it doesn't synthesise" in printed
    assert f"As {file} has it already\n" in printed
    blind = lab.start(Nsd, {".": "host.example. A 192.0.2.1"})
    printed = discover(configure(lab, blind.server), capsys)
    assert "not known whether it synthesises: NXDOMAIN" in printed
    assert "it doesn't synthesise" not in printed


def test_a_prefix_that_is_forbidden_is_shown_and_not_proposed(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    unbound = lab.start(Unbound, lab.start(Nsd, IPV4ONLY), dns64="2001:db8:1:2:ff00::/96")
    file = configure(lab, unbound.server)
    found = report(file, capsys)
    assert (found["dns64"][0]["prefixes"], found["proposal"]["outbound_only"]) == ([], [])
    assert "'2001:db8:1:2:ff00::/96' has bits 64 to 71 set" in found["dns64"][0]["forbidden"][0]
    assert "no prefix for milter64, nor for anybody: '2001:db8:1:2:ff00::/96' has bits" in discover(file, capsys)


def test_a_prefix_that_a_router_withdraws_is_shown_and_not_proposed(
    configuration: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = (
        Pref64(prefix=Prefix("2001:db8:1::/96"), lifetime=600),
        Pref64(prefix=Prefix("2001:db8:2::/96"), lifetime=0),
    )
    heard = [
        Advertisement(router="fe80::1", interface="eth0", prefixes=offered),
        Advertisement(router="fe80::2", interface="eth0", prefixes=()),
    ]
    monkeypatch.setattr(cli_discover, "listen", lambda _: heard)
    words = [line.split() for line in discover(configuration, capsys, "--wait", "1").splitlines()]
    for row in ("2001:db8:1::/96 600 s", "2001:db8:2::/96 0: withdrawn"):
        assert ["fe80::1", "eth0", *row.split()] in words
    assert ["fe80::2", "eth0", "-", "no", "PREF64"] in words
    proposed = [line[1] for line in words if line[:1] == ["#"]]
    assert proposed == ['"2001:db8:122:344::/96",', '"2001:db8:1::/96",']


def test_a_greylist_in_memory_keeps_no_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "milter64.toml"
    file.write_text('dns = { nameservers = ["127.0.0.1:9"] }\ngreylist.store = "memory:"\n')
    assert "the greylist is not in a file" in discover(file, capsys)


@pytest.mark.parametrize("seconds", ["-1", "soon", "1x"])
def test_a_wait_is_a_number_of_seconds(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["discover", f"--wait={seconds}"])
    assert ended.value.code == os.EX_USAGE
    assert "is no number of seconds" in capsys.readouterr().err
