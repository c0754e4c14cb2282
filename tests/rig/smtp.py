"""An SMTP client that says what it is told, eight-bit bytes and mistakes included."""

import ssl
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from rig.network import HERE, Network

Words = str | bytes
"""What goes on the wire; a str goes as UTF-8."""

HELLO = "Subject: test\n\nHello.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A server's reply: 550, and its lines without the code."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


def proxy(source: str, *, source_port: int = 40000) -> bytes:
    """Return a preamble of the PROXY protocol, version 1, for a client at `source`."""
    family, destination = ("TCP6", "3fff:25::25") if ":" in source else ("TCP4", "198.51.100.25")
    return f"PROXY {family} {source} {destination} {source_port} 25\r\n".encode()


class Smtp:
    """A session, from the server's greeting on; a context manager that says QUIT."""

    def __init__(
        self, host: str, port: int, *, network: Network = HERE, source: str = "", preamble: bytes = b""
    ) -> None:
        """Connect from `source` in `network`, and say `preamble`, as `proxy` makes it, before anything else."""
        self._socket = network.connect(host, port, source=source)
        self._lines = self._socket.makefile("rb")
        try:
            self._socket.sendall(preamble)
            self.greeting = self._reply()
        except BaseException:
            self.close()
            raise

    @property
    def port(self) -> int:
        """The client's own TCP port, as log lines name it."""
        return int(self._socket.getsockname()[1])

    def command(self, line: Words) -> Reply:
        """Send a line and return the reply to it."""
        self._socket.sendall(_bytes(line) + b"\r\n")
        return self._reply()

    def xclient(self, *, addr: str = "", name: str = "[UNAVAILABLE]", login: str = "", port: int = 40000) -> Reply:
        """Become the client at `addr`, an IPv4 or IPv6 address; Postfix begins the session anew and greets again.

        Without `addr` the client stays what it is, and merely counts as authenticated as `login`.
        """
        words = ["XCLIENT"]
        if addr:
            words += [f"ADDR={'IPV6:' if ':' in addr else ''}{addr}", f"NAME={name}", f"PORT={port}"]
        if login:
            words.append(f"LOGIN={login}")
        self.greeting = self.command(" ".join(words))
        return self.greeting

    def ehlo(self, name: Words = "mail.example.org") -> Reply:
        return self.command(b"EHLO " + _bytes(name))

    def helo(self, name: Words = "mail.example.org") -> Reply:
        return self.command(b"HELO " + _bytes(name))

    def mail(self, sender: Words, parameters: str = "") -> Reply:
        """Say MAIL FROM; `sender` comes without angle brackets, empty for the null sender."""
        return self.command(b"MAIL FROM:<%b> %b" % (_bytes(sender), _bytes(parameters)))

    def rcpt(self, recipient: Words) -> Reply:
        return self.command(b"RCPT TO:<%b>" % _bytes(recipient))

    def data(self, message: Words = HELLO) -> Reply:
        """Send a message with lines that end in LF or CRLF; the reply is that to its end, or to a DATA refused."""
        if (reply := self.command("DATA")).code != 354:
            return reply
        lines = _bytes(message).replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n")
        stuffed = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines)
        return self.command(stuffed + b"\r\n.")

    def rset(self) -> Reply:
        return self.command("RSET")

    def starttls(self) -> Reply:
        """Say STARTTLS and, if the server agrees, shake hands without asking who it is."""
        reply = self.command("STARTTLS")
        if reply.code == 220:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._lines.close()
            self._socket = context.wrap_socket(self._socket)
            self._lines = self._socket.makefile("rb")
        return reply

    def transaction(self, sender: Words, recipients: Iterable[Words], message: Words = HELLO) -> Reply:
        """Send a message; the reply is the first one that is not a yes, or that to the message's end."""
        if (reply := self.mail(sender)).code != 250:
            return reply
        for recipient in recipients:
            if (reply := self.rcpt(recipient)).code != 250:
                return reply
        return self.data(message)

    def quit(self) -> Reply:
        return self.command("QUIT")

    def close(self) -> None:
        """Hang up, whatever was being said."""
        self._lines.close()
        self._socket.close()

    def _reply(self) -> Reply:
        texts = []
        while line := self._lines.readline():
            texts.append(line[4:].decode("utf-8", "backslashreplace").rstrip("\r\n"))
            if line[3:4] != b"-":
                return Reply(code=int(line[:3]), text="\n".join(texts))
        raise ConnectionError(f"the server has closed the connection after {texts}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            with suppress(OSError):
                self.quit()
        self.close()


def _bytes(words: Words) -> bytes:
    return words.encode() if isinstance(words, str) else words
