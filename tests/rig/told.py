"""A Postfix that is set as `milter64 postfix` says, word for word."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rig.network import Network
from rig.postfix import LOOPBACK, Postfix
from rig.verbs import answered

PUBLIC = "smtp inet n - y - 300 smtpd"
"""The front: with a port that only a namespace of its own can spare, and chrooted as on Debian."""


class Told(Postfix):
    """A Postfix with those services, whose settings are changed by the lines that the verb prints for `file`.

    `before` and `after` are what the verb says of it: see `advice`.
    """

    def __init__(
        self,
        folder: Path,
        file: Path,
        /,
        *,
        network: Network,
        services: Sequence[str] = (PUBLIC,),
        milters: str = "",
        addresses: Sequence[str] = LOOPBACK,
        inet_protocols: str = "all",
    ) -> None:
        super().__init__(folder, milters=milters, chroot=True, network=network, addresses=addresses)
        self._settings["inet_protocols"] = inet_protocols
        self._file = file
        self._public = services
        self.before: dict[str, Any] = {}
        self.after: dict[str, Any] = {}

    def _configure(self) -> None:
        super()._configure()
        etc = self._folder / "etc"
        self._write("master.cf", [(etc / "master.cf").read_text(), *self._public])
        self.before = advice(self._file, etc)
        *lines, reload = self.before["lines"]
        assert reload == f"postfix -c {etc} reload"
        for line in lines:
            subprocess.run(["sh", "-c", line], check=True)
        for name in ("main.cf", "master.cf"):
            os.utime(etc / name, (0, 0))
        self.after = advice(self._file, etc)


def advice(file: Path, etc: Path) -> dict[str, Any]:
    """Return what `milter64 postfix` says for a configuration of ours and one of Postfix's, and its exit code."""
    code, text = answered("postfix", "--config", file, "--config-directory", etc, "--json")
    return {**json.loads(text), "code": code}
