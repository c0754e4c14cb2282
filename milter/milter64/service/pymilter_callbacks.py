"""The pymilter adapter: callbacks to our types and back. It owns no mail policy.

Any callback may never run: libmilter's C code drops what is not UTF-8, and nothing is replied to CONNECT, HELO and
MAIL. So a recipient without a CONNECT and a MAIL before it is put off, a client without a HELO has none, and nothing is
ever trusted for lack of facts. A callback that fails leaves the same gap behind.

The mail server's macros make up for a CONNECT that never ran: where the client's name is no UTF-8, as Sendmail's may
be, and in another session on the same connection (SMFIC_QUIT_NC), of which libmilter doesn't always take notice.

pymilter's C code calls straight into the sessions. The detour by its base class costs more than decoding an address.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import Milter

from milter64.address.client import Client, Origin
from milter64.headers.authentication_results import AUTHENTICATION_RESULTS, authentication_results
from milter64.headers.forged_fields import MOST, ForgedFields, claim
from milter64.headers.received_spf import RECEIVED_SPF, received_spf
from milter64.judging.transaction_state import Transaction
from milter64.mail import sender_and_recipient
from milter64.mail.finding import Finding
from milter64.mail.idna_domain import shown_domain
from milter64.mail.session import Envelope, Session
from milter64.policy.smtp_reply import NOT_READY, Reply, too_many_forged, trouble
from milter64.service.session_context import Context, new_token

_CONTINUE: int = Milter.CONTINUE
_NO_CONTENT: int = Milter.P_NODATA | Milter.P_NOEOH | Milter.P_NOBODY | Milter.P_NOUNKNOWN
_NOREPLY: int = Milter.NOREPLY
_UTF_8 = ("utf-8", "surrogateescape")
_AT_CONNECT = "j {client_addr} {client_port}"  # the macros that we want there, and no others
_AT_RCPT = "{rcpt_addr} {rcpt_mailer} {rcpt_host}"


class Callbacks:
    """One SMTP session, begun before CONNECT; `callbacks` lead to its methods.

    `steps` of the protocol are negotiated away where the mail server can do so: replies that say nothing, and content
    with all its round trips. Where it waits for the replies, libmilter gives them.
    """

    steps: int = Milter.P_NR_CONN | Milter.P_NR_HELO | Milter.P_NR_MAIL | Milter.P_NOHDRS | _NO_CONTENT
    _client: Client | None = None
    _told: str | None = None
    _port = 0
    _helo: str | None = None
    _excess: Finding | None = None
    _mta = ""
    _transaction: Transaction | None = None

    def __init__(self, context: Context, ctx: Any) -> None:  # noqa: ANN401  pymilter has no types
        """Begin with what all sessions share, and with pymilter's own context of this one."""
        self._context = context
        self._engine = context.engine
        self._ctx = ctx
        self._token = new_token()
        self._authserv_id = context.authserv_id
        if self._engine.counts_refusals:
            self.steps |= Milter.P_RCPT_REJ

    def connect(self, _name: str, _family: int, hostaddr: object) -> None:
        """Decode the client's address, once for the session."""
        address, port = hostaddr[:2] if isinstance(hostaddr, tuple) else (None, 0)
        self._meet(self._context.translator.client(address), port)

    def _meet(self, client: Client, port: int) -> None:
        self._told = self._macro("{client_addr}")
        self._mta = self._macro("j") or os.uname().nodename
        self._authserv_id = self._context.authserv_id or self._mta
        self._client, self._port = client, port
        if tally := self._context.telemetry.tally:
            tally.connected(self._client.origin)
        self._excess = self._engine.met(client)

    def _meet_late(self) -> None:
        """Make up for a CONNECT that never ran; where the mail server gives no address either, say so once."""
        told = self._macro("{client_addr}")
        if self._client and told == self._told:
            return
        self._client, self._token, self._helo = None, new_token(), None  # the HELO was of who had the connection before
        client = self._context.translator.client(told.removeprefix("IPv6:"))
        if client.origin is not Origin.UNKNOWN:
            self._meet(client, int(port) if (port := self._macro("{client_port}")).isdecimal() else 0)
        elif told != self._told:
            self._told = told
            why = "no CONNECT was heard, as where its name is no UTF-8, nor a {client_addr} given: it is put off"
            self._context.telemetry.warning("client unknown", session=self._token, why=why)

    def helo(self, name: str) -> None:
        """Record the HELO; another one, as after STARTTLS, takes its place."""
        self._meet_late()
        self._helo = shown_domain(name)

    def envfrom(self, sender: bytes, *_parameters: bytes) -> None:
        """Begin a transaction."""
        self.abort()
        self._meet_late()
        if self._client:
            session = Session(token=self._token, client=self._client, port=self._port, helo=self._helo, mta=self._mta)
            login = self._macro("{auth_authen}")
            reading = sender_and_recipient.read_sender(sender, self._reading("{mail_addr}"))
            text = sender.decode(*_UTF_8) if reading is None else reading
            envelope = Envelope(session=session, sender=text, login=login, readable=reading is not None)
            self._context.notice(envelope)
            self._transaction = self._engine.begin(envelope, self._excess)

    def envrcpt(self, recipient: bytes, *_parameters: bytes) -> int:
        """Judge a recipient, unless the mail server itself has refused it."""
        if self.steps & Milter.P_RCPT_REJ and (mailer := self._macro("{rcpt_mailer}")) == sender_and_recipient.ERROR:
            refusal = sender_and_recipient.refusal(mailer, self._macro("{rcpt_host}"))
            if refusal and self._transaction:
                self._engine.refused_elsewhere(self._transaction, refusal)
                return _CONTINUE
        if not self._transaction:
            return self.refuse(NOT_READY)
        reading = sender_and_recipient.read(recipient, self._reading("{rcpt_addr}"))
        text = recipient.decode(*_UTF_8) if reading is None else reading
        reply = self._engine.judge(self._transaction, text, readable=reading is not None)
        return self.refuse(reply) if reply else _CONTINUE

    def header(self, _name: str, _value: bytes) -> None:
        """Do nothing: the mail server is one that won't do without."""

    def eom(self) -> int:
        """Give the verdict that was put off, set the header fields, and tell the log."""
        transaction, self._transaction = self._transaction, None
        if not transaction:
            return self.refuse(NOT_READY)
        if reply := self._refusal(transaction):
            return self.refuse(reply)
        self._set_headers(transaction)
        self._engine.accepted(transaction, self._macro("i"))
        # CONTINUE, as every acceptance here: ACCEPT would end the work of nobody but this milter for the message.
        return _CONTINUE

    def abort(self) -> None:
        """End a transaction that has not become a message."""
        transaction, self._transaction = self._transaction, None
        if transaction:
            self._engine.abandoned(transaction)

    def close(self) -> None:
        """End the session."""
        self._ctx = None  # it holds on to us, too
        self.abort()

    def failed(self, callback: str) -> Reply:
        """Log that a callback has raised, leave a gap, and return what to tell a client that waits for a reply."""
        self._context.telemetry.exception("fault", where=callback, session=self._token)
        self._transaction = None
        return trouble(self._token)

    def refuse(self, reply: Reply) -> int:
        """Refuse what is being asked about, for now or for good."""
        self._ctx.setreply(reply.code, reply.status, reply.text.replace("%", "%%"))
        return Milter.REJECT if reply.code.startswith("5") else Milter.TEMPFAIL

    def _macro(self, name: str) -> str:
        """Return a macro's value, "" if the mail server gave none, and "?" if pymilter can't read it."""
        return self._reading(name) or ""

    def _reading(self, name: str) -> str | None:
        """Return the mail server's word, None if it gave none, and "?" if pymilter can't read it."""
        try:
            reading: str | None = self._ctx.getsymval(name)
        except UnicodeDecodeError:
            return "?"
        return reading

    def _refusal(self, transaction: Transaction) -> Reply | None:
        """Return why a whole message can't come in, if so."""
        return self._engine.end(transaction)

    def _set_headers(self, transaction: Transaction) -> None:
        """Leave the message as it is."""


