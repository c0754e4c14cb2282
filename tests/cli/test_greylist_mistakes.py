"""`milter64 greylist` where a command line can't be meant, or the file can't be read: nothing is changed."""

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from milter64.cli.greylist_file import Entries
from milter64.greylist.export_text import dump
from milter64.greylist.row import Record
from milter64.store.interface import StoreGone
from milter64.store.sqlite_merging import Merging
from rig.greylists import KIND, NET, PASSED, WAITS, Run
from rig.rows import damage

MISTAKES = {
    "forget all": (["forget"], "whom? Say it by --from, --to, --network"),
    "show nobody": (["show"], "of whom? Name a sender by --from and a recipient by --to"),
    "show half": (["show", "--from", "joe@honest.example"], "of whom?"),
    "show a domain": (["show", "--from", "@honest.example", "--to", "you@lab.example"], "of whom?"),
    "another's option": (["stats", "--from", "joe@honest.example"], "it takes no --from"),
    "a dry run of nothing": (["list", "--dry-run"], "it takes no --dry-run"),
    "no sender": (["list", "--from", "joe"], "'joe' is no address such as user@example.org, nor a domain"),
    "no network": (["list", "--network", "192.0.2.0/33"], "is not a network"),
    "no client": (["show", "--from", "a@b.c", "--to", "a@b.c", "--client", "x"], "'x' is not an IP address"),
    "no group": (["list", "--group", "honest.example"], "'honest.example' is no group such as net:192.0.2.0/24"),
    "both": (["list", "--waiting", "--passed"], "not allowed with argument"),
    "nothing": ([], "required: ACTION"),
    "something else": (["drop"], "invalid choice: 'drop'"),
}


@pytest.mark.parametrize(("words", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_command_line_that_cant_be_meant_is_told_so(
    words: list[str], said: str, greylist: Run, greylist_file: Path
) -> None:
    before = greylist_file.read_bytes()
    code, out, err = greylist(*words)
    assert (code, out) == (os.EX_USAGE, "")
    assert said in err
    assert greylist_file.read_bytes() == before


ACTIONS = [
    ["list"],
    ["show", "--from", "a@b.c", "--to", "a@b.c"],
    ["forget", "--from", "a@b.c"],
    ["stats"],
    ["export"],
]


@pytest.mark.parametrize("words", ACTIONS, ids=lambda words: words[0])
def test_a_greylist_in_memory_cant_be_seen_and_there_is_a_remedy(
    words: list[str], greylist: Run, tmp_path: Path
) -> None:
    (tmp_path / "milter64.toml").write_text('[greylist]\nstore = "memory:"\n')
    code, out, err = greylist(*words)
    assert (code, out) == (os.EX_UNAVAILABLE, "")
    assert 'greylist.store = "memory:" keeps the greylist in the service alone; name a file such as "sqlite:' in err


@pytest.mark.parametrize("words", ACTIONS, ids=lambda words: words[0])
def test_of_hosts_that_share_the_own_store_is_looked_for(words: list[str], greylist: Run, tmp_path: Path) -> None:
    (tmp_path / "milter64.toml").write_text(
        f'[greylist]\nstore = "redis://192.31.196.1"\nlocal = "sqlite:{tmp_path}/own"\n'
    )
    code, out, err = greylist(*words)
    assert (code, out) == (os.EX_UNAVAILABLE, "")
    assert f"{tmp_path}/own isn't there; the service makes it when it is started" in err
    assert [file.name for file in tmp_path.iterdir()] == ["milter64.toml"]


@pytest.mark.parametrize("words", [*ACTIONS, ["import", "--file", "/dev/null"]], ids=lambda words: words[0])
def test_a_corrupt_greylist_is_told_of_and_left_as_it_is(words: list[str], greylist: Run, greylist_file: Path) -> None:
    greylist_file.write_bytes(b"no database" * 1000)
    before = {file.name: file.read_bytes() for file in greylist_file.parent.iterdir()}
    code, _, err = greylist(*words)
    assert code == os.EX_UNAVAILABLE
    assert f"{greylist_file} is corrupt" in err
    assert {file.name: file.read_bytes() for file in greylist_file.parent.iterdir()} == before


def test_one_that_turns_out_to_be_corrupt_in_the_middle_is_not_touched_either(
    greylist: Run, greylist_file: Path
) -> None:
    damage(greylist_file)
    before = greylist_file.read_bytes()
    code, _, err = greylist("forget", "--passed")
    assert code == os.EX_UNAVAILABLE
    assert "corrupt" in err
    assert greylist_file.read_bytes() == before


def test_what_strangers_have_written_never_reaches_the_terminal_raw(greylist: Run, greylist_file: Path) -> None:
    with Merging(greylist_file, KIND, lambda _: None) as merging:
        merging.merge([("<\x1b[31m@x.example> <\x07@lab.example>", {"net:\x1b[2J": PASSED, "spf:\u202e": WAITS})])
    for words in (("list",), ("stats",), ("list", "--json"), ("stats", "--json"), ("export",), ("forget", "--passed")):
        _, out, err = greylist(*words)
        assert [each for each in out + err if not (each.isprintable() and each.isascii()) and each != "\n"] == []


FAILS = [
    (StoreGone("the disk is full"), os.EX_UNAVAILABLE, "the disk is full"),
    (KeyboardInterrupt(), 130, "interrupted"),
]


@pytest.fixture
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def fails_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, BaseException], None]:
    """Have rows merged a few at a time, and one of these times fail, counted from 1."""

    def set_up(number: int, error: BaseException) -> None:
        merge, times = Merging.merge, count(1)

        def failing(merging: Merging[Record], entries: Entries) -> None:
            if next(times) == number:
                raise error
            merge(merging, entries)

        monkeypatch.setattr(Merging, "merge", failing)
        monkeypatch.setattr("milter64.cli.greylist_import._AT_ONCE", 2)
        monkeypatch.setattr("milter64.store.sqlite_reader._CHUNK", 2)

    return set_up


