"""`milter64 greylist export` and `import`: out of one store, and into another."""

import json
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milter64.greylist.row import Record
from milter64.store.sqlite_merging import Merging
from milter64.store.sqlite_reader import Reader
from rig.greylists import ANN, JOE, KIND, LONG, NET, NOW, OTHERS, RDNS, SPF, Run, rows
from rig.rows import damage


def other(path: Path) -> list[str]:
    """Return the words that have another store used, one in a folder of its own."""
    path.mkdir()
    (path / "milter64.toml").write_text(f'[greylist]\nstore = "sqlite:{path}/rows"\n')
    return ["--config", str(path / "milter64.toml")]


@pytest.mark.usefixtures("wall")
def test_all_that_says_something_comes_over_as_it_was(greylist: Run, greylist_file: Path, tmp_path: Path) -> None:
    words = other(tmp_path / "other")
    file = str(tmp_path / "export")
    assert greylist("export", "--file", file) == (os.EX_OK, "", "")
    assert Path(file).stat().st_mode & 0o777 == 0o600
    assert greylist("import", "--file", file, "--dry-run", *words)[1].startswith("13 rows would be imported")
    assert not (tmp_path / "other" / "rows").exists()
    code, out, _ = greylist("import", "--file", file, "--json", *words)
    assert code == os.EX_OK
    assert json.loads(out) == {
        "milter64": "greylist import",
        "schema": 1,
        "imported": True,
        "passed": 4,
        "waiting": 4,
        "earned": 4,
        "forgotten": 1,
        "unnamed": 2,
        "expired": 1,
        "dropped": 0,
        "left_out": [],
    }
    came = rows(tmp_path / "other" / "rows")
    assert came == {row: record for row, record in rows(greylist_file).items() if KIND.expires(record) >= NOW}
    assert greylist("export", *words)[1].splitlines()[:-1] == [
        line for line in Path(file).read_text().splitlines()[:-1] if "<out@x.example>" not in line
    ]


@pytest.mark.usefixtures("greylist_file", "wall")
def test_it_says_that_rows_without_names_count_only_where_hosts_share(greylist: Run, tmp_path: Path) -> None:
    file = str(tmp_path / "export")
    greylist("export", "--file", file)
    said = greylist("import", "--file", file)[1]
    assert "2 of them are kept under a digest" in said
    assert "and count here only once this host shares as well" in said
    assert "\n1 have run out, and are left out\n" in said


@pytest.mark.usefixtures("greylist_file")
def test_who_was_forgotten_here_is_not_brought_back_by_an_older_export(greylist: Run, tmp_path: Path) -> None:
    file = str(tmp_path / "export")
    greylist("export", "--file", file)
    greylist("forget", "--from", "joe@honest.example")
    greylist("import", "--file", file)
    assert greylist("list", "--from", "joe@honest.example", "--json")[1] == ""


def test_a_row_of_a_time_to_come_dates_no_clock(greylist: Run, greylist_file: Path, tmp_path: Path) -> None:
    late = {"key": JOE, "group": "spf:late.example", "generation": 0, "first_seen": NOW + 9e5, "passed_at": NOW + 1e6}
    lines = ({"milter64": "greylist export", "schema": 1}, late, {"rows": 1})
    (tmp_path / "export").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert greylist("import", "--file", str(tmp_path / "export"))[0] == os.EX_OK
    assert rows(greylist_file)[JOE, "spf:late.example"] == Record(generation=0, first_seen=NOW, passed_at=NOW)
    with closing(Reader(greylist_file, KIND)) as reader:
        assert reader.latest() == NOW


