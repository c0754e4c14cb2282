"""NixOS's files, as far as Nix alone goes without nixpkgs: they are read, and name what milter64 depends on."""

import json
import tomllib
from pathlib import Path

import pytest

from rig import unit
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


_MODULE = """
let
  lib = rec {
    mkEnableOption = _: { };
    mkOption = each: each;
    mkDefault = each: each;
    mkBefore = each: each;
    mkIf = _: each: each;
    literalExpression = each: each;
    getExe = each: each;
    types = { package = { }; bool = { }; };
  };
  pkgs = {
    coreutils = "/coreutils";
    formats.toml = _: { type = { }; generate = name: _: name; };
    runCommand = name: _: _: name;
    callPackage = _: _: "/milter64";
  };
  config.services = {
    milter64 = { enable = true; postfix = true; package = "/milter64"; settings = { }; };
    postfix = { enable = true; settings.main = { }; };
  };
  service = (import %s { inherit config lib pkgs; }).config.systemd.services.milter64;
in { inherit (service) serviceConfig startLimitIntervalSec; }
"""

ITS_OWN = {"DynamicUser"}
THE_UNITS_OWN = {
    *("User", "Group"),  # of the package; here there is a dynamic one
    *("ExecStartPre", "ReadWritePaths"),  # a folder for Debian's chrooted Postfix
}


def test_the_module_is_at_the_units_level_in_all_but_who_runs_it(tmp_path: Path) -> None:
    expression = tmp_path / "module.nix"
    expression.write_text(_MODULE % (NIXOS / "milter64.nix"))
    said = json.loads(HERE.run(*_NOWHERE, "--eval", "--strict", "--json", str(expression)))
    module = {key: _lines(value) for key, value in said["serviceConfig"].items() if key not in ITS_OWN}
    wanted = {key: unit.values(key) for key in unit.keys("Service") - THE_UNITS_OWN}
    assert module.keys() == wanted.keys()
    differing = {key for key in wanted if module[key] != wanted[key]}
    assert differing == {"ExecStart", "ExecReload"}  # by path; a configuration is checked when the system is built
    assert [str(said["startLimitIntervalSec"])] == unit.values("StartLimitIntervalSec")


def _lines(value: object) -> list[str]:
    """Return a value as a unit's lines have it."""
    if isinstance(value, list):
        return [str(each) for each in value]
    return ["yes" if value is True else str(value)]
