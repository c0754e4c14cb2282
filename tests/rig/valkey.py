"""Debian 13's Valkey on this system, whatever that is."""

import platform
from pathlib import Path

from rig.debian import Debian

_RUN = """#!/bin/sh
exec {loader} --argv0 valkey-server --library-path {libraries} {root}/usr/bin/valkey-server "$@"
"""


def valkey_server(folder: Path) -> Path:
    """Return a program that is valkey-server, with the libraries that it was built for, in a new `folder`."""
    folder.mkdir()
    root = Debian("trixie", folder / "root")
    root.apt("install", "valkey-server")
    libraries = root.root / "usr" / "lib" / f"{platform.machine()}-linux-gnu"
    (loader,) = libraries.glob("ld-linux-*.so.*")
    program = folder / "redis-server"  # whoever has the folder in PATH takes it for one
    program.write_text(_RUN.format(loader=loader, libraries=libraries, root=root.root))
    program.chmod(0o755)
    return program
