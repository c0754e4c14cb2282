"""The pymilter adapter: callbacks to our types and back. It owns no mail policy.

Any callback may never run: libmilter's C code drops what is not UTF-8, and nothing is replied to CONNECT, HELO and
MAIL. So a recipient without a CONNECT and a MAIL before it is put off, a client without a HELO has none, and nothing is
ever trusted for lack of facts. A callback that fails leaves the same gap behind.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper, wraps
from random import getrandbits

import Milter

from milter64.address import Client, Translator
from milter64.engine import Engine, Transaction
from milter64.headers import (
    AUTHENTICATION_RESULTS,
    RECEIVED_SPF,
    Settings,
    authentication_results,
    is_authentication_results,
    is_forged,
    received_spf,
)
from milter64.reply import NOT_READY, trouble
from milter64.session import Envelope, Session, mailbox
from milter64.telemetry import Telemetry
from milter64.verdict import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What all sessions of a worker share. `authserv_id` is empty where the mail server's name is to be used.

    `notice` is shown every envelope, and doesn't wait.
    """

    engine: Engine
    notice: Callable[[Envelope], None]
    translator: Translator
    telemetry: Telemetry
    headers: Settings
    authserv_id: str


def _caught(callback: Callable[..., int]) -> Callable[..., int]:
    """Turn an exception into a log line and a temporary answer: our own fault refuses nobody for good."""

    @wraps(callback)
    def wrapper(self: "Callbacks", *arguments: object) -> int:
        try:
            return callback(self, *arguments)
        except Exception:  # noqa: BLE001  the last resort of every callback
            return self.failed(callback.__name__)

    return wrapper


def _unanswered(callback: Callable[..., None]) -> Callable[..., int]:
    """Do the same for a callback that nobody waits for, and say so if the mail server understands it.

    It is what Milter.noreply would make of `_caught`, but one call less: that counts, at three callbacks a session.
    """
    no_reply, _ = Milter.OPTIONAL_CALLBACKS[callback.__name__]

    def wrapper(self: "Callbacks", *arguments: object) -> int:
        try:
            callback(self, *arguments)
        except Exception:  # noqa: BLE001  the last resort of every callback
            self.failed(callback.__name__)
        return Milter.NOREPLY if self._protocol & no_reply else Milter.CONTINUE

    vars(wrapper)["milter_protocol"] = no_reply  # where Milter.Base.protocol_mask looks for it
    return update_wrapper(wrapper, callback)


