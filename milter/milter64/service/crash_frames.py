"""What a process was doing when it died: its threads' Python frames, which faulthandler leaves in memory that we share.

It does so at a crash in C code and, by SIGABRT, in a process that is stuck and holds the GIL. Who is killed outright,
as where memory runs out, leaves no word.
"""

import faulthandler
import os
import re
from pathlib import PurePath

_LONGEST = 65536
_SHOWN = 600
"""Characters that an admin is to read."""
_FRAMES = 3
_THREAD = re.compile(r"^(?:Current thread|Thread) 0x.*$", re.MULTILINE)
_FRAME = re.compile(r'^  File "(.*)", line ([0-9]+) in (.*)$', re.MULTILINE)


class LastWords:
    """Memory for them: made before the fork, written by the child, read by the parent."""

    def __init__(self) -> None:
        """Have nothing yet.

        Raises:
            OSError: the system has no room for them.
        """
        self._file = os.memfd_create("last words")

    def take(self) -> None:
        """Leave, in this process, the frames of its threads there if it dies."""
        faulthandler.enable(self._file, all_threads=True)

    def read(self) -> str:
        """Return them in a line, empty if there are none."""
        return summary(os.pread(self._file, _LONGEST, 0).decode(errors="replace"))

    def close(self) -> None:
        """Forget them."""
        os.close(self._file)


def summary(dump: str) -> str:
    """Return, for each thread, the frames that it was in, and the innermost one of ours that had called those."""
    doing = [_doing(_FRAME.findall(frames)) for frames in _THREAD.split(dump)[1:]]
    return "; ".join(dict.fromkeys(filter(None, doing)))[:_SHOWN]


def _doing(frames: list[tuple[str, str, str]]) -> str:
    ours = [frame for frame in frames if "milter64" in PurePath(frame[0]).parts]
    texts = [f"{name} ({PurePath(file).name}:{line})" for file, line, name in [*frames[:_FRAMES], *ours[:1]]]
    return " < ".join(dict.fromkeys(texts))
