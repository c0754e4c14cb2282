"""The frozen facts of an SMTP session and of a transaction in it."""

from functools import lru_cache

from milter64.address import Client
from milter64.frozen import frozen


@frozen
class Session:
    """What is known of a client from CONNECT and HELO.

    `token` names the session in replies and log lines. `port` is the client's TCP port, 0 if unknown. `helo` is None as
    long as no HELO or EHLO was seen. `mta` is the mail server's own name, the macro {j}.
    """

    token: str
    client: Client
    port: int
    helo: str | None
    mta: str


@frozen
class Envelope:
    """A transaction: its session and what MAIL said.

    `sender` is the MAIL FROM address without angle brackets, empty for the null sender. `login` is the name that the
    client has authenticated as, empty if it has not.
    """

    session: Session
    sender: str
    login: str

    @property
    def identity(self) -> str:
        """The MAIL FROM identity of SPF: the sender, or postmaster@HELO for the null sender (RFC 7208 2.4)."""
        return self.sender or f"postmaster@{self.session.helo or ''}"


def mailbox(path: str) -> str:
    """Return the address in "<@relay:user@example.org>": no brackets, and no source route (RFC 5321 4.1.2)."""
    if path[:1] == "<" and path[-1:] == ">" and path[1:2] != "@":
        return path[1:-1]
    address = path.strip().removeprefix("<").removesuffix(">")
    if address.startswith("@"):
        address = address.partition(":")[2]
    return address


@lru_cache(maxsize=1024)  # a transaction asks half a dozen times
def split(address: str) -> tuple[str, str]:
    """Return local part and domain, lower case and without a final dot; a bare local part has the domain ""."""
    local, at, domain = address.rpartition("@")
    return (local, domain.lower().rstrip(".")) if at else (address, "")
