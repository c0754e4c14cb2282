"""What the command line says to programs, without the start of a process for each question."""

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from milter64.cli.main import main


def answered(*words: str | Path, stdin: str = "") -> tuple[int, str]:
    """Return how `milter64` with these words ends, and what it writes to standard output and error."""
    written = io.StringIO()
    given = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    with redirect_stdout(written), redirect_stderr(written), patch("sys.stdin", given):
        code = main([*map(str, words)])
    return code, written.getvalue()


def said(*words: str | Path, stdin: str = "") -> str:
    """Return what it writes when all is well."""
    code, written = answered(*words, stdin=stdin)
    assert not code, f"it ended with {code}: {written}"
    return written
