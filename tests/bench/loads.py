"""What is measured, against what, and the ratio that is aimed at."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.listed import DNS_LISTS, EVERYTHING

RATE = "sessions_per_second"
MESSAGES = "messages_per_second"
CPU = "server.cpu_us_per_session"
MEMORY = "server.rss_kib"
MB = 1024
"""In the unit of MEMORY."""
MEDIAN_LATENCY = "latency_ms.session.p50"
RCPT_LATENCY = "latency_ms.until_rcpt.p99"
IN_WORDS = {
    RATE: "sessions/s",
    MESSAGES: "messages/s",
    CPU: "CPU per session",
    MEMORY: "memory",
    MEDIAN_LATENCY: "median latency",
    RCPT_LATENCY: "RCPT p99",
}
"""What a figure of a report is called."""

TTL = 3600
"""Seconds that an answer of DNS is good for, where nothing else is said."""

PLAIN = "plain pymilter"
PREFORK = "pinned prefork pymilter"
IN_C = "C libmilter"
PYSPF = "pyspf-milter"
RSPAMD = "rspamd"
TUNED_RSPAMD = "rspamd, tuned"
OPENDMARC = "opendmarc"
POSTGREY = "postgrey"
LISTED_RSPAMD = "rspamd, same lists"
EARLIER = "itself at its caps"
"""milter64 before the rounds, its memory filled."""
UNLISTED = "itself without lists"
"""milter64 beside itself, without what a load has for lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The ratio of milter64's `metric` to that of the system `against`: at least, or `at_most`.

    Of milter64's, `less` is taken away first: 60 * MB less of MEMORY at most 1x means no more than 60 MB more.
    """

    against: str
    ratio: float
    metric: str = RATE
    at_most: bool = False
    less: int = 0

    def met(self, ratio: float) -> bool:
        """Whether a measured ratio is as good."""
        return ratio <= self.ratio if self.at_most else ratio >= self.ratio

    @property
    def in_words(self) -> str:
        """What the ratio is of."""
        return IN_WORDS[self.metric] + (f" less {self.less // MB} MB" if self.less else "")

    def __str__(self) -> str:
        return f"{self.in_words} {'at most' if self.at_most else 'at least'} {self.ratio:g}x"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A workload of world.py, and milter64's configuration for it.

    A run starts no session after `seconds`, nor more than `sessions`: where no name may be asked twice, each round has
    as many lines of its own. Sessions begin as fast as they can, or `per_second`. They end with the message, or
    `until_rcpt` with the reply to RCPT. `hot` workloads are passed through the greylist first; `fill` times `sessions`
    fill milter64's memory first, and `warm` sessions before each run have it remember what DNS says. DNS is `dns`
    milliseconds away, and its answers are good for `ttl` seconds. With `postfix` the sessions are those of a real
    Postfix before each system, and smtp-source is its client. What `lists` configures is for milter64 and not for
    UNLISTED; BUILD in it is the folder that has the files of listed.py. The systems `beside` are measured too, with no
    aim.
    """

    name: str
    title: str
    workload: str
    targets: tuple[Target, ...]
    beside: tuple[str, ...] = ()
    configuration: str = 'greylist.apply = "all"'
    lists: str = ""
    headers: bool = False
    hot: bool = False
    fill: int = 0
    warm: int = 0
    sessions: int = 1_000_000
    seconds: float = 2.0
    per_second: int = 0
    until_rcpt: bool = False
    dns: int = 0
    ttl: int = TTL
    postfix: bool = False

    @property
    def systems(self) -> tuple[str, ...]:
        """What milter64 is compared with, each once."""
        aimed_at = [target.against for target in self.targets if target.against != EARLIER]
        return tuple(dict.fromkeys((*aimed_at, *self.beside)))


SUSPECT = 'greylist.apply = "suspect"'
AT_LOOPBACK = """greylist.apply = "all"
trust.networks = []
trust.judge_private = true
"""
"""Have clients at 127.0.0.1 judged like all others."""

