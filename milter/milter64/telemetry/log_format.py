"""A log line's fields, laid out as logfmt or JSON: on one line of printable ASCII that is written whole."""

import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from milter64.mail.clean_text import clean
from milter64.telemetry.log_writer import LONGEST

Fields = dict[str, Any]

_WIDTHS = (1000, 500, 250, 100)
"""Characters of one value in a log line: many recipients are cut here. Where the whole is too long, the next counts."""
_TRACEBACK = 3
"""Values that a traceback is as long as."""


def json_layout() -> Callable[[Fields], str]:
    """Return what writes a line as an object of JSON."""
    # Who wants none of it is spared six megabytes, and a quarter of a verb's start.
    from structlog.processors import JSONRenderer  # noqa: PLC0415  see above

    render = JSONRenderer()

    def as_json(fields: Fields) -> str:
        fields["time"] = _timestamp(fields["time"])
        return _fitting(lambda cleaned: str(render(None, "", cleaned)), fields)

    return as_json


def logfmt(fields: Fields) -> str:
    """Write a line as key=value, quoted where need be: structlog's own way takes a fifth of a whole acceptance."""
    fields["time"] = _timestamp(fields["time"])
    template, punctuation = _shape(tuple(fields))
    line = template % tuple(fields.values())
    # Most lines are short, have no punctuation but ours and no empty value: there is nothing to clean or to quote.
    bare = line.encode("ascii", "backslashreplace").translate(None, _BARE) == punctuation
    if bare and len(line) <= _WIDTHS[0] and "= " not in line and line[-1] != "=":
        return line
    return _fitting(_pairs, fields)


def _timestamp(nanoseconds: int) -> str:
    """Return a time since 1970 as date and time of day in UTC, to the millisecond."""
    seconds, milliseconds = divmod(nanoseconds // 1_000_000, 1000)
    return f"{_second(seconds)}.{milliseconds:03}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _cleaned(fields: Fields, wide: int) -> Fields:
    """Return fields as people may see them; a traceback keeps its lines, and the last of them rather than the first."""
    return {
        name: value
        if isinstance(value, int | float)
        else clean(str(value), wide)
        if name != "exception"
        else _UNPRINTABLE.sub("?", value)[-_TRACEBACK * wide :]
        for name, value in fields.items()
    }


_UNPRINTABLE = re.compile(r"[^\n -~]+")


def _fitting(layout: Callable[[Fields], str], fields: Fields) -> str:
    """Return a line that is written whole: a cut one would do in need, but is no JSON."""
    for wide in _WIDTHS:
        line = layout(_cleaned(fields, wide))
        if len(line) <= LONGEST:
            break
    return line


def _pairs(cleaned: Fields) -> str:
    texts = [(name, str(value)) for name, value in cleaned.items()]
    return " ".join([f"{name}={text if _is_bare(text) else _quoted(text)}" for name, text in texts])


@lru_cache(maxsize=256)
def _shape(names: tuple[str, ...]) -> tuple[str, bytes]:
    """Return how values are written behind their names, and what is left of it without the characters of `_BARE`.

    A reply is a code and a status (RFC 3463), with a blank between them.
    """
    pairs = [('reply="%s"', b'=" "') if name == "reply" else (f"{name}=%s", b"=") for name in names]
    return " ".join(pair for pair, _ in pairs), b" ".join(left for _, left in pairs)


_BARE = bytes(sorted({*range(0x21, 0x7F)} - {*b'"\\='}))
"""The characters that a value may have without being quoted."""


def _is_bare(text: str) -> bool:
    return bool(text) and not text.encode("ascii", "backslashreplace").translate(None, _BARE)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
