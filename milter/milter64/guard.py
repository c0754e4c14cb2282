"""Watches at run time for set-ups that hide or falsify who calls, behind everything: no verdict waits for it.

- Clients in a translator's addresses that no configured prefix covers (`undecoded`).
- A resolver that invents AAAA records (`dns64`): its prefix is learned, so that they count for nothing.
- A gateway behind which all clients hide (`masked`): its address stands for nobody from then on.

Sessions only leave their envelopes here. A thread of the worker looks at them, once a second at most, and what it finds
is its own, or on the board that all workers' guards share: no session waits for a lock.
A reload begins anew; what `milter64 discover` wants stays in a file.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from math import inf
from queue import Empty, SimpleQueue
from threading import Event, Thread

from milter64.address import Client, Origin, Prefix, Translator
from milter64.board import HOUR, Board
from milter64.config import Settings
from milter64.crowds import MANY, WINDOW
from milter64.discover import records, rfc7050
from milter64.discover.records import Sighting
from milter64.discover.shapes import Shapes, guess
from milter64.dns import Resolver
from milter64.exchange import nameservers
from milter64.gateways import gateways
from milter64.networks import unpack
from milter64.session import Envelope, split
from milter64.telemetry import Telemetry
from milter64.toml import show

_GATHER = 1.0
"""Seconds that envelopes gather before they are looked at."""
_PARTING = 0.3
"""Seconds that the end of a worker waits for the last note, as when a nameserver is being waited for."""
_KEPT = 2048
"""Envelopes that wait to be looked at, beyond which others go unseen; and addresses that were, this hour."""
_ASK_AGAIN = 60.0
"""Seconds after which nameservers are asked again that did not answer about ipv4only.arpa."""
_WRITE_EVERY = 300.0
_NAME_THEM = (
    "let the proxy name the clients: PROXY protocol (smtpd_upstream_proxy_protocol) or XCLIENT; "
    'of Docker: "userland-proxy": false, or network_mode: host'
)


class Guard:
    """One worker's; `start` begins it and `close` ends it. Every thread may call `notice`."""

    def __init__(
        self, settings: Settings, translator: Translator, resolver: Resolver, telemetry: Telemetry, board: Board
    ) -> None:
        """Teach `translator` what is found out, here and by the other guards at `board`."""
        self._settings = settings
        self._translator = translator
        self._resolver = resolver
        self._telemetry = telemetry
        self._recent: SimpleQueue[Envelope | None] = SimpleQueue()
        self._gateways = gateways()
        self._board = board
        self._masked: frozenset[bytes] = frozenset()
        self._shapes = Shapes()
        self._watched: set[bytes] = set()
        self._unremarkable: set[bytes] = set()
        """Those of them that are no gateway's either."""
        self._seen: dict[str, Sighting] = {}
        self._invented: dict[str, Prefix] = {}
        self._file = records.place(settings.greylist.store)
        self._ask_at = self._write_at = self._forget_at = 0.0
        self._unwritten = False
        self._closed = Event()
        self._thread = Thread(target=self._run, name="guard", daemon=True)

    def notice(self, envelope: Envelope) -> None:
        """Leave an envelope to be looked at, unless nothing new can be in it."""
        if envelope.session.client.wire_packed not in self._unremarkable and self._recent.qsize() < _KEPT:
            self._recent.put(envelope)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Write what is left to write, if that doesn't take long."""
        self._closed.set()
        self._recent.put(None)  # to be woken
        self._thread.join(_PARTING)

    def _run(self) -> None:
        ending = False
        while not ending:
            ending = self._closed.is_set()
            try:
                self._turn(ending=ending)
            except Exception:  # noqa: BLE001  nobody waits for this, and nobody else would hear of it
                self._telemetry.exception("fault", where="guard")

    def _turn(self, *, ending: bool) -> None:
        """Sleep until there is something to do, and do it."""
        if not ending:
            if time.monotonic() >= self._ask_at:
                self._ask()
            due = min(self._ask_at, self._forget_at, self._write_at if self._unwritten else inf)
            with suppress(Empty):
                first = self._recent.get(timeout=max(0.0, due - time.monotonic()))
                self._closed.wait(_GATHER)
                self._recent.put(first)
        self._look(time.monotonic())
        if self._unwritten and (ending or time.monotonic() >= self._write_at):
            self._write()

    # AAAA records that a resolver invents (RFC 7050)

    def _ask(self) -> None:
        """Ask each nameserver for what only a DNS64 has; who doesn't answer has what was found before."""
        self._ask_at = time.monotonic() + HOUR
        dns = self._settings.dns
        found = [rfc7050.ask(server, dns.timeout) for server in nameservers(dns.nameservers)]
        silent = any(synthesis.error for synthesis in found)
        if silent:
            self._ask_at = time.monotonic() + _ASK_AGAIN
        invented = {prefix.text: prefix for synthesis in found for prefix in synthesis.prefixes}
        if silent:
            invented = self._invented | invented
        if invented.keys() != self._invented.keys():
            self._translator.distrust(invented.values())
            self._resolver.forget()  # it may have taken such records for real
            self._invented = invented
        for synthesis in found:
            for prefix in synthesis.prefixes:
                self._say(
                    "dns64",
                    prefix.text,
                    nameserver=synthesis.nameserver,
                    prefix=prefix.text,
                    what="it invents AAAA records of hosts that have none; we let them count for nothing",
                    remedy=f"name a resolver without DNS64: [dns] nameservers; if clients come from {prefix.text} too, "
                    f"add it: {self._with(prefix.text)}",
                )

    # Clients

    def _look(self, now: float) -> None:
        """Look at the envelopes that were left here."""
        if now >= self._forget_at or len(self._watched) > _KEPT:
            self._watched.clear()
            self._unremarkable.clear()
            self._forget_at = now + HOUR
        local = []
        with suppress(Empty):
            while True:
                if (envelope := self._recent.get_nowait()) and self._watch(envelope):
                    local.append(envelope)
        if local or self._masked:
            self._count(local, now)

    def _watch(self, envelope: Envelope) -> bool:
        """Look at an envelope, and return whether it may have come from a gateway."""
        client, packed = envelope.session.client, envelope.session.client.wire_packed
        if packed not in self._watched:
            self._watched.add(packed)
            self._classify(client)
        is_local = packed in self._gateways or (client.private and client.origin is not Origin.TRANSLATED)
        if is_local or client.origin is Origin.MASKED:
            return not envelope.login
        self._unremarkable.add(packed)
        return False

    def _count(self, local: Sequence[Envelope], now: float) -> None:
        """Count the names that were said from addresses of this host's network, and mask those that are gateways'."""
        crowded: dict[bytes, str] = {}
        with self._board.notes() as notes:
            for envelope in local:
                client, domain = envelope.session.client, split(envelope.sender)[1]
                if notes.crowds.hear(client.wire_packed, envelope.session.helo or "", domain, now):
                    crowded[client.wire_packed] = client.wire
            notes.masked.update((packed, now) for packed in crowded if packed not in self._settings.trust.relays)
            for packed in [packed for packed, proven in notes.masked.items() if proven <= now - WINDOW]:
                del notes.masked[packed]
            masked = frozenset(notes.masked)
        if masked != self._masked:
            self._masked = masked
            self._translator.mask(masked)
        for packed, wire in crowded.items():
            self._tell_of_gateway(wire, packed)

    def _classify(self, client: Client) -> None:
        match client.origin:
            case Origin.TRANSLATED if "=" not in client.via:  # else by a mapping (RFC 7757)
                self._see(client.via, client.origin, client.wire)
            case Origin.UNDECODED:
                self._undecoded(client.wire, client.wire_packed)
            case Origin.IPV6 if not client.private:
                for prefix, wires in self._shapes.add(client.wire_packed).items():
                    self._see(prefix, client.origin, *map(unpack, wires))

    def _undecoded(self, wire: str, packed: bytes) -> None:
        prefix = guess(packed)
        remedy = "find out its prefix, and add it to [translation]: see `milter64 discover`"
        if prefix:
            self._see(prefix.text, Origin.UNDECODED, wire)
            remedy = f"if it is your translator's, add it: {self._with(prefix.text)}"
        text = prefix.text if prefix else "64:ff9b:1::/48" if wire.startswith("64:ff9b:1:") else "64:ff9b::/96"
        what = "a translator's client, and no configured prefix covers it: it is not judged by its address"
        self._say("undecoded", text, client=wire, prefix=text, what=what, remedy=remedy)

    def _tell_of_gateway(self, wire: str, packed: bytes) -> None:
        what = f"{MANY} HELO names and {MANY} sender domains or more from this one address: "
        if packed in self._settings.trust.relays:
            what += "it is in trust.relays, and stays trusted, but it hides the clients behind it"
        else:
            what += "a gateway that hides its clients; its address counts for nothing, trust included"
        self._say("masked", wire, client=wire, what=what, remedy=_NAME_THEM)

    def _with(self, prefix: str) -> str:
        """Return the line of the configuration that has a prefix beside those that are there."""
        texts = [*(each.text for each in self._settings.translation.prefixes), prefix]
        return f"[translation] prefixes = {show(list(dict.fromkeys(texts)))}"

    def _say(self, event: str, about: str, **fields: object) -> None:
        """Log it, at most once an hour for what it is about, whichever worker finds it."""
        with self._board.notes() as notes:
            due = notes.due((event, about), time.monotonic())
        if due:
            self._telemetry.warning(event, **fields)

    # What `milter64 discover` reads

    def _see(self, prefix: str, origin: Origin, *wires: str) -> None:
        before = self._seen.get(prefix)
        clients = frozenset() if before and len(before.clients) >= records.CLIENTS else frozenset(wires)
        sighting = Sighting(prefix=prefix, origin=origin, clients=clients, latest=time.time())
        self._seen[prefix] = before | sighting if before else sighting
        self._unwritten = True
        if not before:
            self._write_at = 0.0

    def _write(self) -> None:
        """Write what was seen; where that can't be, the store's own line tells of the folder."""
        self._unwritten = False
        self._write_at = time.monotonic() + _WRITE_EVERY
        self._seen = records.unite(self._seen.values(), now=time.time())
        if self._file:
            with suppress(OSError):
                records.write(self._file, self._seen.values())
