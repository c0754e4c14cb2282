"""The one sanitiser of strangers' text, and the one way to write a domain.

Whatever a client, a DNS server or a header said passes through here before it goes into a reply, a header or a log
line: HELO names, PTR names, SPF explanations, addresses.
"""

import re
import unicodedata
from functools import lru_cache

import idna

_LONGEST_LABEL = 63
_SURROGATE = re.compile("[\ud800-\udfff]")
"""What stands for a byte that is no UTF-8."""
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


def ascii_domain(domain: str) -> str:
    """Return a domain as DNS knows it: A-labels in lower case (RFC 5890 2.3.2.1), no final dot.

    U-labels are mapped as mail servers and browsers do it (UTS 46, nontransitional: ß stays ß), so that a full-width
    letter or dot is what its readers take it for. What UTS 46 knows no name for, such as letters younger than its
    tables, is encoded as it is; what is too long for a label, or no text, stays.
    """
    return (domain.lower() if domain.isascii() else _mapped(domain)).removesuffix(".")


def shown_domain(domain: str) -> str:
    """Return a domain as it was written, but in A-labels where that was in U-labels."""
    return domain if domain.isascii() else ascii_domain(domain)


@lru_cache(maxsize=1024)
def _mapped(domain: str) -> str:
    domain = domain.replace("\u1e9e", "ß")  # capital sharp s, of which UTS 46 made ss before Unicode 15.1
    try:
        domain = idna.uts46_remap(domain, std3_rules=False)
    except idna.IDNAError:
        domain = unicodedata.normalize("NFC", domain.lower())
    return ".".join(map(_a_label, domain.split(".")))


def _a_label(label: str) -> str:
    """Return a label's punycode, whose cost is the square of its length."""
    if label.isascii() or len(label) > _LONGEST_LABEL or _SURROGATE.search(label):
        return label
    return f"xn--{label.encode('punycode').decode()}"
