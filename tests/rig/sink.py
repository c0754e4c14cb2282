"""A mail server that takes every message, and remembers what it was told."""

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import cast

from rig.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message as it came: the arguments of MAIL and of RCPT, and the header."""

    sender: str
    recipient: str
    header: str


class Sink(socketserver.ThreadingTCPServer):
    """It listens on a port of 127.0.0.1."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        self.received: list[Received] = []
        super().__init__(("127.0.0.1", 0), _Session)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self._say("220 sink")
        sender = recipient = ""
        while line := self._line():
            verb, _, argument = line.rstrip("\r\n").partition(":")
            match verb.upper():
                case "MAIL FROM":
                    sender = argument
                case "RCPT TO":
                    recipient = argument
                case "DATA":
                    self._say("354 go on")
                    header = "".join(iter(self._line, ".\r\n")).partition("\r\n\r\n")[0]
                    received = Received(sender=sender, recipient=recipient, header=header)
                    cast("Sink", self.server).received.append(received)
            self._say("221 bye" if verb.upper() == "QUIT" else "250 sink")

    def _line(self) -> str:
        return self.rfile.readline().decode(errors="backslashreplace")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def sink(network: Network) -> Iterator[Sink]:
    """Serve in a network meanwhile."""
    with network.call(Sink) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
