"""What people get wrong in TOML, and what to write instead: tomllib says where it is, and names what it expected."""

import re

_PLACE = re.compile(r"(.*) \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)", re.DOTALL)
_TEXTS = re.compile(r""""(?:\\.|[^"\\])*"|'[^']*'|\#.*""")
_VALUE = re.compile(
    r"(?:^|(?<=[=\[,]))[ \t]*([^\s\[\]{},=#\"'](?:[^\[\]{},=#\"']*[^\s\[\]{},=#\"'])?)[ \t\r]*(?=[\]},\"]|$)"
)
"""What stands where a value may, and is neither a text nor a list."""
_PLAIN = re.compile(
    r"true|false|[+-]?(?:inf|nan|(?:0|[1-9][0-9_]*)(?:\.[0-9_]+)?(?:[eE][+-]?[0-9]+)?|0[xob][0-9a-fA-F_]+)"
)
"""Values that are written without quotes; we have no dates."""
_SWITCHES = frozenset({"true", "false", "yes", "no", "on", "off"})
_TABLE = re.compile(r"\s*\[")
_LONGEST = 2000
"""Characters of a line that is looked at."""

_ENDLESS = 'Expected "\'"'
"""What tomllib says at the end of a file that has a text without an end in it."""
_NAMES, _PARTS = re.compile(r"\('.*'[^)]*\)"), re.compile(r"'([^']*)'")
"""How tomllib writes a key or a table: ('greylist', 'delay')."""
_OF_VALUES = ("Invalid value", "Expected newline", "Unclosed array", "Unclosed inline table")
_REMEDIES = {
    "Expected '=' after a key": 'write a key, = and a value, such as mode = "observe"',
    "Invalid statement": "write a key, = and a value, or the name of a table in brackets, such as [spf]",
    "Invalid value": "write a value: a text in quotes, a number, true, false, or a list in brackets",
    "Cannot ": "write each key and each table once",
    "Unclosed array": "put a comma between the values of the list, and ] at its end",
    "Expected ']": "end the table's name with as many ] as it has [ before it",
    "Unterminated string": "end the text with the quote that it begins with, on the same line",
    'Expected "\'"': "end the text with the quote that it begins with, on the same line",
    "Illegal character '\\n'": "end the text with the quote that it begins with, on the same line",
    "Unescaped '\\'": "write the text in single quotes, or the backslash twice",
    "Invalid initial character for a key part": "write what is in { } on one line, without a comma before the }",
    "Unclosed inline table": "put a comma between the keys in { }, and } at their end",
    "Expected newline": "write no more than one key and its value on a line",
    "Found invalid character '\\n'": "end the text with the quote that it begins with, on the same line",
    "Found invalid character": "take the character out",
    "Illegal character": "take the character out",
}
"""By how tomllib's message begins."""


def mistake(message: str, text: str) -> tuple[int, str, str]:
    """Return the line of a mistake that tomllib has found, what is wrong there, and what to write."""
    match = _PLACE.fullmatch(message)
    said = match[1] if match else message
    if match and match[2]:
        number, column = int(match[2]), f", in column {match[3]}"
    else:
        number, column = (_open_text(text) if said == _ENDLESS else text.rstrip().count("\n") + 1), ""
    shown = _NAMES.sub(lambda names: ".".join(_PARTS.findall(names[0])), said)
    what, remedy = f"not valid TOML: {shown}{column}", "see https://toml.io"
    line = text.split("\n")[number - 1][:_LONGEST]
    if said.startswith(_OF_VALUES) and (value := _unquoted(line)):
        if "://" in line:  # and a password maybe, of which this may be a part
            return number, "a URL is no value without quotes", "write it in quotes"
        return number, f"{value} is no value without quotes", _quoted(value)
    for begins, known in _REMEDIES.items():
        if said.startswith(begins):
            return number, what, known
    return number, what, remedy


def _open_text(text: str) -> int:
    """Return the first line that has a quotation mark too many."""
    rest = [_TEXTS.sub("", line[:_LONGEST]) for line in text.split("\n")]
    return next((number for number, line in enumerate(rest, 1) if "'" in line), len(rest))


def _unquoted(line: str) -> str:
    """Return the first thing in a line that would have to stand in quotes."""
    values = [] if _TABLE.match(line) else _VALUE.findall(_TEXTS.sub('""', line))
    return next((value for value in values if value.isprintable() and not _PLAIN.fullmatch(value)), "")


def _quoted(value: str) -> str:
    if value.lower() in _SWITCHES:
        return "write true or false, in small letters"
    bare = value.strip("\u201c\u201d\u201e\u2018\u2019\u201a")
    return f'write it in quotes: "{bare}"' if bare == value else f'write it in straight quotes: "{bare}"'
