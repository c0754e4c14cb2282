"""A ratio that is aimed at, and the figures that it may be of."""

from dataclasses import dataclass

RATE = "sessions_per_second"
MESSAGES = "messages_per_second"
CPU = "server.cpu_us_per_session"
MEMORY = "server.rss_kib"
MB = 1024
"""In the unit of MEMORY."""
MEDIAN_LATENCY = "latency_ms.session.p50"
RCPT_LATENCY = "latency_ms.until_rcpt.p99"
REDIS_CPU = "redis_cpu_us_per_session"
IN_WORDS = {
    RATE: "sessions/s",
    MESSAGES: "messages/s",
    CPU: "CPU per session",
    MEMORY: "memory",
    MEDIAN_LATENCY: "median latency",
    RCPT_LATENCY: "RCPT p99",
    REDIS_CPU: "CPU of Redis per session",
}
"""What a figure of a report is called."""


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
