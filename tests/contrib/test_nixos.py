"""NixOS's files, as far as Nix alone goes without nixpkgs: they are read, and name what milter64 depends on."""

import json
import tomllib
from pathlib import Path

import pytest

from rig.deb import ROOT
from rig.network import HERE

NIXOS = ROOT / "contrib" / "nixos"
_NOWHERE = ("nix-instantiate", "--option", "build-users-group", "", "--store", "dummy://")
_PACKAGE = """(import %s) { python3Packages = {
    buildPythonApplication = all: { inherit (all) pname version; depends = map (each: each.name) all.dependencies; };
    %s
}; }"""


@pytest.mark.parametrize("file", ["milter64.nix", "package.nix"])
def test_nix_can_read_it(file: str) -> None:
    assert HERE.run(*_NOWHERE, "--parse", str(NIXOS / file))


def test_the_package_is_the_projects_and_depends_on_what_it_does(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [requirement.partition(">=")[0] for requirement in project["dependencies"]]
    known = " ".join(f'"{name}" = {{ name = "{name}"; }};' for name in [*names, "hatchling"])
    expression = tmp_path / "package.nix"
    expression.write_text(_PACKAGE % (NIXOS / "package.nix", known))
    said = json.loads(HERE.run(*_NOWHERE, "--eval", "--strict", "--json", str(expression)))
    assert said == {"pname": project["name"], "version": project["version"], "depends": sorted(names)}
