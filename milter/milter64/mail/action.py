"""What to do with a recipient."""

from enum import IntEnum


class Action(IntEnum):
    """What to do with a recipient; of several the highest counts."""

    ACCEPT = 0
    GREYLIST = 1
    TEMPFAIL = 2
    REJECT = 3
