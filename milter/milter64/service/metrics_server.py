"""The process that serves the numbers over HTTP: /metrics for Prometheus, /healthz for whoever asks if we are alive.

It is a child of the supervisor beside the workers, and opens its socket by itself: if it can't, mail goes on, and the
log says so. At a reload it waits until the one before has let go of the address.
"""

import os
import select
import shutil
import signal
import socket
import time
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from milter64.config.listen_address import Endpoint
from milter64.service.channel import ASK, ILL, READY, Log
from milter64.service.few_clients import PATIENCE, FewClients, asks_for_this_host
from milter64.service.listening_socket import at_port
from milter64.service.milter_probe import is_served

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_MILTER = 3.0
"""Seconds in which a milter's session must be answered."""
_RETRY = 0.2
"""Seconds between two tries to have the address."""
_TAKEN = 10
"""Tries after which it is no crew of ours that has it."""
_NEWS = 10.0
"""Seconds without a word of the supervisor's after which nothing is known of the workers."""


class Health:
    """Whether the service serves: by what the supervisor has heard of all its workers, and by a session of our own."""

    def __init__(self, milter: Endpoint) -> None:
        """Know nothing yet of the service, which listens on `milter`."""
        self._milter = milter
        self._well_until = 0.0

    def hear(self, word: bytes) -> None:
        """Take note of what the supervisor says."""
        self._well_until = time.monotonic() + _NEWS if word == ASK else 0.0

    @property
    def good(self) -> bool:
        """Ask."""
        return time.monotonic() < self._well_until and is_served(self._milter, _MILTER)


def run(endpoint: Endpoint, folder: Path, log: Log, milter: Endpoint, channel: socket.socket, _slot: int) -> int:
    """Serve the numbers in `folder` until the supervisor says so or is gone, and return the exit code.

    To be called on the main thread of a process of its own, with TERM, INT and HUP blocked: those are the supervisor's.
    """
    signal.set_wakeup_fd(-1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    channel.send(READY)
    health = Health(milter)
    server: FewClients | None = None
    word = ASK
    tries = 0
    while word in (ASK, ILL):
        if not server and (server := _opened(endpoint, folder, health, log, tries)):
            Thread(target=server.serve_forever, daemon=True).start()
        tries += 1
        if select.select([channel], [], [], None if server else _RETRY)[0]:
            word = _word(channel)
            health.hear(word)
            if word == ASK:
                channel.send(READY)
    if not word:  # nobody else is left to clear the folder
        shutil.rmtree(folder, ignore_errors=True)
    return os.EX_OK


def _opened(endpoint: Endpoint, folder: Path, health: Health, log: Log, tries: int) -> FewClients | None:
    """Return a server, None if the address isn't free; say so once it can't be our own crew before us any more."""
    try:
        for_this_host = all(_is_loopback(host) for host in endpoint.hosts)
        return FewClients(at_port(endpoint), partial(_Handler, folder, health, for_this_host))
    except OSError as error:
        if tries == _TAKEN:
            log.warning("metrics", trouble=f"can't listen on {endpoint}: {error.strerror}; trying on")
        return None


def _word(channel: socket.socket) -> bytes:
    try:
        return channel.recv(1)
    except ConnectionError:  # the supervisor is gone, with our word unread
        return b""


def _is_loopback(host: str) -> bool:
    return host == "::1" or host.startswith("127.")


class _Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE

    def __init__(self, folder: Path, health: Health, for_this_host: bool, *arguments: object) -> None:  # noqa: FBT001
        self._folder = folder
        self._health = health
        self._for_this_host = for_this_host
        super().__init__(*arguments)  # type: ignore[arg-type]  # as socketserver gives them

    def do_GET(self) -> None:
        """Answer."""
        if self._for_this_host and not asks_for_this_host(self.headers):
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, "text/plain", b"ask for localhost\n")
            return
        match self.path.partition("?")[0]:
            case "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(_registry(self._folder)))
            case "/healthz":
                good = self._health.good
                status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, "text/plain", b"ok\n" if good else b"no worker is there, or one of them hangs\n")
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics or /healthz\n")

    do_HEAD = do_GET  # noqa: N815  the base class's name

    def version_string(self) -> str:
        """Say who answers, and no versions."""
        return "milter64"

    def log_message(self, *_: object) -> None:
        """Say nothing: who looks at numbers is no news."""

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _registry(folder: Path) -> CollectorRegistry:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))
    return registry
