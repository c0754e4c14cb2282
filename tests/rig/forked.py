"""Work that several processes do at the same time."""

import os
from collections.abc import Callable


def forked(number: int, work: Callable[[], bytes]) -> list[bytes]:
    """Return what so many processes make of `work` at the same time."""
    ends = []
    for _ in range(number):
        out, into = os.pipe()
        if not os.fork():
            os.write(into, work())
            os._exit(0)
        os.close(into)
        ends.append(out)
    found = [os.read(end, 100) for end in ends]
    for end in ends:
        os.close(end)
        os.wait()
    return found
