"""What the audit says of the lists of hosts that OpenDKIM and OpenDMARC have."""

from pathlib import Path

import pytest

from milter64.audit.facts.host_lists import OPENDKIM, OPENDMARC, HostList, read
from rig.scene import Scene, check

# Where they stand


def found(folder: Path, **files: str) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """Return the lists in files of a folder, which they name as {folder}."""
    for name, text in files.items():
        (folder / name).write_text(text.format(folder=folder))
    lists = read({OPENDKIM: folder / "opendkim", OPENDMARC: folder / "opendmarc"})
    return [(each.program, each.setting, each.file.name, each.entries) for each in lists]


@pytest.mark.parametrize(
    ("value", "file", "entries"),
    [
        ("{folder}/hosts", "hosts", ("127.0.0.1", "::1", "64:ff9b::c01f:c40a")),
        ("file:{folder}/hosts", "hosts", ("127.0.0.1", "::1", "64:ff9b::c01f:c40a")),
        ("127.0.0.1, 64:ff9b::/96,localhost", "opendkim", ("127.0.0.1", "64:ff9b::/96", "localhost")),
        ("csl:127.0.0.1,::1", "opendkim", ("127.0.0.1", "::1")),
        ("fd00::1,::1", "opendkim", ("fd00::1", "::1")),
    ],
)
def test_a_dataset_is_a_file_or_a_list(tmp_path: Path, value: str, file: str, entries: tuple[str, ...]) -> None:
    hosts = "# ours\n127.0.0.1\n\n ::1 local # the same\n64:ff9b::c01f:c40a\n"
    conf = f"# InternalHosts 192.0.2.1\nSyslog yes\ninternalhosts\t{value}  # whom we sign for\n"
    assert found(tmp_path, opendkim=conf, hosts=hosts) == [("OpenDKIM", "InternalHosts", file, entries)]


@pytest.mark.parametrize(
    "value", ["db:/etc/hosts.db", "/etc/hosts.db", "refile:{folder}/hosts", "lua:{folder}/hosts", "{folder}/none"]
)
def test_what_is_no_flat_file_and_no_list_is_left_out(tmp_path: Path, value: str) -> None:
    assert found(tmp_path, opendkim=f"InternalHosts {value}\n", hosts="192.0.2.1\n") == []


def test_each_list_is_read_and_files_that_are_included_too(tmp_path: Path) -> None:
    (tmp_path / "more").write_text(f"PeerList 192.0.2.7\nInclude {tmp_path}/opendkim\n")
    files = {
        "opendkim": "InternalHosts 192.0.2.1\nInclude {folder}/more\n",
        "opendmarc": "IgnoreHosts {folder}/ignored\n",
        "ignored": "192.0.2.9\n",
    }
    assert found(tmp_path, **files) == [
        ("OpenDKIM", "InternalHosts", "opendkim", ("192.0.2.1",)),
        ("OpenDKIM", "PeerList", "opendkim", ("192.0.2.7",)),
        ("OpenDMARC", "IgnoreHosts", "ignored", ("192.0.2.9",)),
    ]


def test_where_neither_is_installed_nothing_is_said(tmp_path: Path) -> None:
    assert found(tmp_path) == []
    assert Scene().lines("neighbours") == []


# What is wrong with them


def scene(*entries: str, setting: str = "InternalHosts", settings: str = "", inet_protocols: str = "ipv6") -> Scene:
    program = "OpenDMARC" if setting == "IgnoreHosts" else "OpenDKIM"
    hosts = HostList(program=program, setting=setting, file=Path("/etc/opendkim/hosts"), entries=entries)
    return Scene(host_lists=(hosts,), settings=settings, main={"inet_protocols": inet_protocols})


SEVERAL = '[translation]\nprefixes = ["64:ff9b::/96", "2001:db8:64::/48"]'
MAPPED = '[translation]\nexplicit = [{ ipv4 = "192.31.196.0/24", ipv6 = "2001:db8:aaaa::/120" }]'
WIRE = "64:ff9b::c01f:c40a"


