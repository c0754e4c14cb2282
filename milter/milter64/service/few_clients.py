"""An HTTP server for a few clients: each has a few seconds, and one too many has the place of who is there longest."""

import re
import socket
import time
from collections.abc import Callable
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from milter64.address.networks import pack

PATIENCE = 5.0
"""Seconds that a request may take, from the connection to the last octet of its answer."""
_MOST_CLIENTS = 16
"""Clients at once."""
_PORT = re.compile(r"(?<=[^:]):[0-9]*$")


class FewClients(ThreadingHTTPServer):
    """The server; a thread for each client."""

    daemon_threads = True

    def __init__(self, bound: socket.socket, handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        """Listen on a socket that is bound, which is then ours to close; the base class would look up names.

        Raises:
            OSError: the system refuses.
        """
        super().__init__(bound.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()  # the base class's own
        self.socket = bound
        self._clients: dict[socket.socket, float] = {}
        self._lock = Lock()
        try:
            self.server_activate()
        except OSError:
            bound.close()
            raise

    def process_request(self, request: socket.socket, address: object) -> None:  # type: ignore[override]
        """Begin to serve a client, if need be in the place of who is there longest."""
        with self._lock:
            if len(self._clients) >= _MOST_CLIENTS:
                self._cut(next(iter(self._clients)))
            self._clients[request] = time.monotonic() + PATIENCE
        super().process_request(request, address)

    def wait_for(self, request: socket.socket) -> None:
        """Let a client that is known to be welcome take its time."""
        with self._lock:
            self._clients.pop(request, None)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        """End with a client."""
        self.wait_for(request)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Cut off, twice a second, who takes too long to ask or to read."""
        now = time.monotonic()
        with self._lock:
            for request in [request for request, due in self._clients.items() if now > due]:
                self._cut(request)

    def _cut(self, request: socket.socket) -> None:
        del self._clients[request]
        try:
            request.shutdown(socket.SHUT_RDWR)  # its thread hears of it, whatever it waits for
        except OSError:
            return

    def handle_error(self, _request: object, _client: object) -> None:
        """Let a client that breaks off be nobody's business."""


def asks_for_this_host(headers: Message) -> bool:
    """Whether the name that was asked for can be ours, where this host alone may ask.

    A name of anyone else's that leads to us is a web page's, which wants its reader's browser to ask for it.
    """
    hosts = [_PORT.sub("", host) for host in headers.get_all("Host", [])]
    return all(host.lower() == "localhost" or _is_address(host) for host in hosts)


def _is_address(host: str) -> bool:
    try:
        pack(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
