"""What is between a client and a server, and goes wrong: a proxy on loopback whose behaviour a test changes at will."""

import socket
import struct
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Literal, Self

Way = Literal["pass", "hold", "reset", "end", "garbage", "dribble", "late", "limp", "more"]
"""What becomes of the server's octets. "hold": nothing comes and nothing ends; "reset" and "end" are of connections;
"dribble": an octet each 0.15 s; "late": by 0.2 s, and "limp" each second time; "more": an answer to nothing comes
before each."""
_LATE = 0.2
_DRIBBLE = 0.15
_RST = struct.pack("ii", 1, 0)
"""SO_LINGER so that close() resets the connection."""


class Between:
    """A proxy to a server's port; a context manager."""

    def __init__(self, port: int, *, address: str = "127.0.0.1") -> None:
        self._to = (address, port)
        self._listening = socket.create_server((address, 0))
        self.port = self._listening.getsockname()[1]
        self._lock = Lock()
        self._open: list[socket.socket] = []
        self._way: Way = "pass"
        self._late = False
        self._closed = Event()

    def goes(self, way: Way) -> None:
        """Behave so from now on."""
        self._way = way
        if way in ("reset", "end"):
            self._let_go()

    def __enter__(self) -> Self:
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._let_go()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listening.accept()
                try:
                    server = socket.create_connection(self._to, 5.0)
                except OSError:
                    self._end(client)
                    continue
                with self._lock:
                    self._open += [client, server]
                Thread(target=self._copy, args=(client, server, "pass"), daemon=True).start()
                Thread(target=self._copy, args=(server, client, None), daemon=True).start()

    def _copy(self, source: socket.socket, to: socket.socket, way: Way | None) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._pass(data, to, way)
        self._end(source)
        self._end(to)

    def _pass(self, data: bytes, to: socket.socket, way: Way | None) -> None:
        while data and not self._closed.is_set():
            match way or self._way:
                case "pass":
                    to.sendall(data)
                    return
                case "garbage":
                    to.sendall(b"\x15\x03\x01" + data[::-1])
                    return
                case "dribble":
                    self._closed.wait(_DRIBBLE)
                    to.sendall(data[:1])
                    data = data[1:]
                case "late" | "limp" as way:
                    self._late = way == "late" or not self._late
                    self._closed.wait(_LATE if self._late else 0.0)
                    to.sendall(data)
                    return
                case "more":
                    to.sendall(b"+OK\r\n" + data)
                    return
                case "hold":
                    self._closed.wait(0.02)
                case _:
                    raise ConnectionResetError

    def _let_go(self) -> None:
        with self._lock:
            held, self._open = self._open, []
        for each in held:
            self._end(each)

    def _end(self, connected: socket.socket) -> None:
        with suppress(OSError):
            if self._way == "reset":
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
            else:
                connected.shutdown(socket.SHUT_RDWR)  # a thread may wait in recv
        connected.close()