class HeaderCallbacks(Callbacks):
    """A session whose messages get fields of ours, and lose those that only look so."""

    steps = Callbacks.steps & ~Milter.P_NOHDRS | Milter.P_NR_HDR

    def __init__(self, context: Context, ctx: Any) -> None:  # noqa: ANN401  pymilter has no types
        """Begin with what all sessions share, and with pymilter's own context of this one."""
        super().__init__(context, ctx)
        self._forged: ForgedFields | None = None

    def header(self, name: str, value: bytes) -> None:
        """Note which fields could be taken for ours; deleting waits until end of message."""
        if (field := claim(name)) and self._transaction:
            if not self._forged:
                ours = self._context.headers.authentication_results
                self._forged = ForgedFields(self._authserv_id if ours else None)
            self._forged.note(field, value)

    def abort(self) -> None:
        """End a transaction that has not become a message."""
        self._forged = None
        super().abort()

    def _refusal(self, transaction: Transaction) -> Reply | None:
        """Refuse a message with too many forged fields, in observe mode too: what isn't deleted is believed."""
        if self._forged and self._forged.too_many and not transaction.from_trusted_host:
            self._context.telemetry.info("too many forged fields", session=self._token, most=MOST)
            self._engine.abandoned(transaction)
            return too_many_forged(MOST, self._token)
        return super()._refusal(transaction)

    def _set_headers(self, transaction: Transaction) -> None:
        """Delete what others claim in our name, and say, on top, what we found: nothing of an exempt client."""
        if self._forged and not transaction.from_trusted_host:
            for field, index in reversed(self._forged.places):  # deleting the first would renumber the others
                self._ctx.chgheader(field, index, "")
        if not transaction.exempt:
            settings, envelope, known = self._context.headers, transaction.envelope, transaction.known
            if settings.received_spf:
                self._add(RECEIVED_SPF, received_spf(envelope, known, envelope.session.mta))
            if settings.authentication_results:
                self._add(AUTHENTICATION_RESULTS, authentication_results(self._authserv_id, envelope, known.values()))

    def _add(self, field: str, values: Sequence[str]) -> None:
        """Add fields on top, of which the first is the uppermost."""
        for value in reversed(values):
            self._ctx.addheader(field, value, 0)


