"""Files that nobody writes on purpose: a clear line with place and remedy, 78, and nothing raw on the terminal."""

import json
import os
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from milter64.cli.main import main
from milter64.config import toml_lines
from milter64.config.load_file import parse

DIGITS = "9" * 5000
QUOTED_PARTS = ".".join(["'a'", '"\\""'] * 50_000)
STRANGE = {
    "a million workers": ("[milter]\nworkers = 1000000", 2, "1000000 is no number of workers"),
    "workers of hundreds of digits": (f"[milter]\nworkers = {'9' * 300}", 2, "a number of 997 bits is no number of"),
    "a number of thousands of digits": (f"\n[milter]\nworkers = {DIGITS}", 3, "a number of thousands of digits"),
    "thousands of hexadecimal digits": (f"[milter]\nworkers = 0x{DIGITS}", 2, "a number of 20000 bits is no number"),
    "a time without end": (f'[dns]\ntimeout = "{DIGITS}s"', 2, "more than a hundred years"),
    "a length of thousands of digits": (f'[trust]\nnetworks = ["10.0.0.0/{DIGITS}"]', 2, "9..."),
    "a store without a name": ('[greylist]\nstore = "sqlite:/"', 2, '"sqlite:/" names no file'),
    "a folder as a store": ('[greylist]\nstore = "sqlite:/tmp/"', 2, "names no file"),
    "a store one up": ('[greylist]\nstore = "sqlite:/tmp/.."', 2, "names no file"),
    "a socket without a name": ('[milter]\nsocket = "unix:/"', 2, '"unix:/" is no socket'),
    "a folder as a socket": ('[milter]\nsocket = "unix:/run/"', 2, "is no socket"),
    "a socket one up": ('[milter]\nsocket = "unix:/run/.."', 2, "is no socket"),
    "NUL in a store": ('[greylist]\nstore = "sqlite:/tmp/a\\u0000b"', 2, "not shown, as there may be a secret in it"),
    "NUL in a socket": ('[milter]\nsocket = "unix:/tmp/a\\u0000b"', 2, "holds the character U+0000"),
    "NUL in a list": ('[dns]\nnameservers = ["\\u0000"]', 2, "holds the character U+0000"),
    "NUL itself": ('mode = "observe"\n\0', 2, "not valid TOML"),
    "an escape sequence": ('mode = "\\u001b[31m"', 1, "holds the character U+001B"),
    "an escape sequence in a key": ('[spf]\n"\\u001b[31m" = 1', 2, "unknown key"),
    "an escape sequence itself": ('"\x1b[31m" = 1', 1, "not valid TOML"),
    "a text from right to left": ('mode = "\u202eobserve"', 1, "holds the character U+202E"),
    "a byte order mark": ('\ufeffmode = "observe"', 1, "a byte order mark"),
    "lists in lists": (f"\na = {'[' * 100_000}{']' * 100_000}", 2, "nested more than 20 deep"),
    "lists in lists, fewer": (f"\na = {'[' * 50}{']' * 50}", 2, "nested more than 20 deep"),
    "tables in tables": (f"\na = {'{a = ' * 5000}1{'}' * 5000}", 2, "nested more than 20 deep"),
    "a key of many parts": (f"\n{'.'.join('a' * 100_000)} = 1", 2, "nested more than 20 deep"),
    "a quoted key of many parts": (f"\n{QUOTED_PARTS} = 1", 2, "nested more than 20 deep"),
    "a key of many numbers": (f"\n{'1.' * 100_000}1 = 1", 2, "nested more than 20 deep"),
    "a table of many parts": (f"\n[{'.'.join('a' * 3000)}]", 2, "nested more than 20 deep"),
    "an endless value": (f'mode = "{"x" * 2_000_000}"', 1, "x..."),
    "an endless key": (f"[spf]\n{'a' * 300_000} = 1", 2, "unknown key"),
}


@pytest.mark.parametrize(("text", "line", "what"), STRANGE.values(), ids=STRANGE)
def test_a_strange_file_is_told_plainly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, line: int, what: str
) -> None:
    path = tmp_path / "strange.toml"
    path.write_text(text)
    assert main(["check-config", "--json", str(path)]) == os.EX_CONFIG
    [problem] = json.loads(capsys.readouterr().out)["problems"]
    assert problem["line"] == line
    assert what in problem["what"]
    assert problem["remedy"]
    for verb in (["check-config"], ["translate", "::1"], ["run"]):
        assert main([*verb, "--config", str(path)]) == os.EX_CONFIG
        out, err = capsys.readouterr()
        lines = (out + err).splitlines()
        assert all(each.isascii() and each.isprintable() for each in lines)
        assert len(lines) < 10
        assert max(map(len, lines)) < 2000


def test_a_files_own_name_is_no_escape_sequence_either(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "\x1b[31m.toml"
    path.write_text("mode = 1")
    assert main(["check-config", str(path)]) == os.EX_CONFIG
    path.write_text('greylist.store = "memory:"')
    assert main(["check-config", str(path)]) == os.EX_OK
    assert "\x1b" not in capsys.readouterr().out


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def sparse(path: Path) -> Path:
    path.touch()
    os.truncate(path, 1 << 34)
    return path


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (pipe, "no regular file"),
        (lambda _: Path("/dev/zero"), "no regular file"),
        (sparse, "more than 16777216 bytes"),
    ],
)
def test_what_is_no_file_of_ours_is_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], made: Callable[[Path], Path], what: str
) -> None:
    assert main(["check-config", str(made(tmp_path / "strange"))]) == os.EX_CONFIG
    assert f"can't be read: {what}" in capsys.readouterr().out


def test_of_thousands_of_errors_the_first_hundred_are_told() -> None:
    _, problems = parse("".join(f"k{number} = 1\n" for number in range(20_000)))
    assert [problem.line for problem in problems] == list(range(1, 102))
    assert problems[-1].what == "19900 more like these"


@pytest.mark.parametrize(
    "lines",
    [
        ["[trust]", "networks = [", *['"::1", # ]'] * 10_000, "]", "x = 1"],
        ["[trust]", "networks = [", *['"::1",', "# ]"] * 10_000, "]", "x = 1"],
        ['mode = """', *["] ''' }"] * 10_000, '"""', "x = 1"],
        ["mode = '''", *['] """ }'] * 10_000, "'''", "x = 1"],
    ],
)
def test_lines_are_found_by_reading_the_file_once_more(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    text, read, loads = "\n".join(lines), list[int](), tomllib.loads

    def counted(statement: str) -> object:
        read.append(len(statement))
        return loads(statement)

    monkeypatch.setattr("milter64.config.toml_lines.tomllib.loads", counted)
    assert toml_lines.lines(text)[("trust." if "trust" in text else "") + "x"] == len(lines)
    assert sum(read) == len(text)
