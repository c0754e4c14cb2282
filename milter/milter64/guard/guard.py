"""Watches at run time for set-ups that hide or falsify who calls, behind everything: no verdict waits for it.

- Clients in a translator's addresses that no configured prefix covers (`undecoded`).
- A resolver that invents AAAA records (`dns64`): its prefix is learned, so that they count for nothing, and clients in
  it are `undecoded` too. One that doesn't say whether it does is asked again and again.
- A gateway behind which all clients hide (`masked`): its address stands for nobody from then on.
- An address of elsewhere that may be such (`shared`): it might be a host of many names, too.

Sessions only leave their envelopes here. A thread of the worker looks at them, once a second at most, and what it finds
is its own, or in the notes that all workers' guards share: no session waits for a lock.
A reload begins anew; what `milter64 discover` wants stays in a file.
"""

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from math import inf
from queue import Empty, SimpleQueue
from threading import Event, Thread

from milter64.address.client import Client, Origin
from milter64.address.networks import unpack
from milter64.address.translation_prefix import Prefix
from milter64.address.translator import Translator
from milter64.config.settings import Settings
from milter64.config.toml_reader import show
from milter64.discover import dns64_prefix, recorded_prefixes
from milter64.discover.dns64_prefix import Synthesis
from milter64.discover.prefix_guess import Shapes, guess
from milter64.discover.recorded_prefixes import Learned, Sighting
from milter64.dns.query import nameservers
from milter64.guard.crowded_addresses import CrowdedAddresses
from milter64.guard.shared_by_workers import HOUR, SharedNotes
from milter64.mail.session import Envelope
from milter64.telemetry.log import Telemetry

_GATHER = 1.0
"""Seconds that envelopes gather before they are looked at."""
_PARTING = 0.3
"""Seconds that the end of a worker waits for the last note, as when a nameserver is being waited for."""
_KEPT = 2048
"""Envelopes that wait to be looked at, beyond which others go unseen; and addresses that were, this hour."""
_ASK_SOON, _ASK_LATER = 2.0, 60.0
"""Seconds after which nameservers are asked again that don't say whether they invent AAAA records: each time twice as
many."""
_WRITE_EVERY = 300.0


