"""The configuration's file: one of TOML, all of it optional, read into settings, or all that is wrong with it."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from milter64.address import translation_prefix
from milter64.address.networks import Networks, parse_network
from milter64.address.translation_prefix import Prefix
from milter64.checks.dns_list_settings import Answers, Zone
from milter64.config.problems import DEFAULT, WIDE, ConfigError, Problem
from milter64.config.settings import _HELO, BY_DNS, IPREV_RESULTS, SPF_RESULTS, Settings
from milter64.config.toml_reader import Reader, Wrong, build, placed, seconds, show
from milter64.limits.memory import LEAST_EACH, MIB, Memory
from milter64.limits.regular_file import read
from milter64.limits.settings import KINDS, LEVELS, Rate
from milter64.lists.entry import Entry, made
from milter64.lists.mistakes import Mistake, Mistakes
from milter64.mail.clean_text import clean

LARGEST = 1 << 24
"""Bytes of a file."""


def load(path: Path | None = None) -> Settings:
    """Return the settings in a file; without `path` those of `DEFAULT`, which need not be there.

    Raises:
        ConfigError: the file can't be read, or something in it is wrong.
    """
    file = path or DEFAULT
    try:
        raw = read(file, LARGEST)
    except OSError as error:
        if path is None and isinstance(error, FileNotFoundError):
            return Settings()
        forbidden = isinstance(error, PermissionError)
        remedy = "let this user read it, or try it as root" if forbidden else "name a file that can be read"
        problem = Problem(what=f"can't be read: {error.strerror}", remedy=remedy)
        raise ConfigError(file, [problem]) from error
    if raw.startswith(BOM_UTF8):
        problem = Problem(line=1, what="begins with a byte order mark", remedy="save it as UTF-8 without one")
        raise ConfigError(file, [problem])
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = Problem(line=line, what=f"byte 0x{raw[error.start]:02x} is not UTF-8", remedy="save it as UTF-8")
        raise ConfigError(file, [problem]) from error
    settings, problems = parse(text)
    if problems:
        raise ConfigError(file, problems)
    return settings


def parse(text: str) -> tuple[Settings, list[Problem]]:
    """Return the settings in a text, and all that is wrong with them."""
    settings, problems = build(Settings, text, _READERS, _WORDS)
    if not any(not problem.key for problem in problems):
        from milter64.config.contradictions import contradictions  # noqa: PLC0415  where there is no file, there are none

        wrong = {problem.key for problem in problems}
        problems += [problem for problem in contradictions(settings) if problem.key not in wrong]
        problems = placed(problems, text) if problems else []
    return settings, list(_presentable(problems))


_MOST = 100
"""Problems that are told."""


def _presentable(problems: list[Problem]) -> Iterator[Problem]:
    """Return what people can be shown of problems: the file may hold anything."""
    for each in problems[:_MOST]:
        what, remedy = clean(each.what, WIDE), clean(each.remedy, WIDE)
        yield Problem(key=clean(each.key, WIDE), line=each.line, what=what, remedy=remedy)
    if problems[_MOST:]:
        what = f"{len(problems) - _MOST} more like these"
        yield Problem(line=problems[_MOST].line, what=what, remedy="mend these first")


_WORDS: Mapping[str, list[str]] = {
    "helo.actions": sorted(BY_DNS[_HELO] | {"malformed", "literal", "own-name"}),
    "iprev.actions": sorted(IPREV_RESULTS),
    "iprev.ipv6_actions": sorted(IPREV_RESULTS),
    "spf.helo_actions": sorted(SPF_RESULTS),
    "spf.actions": sorted(SPF_RESULTS),
    **{f"rate.{kind}": list(LEVELS) for kind in KINDS},
}


def _prefix(value: object) -> Prefix:
    try:
        return Prefix(str(value))
    except ValueError as error:
        raise Wrong(str(error), 'write a prefix such as "64:ff9b::/96"') from error


def _mapping(value: object) -> translation_prefix.Mapping:
    form = '{ ipv4 = "192.0.2.1", ipv6 = "2001:db8:aaaa::1" }'
    if not isinstance(value, dict) or value.keys() != {"ipv4", "ipv6"}:
        raise Wrong(f"{show(value)} is no mapping", f"write {form}")
    try:
        return translation_prefix.Mapping(str(value["ipv4"]), str(value["ipv6"]))
    except ValueError as error:
        raise Wrong(str(error), f"write two blocks, such as {form}") from error


def _networks(value: object) -> Networks:
    if not isinstance(value, list):
        raise Wrong(f"{show(value)} is of the wrong kind", 'write a list, such as ["192.0.2.0/24", "2001:db8::/32"]')
    wrong = [text for text in map(str, value) if not _is_network(text)]
    if wrong:
        plural = "are no networks" if len(wrong) > 1 else "is no network"
        raise Wrong(f"{', '.join(map(show, wrong))} {plural}", "write 192.0.2.0/24, 2001:db8::/32 or a single address")
    return Networks(value)


def _is_network(text: str) -> bool:
    try:
        parse_network(text)
    except ValueError:
        return False
    return True


def _zone(value: object) -> Zone:
    try:
        return Zone(value if isinstance(value, str) else "")
    except ValueError as error:
        raise Wrong(str(error), 'write a zone such as "zen.spamhaus.org"') from error


def _answers(value: object) -> Answers:
    try:
        return Answers(str(value))
    except ValueError as error:
        remedy = 'write "127.0.0.2", "127.0.0.2-11" or "127.0.1.0/24"'
        raise Wrong(f"{show(value)} are no answers of a DNS list", remedy) from error


def _entry(value: object) -> Entry:
    form = '{ who = "@partner.example", spares = "all", until = "2027-01-31", because = "ticket 12" }'
    row = {"who": value} if isinstance(value, str) else value
    if not isinstance(row, dict) or "who" not in row or row.keys() - {"who", "spares", "until", "because"}:
        raise Wrong(f"{show(value)} is no entry", f'write "192.0.2.0/24" or {form}')
    if isinstance(until := row.get("until"), date):  # of TOML's own; a datetime is one too
        row = {**row, "until": until.isoformat()}
    if wrong := [key for key, each in row.items() if not isinstance(each, str)]:
        raise Wrong(f"{show(row[wrong[0]])} is of the wrong kind for {wrong[0]}", f"write {form}")
    row = dict(row)
    try:
        return made(row.pop("who"), Mistakes(), blocks=False, **row)
    except Mistake as mistake:
        raise Wrong(str(mistake), mistake.remedy) from mistake


def _path(value: object) -> Path:
    if not isinstance(value, str) or not Path(value).is_absolute():
        raise Wrong(f"{show(value)} is no absolute path", 'write such as "/etc/milter64/allow"')
    return Path(value)


def _rate(value: object) -> Rate:
    match = re.fullmatch(r"([1-9][0-9]{0,8})/(.+)", value) if isinstance(value, str) else None
    if not match:
        raise Wrong(f"{show(value)} is no count and time", 'write so many in a time, such as "60/1h"')
    if not (time := seconds(match[2])):
        raise Wrong("no time at all", 'write so many in a time, such as "60/1h"')
    return Rate(count=int(match[1]), seconds=time, text=match[0])


def _memory(value: object) -> Memory:
    match = re.fullmatch(r"([1-9][0-9]{0,4})([MG])", value) if isinstance(value, str) else None
    if not match:
        raise Wrong(f"{show(value)} is no size of memory", 'write it in MiB or GiB, such as "64M" or "1G"')
    octets = int(match[1]) * (MIB if match[2] == "M" else 1024 * MIB)
    if octets < LEAST_EACH:
        raise Wrong("less than one worker needs", f'write at least "{LEAST_EACH // MIB}M"')
    return Memory(octets=octets, text=match[0])


_READERS: Mapping[type, Reader] = {
    Prefix: _prefix,
    translation_prefix.Mapping: _mapping,
    Networks: _networks,
    Zone: _zone,
    Answers: _answers,
    Entry: _entry,
    Path: _path,
    Rate: _rate,
    Memory: _memory,
}
