"""Mail hosts as people have them, each in a file of hosts/: all that audit, postfix and check-config say of it.

A file has a sentence that says what the host is, and then parts, each behind a line "--- NAME":

- main.cf, master.cf and whatever other files they name, by their paths in Postfix's folder, which is FOLDER there;
- milter64.toml, what it sets beside a greylist in memory;
- network: its interfaces and addresses, where they aren't those of `rig.scene`, in a namespace of its own for Postfix;
  "NAME is ADDRESS ..." are names in /etc/hosts, and "dns64 PREFIX" is what the resolver translates with;
- dns: records beside those of `rig.scene`, or "none of NAME" to take all of a name's away;
- said: the lines that must be there, and said-3.8: those by Postfix 3.8 and later. Whatever else complains is a false
  alarm. README's smtpd_client_ipv6_prefix_length is in every main.cf that says nothing of it;
- unsaid: phrases that stand in no line.

A line is said as "LEVEL PHRASE ...", where " .. " stands for any text. A level is `problem`, `warning` or `ok` of
audit's, `breaks` or `mind` of postfix's, `run` for its commands, `error` or `warns` of check-config's; of several, as
in "problem|breaks", each must have such a line.
"""

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from milter64.audit import auditor
from milter64.audit.facts import host
from milter64.audit.facts.facts import Translators
from milter64.audit.facts.host import Address, Host, Route, family
from milter64.cli.main import main
from rig.network import Namespace
from rig.records import Records, zone
from rig.scene import HOST, ZONE, Doors

pytestmark = pytest.mark.long