@pytest.mark.parametrize(
    ("entries", "settings", "level", "reason", "remedy"),
    [
        (("127.0.0.1", "::1", "localhost", "10.0.0.0/8", ".example.org"), "", "ok", "as it arrives", ""),
        (("192.31.196.10", WIRE), "", "ok", "as it arrives", ""),
        (("192.31.196.10", f"[{WIRE.upper()}]"), "", "ok", "as it arrives", ""),
        (("192.31.196.10", "64:ff9b::c01f:c400/120"), "", "ok", "as it arrives", ""),
        (("192.31.196.10", "2001:db8:aaaa::a"), MAPPED, "ok", "as it arrives", ""),
        (("192.31.196.10",), "", "warning", "not found by their IPv4 addresses", f"write {WIRE} beside 192.31.196.10"),
        (("!192.31.196.10",), "", "warning", "not found by their IPv4 addresses", f"write {WIRE} beside !192.31"),
        (("192.31.196.0/24", f"!{WIRE}"), "", "warning", "not found", "64:ff9b::c01f:c400/120 beside 192.31.196.0/24"),
        (("192.31.196.10", WIRE), SEVERAL, "warning", "not found", "write 2001:db8:64:c01f:c4:a00:: beside"),
        (("192.31.196.10",), MAPPED, "warning", "not found", "write 2001:db8:aaaa::a beside"),
        (("64:ff9b:0:0:0:0:c01f:c40a",), "", "warning", "compares text", f"write {WIRE} for 64:ff9b:0"),
        (("64:ff9b::192.31.196.10",), "", "warning", "compares text", f"write {WIRE} for 64:ff9b::192"),
        ((f"{WIRE}/120",), "", "warning", "compares text", f"write 64:ff9b::c01f:c400/120 for {WIRE}/120"),
        (("2001:DB8:0::1",), "", "warning", "compares text", "write 2001:db8::1 for 2001:DB8:0::1"),
        (("64:ff9b::/96",), "", "problem", "signs whatever they send", "take 64:ff9b::/96 out, and restart opendkim"),
        (("64:ff9b::/64",), "", "problem", "all of IPv4 behind the translator is in it", "take 64:ff9b::/64 out"),
        (("::/0",), "", "problem", "all of IPv4 behind the translator is in it", "take ::/0 out"),
        (("2001:db8:64::/49",), SEVERAL, "problem", "all of IPv4", "take 2001:db8:64::/49 out"),
        (("!64:ff9b::/96",), "", "ok", "as it arrives", ""),
        (("64:ff9b:0::/96",), "", "warning", "compares text", "write 64:ff9b::/96 for"),
        (("300.1.1.1", "2001:db8::1::", "192.31.196.10/x"), "", "ok", "as it arrives", ""),
    ],
)
def test_a_list_of_hosts(entries: tuple[str, ...], settings: str, level: str, reason: str, remedy: str) -> None:
    check(scene(*entries, settings=settings).lines("neighbours"), level, "InternalHosts of OpenDKIM", reason, remedy)


def test_ipv4_addresses_are_found_where_ipv4_comes_by_itself() -> None:
    lines = scene("192.31.196.10", inet_protocols="all").lines("neighbours")
    check(lines, "ok", "InternalHosts of OpenDKIM", "as it arrives", "")


@pytest.mark.parametrize(("setting", "program"), [("PeerList", "OpenDKIM"), ("IgnoreHosts", "OpenDMARC")])
def test_what_the_translator_in_it_leads_to_is_said_of_each_list(setting: str, program: str) -> None:
    lines = scene("64:ff9b::/96", setting=setting).lines("neighbours")
    check(lines, "problem", f"{setting} of {program}", "looks at nothing that they send", f"restart {program.lower()}")


def test_of_many_entries_some_are_shown() -> None:
    (line,) = scene(*(f"192.31.196.{number}" for number in range(9))).lines("neighbours")
    assert line.evidence == (*(f"192.31.196.{number}" for number in range(5)), "4 more")
    assert line.remedy.endswith(", 4 more, and restart opendkim")
