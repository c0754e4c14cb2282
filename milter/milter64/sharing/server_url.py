"""The servers that a URL names, and where what opens them is kept: greylist.store.

    redis://USER:PASSWORD@HOST:PORT/DB             a server
    unix:///PATH?db=DB                             a server on this host
    redis+sentinel://HOST:PORT,HOST:PORT/NAME/DB   the server that Sentinels call NAME
    redis+cluster://HOST:PORT,HOST:PORT            a Cluster, of which some nodes are named

"rediss" is with TLS, to Sentinels and nodes too. A % and two hexadecimal digits stand for an octet. Behind a "?" words
say where secrets and certificates are: "?password_file=/path&ca=/path". What is wrong is told without what was written
there, as a password may stand in any place where a character is missing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

from milter64.address.networks import pack, unpack
from milter64.sharing.password_file import credential, password

Kind = Literal["single", "sentinel", "cluster"]
Host = tuple[str, int]
"""A name or an IP address, without brackets, and a port."""

HIDDEN = "***"
"""Shown in the place of a password."""
_KINDS: Mapping[str, tuple[Kind, bool]] = {
    "redis": ("single", False),
    "rediss": ("single", True),
    "unix": ("single", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
_PORTS: Mapping[Kind, int] = {"single": 6379, "sentinel": 26379, "cluster": 6379}
_LARGEST_PORT = 65535
_LONGEST_SOCKET = 107
"""Bytes that fit in the kernel's sockaddr_un, but for the NUL at the end."""
_TLS = ("ca", "cert", "key")

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$)(?:{_LABEL}\.)*{_LABEL}")
_ADDRESS = re.compile(r"(?:.*\.)?[0-9]+")
"""What ends as no name does."""
_WORD = re.compile(r"[A-Za-z0-9._-]+")
_DB = re.compile(r"[0-9]{1,5}")
_HOST = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?P<colon>:(?P<port>[^:]*))?")
_NO_OCTET = re.compile(r"%(?![0-9A-Fa-f]{2})")
_FORMS = (
    'write "sqlite:/path" or "memory:" for a store of this host, and for one that hosts share "redis://HOST",'
    ' "rediss://HOST", "unix:///PATH", "redis+sentinel://HOST,HOST/NAME" or "redis+cluster://HOST,HOST"'
)


