"""The figures of a log, taken line by line; all tables are bounded."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from milter64.address.networks import pack, unpack
from milter64.limits.settings import RATE
from milter64.report.bounded import Times, Top, Waiting
from milter64.report.outcome import KEPT_OUT, OUTCOMES, REFUSED, Mail, Shape, bounded, shape_of, written
from milter64.report.own_trouble import Trouble
from milter64.report.senders import Senders
from milter64.report.signs import PROVEN, Sign, found_signs, honest

_SHAPES = 10_000
_ODD = frozenset({"undecoded", "invalid", "masked", "unknown"})
_HOURS = 10_000
_PAIRS = 200_000
_NAMED = 10_000
_TOP = 1_000
_ODD_CLIENTS = 100
_AT_ONCE = 4096
SECONDS = {f"{minute:02}:{second:02}": 60 * minute + second for minute in range(60) for second in range(61)}
"""What is behind the hour, in seconds; a leap second is one."""
_TROUBLES = 100
_SERVES = frozenset({"ready", "reloaded"})
"""Events that say by which configuration the service goes from now on."""


Look = Callable[["Kind", float, str, str], None]


class Kind:
    """A shape, how many lines of it there were in this hour, and what each of them is looked at for.

    `look`, if there is any, is to be called with the kind, the time in seconds since 1970, and with who it is about, as
    the log writes it: "CLIENT wire=WIRE port=PORT origin=ORIGIN helo=HELO", and "SENDER> to=<RECIPIENT". For those that
    pass `passes` is set: who has been put off is looked for.
    """

    __slots__ = ("count", "honest", "hopeless", "known", "limited", "look", "observed", "odd", "passes", "shape")

    def __init__(self, shape: Shape, look: Look | None) -> None:
        self.shape = shape
        self.look = look
        self.count = 0
        self.known = found_signs(shape.found, shape.origin)
        self.hopeless = not self.known & PROVEN
        self.honest = honest(self.known)
        self.observed = shape.observed != ""
        self.passes = shape.event == "accepted" and not shape.observed


class Figures:
    """What a log adds up to."""

    def __init__(self, retry_window: float, *, observes: bool = False) -> None:
        """Take figures; who is put off has `retry_window` seconds to come back.

        `observes` says whether observe mode is on where the lines don't tell.
        """
        self.first_at: float | None = None
        self.last_at = 0.0
        self.others = 0
        """Lines that aren't ours, or can't be read."""
        self.shapes: Counter[Shape] = Counter()
        self.hours: dict[int, Counter[tuple[str, str, str]]] = {}
        """How often there was each decision, of each origin, and became each, by hour, in seconds since 1970."""
        self.troubles: dict[str, Trouble] = {}
        self.started: list[float] = []
        self.networks, self.domains, self.senders = Top[str](_TOP), Top[str](_TOP), Top[str](_TOP)
        """Of those who are refused."""
        self.refused, self.limited = Senders(), Senders()
        self.odd_clients: dict[str, Top[str]] = {}
        """Clients whose address isn't their own, by origin."""
        self._serves_observing: bool | None = None
        """Whether observe mode is on, as the service has said last."""
        self._observed = observes
        """The same, as the last decision has shown that isn't yes."""
        self._refused: list[tuple[str, str]] = []
        """Clients and senders that are still to be counted."""
        self.waiting = Waiting[int](_PAIRS, retry_window)
        """Who is put off, by digests of sender and recipient."""
        self.put_off = self.put_off_observed = 0
        """Pairs, and those of them whom observe mode has let in."""
        self.came_back = Times()
        self.lost = Top[str](_TOP)
        """Those who look honest, were told to come back, and never did."""
        self.honest_lost = 0
        self._named: dict[int, str] = {}
        """Those who wait and look honest; whom observe mode has let in has no name here."""
        self.hour: int | None = None
        """What lines are counted in, in seconds since 1970."""
        self._kinds: dict[Shape, Kind] = {}

    def kind(self, shape: Shape) -> Kind:
        """Return what lines of that shape are to be counted by, until the hour turns."""
        kind = self._kinds.get(shape)
        if kind is None:
            shape = bounded(shape, self._kinds, _SHAPES)
            kind = self._kinds.get(shape) or self._kinds.setdefault(shape, Kind(shape, self._look(shape)))
        return kind

    def _look(self, shape: Shape) -> Look | None:
        if shape.origin in _ODD:
            return self._odd
        if shape.judged == REFUSED:
            return self._refuse
        if shape.judged == "greylisted":
            return self._put_off
        return self._limit if shape.why.startswith(f"{RATE} ") else None

    def turn(self, hour: int, at: float) -> None:
        """Have lines of another hour counted from now on, the first of which is of `at`, in seconds since 1970."""
        self._fold()
        self.hour = hour
        self.stamp(at)
        self._expire()

    def stamp(self, at: float) -> None:
        """Note that the log tells of that time."""
        if self.first_at is None or at < self.first_at:
            self.first_at = at
        self.last_at = max(self.last_at, at)

    def outcome(self, at: float, shape: Shape, host: str, mail: str) -> None:
        """Take the figures of a decision: when there was it, its shape, and who it is about (see `outcome.who`)."""
        if self.hour is None or not 0 <= at - self.hour < 3600:  # noqa: PLR2004  seconds of an hour
            self.turn(int(at // 3600) * 3600, at)
        self.stamp(at)
        kind = self.kind(shape)
        kind.count += 1
        if look := kind.look or (self.let_in if kind.passes else None):
            look(kind, at, host, mail)

    def event(self, at: float, name: str, fields: Mapping[str, str]) -> None:
        """Take the figures of any event of the log."""
        if name in OUTCOMES:
            self.outcome(at, shape_of(name, fields), *written(fields))
            return
        self.stamp(at)
        if name in _SERVES and "mode" in fields:
            self._serves_observing = fields["mode"] == "observe"
        name = f"{name} {fields['list']}" if "list" in fields else name
        if fields.get("level") in {"warning", "error"} and (name in self.troubles or len(self.troubles) < _TROUBLES):
            self.troubles.setdefault(name, Trouble()).take(at, fields)

    def let_in(self, _kind: Kind, at: float, _host: str, mail: str) -> None:
        """Look whether who is let in has been put off."""
        for pair in (mail,) if ">,<" not in mail else _pairs(mail):
            digest = hash(pair)
            if digest in self.waiting and (waited := self.waiting.end(digest, at)) is not None:
                self.came_back.add(waited)
                self._named.pop(digest, None)

    def _put_off(self, kind: Kind, at: float, host: str, mail: str) -> None:
        self._observed = kind.observed
        waiting = self.waiting
        for pair in (mail,) if ">,<" not in mail else _pairs(mail):
            digest = hash(pair)
            if digest not in waiting:
                waiting.begin(digest, at)
                self.put_off += 1
                self.put_off_observed += kind.observed
                if kind.honest and len(self._named) < _NAMED:
                    self._named[digest] = "" if kind.observed else _named(kind.known, _who(host, mail))

    def _refuse(self, kind: Kind, at: float, host: str, mail: str) -> None:
        self._observed = kind.observed
        self._refused.append((host, mail))
        if len(self._refused) >= _AT_ONCE:
            self._count_refused()
        if not kind.hopeless:
            self.refused.add(at, kind.shape, _who(host, mail), kind.known)

    def _limit(self, kind: Kind, at: float, host: str, mail: str) -> None:
        self.limited.add(at, kind.shape, _who(host, mail), kind.known)

    def _odd(self, kind: Kind, at: float, host: str, mail: str) -> None:
        """Note whose address isn't his own, and look at him as at others."""
        origin = kind.shape.origin
        self.odd_clients.setdefault(origin, Top(_ODD_CLIENTS)).add([host.partition(" ")[0]])
        if look := self._look(kind.shape._replace(origin="")) or (self.let_in if kind.passes else None):
            look(kind, at, host, mail)

    def _count_refused(self) -> None:
        refused, self._refused = self._refused, []
        senders = [mail[: mail.index(">")] for _, mail in refused]
        self.networks.add([network(host.partition(" ")[0]) for host, _ in refused])
        self.senders.add(senders)
        self.domains.add([sender[sender.rfind("@") + 1 :] for sender in senders])

    def skip(self, lines: int) -> None:
        """Count lines that aren't ours, or can't be read."""
        self.others += lines

    def finish(self) -> None:
        """Add up what is left; then the figures are whole."""
        self._fold()
        self._count_refused()
        self._expire()
        self._kinds = {}  # what looks at them looks at these figures, which would keep themselves

    def _fold(self) -> None:
        if self.hour is None:
            return
        hour = self.hours.setdefault(self.hour, Counter())
        for shape, kind in self._kinds.items():
            if kind.count:
                self.shapes[bounded(shape, self.shapes, _SHAPES)] += kind.count
                hour[shape.judged, shape.origin, shape.became] += kind.count
                kind.count = 0
        if len(self._kinds) > _SHAPES:
            self._kinds = {}
        if len(self.hours) > _HOURS:
            del self.hours[min(self.hours)]

    def _expire(self) -> None:
        for pair in self.waiting.expire(self.last_at):
            if (who := self._named.pop(pair, None)) is not None:
                self.lost.add([who] if who else [])
                self.honest_lost += 1

    def count(self, *events: str, observed: bool | None = None) -> int:
        """Return how often one of these was decided; in observe mode alone, or but there, if that is said."""
        return sum(
            count
            for shape, count in self.shapes.items()
            if shape.judged in events and (observed is None or bool(shape.observed) is observed)
        )

    @property
    def observes(self) -> bool:
        """Whether observe mode was on last."""
        return self._observed if self._serves_observing is None else self._serves_observing

    @property
    def total(self) -> int:
        """How many lines there are about transactions."""
        return self.shapes.total()

    @property
    def mixed(self) -> bool:
        """Whether some were kept out in fact, and others would have been but for observe mode."""
        return all(self.count(*KEPT_OUT, observed=observed) for observed in (False, True))

    def by(self, what: str, *events: str, decided: str = "judged") -> Counter[str]:
        """Return how often there was each reason ("why"), origin and so on, of what was `decided` so, or "became"."""
        counts: Counter[str] = Counter()
        for shape, count in self.shapes.items():
            if not events or getattr(shape, decided) in events:
                counts[getattr(shape, what)] += count
        return counts

    def results(self) -> Counter[tuple[str, str]]:
        """Return how often there was each result of each check, as ("spf", "fail"), of all who were judged."""
        counts: Counter[tuple[str, str]] = Counter()
        for shape, count in self.shapes.items():
            for check, result in _results(shape.found):
                counts[check, result] += count
        return counts


def _results(found: str) -> Iterator[tuple[str, str]]:
    for field in found.split():
        check, _, results = field.partition("=")
        for result in results.split(","):
            yield check, result


def _pairs(mail: str) -> Iterator[str]:
    """Yield each pair of sender and recipient, written as if it were the only one."""
    sender, _, recipients = mail.partition("> to=<")
    for recipient in recipients.split(">,<"):
        yield f"{sender}> to=<{recipient}"


def _who(host: str, mail: str) -> Mail:
    sender, _, recipients = mail.partition("> to=<")
    return Mail(host.partition(" ")[0], host.partition(" helo=")[2], sender, recipients)


def _named(known: Sign, mail: Mail) -> str:
    """Return by what a sender may be allowed: his domain if SPF proves it, or else his client's network."""
    domain = mail.sender.rpartition("@")[2]
    return f"@{domain}" if domain and Sign.SPF in known else network(mail.client)


def network(client: str) -> str:
    """Return the network of a client, as the greylist has it by default: a /24, or a /64 of IPv6."""
    return _wide(client) if ":" in client else f"{client.rpartition('.')[0]}.0/24" if "." in client else client


@lru_cache(maxsize=4096)
def _wide(client: str) -> str:
    try:
        packed = pack(client)
    except ValueError:
        return client
    return f"{unpack(packed[:8] + bytes(8))}/64"
