"""Certificates for servers and clients, and who signs them."""

import subprocess
from pathlib import Path
from typing import NamedTuple

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Certificate(NamedTuple):
    """A certificate, and its key."""

    path: Path
    key: Path


class Authority:
    """Who signs certificates, with files in a folder; each has another one's name for the same."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._key = folder / "authority.key"
        self.path = folder / "authority.pem"
        _openssl("req", "-x509", *_KEY, "-days", "2", "-subj", "/CN=lab", "-keyout", self._key, "-out", self.path)

    def sign(self, names: str, *, days: int = 2) -> Certificate:
        """Return a certificate for such as "DNS:localhost,IP:127.0.0.1"; with 0 `days` it has expired."""
        name = f"{len(list(self._folder.iterdir()))}"
        path, key, request = (self._folder / f"{name}.{suffix}" for suffix in ("pem", "key", "csr"))
        _openssl("req", *_KEY, "-subj", "/CN=x", "-addext", f"subjectAltName={names}", "-keyout", key, "-out", request)
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self._key, "-copy_extensions", "copy"),
            *("-days", str(days), "-out", path),
        )
        return Certificate(path, key)


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)
