"""Domain names that SPF and DMARC can ask about."""

import re

from milter64.mail.idna_domain import ascii_domain

_LABEL = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,63}"
_DOMAIN_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL}")
"""Several labels, the last not a number, of what an address may hold without quotes (RFC 5322 3.2.3)."""


def domain_name(text: str) -> str:
    """Return a name as DNS knows it, or "" for an address literal, a single label, and what else is none (4.3)."""
    name = ascii_domain(text)
    return name if _DOMAIN_NAME.fullmatch(name) else ""
