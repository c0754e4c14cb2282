"""The one way to write a domain: in A-labels, as DNS knows it (RFC 5890 2.3.2.1, UTS 46)."""

import re
import unicodedata
from functools import lru_cache

import idna

_LONGEST_LABEL = 63


_SURROGATE = re.compile("[\ud800-\udfff]")
"""What stands for a byte that is no UTF-8."""


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
