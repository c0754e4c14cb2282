"""Child processes that a test starts, watches and never leaves behind."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import Literal, Self, TypeVar

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds after which waiting is given up: a guard against hanging, never a measurement."""

_POLL = 0.01


def until(condition: Callable[[], T | Literal[False] | None], what: str = "", *, seconds: float = PATIENCE) -> T:
    """Ask again and again until `condition` gives something true, and return that.

    Raises:
        AssertionError: it gave nothing true for `seconds`; `what` says what was waited for.
    """
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for {what or condition}")
        time.sleep(_POLL)
    return answer


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Process:
    """A child whose output is collected; with it ends everything that it has started.

    It leads a process group of its own, which is killed when the `with` block is left, so that no child's child
    outlives the test unless it has made a group of its own.
    """

    def __init__(
        self,
        *command: str | Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        preexec: Callable[[], None] | None = None,
    ) -> None:
        """Start `command`; `env` is added to the test's own environment, `preexec` runs in the child before it."""
        self._command = [str(word) for word in command]
        self._text = ""
        self._closed = False
        self._news = Condition()
        self._child = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            preexec_fn=preexec,  # noqa: PLW1509  the test's own threads hold no lock that `preexec` could want
            start_new_session=True,
        )
        self._reader = Thread(target=self._collect, daemon=True)
        self._reader.start()

    @classmethod
    def python(cls, script: Path, *arguments: str | Path, env: Mapping[str, str] | None = None) -> Self:
        """Start a Python script with the interpreter of the tests."""
        return cls(sys.executable, "-u", script, *arguments, env=env)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()
        self._reader.join()
        assert self._child.stdout
        self._child.stdout.close()
        if error:
            error.add_note(f"output of {' '.join(self._command)}:\n{self._text}")

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._child.pid

    @property
    def output(self) -> str:
        """What the child and its children have written so far, standard output and error together."""
        with self._news:
            return self._text

    def expect(self, pattern: str, *, since: int = 0, seconds: float = PATIENCE) -> re.Match[str]:
        """Wait until a whole line of the output, from its character `since` on, has a match for `pattern`.

        Raises:
            AssertionError: the output ended, or `seconds` passed, without it.
        """
        wanted = re.compile(pattern)

        def match() -> re.Match[str] | None:
            lines = self._text[since:].split("\n")
            return next(
                (found for line in lines[: None if self._closed else -1] if (found := wanted.search(line))), None
            )

        with self._news:
            self._news.wait_for(lambda: match() or self._closed, seconds)
            if found := match():
                return found
            why = "the output ended" if self._closed else f"{seconds:g} s passed"
            raise AssertionError(f"{why} without {pattern!r} in:\n{self._text[since:]}")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the child itself, not to its group."""
        self._child.send_signal(number)

    def wait(self, *, seconds: float = PATIENCE) -> int:
        """Wait for the child's end and return its exit code, negative for a signal.

        Raises:
            AssertionError: it still runs after `seconds`.
        """
        try:
            code = self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"process {self.pid} still runs after {seconds:g} s") from None
        self._reader.join(1.0)  # its last words; a child of its own that lives on may hold their pipe for longer
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM, *, seconds: float = PATIENCE) -> int:
        """Send a signal, wait for the child's end and return its exit code."""
        self.send(number)
        return self.wait(seconds=seconds)

    def _collect(self) -> None:
        assert self._child.stdout
        while chunk := os.read(self._child.stdout.fileno(), 65536):
            with self._news:
                self._text += chunk.decode(errors="replace")
                self._news.notify_all()
        with self._news:
            self._closed = True
            self._news.notify_all()
