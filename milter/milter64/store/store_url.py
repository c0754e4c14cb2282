"""Which store a URL names, and how it is opened: a host's own."""

from pathlib import Path


def parse(url: str) -> Path | None:
    """Return the file of "sqlite:/path", or None for "memory:".

    Raises:
        ValueError: it is neither.
    """
    scheme, _, path = url.partition(":")
    if url == "memory:":
        return None
    if scheme == "sqlite" and path.startswith("/"):
        return Path(path)
    raise ValueError('neither "memory:" nor "sqlite:" with an absolute path')
