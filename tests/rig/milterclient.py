"""The mail server's side of the milter protocol, version 6, for sessions that no Postfix would have.

The protocol is described in libmilter's mfdef.h: a packet is its length, a command and data.
"""

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

Text = str | bytes
"""A value on the wire: bytes go out as they are, text as UTF-8."""

Address = str | tuple[str, int]
"""Where a milter listens: a unix socket's path, or a host and a port."""

ALL_ACTIONS = 0x1FF
ALL_STEPS = 0x1FFFFF

_SKIPPABLE = {b"C": 0x1, b"H": 0x2, b"M": 0x4, b"R": 0x8, b"B": 0x10, b"L": 0x20, b"N": 0x40, b"U": 0x100, b"T": 0x200}
_SILENT = {
    b"L": 0x80,
    b"C": 0x1000,
    b"H": 0x2000,
    b"M": 0x4000,
    b"R": 0x8000,
    b"T": 0x10000,
    b"U": 0x20000,
    b"N": 0x40000,
    b"B": 0x80000,
}
_ACTIONS = {b"c": "continue", b"a": "accept", b"d": "discard", b"r": "reject", b"t": "tempfail", b"s": "skip"}
_PROGRESS = b"p"
_REPLY = b"y"
_STAGES = ("connect", "helo", "mail", "rcpt", "data", "eom", "eoh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the milter answered.

    `action` is continue, accept, discard, reject, tempfail or skip; "none" where no answer was negotiated, or not even
    the question. `text` is the SMTP reply that it chose. `changes` are those of the end of a message: a letter of the
    protocol and its data.
    """

    action: str
    text: str = ""
    changes: tuple[tuple[str, bytes], ...] = ()

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The fields that it adds, on top or at the end, as names and values."""
        fields = [data[4:] if letter == "i" else data for letter, data in self.changes if letter in "hi"]
        return [(name.decode(), value.decode()) for name, value, _ in (field.split(b"\0", 2) for field in fields)]


class MilterClient:
    """One session, from negotiation to QUIT; a context manager that closes the connection."""

    def __init__(
        self,
        address: Address | socket.socket,
        *,
        actions: int = ALL_ACTIONS,
        steps: int = ALL_STEPS,
        timeout: float = 20.0,
    ) -> None:
        """Connect, unless that has been done, and negotiate; `actions` and `steps` are what this mail server offers.

        `actions`, `steps` and `macros` then hold what the milter wants: macros by stage.
        """
        self._socket = address if isinstance(address, socket.socket) else connected(address, timeout)
        try:
            self._stream = self._socket.makefile("rb")
            self._negotiate(actions, steps)
        except BaseException:
            self._socket.close()
            raise

    @property
    def port(self) -> int:
        """The TCP port that it connects from."""
        return int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up without a word, as a mail server does that dies."""
        self._stream.close()
        self._socket.close()

    def connect(
        self, name: Text = "client.example.org", address: str | None = "192.0.2.1", port: int = 25, **macros: Text
    ) -> Reply:
        """Announce a client: an IP address, a unix socket's path, or None for an unknown one."""
        if address is None:
            family, place = b"U", b""
        elif address.startswith("/"):
            family, place = b"L", struct.pack("!H", 0) + _strings(address)
        else:
            version = ip_address(address.partition("%")[0]).version
            family, place = b"4" if version == 4 else b"6", struct.pack("!H", port) + _strings(address)
        return self._ask(b"C", _strings(name) + family + place, macros)

    def helo(self, name: Text = "client.example.org", **macros: Text) -> Reply:
        """Send HELO."""
        return self._ask(b"H", _strings(name), macros)

    def mail(self, sender: Text = "<sender@example.org>", *parameters: Text, **macros: Text) -> Reply:
        """Send MAIL FROM, the address with its brackets."""
        return self._ask(b"M", _strings(sender, *parameters), macros)

    def rcpt(self, recipient: Text = "<recipient@example.net>", *parameters: Text, **macros: Text) -> Reply:
        """Send RCPT TO, the address with its brackets."""
        return self._ask(b"R", _strings(recipient, *parameters), macros)

    def send_rcpt(self, recipient: Text = "<recipient@example.net>") -> None:
        """Send RCPT TO, and leave it to `answer` to wait."""
        self._send(b"R", _strings(recipient))

    def data(self, **macros: Text) -> Reply:
        """Send DATA."""
        return self._ask(b"T", b"", macros)

    def header(self, name: Text, value: Text) -> Reply:
        """Send a header field; the value without the space before it."""
        return self._ask(b"L", _strings(name, value), {})

    def eoh(self, **macros: Text) -> Reply:
        """End the header."""
        return self._ask(b"N", b"", macros)

    def body(self, chunk: bytes) -> Reply:
        """Send a part of the body."""
        return self._ask(b"B", chunk, {})

    def eom(self, **macros: Text) -> Reply:
        """End the message; the answer has the changes."""
        return self._ask(b"E", b"", macros)

    def abort(self) -> None:
        """End the transaction without a message."""
        self._send(b"A", b"")

    def quit_for_another(self) -> None:
        """End the session, and begin another on the same connection, as it was negotiated (SMFIC_QUIT_NC)."""
        self._send(b"K", b"")

    def quit(self) -> None:
        """End the session, and wait until the milter has hung up too."""
        self._send(b"Q", b"")
        assert not self._stream.read(1)
        self.close()

    def _negotiate(self, actions: int, steps: int) -> None:
        self._send(b"O", struct.pack("!III", 6, actions, steps))
        command, answer = self._receive()
        assert command == b"O", f"the milter answers {command!r} to the negotiation"
        _, self.actions, self.steps = struct.unpack_from("!III", answer)
        self.macros: dict[str, list[str]] = {}
        wanted = answer[12:]
        while wanted:
            (stage,) = struct.unpack_from("!I", wanted)
            names, _, wanted = wanted[4:].partition(b"\0")
            self.macros[_STAGES[stage]] = names.decode().split()

    def _ask(self, command: bytes, data: bytes, macros: Mapping[str, Text]) -> Reply:
        """Send a command unless it was negotiated away, and wait for the answer unless that was."""
        if self.steps & _SKIPPABLE.get(command, 0):
            return Reply(action="none")
        if macros:
            pairs = [part for name, value in macros.items() for part in (_macro(name), value)]
            self._send(b"D", command + _strings(*pairs))
        self._send(command, data)
        return Reply(action="none") if self.steps & _SILENT.get(command, 0) else self.answer()

    def answer(self) -> Reply:
        """Wait for the answer to what was sent."""
        changes: list[tuple[str, bytes]] = []
        while True:
            letter, answer = self._receive()
            if letter in _ACTIONS:
                return Reply(action=_ACTIONS[letter], changes=tuple(changes))
            if letter == _REPLY:
                text = answer.rstrip(b"\0").decode()
                return Reply(action="reject" if text.startswith("5") else "tempfail", text=text, changes=tuple(changes))
            if letter != _PROGRESS:
                changes.append((letter.decode(), answer))

    def _send(self, command: bytes, data: bytes) -> None:
        self._socket.sendall(struct.pack("!I", len(data) + 1) + command + data)

    def _receive(self) -> tuple[bytes, bytes]:
        (length,) = struct.unpack("!I", self._read(4))
        packet = self._read(length)
        return packet[:1], packet[1:]

    def _read(self, length: int) -> bytes:
        data = self._stream.read(length)
        if len(data) < length:
            raise ConnectionResetError("the milter hung up")
        return data


def connected(address: Address, timeout: float = 20.0) -> socket.socket:
    """Return a connection to a milter, over which nothing has been said."""
    connection = socket.socket(_family(address))
    try:
        connection.settimeout(timeout)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _family(address: Address) -> socket.AddressFamily:
    if isinstance(address, str):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


def _macro(name: str) -> str:
    """Return a macro's name as mail servers send it; those of more than a letter have braces."""
    return name if len(name) == 1 else f"{{{name}}}"


def _strings(*values: Text) -> bytes:
    return b"".join((value.encode() if isinstance(value, str) else value) + b"\0" for value in values)