@pytest.mark.usefixtures("greylist_file", "in_own_folder")
@pytest.mark.parametrize("failure", FAILS)
@pytest.mark.parametrize(
    ("number", "far"),
    [(1, "nothing was imported"), (3, "4 rows were imported by then, and it may be done again")],
)
def test_how_far_an_import_came_that_fails_is_said(
    number: int,
    far: str,
    failure: tuple[BaseException, int, str],
    fails_at: Callable[[int, BaseException], None],
    greylist: Run,
) -> None:
    error, code, why = failure
    words = ["import", "--file", "export"]
    greylist("export", "--file", words[-1])
    fails_at(number, error)
    assert greylist(*words) == (code, "", f"milter64 greylist import: {why}; {far}\n")


@pytest.mark.usefixtures("greylist_file")
@pytest.mark.parametrize("failure", FAILS)
@pytest.mark.parametrize(
    ("number", "far"), [(1, "nothing was forgotten"), (2, "2 were forgotten by then, and it may be done again")]
)
def test_how_far_it_came_to_forget_that_fails_is_said(
    number: int,
    far: str,
    failure: tuple[BaseException, int, str],
    fails_at: Callable[[int, BaseException], None],
    greylist: Run,
) -> None:
    error, code, why = failure
    fails_at(number, error)
    ended, _, err = greylist("forget", "--from", "@honest.example")
    assert (ended, err.splitlines()[-1]) == (code, f"milter64 greylist forget: {why}; {far}")


@pytest.mark.usefixtures("greylist_file")
def test_of_a_file_that_is_cut_off_while_it_is_imported_it_is_not_said_that_nothing_was(
    greylist: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = tmp_path / "export"
    export.write_text("\n".join(dump((f"<{number}@x.example> <b@lab.example>", NET, PASSED) for number in range(4000))))
    merge = Merging.merge

    def cutting(merging: Merging[Record], entries: Entries) -> None:
        merge(merging, entries)
        os.truncate(export, 300_000)

    monkeypatch.setattr(Merging, "merge", cutting)
    code, _, err = greylist("import", "--file", str(export))
    assert code == os.EX_UNAVAILABLE
    assert "000 rows were imported by then, and it may be done again" in err


@pytest.mark.usefixtures("greylist_file")
def test_ctrl_c_ends_it_without_a_word(greylist: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("milter64.store.sqlite_reader.Reader.chunks", interrupted)
    assert greylist("list") == (130, "", "")


@pytest.mark.usefixtures("greylist_file")
def test_whoever_names_a_folder_to_import_is_told_to_name_the_file_in_it(greylist: Run, tmp_path: Path) -> None:
    code, out, err = greylist("import", "--file", str(tmp_path))
    assert (code, out) == (os.EX_UNAVAILABLE, "")
    assert err.endswith("it can't be read: Is a directory; name the file in it; nothing was imported\n")
