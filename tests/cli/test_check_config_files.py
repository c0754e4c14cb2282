"""What check-config says of files that the configuration names, and of itself, where the service can't read them."""

import json
import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from milter64.cli import check_config
from milter64.cli.main import main
from milter64.config import load_file


def test_wrong_lines_of_lists_and_files_that_are_not_there_are_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, block = tmp_path / "some.toml", tmp_path / "block"
    block.write_text("192.0.2.0/24\n\n64:ff9b::/96 # all of them\n.com\n")
    store = f'greylist.store = "sqlite:{tmp_path}/store"\n'
    path.write_text(f'{store}allow.files = ["{tmp_path}/none"]\nblock.files = ["{block}"]\n')
    assert main(["check-config", str(path)]) == os.EX_CONFIG
    title, _, *rows = capsys.readouterr().out.splitlines()
    assert title == f"{path}: 1 error"
    ipv4 = "64:ff9b::/96 is IPv4's, which stands behind 64:ff9b::/96; write the IPv4 network itself, as 192.0.2.0/24"
    lines = [
        f"warning: {block}:3: {ipv4}",
        f"warning: {block}:4: below com anybody may have a name; write a name of theirs, such as partner.com",
    ]
    assert [" ".join(row.split()) for row in rows] == [
        f"2 allow.files {tmp_path}/none can't be read by root: No such file or directory",
        "make it, or take it out",
        *lines,
    ]
    assert main(["check-config", "--json", str(path)]) == os.EX_CONFIG
    report = json.loads(capsys.readouterr().out)
    assert [(each["key"], each["line"]) for each in report["problems"]] == [("allow.files", 2)]
    assert [(each["key"], each["line"]) for each in report["warnings"]] == [(str(block), 3), (str(block), 4)]
    path.write_text(f'{store}block.files = ["{block}"]\n')
    assert main(["check-config", str(path)]) == os.EX_OK, "what is wrong in a list keeps nobody from a reload"
    assert capsys.readouterr().out.splitlines() == [f"{path} is valid", *lines]
    block.write_text("no entry!\n" * 102)
    assert main(["check-config", str(path)]) == os.EX_OK
    assert capsys.readouterr().out.splitlines()[-1] == f"warning: {block}: 2 more lines like these; mend these first"


@pytest.fixture
def service() -> Iterator[Path]:
    """The folder of a service that runs as nobody, where everybody can look."""
    with TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        (path / "milter64.toml").write_text(f'greylist.store = "sqlite:{path}/store"\nblock.files = ["{path}/block"]\n')
        (path / "block").write_text("192.0.2.0/24\n")
        os.chown(path, 65534, 65534)
        yield path


def test_root_is_told_which_files_the_service_cant_read(
    service: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, block = service / "milter64.toml", service / "block"
    for module in (check_config, load_file):
        monkeypatch.setattr(module, "DEFAULT", config)
    user = pwd.getpwuid(65534).pw_name
    remedy = f"let {user} read it, as by its group and the mode 0640"
    assert main(["check-config"]) == os.EX_OK
    config.chmod(0o640)
    block.chmod(0o640)
    capsys.readouterr()
    assert main(["check-config"]) == os.EX_CONFIG
    assert [" ".join(row.split()) for row in capsys.readouterr().out.splitlines()[2:]] == [
        f"{config} can't be read by {user}: Permission denied",
        remedy,
        f"2 block.files {block} can't be read by {user}: Permission denied",
        remedy,
    ]
    os.chown(block, 0, 65534)
    new = config.with_name("new.toml")
    new.write_bytes(config.read_bytes())
    new.chmod(0o600)
    assert main(["check-config", str(new)]) == os.EX_OK, "it isn't there yet where the service would read it"
    os.chown(config, 0, 65534)
    assert main(["check-config"]) == os.EX_OK, "the remedy helps"
    block.unlink()
    assert main(["check-config", str(config)]) == os.EX_CONFIG
    assert (os.geteuid(), os.getegid()) == (0, 0), "and all is as before"


def test_who_may_not_read_all_has_made_no_mistake(service: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (service / "block").chmod(0o600)
    os.seteuid(65533)
    try:
        code = main(["check-config", str(service / "milter64.toml")])
    finally:
        os.seteuid(0)
    assert code == os.EX_OK
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"warning: block.files: {service}/block can't be read: Permission denied; try it as root"
    ]