class Guard:
    """One worker's; `start` begins it and `close` ends it. Every thread may call `notice`."""

    def __init__(self, settings: Settings, translator: Translator, telemetry: Telemetry, shared: SharedNotes) -> None:
        """Teach `translator` what is found out, here and by the other guards in `shared`."""
        self._settings = settings
        self._translator = translator
        self._telemetry = telemetry
        self._recent: SimpleQueue[Envelope | None] = SimpleQueue()
        self._addresses = CrowdedAddresses(settings.trust)
        self._shared = shared
        self._shapes = Shapes()
        self._watched: set[bytes] = set()
        self._seen: dict[str, Sighting] = {}
        self._learned = Learned(began=shared.began)
        self._file = recorded_prefixes.place(settings.greylist.local_store)
        self._ask_soon = _ASK_SOON
        self._ask_at = self._write_at = self._forget_at = 0.0
        self._unwritten = False
        with suppress(OSError):  # if its folder can't be used, the store says so
            self._unwritten = bool(self._file and self._file.exists())  # it may have what was learned before a reload
        self._closed = Event()
        self._thread = Thread(target=self._run, name="guard", daemon=True)

    def notice(self, envelope: Envelope) -> None:
        """Leave an envelope to be looked at, unless nothing new can be in it."""
        if self._addresses.news(envelope) and self._recent.qsize() < _KEPT:
            self._recent.put(envelope)

    def start(self) -> None:
        """Begin to watch, with what those who served before know of the nameservers."""
        names = {server.text for server in nameservers(self._settings.dns.nameservers)}
        self._distrust([each for each in self._shared.dns64() if each.nameserver in names])
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
        """Ask each nameserver for what only a DNS64 has; of who doesn't say, what was found before still holds."""
        dns = self._settings.dns
        found = dns64_prefix.survey(nameservers(dns.nameservers), dns.timeout)
        with self._shared.notes() as notes:
            known = dns64_prefix.renewed(found, notes.dns64)
            notes.dns64.clear()
            notes.dns64.update(known)
        if any(synthesis.error for synthesis in found):
            self._ask_at = time.monotonic() + self._ask_soon
            self._ask_soon = min(2 * self._ask_soon, _ASK_LATER)
        else:
            self._ask_at, self._ask_soon = time.monotonic() + HOUR, _ASK_SOON
        self._distrust(known.values())
        for synthesis in known.values():
            self._tell_of_dns64(synthesis)

    def _distrust(self, known: Iterable[Synthesis]) -> None:
        """Have nothing count that nameservers invent."""
        inventing = [synthesis for synthesis in known if synthesis.patterns]
        dns64 = {synthesis.nameserver: tuple(sorted(synthesis.addresses)) for synthesis in inventing}
        if dns64 != self._learned.dns64:
            self._translator.distrust({pattern for synthesis in inventing for pattern in synthesis.patterns})
            self._forget_at = 0.0  # clients that have been looked at may be undecoded from now on
            self._learn(replace(self._learned, dns64=dns64))

    def _tell_of_dns64(self, synthesis: Synthesis) -> None:
        """Say what a nameserver invents, unless that is expected; or that this isn't known."""
        server, configured = synthesis.nameserver, {prefix.text for prefix in self._settings.translation.prefixes}
        if synthesis.error:
            what = f"whether it invents AAAA records of hosts that have none isn't known: {synthesis.error}"
            remedy = (
                f"let it answer for {dns64_prefix.NAME}, which has the A records 192.0.0.170 and 192.0.0.171 (RFC 8880)"
            )
            self._say("dns64", server, nameserver=server, what=what, remedy=remedy)
        for pattern in synthesis.patterns:
            if (text := pattern.text) not in configured:
                what = "it invents AAAA records of hosts that have none; we let them count for nothing"
                remedy = (
                    f"give the DNS64 another prefix: {pattern.defect}"
                    if pattern.defect
                    else f"name a resolver without DNS64: [dns] nameservers; if clients come from {text} too, "
                    f"add it: {self._with(text)}"
                )
                self._say("dns64", text, nameserver=server, prefix=text, what=what, remedy=remedy)

    def _learn(self, learned: Learned) -> None:
        """Keep for the file at once what is known by now."""
        self._learned, self._unwritten, self._write_at = learned, True, 0.0

    # Clients

    def _look(self, now: float) -> None:
        """Look at the envelopes that were left here."""
        if now >= self._forget_at or len(self._watched) > _KEPT:
            self._watched.clear()
            self._addresses.forget()
            self._forget_at = now + HOUR
        telling: list[Envelope] = []
        with suppress(Empty):
            while True:
                if envelope := self._recent.get_nowait():
                    self._watch(envelope.session.client)
                    telling += self._addresses.telling(envelope)
        if telling or self._addresses.masked or self._addresses.shared:
            self._count(telling, now)

    def _watch(self, client: Client) -> None:
        if client.wire_packed not in self._watched:
            self._watched.add(client.wire_packed)
            self._classify(client)

    def _count(self, telling: Sequence[Envelope], now: float) -> None:
        """Count the names that were said from each address, and teach the translator which are gateways'."""
        addresses = self._addresses
        before = addresses.masked, addresses.shared
        with self._shared.notes() as notes:
            crowd = addresses.count(telling, notes, now)
        if (addresses.masked, addresses.shared) != before:
            self._translator.mask(addresses.masked, addresses.shared)
            masked, shared = (frozenset(map(unpack, some)) for some in (addresses.masked, addresses.shared))
            self._learn(replace(self._learned, masked=masked, shared=shared))
        for client in crowd:
            self._say(about=client.wire, **addresses.warning(client))

    def _classify(self, client: Client) -> None:
        match client.origin:
            case Origin.TRANSLATED if "=" not in client.via:  # else by a mapping (RFC 7757)
                self._see(client.via, client.origin, client.wire)
            case Origin.UNDECODED:
                self._undecoded(client)
            case Origin.IPV6 if not client.private:
                for prefix, wires in self._shapes.add(client.wire_packed).items():
                    self._see(prefix, client.origin, *map(unpack, wires))

    def _undecoded(self, client: Client) -> None:
        wire, via = client.wire, client.via
        remedy = "find out its prefix, and add it to [translation]: see `milter64 discover`"
        text = via or ("64:ff9b:1::/48" if wire.startswith("64:ff9b:1:") else "64:ff9b::/96")
        if prefix := _guess(client):
            text = prefix.text
            self._see(text, Origin.UNDECODED, wire)
            remedy = f"if it is your translator's, add it: {self._with(text)}"
        what = "a translator's client, and no configured prefix covers it: it is not judged by its address"
        self._say("undecoded", text, client=wire, prefix=text, what=what, remedy=remedy)

    def _with(self, prefix: str) -> str:
        """Return the line of the configuration that has a prefix beside those that are there."""
        texts = [*(each.text for each in self._settings.translation.prefixes), prefix]
        return f"[translation] prefixes = {show(list(dict.fromkeys(texts)))}"

    def _say(self, event: str, about: str, **fields: object) -> None:
        """Log it, at most once an hour for what it is about, whichever worker finds it."""
        with self._shared.notes() as notes:
            due = notes.due((event, about), time.monotonic())
        if due:
            self._telemetry.warning(event, **fields)

    # What `milter64 discover` reads

    def _see(self, prefix: str, origin: Origin, *wires: str) -> None:
        before = self._seen.get(prefix)
        clients = frozenset() if before and len(before.clients) >= recorded_prefixes.CLIENTS else frozenset(wires)
        sighting = Sighting(prefix=prefix, origin=origin, clients=clients, latest=time.time())
        self._seen[prefix] = before | sighting if before else sighting
        self._unwritten = True
        if not before:
            self._write_at = 0.0

    def _write(self) -> None:
        """Write what was seen and learned; where that can't be, the store's own line tells of the folder."""
        self._unwritten = False
        self._write_at = time.monotonic() + _WRITE_EVERY
        self._seen = recorded_prefixes.unite(self._seen.values(), now=time.time())
        if self._file:
            with suppress(OSError):
                recorded_prefixes.write(self._file, self._seen.values(), self._learned)


def _guess(undecoded: Client) -> Prefix | None:
    """Return the prefix that a translator's address most likely lies in."""
    try:
        return Prefix(undecoded.via) if undecoded.via else guess(undecoded.wire_packed)
    except ValueError:  # a DNS64's, which RFC 6052 forbids
        return None
