"""The servers of one story, and a folder for their files."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Concatenate, ParamSpec, Self, TypeVar

from rig.server import Server

_P = ParamSpec("_P")
_S = TypeVar("_S", bound=Server)


class Lab:
    """Starts servers, and stops them when it ends, the last one first; a context manager.

    Its folder is not pytest's `tmp_path`: servers that are not root have to pass through it, and a unix socket's path
    has to be short.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.servers: list[Server] = []

    def start(self, server: Callable[Concatenate[Path, _P], _S], *args: _P.args, **options: _P.kwargs) -> _S:
        """Start a server: `start(Postfix, milters="...")` is `Postfix(a new folder's path, milters="...")`, entered."""
        folder = self.folder / f"{len(self.servers) + 1}-{server.__name__.lower()}"
        started = server(folder, *args, **options)
        self._stack.enter_context(started)
        self.servers.append(started)
        return started

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(TemporaryDirectory(prefix="milter64-")))
            self.folder.chmod(0o755)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
