"""The process that serves the numbers over HTTP: /metrics for Prometheus, /healthz for whoever asks if we are alive.

It is a child of the supervisor beside the workers, and opens its socket by itself: if it can't, mail goes on, and the
log says so. At a reload it waits until the one before has let go of the address.
"""

import os
import select
import shutil
import signal
import socket
import threading
import time
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from milter64.listener import Endpoint
from milter64.metrics import PREFIX
from milter64.publisher import bury
from milter64.sockets import at_port
from milter64.worker import READY, Log

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_PATIENCE = 5.0
"""Seconds that a client may keep us waiting."""
_MOST_CLIENTS = 16
_RETRY = 0.2
"""Seconds between two tries to have the address."""
_TAKEN = 10
"""Tries after which it is no crew of ours that has it."""
_PULSE = 10.0
"""Seconds without a heartbeat after which a worker hangs."""


def run(endpoint: Endpoint, folder: Path, log: Log, channel: socket.socket) -> int:
    """Serve the numbers in `folder` until the supervisor says something or is gone, and return the exit code.

    To be called on the main thread of a process of its own, with TERM, INT and HUP blocked: those are the supervisor's.
    """
    signal.set_wakeup_fd(-1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    channel.send(READY)
    if server := _listen(endpoint, folder, log, channel):
        Thread(target=server.serve_forever, daemon=True).start()
    if not channel.recv(1):  # without a word: nobody else is left to clear the folder
        shutil.rmtree(folder, ignore_errors=True)
    return os.EX_OK


def _listen(endpoint: Endpoint, folder: Path, log: Log, channel: socket.socket) -> "_Server | None":
    """Return a server, None if the supervisor says something before the address is free."""
    tries = 0
    while True:
        try:
            return _Server(endpoint, folder)
        except OSError as error:
            tries += 1
            if tries == _TAKEN:
                log.warning("metrics", trouble=f"can't listen on {endpoint}: {error.strerror}; trying on")
            if select.select([channel], [], [], _RETRY)[0]:
                return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, endpoint: Endpoint, folder: Path) -> None:
        handler = partial(_Handler, folder)
        super().__init__(endpoint.address, handler, bind_and_activate=False)  # type: ignore[arg-type]  # never a path
        self.socket.close()  # the base class can't bind to localhost as we do, and looks up names
        self.socket = at_port(endpoint)
        self.server_activate()

    def verify_request(self, _request: object, _client: object) -> bool:
        """Serve so many at once and no more."""
        return threading.active_count() <= _MOST_CLIENTS

    def handle_error(self, _request: object, _client: object) -> None:
        """Let a client that breaks off be nobody's business."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE

    def __init__(self, folder: Path, *arguments: object) -> None:
        self._folder = folder
        super().__init__(*arguments)  # type: ignore[arg-type]  # as socketserver gives them

    def do_GET(self) -> None:
        """Answer."""
        match self.path.partition("?")[0]:
            case "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(_registry(self._folder)))
            case "/healthz":
                alive = _has_pulse(self._folder)
                status = HTTPStatus.OK if alive else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, "text/plain", b"ok\n" if alive else b"no worker is there, or one of them hangs\n")
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics or /healthz\n")

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
        self.wfile.write(body)


def _registry(folder: Path) -> CollectorRegistry:
    bury(folder)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))
    return registry


def _has_pulse(folder: Path) -> bool:
    beat = _registry(folder).get_sample_value(f"{PREFIX}heartbeat_timestamp_seconds")
    return beat is not None and time.time() - beat < _PULSE
