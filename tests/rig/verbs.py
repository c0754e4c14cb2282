"""What the command line says to programs, without the start of a process for each question."""

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from milter64.cli.main import main


def said(*words: str | Path, stdin: str = "", code: int = 0) -> str:
    """Return what `milter64` with these words writes, to standard output and error, when it ends with `code`."""
    written = io.StringIO()
    given = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    with redirect_stdout(written), redirect_stderr(written), patch("sys.stdin", given):
        ended = main([*map(str, words)])
    assert ended == code, f"it ended with {ended}: {written.getvalue()}"
    return written.getvalue()
