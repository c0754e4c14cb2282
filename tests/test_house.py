"""The house rules that a file can break without any other test noticing: imports, lengths, versions."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "milter" / "milter64"

ORDER = [
    "__init__",
    *(
        "frozen",
        "text",
        "networks",
        "prefix",
        "address",
        "mailbox",
        "session",
        "verdict",
        "suffixes",
        "groups",
        "shares",
        "greylist",
        "policy",
        "exempt",
        "reply",
        "headers",
        "forged",
    ),
    *("message", "response", "exchange", "edns", "nameservers", "cache", "dns"),
    *("store.protocol", "store.quota", "store.precedence", "store.memory"),
    *("store.file", "store.table", "store.batch", "store.sqlite", "store"),
    *("checks.path", "checks.iprev", "checks.helo", "checks.macros", "checks.rfc7208", "checks.spf", "checks"),
    *(
        "findings",
        "metrics",
        "inquiry",
        "familiar",
        "transaction",
        "lines",
        "layout",
        "pseudonyms",
        "telemetry",
        "tomllines",
        "toml",
        "listener",
        "effective",
    ),
    "config",
    *("discover", "discover.rfc7050", "discover.shapes", "discover.records"),
    *("discover.knowledge", "discover.pref64", "discover.advertisement"),
    *("crowds", "board", "gateways", "guard", "backlog", "rowclock", "engine", "context", "callbacks"),
    *("counting", "gauges", "sockets", "probe", "relief", "door", "worker", "lastwords", "crew", "publisher"),
    *("exporter", "staff", "notify", "supervisor"),
    *("audit", "audit.host", "audit.postfix", "audit.smtpds", "audit.advice"),
    *("audit.line", "audit.reach", "audit.facts", "audit.reverse"),
    *("audit.published", "audit.inbound", "audit.senders", "audit.strategy", "audit.outbound"),
    *("audit.service", "audit.container", "audit.auditor"),
    *(
        "cli.screen",
        "cli.run",
        "cli.check_config",
        "cli.translate",
        "cli.explanation",
        "cli.explain",
        "cli.discover",
        "cli.postfix",
    ),
    "cli.audit",
    *("cli", "__main__"),
]
"""Every module, so that each imports only from those before it."""

PURE = [module for module in ORDER[1 : ORDER.index("message")] if module != "suffixes"]  # its list is a file
WORLD = {
    *("asyncio", "concurrent", "datetime", "fcntl", "io", "logging", "multiprocessing", "os", "pathlib", "random"),
    *("resource", "secrets", "select", "selectors", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys"),
    *("tempfile", "threading", "time", "dns", "spf", "structlog"),
}
"""Top-level modules that reach clocks, chance, files, processes, threads or the network."""
ADDRESS_TEXTS = {f"socket.{name}" for name in ("AF_INET", "AF_INET6", "inet_ntop", "inet_pton")}

PYMILTER = {"Milter", "milter"}
LONGEST = 300


def _path(module: str) -> Path:
    path = HOUSE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _module(path: Path) -> str:
    parts = path.relative_to(HOUSE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[1:] and parts[-1] == "__init__" else parts)


def _imported(path: Path) -> Iterator[str]:
    """Yield the full name of all that a file imports, wherever in it: "milter64.text.clean", "time"."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name} imports relatively"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _modules_imported(path: Path) -> set[str]:
    """Return the modules of the house that a file imports from."""
    found = set()
    for name in _imported(path):
        package, _, rest = name.partition(".")
        if package == "milter64":
            of_name, of_module = rest, rest.rpartition(".")[0] or "__init__"
            found.add(of_name if of_name in ORDER else of_module)
    return found


def test_the_order_names_every_file_of_the_house_and_no_other() -> None:
    assert sorted(ORDER) == sorted(map(_module, HOUSE.rglob("*.py")))


@pytest.mark.parametrize("module", ORDER)
def test_a_file_imports_only_from_files_above_it(module: str) -> None:
    assert _modules_imported(_path(module)) <= set(ORDER[: ORDER.index(module)])


@pytest.mark.parametrize("module", PURE)
def test_a_pure_file_touches_no_clock_file_thread_or_network(module: str) -> None:
    names = set(_imported(_path(module))) - (ADDRESS_TEXTS if module == "networks" else set())
    assert {name for name in names if name.partition(".")[0] in WORLD} == set()


def test_only_the_adapter_and_the_worker_import_pymilter() -> None:
    users = {module for module in ORDER if PYMILTER & {name.partition(".")[0] for name in _imported(_path(module))}}
    assert users == {"callbacks", "worker"}


def test_milter_is_a_source_root_and_never_a_package_since_pymilters_extension_has_its_name() -> None:
    assert not (ROOT / "milter" / "__init__.py").exists()


@pytest.mark.parametrize("folder", ["milter", "tests"])
def test_no_file_is_longer_than_300_lines(folder: str) -> None:
    lengths = {path: path.read_text().count("\n") for path in (ROOT / folder).rglob("*.py")}
    assert {str(path): length for path, length in lengths.items() if length > LONGEST} == {}


def test_the_lowest_versions_that_are_asked_for_are_those_of_make_test_oldest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = dict(each.split(">=") for each in project["dependencies"] + project["optional-dependencies"]["dev"])
    lines = (ROOT / "tests" / "setup" / "oldest.txt").read_text().splitlines()
    tested = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert asked.keys() - tested.keys() == {"mypy", "ruff"}  # tools that no test imports
    assert [name for name in tested if not f"{tested[name]}.".startswith(f"{asked[name]}.")] == []