Begin = Callable[[Any], Callbacks]  # makes a session for pymilter's context of it


def _begun(begin: Begin, ctx: Any) -> Callbacks:  # noqa: ANN401  pymilter has no types
    """Begin a session: at the negotiation, or behind another one on the same connection (SMFIC_QUIT_NC)."""
    session = begin(ctx)
    ctx.setpriv(session)
    return session


def _answered(begin: Begin, method: str) -> Callable[..., int]:
    """Return the callback that leads to a session's method whose answer the client waits for.

    An exception becomes a log line and a temporary answer: our own fault refuses nobody for good.
    """

    def callback(ctx: Any, *arguments: object) -> int:  # noqa: ANN401  pymilter has no types
        session: Callbacks = ctx.getpriv() or _begun(begin, ctx)
        try:
            return getattr(session, method)(*arguments)
        except Exception:  # noqa: BLE001  the last resort of every callback
            return session.refuse(session.failed(method))

    return callback


def _unanswered(begin: Begin, method: str, no_reply: int = 0) -> Callable[..., int]:
    """Return the callback that leads to a session's method that says nothing; an exception becomes a log line.

    The step `no_reply` is the one by which nobody waits for a reply, if the session has it.
    """

    def callback(ctx: Any, *arguments: object) -> int:  # noqa: ANN401  pymilter has no types
        session: Callbacks = ctx.getpriv() or _begun(begin, ctx)
        try:
            getattr(session, method)(*arguments)
        except Exception:  # noqa: BLE001  the last resort of every callback
            session.failed(method)
        return _NOREPLY if session.steps & no_reply else _CONTINUE

    return callback


def callbacks(begin: Begin) -> Mapping[str, Callable[..., int]]:
    """Return what libmilter is to call, by pymilter's names."""
    return {
        "negotiate": partial(_negotiate, begin),
        "connect": _unanswered(begin, "connect", Milter.P_NR_CONN),
        "helo": _unanswered(begin, "helo", Milter.P_NR_HELO),
        "envfrom": _unanswered(begin, "envfrom", Milter.P_NR_MAIL),
        "envrcpt": _answered(begin, "envrcpt"),
        "header": _unanswered(begin, "header", Milter.P_NR_HDR),
        "eom": _answered(begin, "eom"),
        "abort": _unanswered(begin, "abort"),
        "close": _unanswered(begin, "close"),
    }


def _negotiate(begin: Begin, ctx: Any, offers: list[int]) -> int:  # noqa: ANN401  pymilter has no types
    """Begin a session, and ask for nothing but to add and to delete header fields, and for the macros that we want."""
    session = _begun(begin, ctx)
    if names_macros := offers[0] & Milter.SETSYMLIST:
        ctx.setsymlist(Milter.M_CONNECT, _AT_CONNECT)
        if session.steps & Milter.P_RCPT_REJ:
            ctx.setsymlist(Milter.M_ENVRCPT, _AT_RCPT)
    offers[:] = Milter.ADDHDRS | Milter.CHGHDRS | names_macros, offers[1] & session.steps, 0, 0
    return _CONTINUE
