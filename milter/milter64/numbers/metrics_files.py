"""How the numbers of several processes become one: files in a private folder, by prometheus-client's multiprocess mode.

Each process has files of its own. They are named by the slots that the supervisor hands out and not by process ids:
whoever comes goes on with the counts of the one before. So there are as many files as there were workers at once,
however many have died.
"""

import fcntl
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from threading import Event, Thread
from typing import Any

from prometheus_client.multiprocess import mark_process_dead
from prometheus_client.utils import floatToGoString
from prometheus_client.values import MultiProcessValue

from milter64 import __version__
from milter64.address.client import Origin
from milter64.mail.action import Action
from milter64.telemetry.metrics import FAMILIES, PREFIX, Process, Result, Tallied, Tally

EVERY = 1.0
"""Seconds from one writing of the numbers to the next."""
_SIZE = 1 << 18
"""Octets of a file. All of our words fit in; and they are really there, for a full disk would kill who writes to it."""

_PREFIX = "milter64-numbers-"

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


class Ledger:
    """What the supervisor counts (`worker_state.Counts`)."""

    def __init__(self, folder: Path) -> None:
        """Write in `folder`.

        Raises:
            OSError: there is no room for the numbers.
        """
        self._folder = folder
        self._page = Page(folder, "supervisor", _OF_SUPERVISOR)
        self._page.write({("build_info", __version__, platform.python_version()): 1.0})
        for word in ("worker", "metrics"):
            self._page.open("process_restarts", word)
        for word in ("done", "refused"):
            self._page.open("reloads", word)

    def died(self, process: Process) -> None:
        """Count a process that died, to be replaced."""
        self._page.write({("process_restarts", process.removesuffix(" server")): 1.0})

    def reloaded(self, result: Result) -> None:
        """Count a reload."""
        self._page.write({("reloads", result): 1.0})

    def left(self, slot: int) -> None:
        """Forget the gauges of a worker that has left its slot."""
        mark_process_dead(slot, str(self._folder))


_FROM_THE_START = [
    *((family,) for family, kind in FAMILIES.items() if kind.kind == "histogram"),
    *(("sessions", origin) for origin in Origin),
    *(("verdicts", action.name.lower(), origin, "yes") for action in Action for origin in Origin),
]


@contextmanager
def publishing(folder: Path, tally: Tally, slot: int, look: Look, warn: Callable[[str], None]) -> Iterator[None]:
    """Write a worker's numbers once a second, and a last time at the end; `warn` is told, once, why it can't be."""
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
            write(Page(folder, str(slot)))
        except Exception as error:  # noqa: BLE001  mail goes on without numbers
            warn(f"this worker's numbers end here: {error!r}")

    thread = Thread(target=publish, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def private_folder() -> Iterator[Path]:
    """Make a folder that lasts as long as this, and clear away those of services that were killed.

    A lock on it says that it is in use, by this process or a child; nobody else can open it.

    Raises:
        OSError: the system has no room for it.
    """
    for left in Path(gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if left.lstat().st_uid == os.geteuid():
                _clear(left)
    folder = Path(mkdtemp(prefix=_PREFIX))
    descriptor = _opened(folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield folder
    finally:
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


def _clear(left: Path) -> None:
    descriptor = _opened(left)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left, ignore_errors=True)
    finally:
        os.close(descriptor)


def _opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


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
