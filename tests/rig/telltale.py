"""A service whose milter refuses every recipient, and says in the reply which worker it was and how it is configured.

Run as a program: its argument is a JSON file, written by `rig.supervised`.
"""

import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import Milter

from milter64 import supervisor, worker
from milter64.listener import Settings, endpoint

Callbacks = Mapping[str, Callable[..., int]]


class Telltale(Milter.Base):  # type: ignore[misc]  # pymilter has no types
    def __init__(self, greeting: str) -> None:
        self._greeting = greeting

    def envrcpt(self, recipient: str, *_parameters: str) -> Any:  # noqa: ANN401  pymilter has no types
        if recipient == "<stop>":
            Milter.stop()
        self.setreply("550", "5.7.1", f"{os.getpid()} {self._greeting}")
        return Milter.REJECT


class Log:
    """Writes each line with one write, since workers share the descriptor."""

    def info(self, event: str, **fields: object) -> None:
        os.write(2, json.dumps({"event": event, **fields}).encode() + b"\n")

    warning = error = info

    def exception(self, event: str, **fields: object) -> None:
        self.info(event, reason=str(sys.exception()), **fields)


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
def work(greeting: str, fault: str, gate: str, _on_wait: Callable[[], None]) -> Iterator[Callbacks]:
    if gate:
        Path(gate).read_text()  # a fifo: wait for a writer
    if fault == "hangs":
        Event().wait()
    if fault == "deaf":
        close_listening_sockets()
    elif fault == "no fd":
        worker._SOCKET = "file:{}"  # noqa: SLF001  as libmilter's authors left it: no such thing
    elif fault:
        raise RuntimeError(fault)
    Milter.factory = partial(Telltale, greeting)
    yield {
        "negotiate": Milter.negotiate_callback,
        "connect": Milter.connect_callback,
        "envrcpt": lambda ctx, *words: ctx.getpriv().envrcpt_bytes(*words),
        "close": Milter.close_callback,
    }
    Log().info("closed", pid=os.getpid())


def _denied(_pid: int, _cpus: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def load(file: Path) -> supervisor.Plan:
    keys = json.loads(file.read_text())
    if "error" in keys:
        raise ValueError(keys["error"])
    if not keys.get("may_pin", True):
        os.sched_setaffinity = _denied
    open_work: Callable[[Callable[[], None]], AbstractContextManager[Callbacks]] = partial(
        work, keys.get("greeting", "first"), keys.get("fault", ""), keys.get("gate", "")
    )
    return supervisor.Plan(
        settings=Settings(
            socket=endpoint(keys["socket"]),
            socket_mode=keys.get("mode", 0o660),
            socket_group=keys.get("group", ""),
            workers=keys.get("workers", 1),
        ),
        work=open_work,
        log=Log(),
    )


if __name__ == "__main__":
    path = Path(sys.argv[1])
    sys.exit(supervisor.run(load(path), partial(load, path)))