FILES = sorted((Path(__file__).parent / "hosts").glob("*.txt"))
PREFIX_LENGTH = "smtpd_client_ipv6_prefix_length"
ALONE = 'greylist.store = "memory:"\nmilter.workers = 1\n'
"""So that no file of this machine counts."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """A file of hosts/, by part."""

    parts: Mapping[str, str]

    def lines(self, name: str) -> list[str]:
        return [line for line in self.parts.get(name, "").splitlines() if line.strip()]


def described(path: Path) -> Described:
    _, *parts = re.split(r"^--- (\S+)\n", path.read_text(), flags=re.MULTILINE)
    return Described(parts=dict(zip(parts[::2], parts[1::2], strict=True)))


# The host


def made(file: Described) -> Host:
    """Return the host with the addresses of a file: "eth0 192.0.2.25/24"; the world is reached from the first."""
    words = [line.split() for line in file.lines("network") if re.match(r"(?!dns64 )\S+ \S+$", line)]
    if not words:
        return HOST
    addresses = []
    for interface, text in words:
        address, _, length = text.partition("/")
        scope = "link" if address.startswith("fe80:") else "host" if interface == "lo" else "global"
        addresses.append(Address(address=address, length=int(length), interface=interface, scope=scope))
    sources: dict[str, str] = {}
    routes = []
    for each in addresses:
        if each.scope == "global" and family(each.address) not in sources:
            sources[family(each.address)] = each.address
            routes.append(Route(family=family(each.address), destination="default", interface=each.interface))
    return replace(HOST, addresses=tuple(addresses), sources=sources, routes=tuple(routes))


def commands(here: Host) -> Iterator[str]:
    """Yield what `ip` is to do for Postfix to find the same addresses."""
    names = {each.interface for each in here.addresses} - {"lo"}
    for name in sorted(names):
        yield f"link add {name} type veth peer name {name}-far"
        yield f"link set {name}-far up"
        yield f"link set {name} up"
    for each in here.addresses:
        if each.interface in names and each.scope == "global":
            yield f"address add {each.address}/{each.length} dev {each.interface} nodad"


def records(file: Described) -> Records:
    lines = ZONE.splitlines()
    for line in file.lines("dns"):
        if line.startswith("none of "):
            lines = [each for each in lines if each.split()[:1] != [line.split()[-1]]]
        else:
            lines.append(line)
    return Records(zone("\n".join(lines)))


def lay(file: Described, folder: Path) -> None:
    """Write what Postfix and milter64 read."""
    for name, part in {"milter64.toml": "", **file.parts}.items():
        text = part.replace("FOLDER", str(folder))
        if name in ("network", "dns", "said", "said-3.8", "unsaid"):
            continue
        if name == "milter64.toml":
            text = f"{ALONE}{text}"
        elif name.endswith("main.cf") and PREFIX_LENGTH not in text:
            text += f"{PREFIX_LENGTH} = 128\n"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    program = folder / "bin" / "getent"  # Postfix's names are looked up in the file's words alone
    program.parent.mkdir()
    names = [line.split(" is ") for line in file.lines("network") if " is " in line]
    rows = "".join(
        f"{database(each)}/{name}) echo '{each} STREAM' ;;\n" for name, all_ in names for each in all_.split()
    )
    program.write_text(f'#!/bin/sh\ncase $1/$2 in\n{rows}ahostsv4/localhost) echo "127.0.0.1 STREAM" ;;\nesac\n')
    program.chmod(0o755)


def database(address: str) -> str:
    return "ahostsv6" if ":" in address else "ahostsv4"


# What is said


class Told:
    """A host of a file, and what the three verbs say of it."""

    def __init__(self, file: Described, network: Namespace, folder: Path, said: Callable[[Sequence[str]], str]) -> None:
        self._folder, self._said, self._network = folder, said, network
        lay(file, folder)
        network.run("ip", "-batch", "-", stdin="\n".join(commands(made(file))))

    def verb(self, *words: str) -> Any:  # noqa: ANN401  each verb's own
        """Return what a verb prints for programs."""
        common = ("--config", str(self._folder / "milter64.toml"))
        where = () if words == ("check-config",) else ("--config-directory", str(self._folder))
        return json.loads(self._network.call(lambda: self._said([*words, *common, *where, "--json"])))

    def lines(self) -> list[str]:
        """Return what all three say, as "LEVEL SUBJECT: TEXT"."""
        checked = self.verb("check-config")
        lines = [f"error {each['key']}: {each['what']}" for each in checked["problems"]]
        lines += [f"warns {each['key']}: {each['what']}" for each in checked["warnings"]]
        if checked["problems"]:
            return lines
        postfix = self.verb("postfix")
        lines += [f"run {line}" for line in postfix["lines"]]
        for each in postfix["troubles"]:
            where = f"{each['where']} of {each['directory']}".removesuffix(f" of {self._folder}")
            lines.append(f"{'breaks' if each['breaks'] else 'mind'} {where}: {each['what']}")
        return [
            *lines,
            *(f"{each['level']} {each['subject']}: {each['reason']}" for each in self.verb("audit")["lines"]),
        ]

    def follow(self, text: str) -> None:
        """Do what a line or a remedy says: run its commands, or write another socket into milter64's settings."""
        for command in re.findall(r"postconf -.+?(?= && postfix|$)", text):
            self._network.run("sh", "-euc", command)
        for socket in re.findall(r'write (socket = "unix:(?:[^"]+)")', text):
            Path(socket.partition("unix:")[2].rstrip('"')).parent.mkdir(parents=True)
            (self._folder / "milter64.toml").write_text(f"{ALONE}milter.{socket}\n")


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[Described], Told]]:
    """Return what makes a host of a file."""

    def said(words: Sequence[str]) -> str:
        main(words)
        return capsys.readouterr().out

    def tell(file: Described) -> Told:
        stand(file, monkeypatch)
        monkeypatch.setenv("PATH", f"{name}/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        return Told(file, network, Path(name), said)

    with TemporaryDirectory() as name, Namespace() as network:  # pytest's own folders are too long for a socket's path
        yield tell


def stand(file: Described, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the audit find the host, its DNS and its doors in the file."""
    dns64 = tuple(line.split()[1] for line in file.lines("network") if line.startswith("dns64 "))
    monkeypatch.setattr(host, "read", lambda: made(file))
    monkeypatch.setattr(auditor, "Resolver", lambda *_: records(file))
    monkeypatch.setattr(auditor, "Reach", Doors)
    monkeypatch.setattr(auditor, "_translators", lambda *_: Translators(prefixes=dns64))
    monkeypatch.setattr(auditor, "read_host_lists", tuple)
    monkeypatch.setattr(auditor, "read_told_filters", tuple)


def knows_prefix_length() -> bool:
    return bool(subprocess.run(["postconf", "-dH", PREFIX_LENGTH], capture_output=True, check=False).stdout)


COMPLAINING = {"problem", "warning", "breaks", "mind", "error", "warns"}


def matching(expected: str) -> list[tuple[str, re.Pattern[str]]]:
    levels, _, phrase = expected.partition(" ")
    pattern = re.compile(".*".join(map(re.escape, phrase.strip().split(" .. "))))
    return [(level, pattern) for level in levels.split("|")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_of_a_host_is_said_what_is_true_and_nothing_else(path: Path, tell: Callable[[Described], Told]) -> None:
    file = described(path)
    lines = tell(file).lines()
    said = file.lines("said") + (file.lines("said-3.8") if knows_prefix_length() else [])
    expected = [each for line in said for each in matching(line)]
    missed = [f"missed: {level} {wanted.pattern}" for level, wanted in expected if not found(lines, level, wanted)]
    true = {line for level, wanted in expected for line in found(lines, level, wanted)}
    false = [f"false: {line}" for line in lines if line.split()[0] in COMPLAINING and line not in true]
    false += [f"{phrase} in: {line}" for line in lines for phrase in file.lines("unsaid") if phrase in line]
    assert not missed + false, "\n".join([*missed, *false, "of:", *lines])


def found(lines: Sequence[str], level: str, pattern: re.Pattern[str]) -> list[str]:
    return [line for line in lines if line.startswith(f"{level} ") and pattern.search(line, len(level))]


COMPLAINED_OF = [path for path in FILES if re.search(r"^\S*\b(breaks|mind|run) ", path.read_text(), re.MULTILINE)]


@pytest.mark.slow
@pytest.mark.parametrize("path", COMPLAINED_OF, ids=lambda path: path.stem)
def test_what_is_printed_mends_what_is_said(path: Path, tell: Callable[[Described], Told]) -> None:
    """Postfix's own commands are pasted as they stand; it isn't running, so it isn't reloaded."""
    told = tell(described(path))
    postfix = told.verb("postfix")
    for text in [*postfix["lines"], *(each["remedy"] for each in postfix["troubles"])]:
        told.follow(text)
    after = told.verb("postfix")
    assert after["lines"] == []
    assert [each for each in after["troubles"] if "postconf" in each["remedy"]] == []
    assert [each for each in after["troubles"] if each["breaks"] and each not in postfix["troubles"]] == []
