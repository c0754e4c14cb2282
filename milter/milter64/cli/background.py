"""Reading at length gives way to the mail, and isn't held up by Python's own looks for garbage."""

import atexit
import gc
import os
from contextlib import suppress

_NICENESS = 10
"""What nice(1) adds: a tenth of the weight of those who share a CPU with it. SCHED_IDLE left nothing on a busy host."""
_GARBAGE = (50_000, 20, 20)
"""Objects between two looks for cycles, of which there are hardly any."""


def read_at_length() -> None:
    """Have this process run as nice(1) would have it, and seldom look for garbage: that took a tenth of its time."""
    with suppress(OSError):  # some containers forbid it
        os.nice(_NICENESS)
    gc.freeze()  # what was imported stays
    gc.set_threshold(*_GARBAGE)
    atexit.register(gc.freeze)  # and what is there at the end goes with the process
