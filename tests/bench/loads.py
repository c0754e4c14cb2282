"""What is measured, against what, and the ratio that is aimed at."""

from dataclasses import dataclass

RATE = "sessions_per_second"
CPU = "server.cpu_us_per_session"
MEDIAN_LATENCY = "latency_ms.session.p50"
_IN_WORDS = {RATE: "sessions/s", CPU: "CPU", MEDIAN_LATENCY: "latency"}

PLAIN = "plain pymilter"
PREFORK = "pinned prefork pymilter"
IN_C = "C libmilter"
PYSPF = "pyspf-milter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The ratio of milter64's `metric` to that of the system `against`: at least, or `at_most`."""

    against: str
    ratio: float
    metric: str = RATE
    at_most: bool = False

    def met(self, ratio: float) -> bool:
        """Whether a measured ratio is as good."""
        return ratio <= self.ratio if self.at_most else ratio >= self.ratio

    def __str__(self) -> str:
        return f"{_IN_WORDS[self.metric]} {'at most' if self.at_most else 'at least'} {self.ratio:g}x"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A workload of world.py, and milter64's configuration for it.

    A run starts no session after `seconds`, nor more than `sessions`: where no name may be asked twice, each round has
    as many lines of its own. `hot` workloads are passed through the greylist first. DNS is `dns` milliseconds away.
    """

    name: str
    workload: str
    targets: tuple[Target, ...]
    configuration: str = 'greylist.apply = "all"'
    headers: bool = False
    hot: bool = False
    sessions: int = 1_000_000
    seconds: float = 2.0
    dns: int = 0

    @property
    def systems(self) -> tuple[str, ...]:
        """What milter64 is compared with, each once."""
        return tuple(dict.fromkeys(target.against for target in self.targets))


SUSPECT = 'greylist.apply = "suspect"'

LOADS = (
    Load(
        name="hot",
        workload="hot",
        hot=True,
        targets=(
            Target(against=PLAIN, ratio=1.25),
            Target(against=PREFORK, ratio=0.75),
            Target(against=IN_C, ratio=0.80),
            Target(against=IN_C, ratio=1.6, metric=CPU, at_most=True),
            Target(against=PYSPF, ratio=10),
        ),
    ),
    Load(
        name="hot, Authentication-Results",
        workload="hot",
        hot=True,
        headers=True,
        targets=(Target(against=PLAIN, ratio=0.9),),
    ),
    Load(
        name="fresh, apply=all",
        workload="fresh",
        sessions=3_750,
        targets=(Target(against=PLAIN, ratio=1.2), Target(against=PYSPF, ratio=10)),
    ),
    Load(name="flood", workload="flood", targets=(Target(against=PLAIN, ratio=1.2),)),
    Load(name="mixed", workload="mixed", hot=True, targets=(Target(against=PLAIN, ratio=1.0),)),
    Load(
        name="fresh, apply=suspect",
        workload="fresh",
        configuration=SUSPECT,
        sessions=1_500,
        seconds=4,
        targets=(Target(against=PYSPF, ratio=1.5),),
    ),
    Load(
        name="fresh, apply=suspect, DNS 20 ms away",
        workload="fresh",
        configuration=SUSPECT,
        sessions=600,
        seconds=4,
        dns=20,
        targets=(Target(against=PYSPF, ratio=1.0, metric=MEDIAN_LATENCY, at_most=True),),
    ),
)