LOADS = (
    Load(
        name="hot",
        title="known senders",
        workload="hot",
        hot=True,
        beside=(TUNED_RSPAMD,),
        targets=(
            Target(against=PLAIN, ratio=1.25),
            Target(against=PREFORK, ratio=0.75),
            Target(against=IN_C, ratio=0.80),
            Target(against=IN_C, ratio=1.6, metric=CPU, at_most=True),
            Target(against=PYSPF, ratio=10),
            Target(against=RSPAMD, ratio=8),
            Target(against=OPENDMARC, ratio=2.4),
        ),
    ),
    Load(
        name="hot-headers",
        title="known senders, Authentication-Results on",
        workload="hot",
        hot=True,
        headers=True,
        targets=(Target(against=PLAIN, ratio=0.9),),
    ),
    Load(
        name="hot-rcpt",
        title="known senders, until RCPT",
        workload="hot",
        hot=True,
        until_rcpt=True,
        targets=(Target(against=POSTGREY, ratio=2.2),),
    ),
    Load(
        name="fresh",
        title="first tries, all greylisted",
        workload="fresh",
        sessions=3_750,
        targets=(Target(against=PLAIN, ratio=1.2), Target(against=PYSPF, ratio=10)),
    ),
    Load(
        name="flood",
        title="a flood from one /48",
        workload="flood",
        targets=(Target(against=PLAIN, ratio=1.2),),
    ),
    Load(
        name="flood-memory",
        title="a flood, after 300,000 sessions of it",
        workload="flood",
        # Each session asks DNS: under "all" what the replies leave for later would take minutes to fill the caches.
        configuration=SUSPECT,
        # The same addresses come back, for there is a cache of those alone about whom something is known.
        sessions=20_000,
        fill=15,
        targets=(Target(against=EARLIER, ratio=1.05, metric=MEMORY, at_most=True),),
    ),
    Load(
        name="mixed",
        title="a day's mix",
        workload="mixed",
        hot=True,
        targets=(Target(against=PLAIN, ratio=1.0),),
    ),
    Load(
        name="suspect",
        title="first tries, suspects greylisted",
        workload="fresh",
        configuration=SUSPECT,
        sessions=1_500,
        seconds=4,
        targets=(Target(against=PYSPF, ratio=1.5),),
    ),
    Load(
        name="suspect-far",
        title="first tries, DNS 20 ms away",
        workload="fresh",
        configuration=SUSPECT,
        sessions=600,
        seconds=4,
        dns=20,
        targets=(Target(against=PYSPF, ratio=1.0, metric=MEDIAN_LATENCY, at_most=True),),
    ),
    Load(
        name="hot-listed",
        title="known senders, with lists and limits",
        workload="hot",
        lists=EVERYTHING,
        hot=True,
        warm=1_000,
        targets=(
            Target(against=UNLISTED, ratio=0.9),
            Target(against=UNLISTED, ratio=1, metric=MEMORY, at_most=True, less=60 * MB),
        ),
    ),
    Load(
        name="hot-listed-rspamd",
        title="known senders, with DNS lists",
        workload="hot",
        lists=DNS_LISTS,
        hot=True,
        warm=1_000,
        targets=(Target(against=LISTED_RSPAMD, ratio=6),),
    ),
    Load(
        name="suspect-listed",
        title="first tries, with DNS lists",
        workload="fresh",
        configuration=SUSPECT,
        lists=DNS_LISTS,
        sessions=1_500,
        seconds=4,
        targets=(Target(against=LISTED_RSPAMD, ratio=1.5),),
    ),
    Load(
        name="suspect-listed-far",
        title="first tries, with DNS lists 20 ms away",
        workload="fresh",
        configuration=SUSPECT,
        lists=DNS_LISTS,
        sessions=600,
        seconds=4,
        dns=20,
        targets=(Target(against=UNLISTED, ratio=1.25, metric=MEDIAN_LATENCY, at_most=True),),
    ),
    Load(
        name="postfix",
        title="known sender, a real Postfix",
        workload="hot",
        configuration=AT_LOOPBACK,
        postfix=True,
        sessions=1_500,
        targets=(Target(against=IN_C, ratio=0.95, metric=MESSAGES),),
    ),
    Load(
        name="rate",
        title="400 known senders/s, DNS runs out",
        workload="hot",
        hot=True,
        sessions=6_400,
        seconds=60,
        per_second=400,
        # All is asked for right before a run, and runs out after three quarters of it unless it is asked for again.
        warm=5_000,
        ttl=12,
        targets=(Target(against=PREFORK, ratio=3, metric=RCPT_LATENCY, at_most=True),),
    ),
)


def chosen(names: Sequence[str]) -> tuple[Load, ...]:
    """Return the loads of these names, all without any.

    Raises:
        ValueError: there is none of such a name.
    """
    known = {load.name: load for load in LOADS}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no load is called {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(names)) or LOADS
