"""What is counted: the families of numbers, and the tally that each process keeps of its own.

Counting must cost next to nothing, for it stands in the way of every mail: what happens goes into a queue, which takes
no lock, and once a second the publisher adds it all up. Labels are our own words, never a stranger's: who connects must
not be able to make numbers up.
"""

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from milter64.greylist.attempt import Standing
from milter64.mail.action import Action
from milter64.mail.finding import Findings
from milter64.mail.session import Envelope
from milter64.policy.decision import Verdict

PREFIX = "milter64_"
Process = Literal["worker", "metrics server"]
"""What may die and be replaced."""
Result = Literal["done", "refused"]
"""What may come of a reload."""
_MINUTE, _HOUR = 60.0, 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Numbers of one name, told apart by labels.

    `kind` of a gauge is how those of several processes become one: of those that live ("live"), or of all. `buckets`
    are a histogram's upper bounds, in seconds; there is one more beyond them.
    """

    kind: Literal["counter", "histogram", "livesum", "livemax", "livemin", "max"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_QUICK = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_PATIENT = (*(30.0, 60.0, 90.0, 120.0), *(5 * _MINUTE, 10 * _MINUTE, 20 * _MINUTE, 30 * _MINUTE))
_TO_PASS = (1.0, *_PATIENT, *(_HOUR, 2 * _HOUR, 4 * _HOUR, 8 * _HOUR, 24 * _HOUR, 48 * _HOUR))

FAMILIES: Mapping[str, Family] = {
    "sessions": Family(kind="counter", help="Sessions begun", labels=("origin",)),
    "verdicts": Family(
        kind="counter",
        help="Recipients judged; what was only observed is not enforced",
        labels=("action", "origin", "enforced"),
    ),
    "abandoned": Family(
        kind="counter", help="Transactions whose accepted recipients never got a message", labels=("origin",)
    ),
    "findings": Family(
        kind="counter",
        help="Findings behind the outcomes, as the log has them",
        labels=("check", "property", "result", "origin"),
    ),
    "verdict_seconds": Family(kind="histogram", help="What the verdicts of an outcome took", buckets=_QUICK),
    "greylist_attempts": Family(
        kind="counter", help="Where attempts stood with the greylist", labels=("state", "origin")
    ),
    "greylist_pass_seconds": Family(
        kind="histogram", help="From a pair's first attempt to its first passing", buckets=_TO_PASS
    ),
    "greylist_rows": Family(kind="livemax", help="Rows of the greylist"),
    "greylist_dropped": Family(kind="counter", help="Rows that had to give way before they had expired"),
    "dns_questions": Family(kind="counter", help="Questions of checks to the resolver", labels=("outcome",)),
    "dns_question_seconds": Family(
        kind="histogram", help="What questions took that the cache had no answer for", buckets=_QUICK
    ),
    "dns_breaker_open": Family(kind="livesum", help="Workers that no nameserver answers"),
    "cache_lookups": Family(kind="counter", help="Looks into a cache", labels=("cache", "result")),
    "guard_warnings": Family(
        kind="counter", help="Warnings of the guard, one an hour for each thing found", labels=("kind",)
    ),
    "store_trouble": Family(kind="counter", help="Trouble with the greylist's store", labels=("kind",)),
    "store_gone": Family(kind="livemax", help="1 while a worker can't use the greylist's store"),
    "bound_entries": Family(
        kind="livemax", help="What is in a cache, a queue or a table, in the worker that has most", labels=("bound",)
    ),
    "bound_capacity": Family(kind="livemax", help="What may be in it", labels=("bound",)),
    "cache_bytes": Family(kind="livesum", help="What the caches of all workers take of limits.memory"),
    "cache_budget_bytes": Family(kind="livesum", help="What they may take: limits.memory, or the least for each"),
    "sharing_up": Family(kind="livemin", help="0 while a worker can't reach the servers that hosts share"),
    "sharing_allowed": Family(kind="livemin", help="0 while this host may not share, or can't"),
    "sharing_whole": Family(kind="livemin", help="0 while this host may lack what others know"),
    "sharing_hosts": Family(kind="livemax", help="Hosts that share, with this one"),
    "sharing_lag_seconds": Family(kind="livemax", help="How far this host is behind the others' news"),
    "sharing_waiting": Family(kind="livesum", help="What has yet to be told to the others", labels=("what",)),
    "sharing_rows": Family(kind="counter", help="Rows told to the others, and heard of them", labels=("direction",)),
    "workers": Family(kind="livesum", help="Worker processes"),
    "heartbeat_timestamp_seconds": Family(
        kind="livemin", help="When the worker that has been silent longest last wrote its numbers"
    ),
    "process_restarts": Family(kind="counter", help="Processes that died and were replaced", labels=("process",)),
    "reloads": Family(kind="counter", help="Reloads of the configuration", labels=("result",)),
    "build_info": Family(kind="max", help="Always 1", labels=("version", "python")),
}

Tallied = tuple[str | int, ...]
"""A family's name and its labels' values; for a histogram its name and the number of a bucket, or "sum"."""

_MOST = 100_000
"""Events that may wait to be added up, several seconds' worth of a busy worker; the oldest would be lost."""
_GUARDS = frozenset({"undecoded", "dns64", "masked", "shared"})
_ACTIONS = {action: action.name.lower() for action in Action}


