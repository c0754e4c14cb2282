"""How the numbers of several processes become one: files in a private folder, by prometheus-client's multiprocess mode.

Each process has files of its own. They are named by slots and not by process ids: whoever comes takes the lowest slot
that is free, and goes on with the counts of the one before. So there are as many files as there were workers at once,
however many have died. That a slot is taken is a lock, which the kernel drops with the process.
"""

import fcntl
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

from prometheus_client.multiprocess import mark_process_dead
from prometheus_client.utils import floatToGoString
from prometheus_client.values import MultiProcessValue

from milter64 import __version__
from milter64.address import Origin
from milter64.metrics import FAMILIES, PREFIX, Tallied, Tally
from milter64.verdict import Action

EVERY = 1.0
"""Seconds from one writing of the numbers to the next."""
_SIZE = 1 << 18
"""Octets of a file. All of our words fit in; and they are really there, for a full disk would kill who writes to it."""

_OF_WORKERS = ("counter", "histogram", "livesum", "livemax", "livemin")
_OF_SUPERVISOR = ("counter", "max")

Look = Callable[[], Mapping[Tallied, float]]
"""Looks at what there is now, and returns gauges, and what is to be added to counters."""


class Page:
    """The numbers of one process; for one thread."""

    def __init__(self, folder: Path, slot: str, kinds: tuple[str, ...] = _OF_WORKERS) -> None:
        """Go on with the numbers that `slot` has already; `kinds` are those of the families that will be written.

        Raises:
            OSError: there is no room for them.
        """
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # where prometheus-client looks for it
        for kind in kinds:
            name = kind if kind in ("counter", "histogram") else f"gauge_{kind}"
            _create(folder / f"{name}_{slot}.db")
        self._value = MultiProcessValue(lambda: slot)
        self._cells: dict[Tallied, Any] = {}

    def write(self, numbers: Mapping[Tallied, float]) -> None:
        """Add to counters and histograms, and set gauges."""
        for key, number in numbers.items():
            cell = self._cells.get(key)
            if cell is None:
                cell = self._cells[key] = self._cell(key)
            if FAMILIES[str(key[0])].kind in ("counter", "histogram"):
                cell.inc(number)
            else:
                cell.set(number)

    def _cell(self, key: Tallied) -> Any:  # noqa: ANN401  prometheus-client makes the class as it goes
        family, *values = key
        kind, name = FAMILIES[str(family)], f"{PREFIX}{family}"
        match kind.kind:
            case "counter":
                return self._value("counter", name, f"{name}_total", kind.labels, values, kind.help)
            case "histogram" if values == ["sum"]:
                return self._value("histogram", name, f"{name}_sum", (), (), kind.help)
            case "histogram":
                bound = floatToGoString([*kind.buckets, float("inf")][int(values[0])])
                return self._value("histogram", name, f"{name}_bucket", ("le",), (bound,), kind.help)
            case mode:
                return self._value("gauge", name, name, kind.labels, values, kind.help, multiprocess_mode=mode)

    def open(self, family: str, *labels: str) -> None:
        """Show a number that is 0 so far: what was never there cannot be seen to rise."""
        kind = FAMILIES[family]
        parts: list[Any] = ["sum", *range(len(kind.buckets) + 1)] if kind.kind == "histogram" else [None]
        self.write({(family, *labels) if part is None else (family, part): 0.0 for part in parts})


class Clerk:
    """A log of the supervisor's, which counts what it hears."""

    def __init__(self, log: Any, folder: Path) -> None:  # noqa: ANN401  worker.Log, which stands below
        """Hand lines on to `log`, and write in `folder`.

        Raises:
            OSError: there is no room for the numbers.
        """
        self._log = log
        self._page = page = Page(folder, "supervisor", _OF_SUPERVISOR)
        page.write({("build_info", __version__, platform.python_version()): 1.0})
        for family, label in _HEARD.values():
            page.open(family, label)

    def info(self, event: str, **fields: object) -> None:
        """Count and log something that is worth knowing."""
        self._hear(event)
        self._log.info(event, **fields)

    def warning(self, event: str, **fields: object) -> None:
        """Count and log something that an admin should look at."""
        self._hear(event)
        self._log.warning(event, **fields)

    def error(self, event: str, **fields: object) -> None:
        """Count and log something that an admin must look at."""
        self._hear(event)
        self._log.error(event, **fields)

    def exception(self, event: str, **fields: object) -> None:
        """Log our own fault."""
        self._log.exception(event, **fields)

    def _hear(self, event: str) -> None:
        if heard := _HEARD.get(event):
            self._page.write({heard: 1.0})


_HEARD = {
    "worker died": ("process_restarts", "worker"),
    "metrics server died": ("process_restarts", "metrics"),
    "reloaded": ("reloads", "done"),
    "reload refused, nothing has changed": ("reloads", "refused"),
}


_FROM_THE_START = [
    *((family,) for family, kind in FAMILIES.items() if kind.kind == "histogram"),
    *(("sessions", origin) for origin in Origin),
    *(("verdicts", action.name.lower(), origin, "yes") for action in Action for origin in Origin),
]


@contextmanager
def publishing(folder: Path, tally: Tally, look: Look, warn: Callable[[str], None]) -> Iterator[None]:
    """Write this process's numbers once a second, and a last time at the end; `warn` is told, once, why it can't be."""
    ended = Event()

    def write(page: Page) -> None:
        for key in _FROM_THE_START:
            page.open(*key)
        last = False
        while True:
            page.write({**tally.take(), **look(), ("workers",): 1.0, ("heartbeat_timestamp_seconds",): time.time()})
            if last:
                return
            last = ended.wait(EVERY)

    def publish() -> None:
        try:
            with _slot(folder) as slot:
                write(Page(folder, slot))
        except Exception as error:  # noqa: BLE001  mail goes on without numbers
            warn(f"this worker's numbers end here: {error!r}")

    thread = Thread(target=publish, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def bury(folder: Path) -> None:
    """Forget the gauges of those who are gone."""
    with _locked(folder):
        for path in folder.glob("slot-*.lock"):
            if claimed := _claimed(folder, path.stem.removeprefix("slot-")):
                descriptor, slot = claimed
                mark_process_dead(slot, str(folder))
                os.close(descriptor)


@contextmanager
def _slot(folder: Path) -> Iterator[str]:
    """Take the lowest slot that nobody has."""
    with _locked(folder):
        descriptor, slot = next(taken for number in count() if (taken := _claimed(folder, str(number))))
    try:
        yield slot
    finally:
        os.close(descriptor)


def _claimed(folder: Path, slot: str) -> tuple[int, str] | None:
    """Return the descriptor that holds a slot, unless somebody has it."""
    descriptor = os.open(folder / f"slot-{slot}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor, slot


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time look at the slots."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _create(path: Path) -> None:
    """Make a file of zeros, in one step for those who read it."""
    if path.exists():
        return
    unfinished = path.with_suffix(".new")
    descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, _SIZE)
    finally:
        os.close(descriptor)
    unfinished.rename(path)
