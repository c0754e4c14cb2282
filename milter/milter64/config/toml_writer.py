"""Settings back into TOML: what counts, defaults and all, as a file that could be loaded again.

It goes by the same dataclasses as toml_reader.py, which reads. Where a field's metadata have "write", that function
makes what TOML is given. A value that is None is left out, as it came to be so, and so is an array without tables.
"""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import get_type_hints

from milter64.address import translation_prefix
from milter64.address.networks import Networks
from milter64.address.translation_prefix import Prefix
from milter64.checks.dns_list_settings import Answers, Zone
from milter64.config.toml_reader import tables
from milter64.limits.memory import Memory
from milter64.limits.settings import Rate
from milter64.lists.entry import Entry, shown_time

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def written(settings: object) -> str:
    """Return a dataclass of settings as TOML: first what stands in no table, then each table."""
    return "\n".join(_lines(settings, "")) + "\n"


def _lines(section: object, path: str) -> Iterator[str]:
    values = list(_values(section))
    found = {name: _tables(value) for name, value in values}
    yield from (f"{name} = {_value(value)}" for name, value in values if not found[name])
    for name, value in values:
        header = f"[{path}{name}]" if dataclasses.is_dataclass(value) else f"[[{path}{name}]]"
        for table in found[name]:
            yield from ("", header, *_lines(table, f"{path}{name}."))


def _tables(value: object) -> tuple[object, ...]:
    """Return what has a table, or each a table of an array of them."""
    each = value if isinstance(value, tuple) else (value,)
    return tuple(filter(dataclasses.is_dataclass, each))


def _values(section: object) -> Iterator[tuple[str, object]]:
    """Yield a section's keys, with what TOML is to be given."""
    assert dataclasses.is_dataclass(section)
    hints = get_type_hints(type(section))
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if "read" in field.metadata:
            value = field.metadata.get("write", lambda each: None if each is None else str(each))(value)
        if value is not None and (value or not tables(hints[field.name])):
            yield field.name, value


def _value(value: object) -> str:
    match value:
        case Enum():  # an IntEnum is an int too
            text = _text(value.name.lower())
        case bool() | int():
            text = str(value).lower()
        case str() | Path():
            text = _text(str(value))
        case float():
            text = _text(_time(value))
        case Prefix() | Zone() | Answers() | Rate() | Memory():
            text = _text(value.text)
        case translation_prefix.Mapping():
            ipv4, _, ipv6 = value.text.partition(" = ")
            text = _table({"ipv4": ipv4, "ipv6": ipv6})
        case Mapping():
            text = _table(value)
        case Entry():
            until = None if value.until is None else shown_time(value.until)
            row = {"who": value.written, "spares": value.spares, "until": until, "because": value.because}
            text = _table({key: each for key, each in row.items() if each})
        case tuple() | Networks():
            text = f"[{', '.join(map(_value, value))}]"
        case _:
            text = _table(dict(_values(value)))
    return text


def _table(pairs: Mapping[str, object]) -> str:
    inner = ", ".join(f"{_key(name)} = {_value(each)}" for name, each in pairs.items())
    return f"{{ {inner} }}" if inner else "{}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else _text(name)


def _text(text: str) -> str:
    """Return a basic string, which is JSON's but for the one control character that JSON lets pass."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", r"\u007f")


def _time(seconds: float) -> str:
    """Return seconds as people write them: in the largest unit of which there are three or more."""
    for unit, size in _UNITS.items():
        if seconds >= 3 * size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    plain = re.sub(r"\.0$", "", repr(seconds))
    return f"{plain}s" if "e" not in plain else f"{seconds:.1074f}".rstrip("0") + "s"
