"""What is measured, against what, and the ratios that are aimed at."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.listed import DNS_LISTS, EVERYTHING
from bench.target import CPU, MB, MEDIAN_LATENCY, MEMORY, MESSAGES, RCPT_LATENCY, REDIS_CPU, Target

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
SHARED_RSPAMD = "rspamd, same Redis"
EARLIER = "itself at its caps"
"""milter64 before the rounds, its memory filled."""
UNLISTED = "itself without lists"
"""milter64 beside itself, without what a load has for lists."""
ALONE = "itself with SQLite alone"
"""milter64 beside itself, without a shared store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A workload of world.py, and milter64's configuration for it.

    A run starts no session after `seconds`, nor more than `sessions`: where no name may be asked twice, each round has
    as many lines of its own. Sessions begin as fast as they can, or `per_second`. They end with the message, or
    `until_rcpt` with the reply to RCPT. `hot` workloads are passed through the greylist first; `fill` times `sessions`
    fill milter64's memory first, and `warm` sessions before each run have it remember what DNS says. DNS is `dns`
    milliseconds away, and its answers are good for `ttl` seconds. With `postfix` the sessions are those of a real
    Postfix before each system, and smtp-source is its client. What `lists` configures is for milter64 and not for
    UNLISTED; BUILD in it is the folder that has the files of listed.py. With `shared`, milter64 shares a Redis with
    another host, to which nobody connects, and ALONE doesn't. The systems `beside` are measured too, with no aim.
    """

    name: str
    title: str
    workload: str
    targets: tuple[Target, ...]
    beside: tuple[str, ...] = ()
    configuration: str = 'greylist.apply = "all"'
    lists: str = ""
    shared: bool = False
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
    Load(
        name="hot-shared",
        title="known senders, with a shared store",
        workload="hot",
        shared=True,
        hot=True,
        targets=(
            Target(against=ALONE, ratio=0.97),
            Target(against=SHARED_RSPAMD, ratio=6),
            Target(against=SHARED_RSPAMD, ratio=0.25, metric=REDIS_CPU, at_most=True),
        ),
    ),
    Load(
        name="fresh-shared",
        title="first tries, with a shared store",
        workload="fresh",
        shared=True,
        sessions=3_750,
        targets=(
            Target(against=ALONE, ratio=0.8),
            Target(against=SHARED_RSPAMD, ratio=4),
            Target(against=SHARED_RSPAMD, ratio=0.25, metric=REDIS_CPU, at_most=True),
        ),
    ),
    Load(
        name="rate-shared",
        title="400 known senders/s, with a shared store",
        workload="hot",
        shared=True,
        hot=True,
        sessions=3_200,
        seconds=60,
        per_second=400,
        targets=(Target(against=ALONE, ratio=1.3, metric=RCPT_LATENCY, at_most=True),),
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
