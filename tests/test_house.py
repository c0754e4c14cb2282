"""The house rules that a file can break without any other test noticing: imports, lengths, versions."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from milter64 import __version__

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "milter" / "milter64"

WINGS = [
    *("address", "mail", "limits", "dns", "store", "checks", "greylist", "headers", "lists", "policy", "telemetry"),
    *("sharing", "judging", "config", "discover", "audit", "guard", "numbers", "service"),
    *("pages", "history", "takeover", "report", "replay", "cli"),
]
"""From the ground up: a file imports from its own wing and from wings below it."""
PURE = ("address", "mail", "greylist", "headers", "policy")
WORLD = {
    *("asyncio", "concurrent", "datetime", "fcntl", "io", "logging", "multiprocessing", "os", "pathlib", "random"),
    *("resource", "secrets", "select", "selectors", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys"),
    *("tempfile", "threading", "time", "dns", "spf", "structlog"),
}
"""Top-level modules that reach clocks, chance, files, processes, threads or the network."""
ADDRESS_TEXTS = {f"socket.{name}" for name in ("AF_INET", "AF_INET6", "inet_ntop", "inet_pton")}

PYMILTER = {"Milter", "milter"}
LONGEST = 300


FILES = {".".join(path.relative_to(HOUSE).with_suffix("").parts): path for path in sorted(HOUSE.rglob("*.py"))}
"""By the name of the module within the house."""


def _wing(module: str) -> str:
    return module.partition(".")[0]


def _imported(path: Path) -> Iterator[str]:
    """Yield the full name of all that a file imports, wherever in it: "milter64.mail.clean_text.clean", "time"."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name} imports relatively"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _modules_imported(path: Path) -> set[str]:
    """Return the modules of the house that a file imports, or imports from."""
    names = [name.removeprefix("milter64.") for name in _imported(path) if name.startswith("milter64.")]
    return {name if name in FILES else name.rpartition(".")[0] for name in names} - {""}


def test_every_file_stands_in_a_wing() -> None:
    assert {_wing(module) for module in FILES} == {"__init__", "__main__", *WINGS}
    assert [module for module in FILES if "." not in module] == ["__init__", "__main__"]


@pytest.mark.parametrize("module", [module for module in FILES if "." in module])
def test_a_file_imports_from_its_own_wing_and_from_those_below(module: str) -> None:
    below = WINGS[: WINGS.index(_wing(module)) + 1]
    assert {name for name in _modules_imported(FILES[module]) if _wing(name) not in below} == set()


def test_a_name_is_imported_from_the_file_that_defines_it() -> None:
    assert [module for module, path in FILES.items() if _modules_imported(path) - FILES.keys()] == []
    for module, path in FILES.items():
        for name in _imported(path):
            of, _, what = name.removeprefix("milter64.").rpartition(".")
            if name.startswith("milter64.") and of in FILES:
                assert what in _defined(FILES[of]), f"{module} imports {what} from {of}"


@cache
def _defined(path: Path) -> set[str]:
    """Return the names that a file itself gives to something."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return found


def test_no_files_import_each_other_in_a_circle() -> None:
    list(TopologicalSorter({module: _modules_imported(path) for module, path in FILES.items()}).static_order())


def test_a_wing_says_in_its_first_file_what_it_is_and_no_more() -> None:
    firsts = [ast.parse(path.read_text()) for module, path in FILES.items() if module.endswith(".__init__")]
    assert {len(first.body) for first in firsts} == {1}
    assert all(ast.get_docstring(first) for first in firsts)


@pytest.mark.parametrize("module", [module for module in FILES if _wing(module) in PURE])
def test_a_pure_wing_touches_no_clock_file_thread_or_network(module: str) -> None:
    names = set(_imported(FILES[module])) - (ADDRESS_TEXTS if module == "address.networks" else set())
    assert {name for name in names if name.partition(".")[0] in WORLD} == set()


def test_only_the_adapter_and_the_worker_import_pymilter() -> None:
    users = {
        module for module, path in FILES.items() if PYMILTER & {name.partition(".")[0] for name in _imported(path)}
    }
    assert users == {"service.pymilter_callbacks", "service.worker"}


def test_milter_is_a_source_root_and_never_a_package_since_pymilters_extension_has_its_name() -> None:
    assert not (ROOT / "milter" / "__init__.py").exists()


@pytest.mark.parametrize("folder", ["milter", "tests"])
def test_no_file_is_longer_than_300_lines(folder: str) -> None:
    lengths = {path: path.read_text().count("\n") for path in (ROOT / folder).rglob("*.py")}
    assert {str(path): length for path, length in lengths.items() if length > LONGEST} == {}


@pytest.mark.parametrize("module", FILES)
def test_no_quantifier_behind_a_group_is_possessive(module: str) -> None:
    """Debian 12's Python 3.11.2 gets those wrong (gh-106052): (?>...) does the same."""
    assert not re.search(r"\)[*+?]\+", FILES[module].read_text())


def test_the_lowest_versions_that_are_asked_for_are_those_of_make_test_oldest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = dict(each.split(">=") for each in project["dependencies"] + project["optional-dependencies"]["dev"])
    lines = (ROOT / "tests" / "setup" / "oldest.txt").read_text().splitlines()
    tested = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert asked.keys() - tested.keys() == {"build", "mypy", "ruff", "twine"}  # tools that no test imports
    assert [name for name in tested if not f"{tested[name]}.".startswith(f"{asked[name]}.")] == []


def test_the_program_and_its_package_have_one_version() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__