BROKEN = {
    "cut off": (lambda text: text[: len(text) // 2], ": line "),
    "cut off between lines": (lambda text: text[: text.index("\n", len(text) // 2) + 1], "it was cut off"),
    "another program's": (lambda _: '{"other": 1}\n', "line 1: no export of `milter64 greylist export`"),
    "empty": (lambda _: "", "it was cut off"),
}


@pytest.mark.parametrize(("breaking", "said"), BROKEN.values(), ids=BROKEN)
@pytest.mark.usefixtures("greylist_file")
def test_of_what_is_no_whole_export_nothing_is_imported(
    breaking: Callable[[str], str], said: str, greylist: Run, tmp_path: Path
) -> None:
    greylist("export", "--file", str(tmp_path / "export"))
    (tmp_path / "export").write_text(breaking((tmp_path / "export").read_text()))
    words = other(tmp_path / "other")
    code, out, err = greylist("import", "--file", str(tmp_path / "export"), *words)
    assert (code, out) == (os.EX_UNAVAILABLE, "")
    assert said in err
    assert "; nothing was imported" in err
    assert not (tmp_path / "other" / "rows").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [("none", "No such file or directory"), (".", "Is a directory"), ("pipe", "is no regular file")],
)
@pytest.mark.usefixtures("greylist_file")
def test_a_file_that_cant_be_read_is_told_of(name: str, said: str, greylist: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    code, _, err = greylist("import", "--file", str(tmp_path / name))
    assert code == os.EX_UNAVAILABLE
    assert said in err


def test_an_export_is_written_wholly_or_not_at_all(greylist: Run, greylist_file: Path, tmp_path: Path) -> None:
    code, _, err = greylist("export", "--file", str(tmp_path / "none" / "export"))
    assert code == os.EX_UNAVAILABLE
    assert f"nothing can be written in {tmp_path / 'none'}" in err
    (tmp_path / "export").write_text("before")
    damage(greylist_file)
    assert greylist("export", "--file", str(tmp_path / "export"))[0] == os.EX_UNAVAILABLE
    assert (tmp_path / "export").read_text() == "before"
    assert [file.name for file in tmp_path.iterdir() if "export." in file.name] == []


@pytest.mark.usefixtures("greylist_file")
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("target")])
def test_an_export_takes_the_place_of_nothing_that_is_no_file(
    make: Callable[[Path], None], greylist: Run, tmp_path: Path
) -> None:
    make(tmp_path / "there")  # such as /dev/null, and root writes it
    before = (tmp_path / "there").lstat()
    code, _, err = greylist("export", "--file", str(tmp_path / "there"))
    assert (code, "there is there, and is no file\n" in err) == (os.EX_UNAVAILABLE, True)
    assert (tmp_path / "there").lstat() == before


times = st.floats(NOW - 86400, NOW, allow_nan=False)
ANY = st.dictionaries(
    st.tuples(
        st.sampled_from([JOE, ANN, OTHERS, LONG, "net:192.31.196.7/32"]), st.sampled_from([NET, SPF, RDNS, "to:1"])
    ),
    st.builds(Record, generation=st.integers(0, 5), first_seen=times, passed_at=st.none() | times),
)


def by_key(entries: dict[tuple[str, str], Record]) -> list[tuple[str, dict[str, Record]]]:
    found: dict[str, dict[str, Record]] = {}
    for (key, group), record in entries.items():
        found.setdefault(key, {})[group] = record
    return list(found.items())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(one=ANY, two=ANY)
@pytest.mark.usefixtures("greylist_file")
def test_two_greylists_become_the_same_whichever_is_imported_into_the_other(
    one: dict[tuple[str, str], Record], two: dict[tuple[str, str], Record], greylist: Run, tmp_path: Path
) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, entries in zip(folders, (one, two), strict=True):
        shutil.rmtree(folder, ignore_errors=True)
        other(folder)
        with Merging(folder / "rows", KIND, lambda _: None) as merging:
            merging.merge(by_key(entries))
    for number, folder in enumerate(folders):
        greylist("export", "--file", str(tmp_path / f"export{number}"), "--config", str(folder / "milter64.toml"))
    for number, folder in enumerate(folders):
        into = str(folder / "milter64.toml")
        assert greylist("import", "--file", str(tmp_path / f"export{1 - number}"), "--config", into)[0] == os.EX_OK
    came = rows(folders[0] / "rows")
    assert came == rows(folders[1] / "rows")
    assert came == {
        row: KIND.merge(one[row], two[row]) if row in one and row in two else one.get(row) or two[row]
        for row in one | two
    }
