"""The frozen facts of an SMTP session and of a transaction in it."""

from functools import lru_cache

from milter64.address.client import Client
from milter64.address.frozen_dataclass import frozen
from milter64.mail.idna_domain import ascii_domain


@frozen
class Session:
    """What is known of a client from CONNECT and HELO.

    `token` names the session in replies and log lines. `port` is the client's TCP port, 0 if unknown. `helo` is None as
    long as no HELO or EHLO was seen; U-labels in it have become A-labels, as RFC 6531 3.7.1 wants clients to
    say them. `mta` is the mail server's own name, the macro {j}.
    """

    token: str
    client: Client
    port: int
    helo: str | None
    mta: str


@frozen
class Envelope:
    """A transaction: its session and what MAIL said.

    `sender` is the MAIL FROM address as `mailbox.read` gives it, empty for the null sender. `readable` is False where
    that could not be read: `sender` is then what the client wrote, and nobody's identity. `login` is the name that the
    client has authenticated as, empty if it has not.
    """

    session: Session
    sender: str
    login: str
    readable: bool = True

    @property
    def null(self) -> bool:
        """Whether the sender is the null one (RFC 5321 4.5.5)."""
        return not self.sender and self.readable

    @property
    def identity(self) -> str:
        """The MAIL FROM identity of SPF: the sender, or postmaster@HELO for the null sender (RFC 7208 2.4)."""
        return self.sender or f"postmaster@{self.session.helo or ''}"


@lru_cache(maxsize=1024)  # a transaction asks half a dozen times
def split(address: str) -> tuple[str, str]:
    """Return local part and domain, as DNS knows it and without final dots; a bare local part has the domain ""."""
    local, at, domain = address.rpartition("@")
    return (local, ascii_domain(domain).rstrip(".")) if at else (address, "")
