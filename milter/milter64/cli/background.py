"""Reading at length gives way to the mail."""

import os
from contextlib import suppress

_NICENESS = 10
"""What nice(1) adds: a tenth of the weight of those who share a CPU with it. SCHED_IDLE left nothing on a busy host."""


def give_way() -> None:
    """Have this process run as nice(1) would have it."""
    with suppress(OSError):  # some containers forbid it
        os.nice(_NICENESS)
