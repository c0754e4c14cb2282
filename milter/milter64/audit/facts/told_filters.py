"""Which filters have been told who calls, by what `milter64 neighbours` prints, where Debian has their settings."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from milter64.limits.regular_file import read as read_file

RSPAMD, SPAMASSASSIN = "rspamd", "SpamAssassin"
_MOST = 1 << 20
_PLACES = {
    RSPAMD: (Path("/etc/rspamd"), ("rspamd.local.lua",), "milter64.lua"),
    SPAMASSASSIN: (Path("/etc/spamassassin"), ("*.pre", "*.cf"), "Milter64"),
}
"""For each the folder of its settings, the files in it, and what stands in one of them if it has been told."""
_COMMENTS = ("--", "#")


def read() -> Iterator[str]:
    """Yield the filters that have been told."""
    for program, (folder, files, word) in _PLACES.items():
        if any(word in line for pattern in files for file in folder.glob(pattern) for line in _lines(file)):
            yield program


def _lines(file: Path) -> list[str]:
    with suppress(OSError):
        text = read_file(file, _MOST).decode(errors="replace")
        return [line for line in text.splitlines() if not line.strip().startswith(_COMMENTS)]
    return []
