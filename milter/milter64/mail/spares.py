"""What somebody is spared, of all that could be held against him."""

from enum import IntFlag


class Spares(IntFlag):
    """What doesn't count: of several all that any of them has."""

    NOTHING = 0
    GREYLIST = 1
    """Whatever leads to the greylist."""
    SPF = 2
    """What SPF says, of HELO and of MAIL FROM."""
    SPF_FAIL = 4
    """SPF's `fail` of MAIL FROM alone: there is somebody behind us who decides."""
    RATE = 8
    """Limits."""
    OTHERS = 16
    """Whatever else."""
    ALL = GREYLIST | SPF | SPF_FAIL | RATE | OTHERS
    """Everything but a block."""
