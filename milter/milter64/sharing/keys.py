"""The keys under which hosts share what they know, on a server that others may use too.

    milter64:format              the format of all that follows, "1"
    milter64:1:probe             lives for a second: that the server takes writes
    milter64:1:{s}:members       a hash: each host, and what it says of itself
    milter64:1:{s}:epoch         made up when there was none: with another one, what had been told before is lost
    milter64:1:{s}:feed          a stream: rows as they change
    milter64:1:{s}:lists         a hash: the entries by command; :lists-edition is another one after each change
    milter64:1rDIGEST            a hash: the rows of a pair by group; there are millions, so it is short
    milter64:1:c:{BLOCK}:NAME    a counter of a limit

What stands in braces decides in which slot of a Cluster a key is: all counters of one block of addresses are together,
and all that hosts tell each other.
"""

from base64 import urlsafe_b64encode
from hashlib import blake2b

FORMAT = 1
PREFIX = "milter64:"
FORMAT_KEY = f"{PREFIX}format"
OURS = f"{PREFIX}{FORMAT}:"
PROBE = f"{OURS}probe"
MEMBERS = f"{OURS}{{s}}:members"
EPOCH = f"{OURS}{{s}}:epoch"
FEED = f"{OURS}{{s}}:feed"
LISTS = f"{OURS}{{s}}:lists"
LISTS_EDITION = f"{OURS}{{s}}:lists-edition"
ROOM = f"{OURS}{{s}}:room"
ROWS = f"{PREFIX}{FORMAT}r"
COUNTERS = f"{OURS}c:"

_DIGEST = 10
"""Characters: two of ten million pairs have the same one with a chance of one in 20,000, and would wait as one."""
LOADED = "#"
"""What a key begins with under which a host's own store has rows whose pair it doesn't know, only the digest."""


def digest(key: str) -> str:
    """Return what stands for a pair in keys; nobody reads addresses out of it."""
    if key.startswith(LOADED):
        return key[len(LOADED) :]
    octets = blake2b(key.encode(errors="backslashreplace"), digest_size=8).digest()
    return urlsafe_b64encode(octets).decode()[:_DIGEST]


def rows_of(key: str) -> str:
    """Return the key of the rows of a pair."""
    return f"{ROWS}{digest(key)}"
