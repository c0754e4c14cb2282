"""Where the milter listens, in the words of Sendmail and of Postfix."""

import re
from dataclasses import dataclass, field
from socket import AF_INET, AF_INET6, AF_UNIX, AddressFamily

from milter64.address.networks import pack, unpack
from milter64.config.toml_reader import Wrong, show

LOCALHOST = "localhost"
"""The host of an endpoint that this host alone reaches, at 127.0.0.1 and at ::1."""
_LONGEST_PATH = 107
"""Bytes that fit in the kernel's sockaddr_un, but for the NUL at the end."""
_LARGEST_PORT = 65535
_MOST_WORKERS = 1024
_INET = re.compile(
    r"(?P<scheme>inet6?):(?:"
    r"(?P<port>[0-9]{1,5})(?:@(?P<host>[^@]+))?"  # Sendmail's: inet:8864@127.0.0.1
    r"|(?P<postfix_host>[^@]+):(?P<postfix_port>[0-9]{1,5}))",  # Postfix's: inet:127.0.0.1:8864
)
_WITHOUT_DNS = {
    "inet": {"": "0.0.0.0"},  # noqa: S104  whoever names no host means all of them
    "inet6": {"": "::", LOCALHOST: "::1"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A socket address: a path for AF_UNIX, else an IP address, or LOCALHOST, and a port."""

    family: AddressFamily
    address: str | tuple[str, int]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The IP addresses that it stands for; none for a path."""
        if isinstance(self.address, str):
            return ()
        return ("127.0.0.1", "::1") if self.address[0] == LOCALHOST else (self.address[0],)

    def __str__(self) -> str:
        if isinstance(self.address, str):
            return f"unix:{self.address}"
        host, port = self.address
        return f"inet6:{port}@[{host}]" if ":" in host else f"inet:{port}@{host}"


def endpoint(text: object) -> Endpoint:
    """Read "unix:/path", "inet:8864@127.0.0.1", "inet6:8864@[::1]", or Postfix's "inet:127.0.0.1:8864".

    "inet:8864@localhost" is the loopback of both families. Without a host it is every address of the family.

    Raises:
        Wrong: it is none of these.
    """
    scheme, _, path = text.partition(":") if isinstance(text, str) else ("", "", "")
    is_file = path.startswith("/") and path.rpartition("/")[2] not in ("", ".", "..")
    if scheme in ("unix", "local") and is_file:
        if (length := len(path.encode())) > _LONGEST_PATH:
            raise Wrong(f"the socket's path has {length} bytes, and may have {_LONGEST_PATH}", "write a shorter one")
        return Endpoint(family=AF_UNIX, address=path)
    match = _INET.fullmatch(text) if isinstance(text, str) else None
    if match and (port := int(match["port"] or match["postfix_port"])) <= _LARGEST_PORT:
        host = (match["host"] or match["postfix_host"] or "").removeprefix("[").removesuffix("]")
        if (match["scheme"], host) == ("inet", LOCALHOST):
            return Endpoint(family=AF_INET6, address=(LOCALHOST, port))
        try:
            packed = pack(_WITHOUT_DNS[match["scheme"]].get(host, host))
        except ValueError as error:
            raise Wrong(str(error), "write the host's address: names are not looked up") from error
        family = AF_INET if len(packed) == 4 else AF_INET6  # noqa: PLR2004  an IPv4 address's length
        return Endpoint(family=family, address=(unpack(packed), port))
    raise Wrong(f"{show(text)} is no socket", 'write "unix:/path", "inet:8864@localhost" or "inet:8864@127.0.0.1"')


def http_endpoint(text: object) -> Endpoint:
    """Read "127.0.0.1:9864" or "[::1]:9864".

    Raises:
        Wrong: it is neither.
    """
    host, _, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    if host and "@" not in host and re.fullmatch(r"[0-9]{1,5}", port):
        return endpoint(f"{'inet6' if ':' in host else 'inet'}:{port}@{host}")
    raise Wrong(f"{show(text)} is no address with a port", 'write "127.0.0.1:9864" or "[::1]:9864"')


def file_mode(text: object) -> int:
    """Read "0660".

    Raises:
        Wrong: it is no octal mode of a file.
    """
    if isinstance(text, str) and re.fullmatch(r"0?[0-7]{3}", text):
        return int(text, 8)
    raise Wrong(f"{show(text)} is no file mode", 'write three octal digits in quotes, such as "0660"')


def _http_text(end: Endpoint | None) -> str | None:
    """Write what `http_endpoint` has read."""
    if end is None:
        return None
    host, port = end.address[0], end.address[1]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def workers(value: object) -> int | None:
    """Read a number of worker processes, or "auto".

    Raises:
        Wrong: it is neither.
    """
    if value == "auto":
        return None
    if type(value) is int and 0 < value <= _MOST_WORKERS:
        return value
    raise Wrong(f"{show(value)} is no number of workers", f'write "auto" or a number from 1 to {_MOST_WORKERS}')


def authserv_id(text: object) -> str:
    """Read the name that our Authentication-Results bear.

    Raises:
        Wrong: it can't stand there without quotes (RFC 8601 2.2, RFC 2045 5.1).
    """
    if isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9._-]*", text):
        return text
    raise Wrong(f"{show(text)} is no authserv-id", 'write a host name, such as "mx.example.org"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The table [milter].

    `socket_mode` and `socket_group` are for a unix socket; an empty group leaves the process's own. `workers` is None
    for one on each CPU. An empty `authserv_id` is the mail server's own name, the macro {j}.
    """

    socket: Endpoint = field(default=endpoint("inet:8864@localhost"), metadata={"read": endpoint})
    socket_mode: int = field(default=0o660, metadata={"read": file_mode, "write": "{:04o}".format})
    socket_group: str = ""
    workers: int | None = field(default=None, metadata={"read": workers, "write": lambda number: number or "auto"})
    authserv_id: str = field(default="", metadata={"read": authserv_id})


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """The table [metrics]: where numbers are served, None for nowhere."""

    listen: Endpoint | None = field(default=None, metadata={"read": http_endpoint, "write": _http_text})
