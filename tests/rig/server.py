"""What all servers of a story have in common."""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from rig.network import HERE, Network
from rig.process import Process


class Server(ABC):
    """A server with a new folder for its files, in a network; a context manager, which starts and stops it."""

    def __init__(self, folder: Path, *, network: Network = HERE) -> None:
        self._folder = folder
        self._network = network
        self._stack = ExitStack()

    @abstractmethod
    def _start(self, stack: ExitStack) -> Process:
        """Return its process, ready to serve; what goes with it is on the stack too."""

    @property
    def output(self) -> str:
        """What it has written to stdout and stderr so far."""
        return self._process.output

    @property
    def pid(self) -> int:
        """Its process id, and that of its process group."""
        return self._process.pid

    def _run(self, stack: ExitStack, *command: str) -> Process:
        return stack.enter_context(Process(*self._network.command(*command)))

    def __enter__(self) -> Self:
        self._folder.mkdir()
        with ExitStack() as stack:
            self._process = self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
