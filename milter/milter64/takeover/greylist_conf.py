"""milter-greylist's greylist.conf, as far as it says who is let in: `racl whitelist` with one condition, and lists."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from milter64.takeover.conversion import LeftOut, LeftOutError

_TOKEN = re.compile(
    r"""
    (?P<blank> [ \t]+ | \#.* )
    | (?P<goes_on> \\.* )
    | (?P<token> "(?:[^"\\]|\\.)*" | /(?:[^/\\]|\\.)+/ | [{}] | [^\s{}"\\]+ | . )
    """,
    re.VERBOSE,
)
_CLAUSES = {"addr", "domain", "from", "rcpt"}
_NO_CONDITION = {"nolog": 1, "flushaddr": 1, "report": 2, "msg": 2, "code": 2, "ecode": 2, "delay": 2, "autowhite": 2}
"""What may stand beside conditions and changes nothing about them, and how many words it has."""


class Condition(NamedTuple):
    """Whom `racl whitelist` lets in: the line, the clause, such as "addr", and what is behind it."""

    number: int
    clause: str
    value: str


class _Word(NamedTuple):
    number: int
    text: str

    @property
    def plain(self) -> str:
        """A keyword, as it is compared."""
        return self.text.lower().removesuffix(":")


def conditions(text: str, left_out: LeftOut) -> Iterator[Condition]:
    """Yield who is let in, in the order of the file; what else is said of whom is noted as left out."""
    lists = dict[str, list[Condition]]()
    for words in _statements(text):
        first, *rest = words
        try:
            if first.plain == "list":
                name, found = _list(rest)
                lists[name] = found
            elif first.plain in {"racl", "acl", "dacl"}:
                yield from _acl(rest, lists)
        except LeftOutError as reason:
            left_out.add(f"line {first.number}: {' '.join(word.text for word in words)}", reason)


def _statements(text: str) -> Iterator[list[_Word]]:
    """Yield the words of each statement, which goes on behind a backslash in the next line."""
    words = list[_Word]()
    for number, line in enumerate(re.split(r"\r?\n", text), start=1):
        goes_on = False
        for match in _TOKEN.finditer(line):
            if match["goes_on"]:
                goes_on = True
            elif match["token"]:
                words.append(_Word(number, match["token"]))
        if words and not goes_on:
            yield words
            words = []
    if words:
        yield words


def _list(words: list[_Word]) -> tuple[str, list[Condition]]:
    """Read `"name" addr { 192.0.2.0/24 198.51.100.1 }`."""
    if len(words) < 4 or words[2].text != "{" or words[-1].text != "}":  # noqa: PLR2004  a name, a kind, and braces
        raise LeftOutError("it is no list of milter-greylist's")
    name, kind, _, *items = words
    return name.text, [Condition(item.number, kind.plain, item.text) for item in items[:-1]]


def _acl(words: list[_Word], lists: dict[str, list[Condition]]) -> list[Condition]:
    if words and words[0].text.startswith('"'):  # its name
        words = words[1:]
    action = words[0].plain if words else ""
    if action == "blacklist":
        raise LeftOutError("it keeps somebody out; see `milter64 block`")
    if action != "whitelist":
        if [word.plain for word in words[1:2]] == ["default"]:
            return []
        raise LeftOutError("it lets nobody in")
    found = _conditions(words[1:], lists)
    if len(found) != 1:
        raise LeftOutError("it has several conditions, which hold together; an entry of an allow list has one")
    if wrong := {condition.clause for condition in found[0]} - _CLAUSES:
        raise LeftOutError(f"a list of {', '.join(sorted(wrong))} is nothing that an allow list can have")
    return found[0]


def _conditions(rest: list[_Word], lists: dict[str, list[Condition]]) -> list[list[Condition]]:
    """Return the conditions of `racl whitelist`, each with all that may fulfil it."""
    found = list[list[Condition]]()
    while rest:
        word = rest[0].plain
        if word in _NO_CONDITION:
            rest = rest[_NO_CONDITION[word] :]
            continue
        if len(rest) > 1 and word in _CLAUSES:
            found.append([Condition(rest[1].number, word, rest[1].text)])
        elif len(rest) > 1 and word == "list" and rest[1].text in lists:
            found.append(lists[rest[1].text])
        else:
            raise LeftOutError(
                "an allow list has addresses, names, senders and recipients alone, and no other conditions"
            )
        rest = rest[2:]
    return found
