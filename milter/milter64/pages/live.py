"""The pages, served live to who started this: on the loopback interface, at an address that has a secret in it.

Anybody on this host may connect, and a web page that an admin reads may have his browser do so. Whoever doesn't know
the secret learns nothing but that something is there: all that he asks for is not found.
"""

import errno
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from hmac import compare_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from secrets import token_urlsafe
from threading import Lock

from milter64.pages.document import Document, Finding, Findings, Level, Section
from milter64.pages.html import POLICY, page
from milter64.service.few_clients import PATIENCE, FewClients, asks_for_this_host

FRESH = 5.0
"""Seconds for which a page is given out as it was made."""
_SECRET = 32
"""Octets of chance in the address."""
_HEADERS = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Make = Callable[[], Document]


class Live:
    """Serves pages, each made anew when it is asked for."""

    def __init__(self, pages: Mapping[str, Make], port: int = 0) -> None:
        """Listen at a port, by default one that is free; the first of the pages is what the bare address shows.

        Raises:
            OSError: the system refuses, or has no loopback interface.
        """
        self._secret = token_urlsafe(_SECRET)
        others = {name.capitalize(): name for name in pages}
        kept = {name: _Kept(name, make, others) for name, make in pages.items()}
        kept[""] = next(iter(kept.values()))
        self._server = FewClients(_bound(port), partial(_Handler, self._secret, kept))

    @property
    def address(self) -> str:
        """What a browser is to be told."""
        host, port = self._server.socket.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/{self._secret}/"

    def serve(self) -> None:
        """Serve until `stop` is called from another thread, or Ctrl-C is pressed."""
        self._server.serve_forever()

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()

    def close(self) -> None:
        """Listen no more."""
        self._server.server_close()


def _bound(port: int) -> socket.socket:
    """Return a socket that is bound to the loopback interface: of IPv4, or of IPv6 where there is no other."""
    try:
        return _bound_to(socket.AF_INET, "127.0.0.1", port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise
        return _bound_to(socket.AF_INET6, "::1", port)


def _bound_to(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


class _Kept:
    """A page, as it was made last; whoever comes while it is made waits for it, so that it is made once."""

    def __init__(self, name: str, make: Make, others: Mapping[str, str]) -> None:
        self._name = name
        self._make = make
        self._others = others
        self._lock = Lock()
        self._body = b""
        self._until = 0.0

    def body(self) -> bytes:
        """Return the page."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._body = page(self._made(), self._others).encode()
                self._until = time.monotonic() + FRESH
            return self._body

    def _made(self) -> Document:
        try:
            return self._make()
        except Exception as error:  # noqa: BLE001  the page says so, and the next load may do better
            why = Finding(level=Level.PROBLEM, text=str(error) or repr(error))
            section = Section(title="This page can't be made", content=Findings(findings=(why,)))
            title = self._name.capitalize()
            return Document(title=title, of="nothing", made_at=time.time(), sections=(section,))


class _Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE

    def __init__(self, secret: str, pages: Mapping[str, _Kept], *arguments: object) -> None:
        self._secret = secret
        self._pages = pages
        super().__init__(*arguments)  # type: ignore[arg-type]  # as socketserver gives them

    def do_GET(self) -> None:
        """Answer."""
        kept = self._asked_for()
        if not kept:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        assert isinstance(self.server, FewClients)
        self.server.wait_for(self.connection)  # some pages take their time
        self._answer(HTTPStatus.OK, "text/html; charset=utf-8", kept.body())

    do_HEAD = do_GET  # noqa: N815  the base class's name

    def _asked_for(self) -> _Kept | None:
        """Return what was asked for, by who knows the secret and means this host."""
        given, slash, name = self.path.removeprefix("/").partition("/")
        known = compare_digest(f"{given}{slash}".encode(), f"{self._secret}/".encode())
        for_us = "Host" in self.headers and asks_for_this_host(self.headers)
        return self._pages.get(name) if known and for_us else None

    def send_error(self, *_: object) -> None:
        """Say that there is nothing, whatever was asked for and however."""
        self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")

    def version_string(self) -> str:
        """Say who answers, and no versions."""
        return "milter64"

    def log_message(self, *_: object) -> None:
        """Say nothing: the secret is in what was asked for."""

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
