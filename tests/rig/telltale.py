"""A service whose milter refuses every recipient, and says in the reply which worker it was and how it is configured.

Run as a program: its argument is a JSON file, written by `rig.supervised`.
"""

import ctypes
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import Milter

from milter64.config.listen_address import Settings, endpoint
from milter64.service import child_processes, supervisor, worker
from milter64.service.worker_state import Plan

Callbacks = Mapping[str, Callable[..., int]]


_MUTE = Event()


def negotiate(*words: Any) -> int:  # noqa: ANN401  pymilter has no types
    """Negotiate, and never come back from it once the worker was told to be mute."""
    if _MUTE.is_set():
        Event().wait()
    return int(Milter.negotiate_callback(*words))


class Telltale(Milter.Base):  # type: ignore[misc]  # pymilter has no types
    def __init__(self, greeting: str) -> None:
        self._greeting = greeting

    def envrcpt(self, recipient: str, *_parameters: str) -> Any:  # noqa: ANN401  pymilter has no types
        if recipient == "<stop>":
            Milter.stop()
        elif recipient == "<mute>":
            _MUTE.set()
        elif recipient == "<hog>":
            ctypes.PyDLL(None).sleep(3600)  # holds the GIL
        elif recipient == "<crash>":
            ctypes.string_at(0)
        self.setreply("550", "5.7.1", f"{os.getpid()} {self._greeting}")
        return Milter.REJECT


class Log:
    """Writes each line with one write, since workers share the descriptor."""

    def info(self, event: str, **fields: object) -> None:
        os.write(2, json.dumps({"event": event, **fields}).encode() + b"\n")

    warning = error = info

    def exception(self, event: str, **fields: object) -> None:
        self.info(event, reason=str(sys.exception()), **fields)


class FailingLog(Log):
    def info(self, event: str, **fields: object) -> None:
        super().info(event, **fields)
        if event == "reloaded":
            raise RuntimeError("nobody thought of that")


def close_listening_sockets() -> None:
    for descriptor in range(3, 64):
        try:
            end = socket.socket(fileno=descriptor)
        except OSError:  # no socket
            continue
        if not end.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            end.detach()
        end.close()


@contextmanager
def work(greeting: str, fault: str, gate: str, slot: int, _on_wait: Callable[[], None]) -> Iterator[Callbacks]:
    if gate:
        Path(gate).read_text()  # a fifo: wait for a writer
    if fault == "hangs" or (fault == "one hangs" and slot % 2):
        Event().wait()
    if fault == "deaf":
        close_listening_sockets()
    elif fault == "no fd":
        worker._SOCKET = "file:{}"  # noqa: SLF001  as libmilter's authors left it: no such thing
    elif fault not in ("", "one hangs", "lingers", "log"):
        raise RuntimeError(fault)
    Milter.factory = partial(Telltale, greeting)
    yield {
        "negotiate": negotiate,
        "connect": Milter.connect_callback,
        "envrcpt": lambda ctx, *words: ctx.getpriv().envrcpt_bytes(*words),
        "close": Milter.close_callback,
    }
    Log().info("closed", pid=os.getpid())
    if fault == "lingers":
        Event().wait()


def _denied(_pid: int, _cpus: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def hurry(allowed: float) -> None:
    """Allow a worker so many seconds to answer, so that a test needn't last."""
    child_processes._SLOW = child_processes._ALLOWED = allowed  # noqa: SLF001  nobody else is in a hurry
    supervisor._LOOK = allowed / 10  # noqa: SLF001  likewise


def load(file: Path) -> Plan:
    keys = json.loads(file.read_text())
    if "error" in keys:
        raise ValueError(keys["error"])
    if keys.get("fault") == "deep":
        raise RecursionError("maximum recursion depth exceeded")
    if not keys.get("may_pin", True):
        os.sched_setaffinity = _denied
    open_work: worker.Work = partial(work, keys.get("greeting", "first"), keys.get("fault", ""), keys.get("gate", ""))
    return Plan(
        settings=Settings(
            socket=endpoint(keys["socket"]),
            socket_mode=keys.get("mode", 0o660),
            socket_group=keys.get("group", ""),
            workers=keys.get("workers", 1),
        ),
        work=open_work,
        mode=keys.get("policy", "enforce"),
        log=Log() if keys.get("fault") != "log" else FailingLog(),
    )


if __name__ == "__main__":
    path = Path(sys.argv[1])
    if allowed := json.loads(path.read_text()).get("allowed"):
        hurry(allowed)
        child_processes.RISE = json.loads(path.read_text()).get("rise", child_processes.RISE)
    supervisor._LEAVE = json.loads(path.read_text()).get("leave", supervisor._LEAVE)  # noqa: SLF001  likewise
    sys.exit(supervisor.run(load(path), partial(load, path)))
