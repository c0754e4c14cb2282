"""The checks, one file each; a check answers and never decides, logs or counts. Each is listed here once."""

from collections.abc import Callable, Mapping

from milter64.checks import helo, iprev, path, spf
from milter64.dns import Lookup
from milter64.session import Envelope
from milter64.verdict import Finding, Key

LOCAL = (helo.local, path.sender)
"""Checks that take no asking."""

REMOTE: Mapping[Key, Callable[[Envelope, Lookup], Finding]] = {
    (spf.NAME, spf.HELO): spf.helo,
    (spf.NAME, spf.MAILFROM): spf.mailfrom,
    (iprev.NAME, iprev.PROPERTY): iprev.iprev,
    (helo.NAME, helo.PROPERTY): helo.forward,
}
"""Checks that take DNS, by the question that they answer."""