class Callbacks(Milter.Base):
    """One SMTP session. Callbacks that aren't overridden are negotiated away: no content, and no round trips for it."""

    def __init__(self, context: Context) -> None:
        """Begin before CONNECT."""
        self._context = context
        self._engine = context.engine
        self._client: Client | None = None
        self._port = 0
        self._helo: str | None = None
        self._mta = ""
        self._transaction: Transaction | None = None
        self._token = f"{getrandbits(32):08x}"  # a name and no secret; unlike urandom it keeps the GIL
        self._authserv_id = context.authserv_id
        self._fields = 0
        self._forged: list[int] = []

    def negotiate(self, opts: list[int]) -> int:
        """Ask for nothing but to add and to delete header fields."""
        self._actions = Milter.ADDHDRS | Milter.CHGHDRS
        self._protocol = opts[1] & ~self.protocol_mask()
        opts[:] = self._actions, self._protocol, 0, 0
        return Milter.CONTINUE

    @_unanswered
    def connect(self, _name: str, _family: int, hostaddr: object) -> None:
        """Decode the client's address, once for the session."""
        address, self._port = hostaddr[:2] if isinstance(hostaddr, tuple) else (None, 0)
        self._mta = self._macro("j") or os.uname().nodename
        self._authserv_id = self._context.authserv_id or self._mta
        self._client = self._context.translator.client(address)
        if tally := self._context.telemetry.tally:
            tally.connected(self._client.origin)

    @_unanswered
    def hello(self, name: str) -> None:
        """Record the HELO; another one, as after STARTTLS, takes its place."""
        self._helo = name

    @_unanswered
    def envfrom(self, sender: str) -> None:
        """Begin a transaction."""
        self._forget()
        if self._client:
            session = Session(token=self._token, client=self._client, port=self._port, helo=self._helo, mta=self._mta)
            envelope = Envelope(session=session, sender=mailbox(sender), login=self._macro("{auth_authen}"))
            self._context.notice(envelope)
            self._transaction = self._engine.begin(envelope)

    @_caught
    def envrcpt(self, recipient: str) -> int:
        """Judge a recipient."""
        if not self._transaction:
            return self._refuse(NOT_READY)
        reply = self._engine.judge(self._transaction, mailbox(recipient))
        return self._refuse(reply) if reply else Milter.CONTINUE

    @_caught
    def eom(self) -> int:
        """Give the verdict that was put off, set the header fields, and tell the log."""
        transaction, self._transaction = self._transaction, None
        if not transaction:
            return self._refuse(NOT_READY)
        if reply := self._engine.end(transaction):
            return self._refuse(reply)
        self._set_headers(transaction)
        self._engine.accepted(transaction, self._macro("i"))
        # CONTINUE, as every acceptance here: ACCEPT would end the work of nobody but this milter for the message.
        return Milter.CONTINUE

    @_caught
    def abort(self) -> int:
        """End a transaction that has not become a message."""
        self._forget()
        return Milter.CONTINUE

    @_caught
    def close(self) -> int:
        """End the session."""
        self._forget()
        return Milter.CONTINUE

    def failed(self, callback: str) -> int:
        """Answer for a callback that raised: put the client off where it waits for a reply, else leave a gap."""
        self._context.telemetry.exception("fault", where=callback, session=self._token)
        self._transaction = None
        return self._refuse(trouble(self._token)) if callback in ("envrcpt", "eom") else Milter.CONTINUE

    def _macro(self, name: str) -> str:
        """Return a macro's value, "" if the mail server gave none, and "?" if pymilter can't read it."""
        try:
            return self.getsymval(name) or ""
        except UnicodeDecodeError:
            return "?"

    def _forget(self) -> None:
        transaction, self._transaction = self._transaction, None
        self._fields, self._forged = 0, []
        if transaction:
            self._engine.abandoned(transaction)

    def _refuse(self, reply: Reply) -> int:
        self.setreply(reply.code, reply.status, reply.text.replace("%", "%%"))
        return Milter.REJECT if reply.code.startswith("5") else Milter.TEMPFAIL

    def _set_headers(self, transaction: Transaction) -> None:
        """Add what we found, on top; of a client that is exempt from judgement nothing was asked."""
        if transaction.exempt or not self._context.headers.received_spf:
            return
        for finding in transaction.known.values():
            if finding.check == "spf":
                value = received_spf(transaction.envelope, finding, transaction.envelope.session.mta)
                self.addheader(RECEIVED_SPF, value, 0)


class HeaderCallbacks(Callbacks):
    """A session whose messages get an Authentication-Results field of ours, and lose those that only look so."""

    def header_bytes(self, name: str, value: bytes) -> int:
        """Have no other field decoded than those that `header` has a use for: messages have dozens."""
        if is_authentication_results(name):
            return super().header_bytes(name, value)
        return Milter.NOREPLY if self._protocol & Milter.P_NR_HDR else Milter.CONTINUE

    @_unanswered
    def header(self, name: str, value: str) -> None:
        """Note which Authentication-Results fields are forged; deleting waits until end of message."""
        if self._transaction and is_authentication_results(name):
            self._fields += 1
            if is_forged(value, self._authserv_id):
                self._forged.append(self._fields)

    def _set_headers(self, transaction: Transaction) -> None:
        """Delete what others claim in our name, and say what we found."""
        if not transaction.from_trusted_host:
            for index in reversed(self._forged):  # deleting the first would renumber the others
                self.chgheader(AUTHENTICATION_RESULTS, index, "")
        super()._set_headers(transaction)
        if not transaction.exempt:
            value = authentication_results(self._authserv_id, transaction.envelope, transaction.known.values())
            self.addheader(AUTHENTICATION_RESULTS, value, 0)
