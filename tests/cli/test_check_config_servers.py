"""What check-config says of the servers of a shared store: the library, passwords, certificates, and who reads them."""

import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from milter64.cli import service_user
from milter64.cli.main import main
from milter64.config import on_this_host
from milter64.config.load_file import parse

OWN = '[greylist]\nlocal = "memory:"\n'
"""Nothing that this machine would have to have."""


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that everybody can look into, on a host where the package's user is nobody."""
    monkeypatch.setattr(service_user, "_PACKAGES", "nobody")
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def said(capsys: pytest.CaptureFixture[str], file: Path, url: str) -> tuple[int, list[str]]:
    """Return how check-config ends, and the lines that it says beside the title and the table's head."""
    file.write_text(f'{OWN}store = "{url}"\n')
    code = main(["check-config", str(file)])
    output = capsys.readouterr()
    assert output.err == ""
    assert "s3cret" not in output.out
    lines = [" ".join(line.split()) for line in output.out.splitlines()]
    return code, lines[1:] if code == os.EX_OK else lines[2:]


def test_a_url_is_printed_without_its_password_and_can_not_be_taken_for_one_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "some.toml"
    file.write_text(f'{OWN}store = "rediss://me:s3cret@h?ca=/ca"\n')
    assert main(["check-config", "--print", str(file)]) == os.EX_OK
    printed = capsys.readouterr().out
    assert '\nstore = "rediss://me:***@h:6379?ca=/ca"\nlocal = "memory:"\n' in printed
    assert "s3cret" not in printed
    [problem] = parse(printed)[1]
    assert (problem.key, problem.what) == ("greylist.store", "the password has been left out")


def test_a_url_without_a_password_is_printed_so_that_it_can_be_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "some.toml"
    file.write_text(f'{OWN}store = "redis+sentinel://h,[::1]/mymaster/2?password_file=/p"\n')
    assert main(["check-config", "--print", str(file)]) == os.EX_OK
    printed = capsys.readouterr().out
    assert '\nstore = "redis+sentinel://h:26379,[::1]:26379/mymaster/2?password_file=/p"\n' in printed
    file.write_text(printed)
    assert main(["check-config", "--print", str(file)]) == os.EX_OK
    assert capsys.readouterr().out == printed


def test_a_missing_library_is_told_with_the_command_that_installs_it_and_keeps_nobody_from_starting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(on_this_host, "version", missing)
    what = "python3-redis is not installed, and this host shares nothing"
    assert said(capsys, tmp_path / "some.toml", "redis://h") == (
        os.EX_OK,
        [f"warning: greylist.store:3: {what}; run `apt install python3-redis`"],
    )
    assert said(capsys, tmp_path / "some.toml", "memory:") == (os.EX_OK, []), "who shares nothing needs none"


@pytest.mark.parametrize(
    ("installed", "url", "enough"),
    [
        ("4.3.4", "redis+cluster://h", False),
        ("4.3.4", "rediss+cluster://h", False),
        ("4.3.4", "redis+sentinel://h/m", True),
        ("4.3.4", "redis://h", True),
        ("5.0.0", "redis+cluster://h", True),
        ("10.0.0rc1", "redis+cluster://h", True),
    ],
)
def test_a_cluster_takes_a_library_that_follows_failovers(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    installed: str,
    url: str,
    *,
    enough: bool,
) -> None:
    monkeypatch.setattr(on_this_host, "version", {"redis": installed}.get)
    what = f"a Cluster takes redis-py 5 or later, which follows failovers, and this is {installed}"
    remedy = "take Debian 13's python3-redis, or name one server or Sentinels"
    assert said(capsys, tmp_path / "some.toml", url) == (
        os.EX_OK,
        [] if enough else [f"warning: greylist.store:3: {what}; {remedy}"],
    )


WORDS = {
    "password_file": "the password",
    "sentinel_password_file": "the password",
    "ca": "",
    "cert": "",
    "key": "the key",
}
"""Those that name files, each with the secret in it."""


