"""The one sanitiser of strangers' text.

Whatever a client, a DNS server or a header said passes through here before it goes into a reply, a header or a log
line: HELO names, PTR names, SPF explanations, addresses.
"""

import re

_UNPRINTABLE = re.compile(r"(\s+)|[^\s!-~]+", re.ASCII)


def clean(text: str, limit: int = 255) -> str:
    """Return `text` as one line of printable ASCII, at most `limit` characters long.

    Each run of blanks becomes one space, each run of anything else that is not printable ASCII one "?". What is cut off
    is announced by "...".
    """
    if len(text) <= limit and text.isascii() and text.isprintable() and " " not in text:
        return text  # nearly every name and address
    line = _UNPRINTABLE.sub(lambda run: " " if run[1] else "?", text).strip(" ")
    return line if len(line) <= limit else line[: limit - 3].rstrip(" ") + "..."
