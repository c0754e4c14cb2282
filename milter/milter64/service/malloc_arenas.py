"""Has the C library serve all threads of a process from one heap, and give back to the system what it doesn't use.

glibc gives each thread a heap of its own, up to eight a CPU, so that threads need not wait for each other's lock. Ours
are held up by the GIL anyway, and a worker stays on one CPU. But what a cache keeps lies in the heap of the thread that
made it, and the rest of that heap is lost to the others: under a flood that was a fifth of a worker's memory.

Of itself it gives back what is free at the end of the heap alone, and something is always kept there.
"""

import ctypes
from contextlib import suppress

_M_ARENA_MAX = -8
"""Of malloc.h, for mallopt(3)."""


def one_arena() -> None:
    """Do so from now on; to be called before there is a second thread. Another C library has no such thing."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Give back the pages in which nothing is; it takes some milliseconds, in which others wait for memory."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
