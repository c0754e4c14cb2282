"""Reading at length gives way to the mail."""

import os
from contextlib import suppress


def give_way() -> None:
    """Have this process run when nobody else wants to: see SCHED_IDLE in sched(7)."""
    with suppress(OSError):  # some containers forbid it
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