class WrongUrl(ValueError):  # noqa: N818  a URL is wrong, the program is not
    """A URL names no servers: what is wrong with which part, and how to mend it. No secret is in it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUrl:
    """Which servers, and how they are spoken to.

    `path` is that of a unix socket, and there are no `hosts` then; `name` is what Sentinels call the server. `user` is
    empty for the server's default one, `secret` for a password that isn't in the URL itself. Without `ca` those count
    that the system trusts; a `cert` without `key` has it in the same file.
    """

    kind: Kind = "single"
    tls: bool = False
    hosts: tuple[Host, ...] = ()
    path: Path | None = None
    name: str = ""
    db: int = 0
    user: str = ""
    secret: str = field(default="", repr=False)
    password_file: Path | None = None
    credential: str = ""
    sentinel_password_file: Path | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def password(self) -> str:
        """Return the password, "" if there is none; a file's as it is now.

        Raises:
            OSError: it can't be read, and `strerror` says where and why.
        """
        path = credential(self.credential) if self.credential else self.password_file
        return _password(path) if path else self.secret

    def sentinel_password(self) -> str:
        """Return the password of the Sentinels themselves, as `password` does."""
        return _password(self.sentinel_password_file) if self.sentinel_password_file else ""

    @property
    def shown(self) -> str:
        """The URL for whoever may read it: nothing stands there for a password, and what goes without saying does."""
        user = quote(self.user, safe="")
        before = f"{user}:{HIDDEN}@" if self.secret else f"{user}@" if user else ""
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        db = f"/{self.db}" if self.db and not self.path else ""
        path = quote(str(self.path)) if self.path else f"/{self.name}{db}" if self.name else db
        words = [("db", self.db if self.path else 0), *((word, getattr(self, word)) for word in _PLACES)]
        query = "&".join(f"{word}={quote(str(value))}" for word, value in words if value)
        return f"{self._scheme}://{before}{hosts}{path}{f'?{query}' if query else ''}"

    @property
    def _scheme(self) -> str:
        if self.path:
            return "unix"
        return next(scheme for scheme, kind in _KINDS.items() if kind == (self.kind, self.tls))


_PLACES = ("password_file", "credential", "sentinel_password_file", *_TLS)
"""Words behind the "?" that are fields too."""


def parse(text: str) -> ServerUrl:
    """Read a URL of servers.

    Raises:
        WrongUrl: it is none.
    """
    scheme, found, rest = text.partition("://")
    if not found or scheme not in _KINDS:
        raise WrongUrl("the scheme is unknown", _FORMS)
    if not text.isprintable():
        raise WrongUrl("it holds a character that can't be printed", "write it without")
    kind, tls = _KINDS[scheme]
    before_path = re.split("[/?#]", rest, maxsplit=1)[0]
    path, _, query = rest[len(before_path) :].partition("?")
    if "@" in path + query or "#" in path + query or "?" in query:
        raise WrongUrl("one of / ? # @ stands where it can't", "write it as %2F, %3F, %23 or %40")
    before, _, hosts = before_path.rpartition("@")
    user, secret = _user(before)
    words = _words(query, kind, tls=tls, local=scheme == "unix")
    places = {word: Path(value) for word, value in words.items() if word not in ("db", "credential")}
    passwords = bool(secret) + ("password_file" in words) + ("credential" in words)
    if passwords > 1:
        raise WrongUrl("the password stands there twice", "leave one of them, and best that of a file")
    if user and not passwords:
        raise WrongUrl("the user has no password", 'write "?password_file=/path" behind all')
    socket, name, db = None, "", 0
    if scheme == "unix":
        socket, db = _socket(hosts, path), _db(words.get("db", "0"))
    else:
        name, db = _name_and_db(path, kind)
    return ServerUrl(
        kind=kind,
        tls=tls,
        hosts=() if socket else _hosts(hosts, kind),
        path=socket,
        name=name,
        db=db,
        user=user,
        secret=secret,
        credential=words.get("credential", ""),
        password_file=places.get("password_file"),
        sentinel_password_file=places.get("sentinel_password_file"),
        ca=places.get("ca"),
        cert=places.get("cert"),
        key=places.get("key"),
    )


def _password(path: Path) -> str:
    try:
        return password(path)
    except OSError as error:
        raise OSError(error.errno, f"the password in {path} can't be read: {error.strerror}") from error


def _user(before: str) -> tuple[str, str]:
    """Return user and password of what stands before the "@"."""
    user, colon, secret = before.partition(":")
    if colon and not secret:
        raise WrongUrl("the password is empty", "write it, or take out the colon")
    if secret == HIDDEN:
        raise WrongUrl("the password has been left out", 'write it, or better "?password_file=/path" behind all')
    return _decoded(user, "the user"), _decoded(secret, "the password")


def _hosts(text: str, kind: Kind) -> tuple[Host, ...]:
    texts = text.split(",")
    if len(texts) > 1 and kind == "single":
        raise WrongUrl("several hosts, and it takes one", 'write "redis+sentinel://" or "redis+cluster://" for several')
    names = [f"host {number}" for number in range(1, len(texts) + 1)] if len(texts) > 1 else ["the host"]
    return tuple(_host(each, name, _PORTS[kind]) for each, name in zip(texts, names, strict=True))


def _host(text: str, part: str, port: int) -> Host:
    match = _HOST.fullmatch(text)
    if not match:
        raise WrongUrl(f"{part} has more than one colon or a bracket too few", "write IPv6 addresses as [2001:db8::1]")
    if not match["host"]:
        raise WrongUrl(f"{part} is missing", 'write such as "127.0.0.1:6379"')
    if match["colon"]:
        if not re.fullmatch("[0-9]{1,5}", match["port"]) or not 0 < int(match["port"]) <= _LARGEST_PORT:
            raise WrongUrl(f"the port of {part} is none", f"write 1 to {_LARGEST_PORT}, or nothing for {port}")
        port = int(match["port"])
    host = match["host"].lower()
    if host.startswith("[") or _ADDRESS.fullmatch(host):
        try:
            return unpack(pack(host.strip("[]"))), port
        except ValueError:
            host = ""
    if not _NAME.fullmatch(host):
        raise WrongUrl(f"{part} is none", "write its name or its address, such as 192.0.2.1 or [2001:db8::1]")
    return host, port


def _name_and_db(path: str, kind: Kind) -> tuple[str, int]:
    """Return what Sentinels call the server, and the number of its database."""
    parts = path.removesuffix("/").split("/")[1:]
    if kind == "cluster" and parts:
        raise WrongUrl("a Cluster has no db numbers, and no path", "take out what stands behind the hosts")
    name = _decoded(parts.pop(0), "the name") if kind == "sentinel" and parts else ""
    if kind == "sentinel" and not _WORD.fullmatch(name):
        remedy = 'write what `sentinel monitor` calls it, such as "redis+sentinel://HOST,HOST/mymaster"'
        raise WrongUrl("the name that Sentinels call the server is missing, or none", remedy)
    if parts[1:]:
        raise WrongUrl("the path has too many parts", "leave the number of the db alone, such as /0")
    return name, _db(parts[0] if parts else "0")


def _db(text: str) -> int:
    if not _DB.fullmatch(text):
        raise WrongUrl("the db is no number", "write such as 0, for the first")
    return int(text)


def _socket(host: str, path: str) -> Path:
    decoded = _decoded(path, "the path of the socket")
    if host or not decoded or decoded.endswith("/"):
        remedy = 'write three slashes and the path, such as "unix:///run/redis/redis-server.sock"'
        raise WrongUrl("the path of the socket is no absolute path of a file", remedy)
    if len(decoded.encode()) > _LONGEST_SOCKET:
        raise WrongUrl(f"the path of the socket has more than {_LONGEST_SOCKET} bytes", "write a shorter one")
    return Path(decoded)


def _words(query: str, kind: Kind, *, tls: bool, local: bool) -> Mapping[str, str]:
    """Return what stands behind the "?"."""
    possible = ["password_file", "credential", *(["db"] if local else []), *(_TLS if tls else [])]
    possible += ["sentinel_password_file"] if kind == "sentinel" else []
    words: dict[str, str] = {}
    for each in query.split("&") if query else ():
        word, _, text = each.partition("=")
        _expect_known(word, possible)
        if word in words:
            raise WrongUrl(f"{word} stands there twice", "leave one of them")
        words[word] = value = _decoded(text, word)
        if word == "credential" and (not _WORD.fullmatch(value) or value in (".", "..")):
            remedy = "write the name that stands behind LoadCredential= in the unit, such as credential=redis"
            raise WrongUrl("credential is no name", remedy)
        if word not in ("db", "credential") and (not value.startswith("/") or value.endswith("/")):
            raise WrongUrl(f"{word} is no absolute path of a file", f'write such as "{word}=/etc/milter64/FILE"')
    if "key" in words and "cert" not in words:
        raise WrongUrl("key is of no use without cert", 'write "cert=/path" too')
    return words


def _expect_known(word: str, possible: Sequence[str]) -> None:
    if word in possible:
        return
    if word == "password":
        raise WrongUrl(
            "password can't stand behind the ?", 'write "password_file=/path", or :PASSWORD@ before the host'
        )
    if word in _TLS:
        raise WrongUrl(f"{word} is for TLS", 'write "rediss" in the place of "redis"')
    raise WrongUrl("unknown word behind the ?", f"possible are {', '.join(possible)}")


def _decoded(text: str, part: str) -> str:
    """Return a part with its octets in the place of %XX."""
    if _NO_OCTET.search(text):
        raise WrongUrl(f"in {part} is a % without two hexadecimal digits", "write a % as %25")
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise WrongUrl(f"{part} is no UTF-8", "write each octet of its UTF-8 as %XX") from None  # which would tell it
    if not decoded.isprintable():
        raise WrongUrl(f"{part} holds a character that can't be printed", "write it without")
    return decoded
