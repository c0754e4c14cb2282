"""milter64 as a Debian package, for those who install one: its own code, and no more around it than they look at."""

import re
import shutil
import tomllib
from pathlib import Path

from rig.network import HERE

ROOT = Path(__file__).parents[2]
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_OVERRIDES = ROOT / "packaging" / "debian" / "py3dist-overrides"


def depends() -> list[str]:
    """Return Debian's names of what pyproject.toml depends on."""
    debians = dict(line.split() for line in _OVERRIDES.read_text().splitlines())
    names = [re.split("[<>=]", requirement)[0].replace("-", "_") for requirement in _PROJECT["dependencies"]]
    return sorted(debians[name] for name in names)


def build(folder: Path) -> Path:
    """Return the path of a package, built in a new folder."""
    modules = folder / "usr/lib/python3/dist-packages"
    shutil.copytree(ROOT / "milter/milter64", modules / "milter64", ignore=shutil.ignore_patterns("__pycache__"))
    version = _PROJECT["version"]
    _write(modules / f"milter64-{version}.dist-info/METADATA", f"Name: milter64\nVersion: {version}\n")
    _write(folder / "usr/bin/milter64", '#!/bin/sh\nexec python3 -m milter64 "$@"\n', 0o755)
    _write(folder / "etc/milter64/milter64.toml", "")
    _write(folder / "DEBIAN/conffiles", "/etc/milter64/milter64.toml\n")
    _write(
        folder / "DEBIAN/control",
        f"Package: milter64\nVersion: {version}\nArchitecture: all\nMaintainer: tests <root@localhost>\n"
        f"Depends: adduser, python3, {', '.join(depends())}\nRecommends: python3-redis\n"
        "Description: milter64 for a test\n",
    )
    _write(folder / "DEBIAN/postinst", "#!/bin/sh\nadduser --quiet --system --group --no-create-home milter64\n", 0o755)
    HERE.run("dpkg-deb", "--root-owner-group", "--build", str(folder), f"{folder}.deb")
    return Path(f"{folder}.deb")


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