class Tally:
    """What one process has counted since it was last asked; every thread may count, one takes."""

    def __init__(self) -> None:
        self._events: deque[tuple[Any, ...]] = deque(maxlen=_MOST)
        self._times: Mapping[str, deque[float]] = {
            family: deque(maxlen=_MOST) for family, kind in FAMILIES.items() if kind.kind == "histogram"
        }
        self._verdict_took = self._times["verdict_seconds"].append

    def take(self) -> dict[Tallied, float]:
        """Return what has been counted since the last time."""
        counts: defaultdict[Tallied, float] = defaultdict(float)
        for event, times in Counter(_drained(self._events)).items():
            match event:
                case ("outcome", verdict, origin, enforced, recipients, keys, results):
                    counts["verdicts", verdict, origin, enforced] += times * recipients
                    for (check, property_), result in zip(keys, results, strict=True):
                        counts["findings", check, property_, result, origin] += times
                case ("recalled", remembered, wanted):
                    counts["cache_lookups", "findings", "hit"] += times * remembered
                    counts["cache_lookups", "findings", "miss"] += times * (wanted - remembered)
                case _:
                    counts[event] += times
        for family, queue in self._times.items():
            for seconds in _drained(queue):
                counts[family, bisect_left(FAMILIES[family].buckets, seconds)] += 1
                counts[family, "sum"] += seconds
        return counts

    def warned(self, event: str) -> None:
        """Count a warning, if it is one of the guard's."""
        if event in _GUARDS:
            self._events.append(("guard_warnings", event))

    def connected(self, origin: str) -> None:
        """Count a session."""
        self._events.append(("sessions", origin))

    def refused(  # noqa: PLR0913  an outcome says much
        self,
        envelope: Envelope,
        recipients: Collection[str],
        known: Findings,
        verdict: Verdict,
        seconds: float,
        *,
        observe: bool,
    ) -> None:
        """Count recipients that were refused, or would have been."""
        enforced = "no" if observe else "yes"
        self._count("busy" if verdict.busy else _ACTIONS[verdict.action], envelope, enforced, recipients, known)
        self._verdict_took(seconds)

    def accepted(self, envelope: Envelope, recipients: Collection[str], known: Findings, seconds: float) -> None:
        """Count recipients that were accepted."""
        self._count("accept", envelope, "yes", recipients, known)
        self._verdict_took(seconds)

    def abandoned(self, envelope: Envelope, recipients: Collection[str], known: Findings, seconds: float) -> None:
        """Count recipients that were accepted and got no message."""
        self.accepted(envelope, recipients, known, seconds)
        self._events.append(("abandoned", envelope.session.client.origin))

    def attempted(self, origin: str, standing: Standing) -> None:
        """Count where an attempt stood with the greylist, and how long a passing took that is a pair's first."""
        self._events.append(("greylist_attempts", standing.state, origin))
        if standing.waited is not None:
            self._times["greylist_pass_seconds"].append(standing.waited)

    def recalled(self, remembered: int, wanted: int) -> None:
        """Count how many of the findings wanted were remembered."""
        self._events.append(("recalled", remembered, wanted))

    def asked(self, outcome: str, seconds: float | None) -> None:
        """Count a question to the resolver; `seconds` is what it took, None if somebody had asked it before."""
        self._events.append(("dns_questions", outcome))
        self._events.append(("cache_lookups", "dns", "hit" if outcome == "cached" else "miss"))
        if seconds is not None:
            self._times["dns_question_seconds"].append(seconds)

    def _count(
        self, verdict: str, envelope: Envelope, enforced: str, recipients: Collection[str], known: Findings
    ) -> None:
        origin, results = envelope.session.client.origin, tuple([finding.result for finding in known.values()])
        self._events.append(("outcome", verdict, origin, enforced, len(recipients), tuple(known), results))


def _drained(queue: deque[Any]) -> list[Any]:
    return [queue.popleft() for _ in range(len(queue))]
