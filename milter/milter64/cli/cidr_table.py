"""Postfix's cidr tables (cidr_table(5)), and lists of addresses: what each line begins with, and the rest as it is."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

Forms = Callable[[str], Sequence[str]]
"""Returns what is to stand in the place of a pattern; nothing where it stays."""

_ENTRY = re.compile(
    r"(?P<condition>if\s+)?(?P<negated>!\s*)?(?P<pattern>[^\s#!]\S*)(?P<rest>.*)", re.DOTALL | re.IGNORECASE
)
_IF = re.compile(r"if\s", re.IGNORECASE)
_ENDIF = re.compile(r"endif\b", re.IGNORECASE)


def translated(lines: Iterable[str], forms: Forms) -> Iterator[str]:
    """Yield a table, with the forms of each pattern in its place: one line for each form."""
    return _translated(_logical(lines), forms)


def _logical(lines: Iterable[str]) -> Iterator[str]:
    """Join lines to those that begin with a blank and continue them, and what is skipped in between."""
    entry, skipped = "", ""
    for line in lines:
        ended = line if line.endswith("\n") else f"{line}\n"
        if not ended.strip() or ended.lstrip().startswith("#"):
            skipped += ended
        elif entry and ended[0].isspace():
            entry, skipped = entry + skipped + ended, ""
        else:
            yield from filter(None, (entry, skipped))
            entry, skipped = ended, ""
    yield from filter(None, (entry, skipped))


def _translated(lines: Iterator[str], forms: Forms) -> Iterator[str]:
    for line in lines:
        match = None if _ENDIF.match(line) else _ENTRY.fullmatch(line)
        found = forms(match["pattern"]) if match else ()
        if not match or not found:
            yield line
            continue
        first, last = f"{match['condition'] or ''}{match['negated'] or ''}", match["rest"]
        written = [f"{first}{form}{last}" for form in found]
        if not match["condition"] and not match["negated"]:
            yield from written
        elif not match["condition"]:  # what is none of several
            yield from (f"if !{form}\n" for form in found[:-1])
            yield written[-1]
            yield from ("endif\n" for _ in found[:-1])
        else:
            body, end = _body(lines)
            blocks = [written] if match["negated"] else [[each] for each in written]
            for heads in blocks:
                yield from heads
                yield from _translated(iter(body), forms)
                yield from (end for _ in heads)


def _body(lines: Iterator[str]) -> tuple[list[str], str]:
    """Return what follows an "if", up to its "endif", and that."""
    body: list[str] = []
    depth = 1
    for line in lines:
        depth += bool(_IF.match(line)) - bool(_ENDIF.match(line))
        if not depth:
            return body, line
        body.append(line)
    return body, ""