@pytest.mark.parametrize("word", WORDS)
def test_a_file_that_the_service_can_not_read_is_told_with_a_remedy(
    folder: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    file, path = folder / "some.toml", folder / word
    url = f"rediss+sentinel://h/m?{word}={path}{f'&cert={path}' if word == 'key' else ''}"

    def what(why: str, remedy: str) -> tuple[int, list[str]]:
        row = [f"3 greylist.store {path} can't be read by nobody: {why}", remedy]
        return os.EX_CONFIG, row * (2 if word == "key" else 1)

    assert said(capsys, file, url) == what("No such file or directory", "make it, or take it out")
    path.write_text("s3cret\n")
    path.chmod(0o600)
    remedy = "let nobody read it, as by its group and the mode 0640"
    assert said(capsys, file, url) == what("Permission denied", remedy)
    os.chown(path, 0, 65534)
    path.chmod(0o640)
    assert said(capsys, file, url) == (os.EX_OK, [])
    path.unlink()
    os.mkfifo(path, 0o640)
    os.chown(path, 0, 65534)
    assert said(capsys, file, url) == what("no regular file", "name a file that can be read")


@pytest.mark.parametrize("word", ["password_file", "sentinel_password_file"])
def test_a_password_file_with_more_than_a_password_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    path = folder / "password"
    path.write_text("s3cret\nmore\n")
    why = f"{path} can't be read by nobody: not a single line of UTF-8 with a password"
    assert said(capsys, folder / "some.toml", f"redis+sentinel://h/m?{word}={path}") == (
        os.EX_CONFIG,
        [f"3 greylist.store {why}", "name a file that can be read"],
    )


@pytest.mark.parametrize(("word", "secret"), WORDS.items())
def test_a_secret_that_all_users_can_read_is_minded_and_no_error(
    folder: Path, capsys: pytest.CaptureFixture[str], word: str, secret: str
) -> None:
    path, cert = folder / word, folder / "cert"
    for each in (path, cert):
        each.write_text("s3cret")
        each.chmod(0o644)
    url = f"rediss+sentinel://h/m?{word}={path}{f'&cert={cert}' if word == 'key' else ''}"
    what = f"each user of this host can read {secret} in {path}"
    warning = f"warning: greylist.store: {what}; chgrp milter64 {path} && chmod 640 {path}"
    assert said(capsys, folder / "some.toml", url) == (os.EX_OK, [warning] if secret else [])


def test_a_list_by_command_that_can_not_be_read_is_beside_the_hosts_own_store(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, path = folder / "some.toml", folder / "rows.allow"
    os.chown(folder, 65534, -1)
    path.mkdir()
    file.write_text(f'greylist.store = "redis://h"\ngreylist.local = "sqlite:{folder}/rows"\n')
    assert main(["check-config", str(file)]) == os.EX_CONFIG
    assert " ".join(capsys.readouterr().out.splitlines()[2].split()).startswith(
        f"2 greylist.local {path} can't be read"
    )


def test_who_may_not_read_a_password_has_made_no_mistake(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, file = folder / "password", folder / "some.toml"
    path.write_text("s3cret")
    path.chmod(0o600)
    file.touch()
    os.chown(file, 65533, -1)
    os.seteuid(65533)
    try:
        found = said(capsys, file, f"redis://h?password_file={path}")
    finally:
        os.seteuid(0)
    warning = f"warning: greylist.store: {path} can't be read: Permission denied; try it as root"
    assert found == (os.EX_OK, [warning])


@pytest.mark.parametrize(
    ("url", "mode", "minded"),
    [
        ("redis://:s3cret@h", 0o644, True),
        ("redis://:s3cret@h", 0o640, False),
        ("redis://h", 0o644, False),
        ("redis://h?credential=redis", 0o644, False),
    ],
)
def test_a_password_in_a_configuration_that_all_users_can_read_is_minded_and_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, mode: int, *, minded: bool
) -> None:
    file = tmp_path / "some.toml"
    file.touch()
    file.chmod(mode)
    what = "each user of this host can read the password"
    warning = f"warning: greylist.store: {what}; chgrp milter64 {file} && chmod 640 {file}"
    assert said(capsys, file, url) == (os.EX_OK, [warning] * minded)
