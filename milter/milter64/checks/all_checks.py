"""The checks, one file each; a check answers and never decides, logs or counts. Each is listed here once."""

from collections.abc import Callable, Mapping, Sequence

from milter64.checks import dmarc_policy, helo_name, iprev, spf, spf_settings, unreadable_mailbox
from milter64.dns.lookup import Asking, Lookup
from milter64.mail.finding import Finding, Key
from milter64.mail.session import Envelope

LocalCheck = Callable[[Envelope, frozenset[str]], Finding | None]
"""A check that takes no asking; it is told this server's own names, in lower case."""

LOCAL: Sequence[LocalCheck] = (helo_name.local, unreadable_mailbox.sender)

Check = Callable[[Envelope, Lookup], Asking[Finding]]

REMOTE: Mapping[Key, Check] = {
    (spf_settings.NAME, spf_settings.HELO): spf.helo,
    (spf_settings.NAME, spf_settings.MAILFROM): spf.mailfrom,
    (iprev.NAME, iprev.PROPERTY): iprev.iprev,
    (helo_name.NAME, helo_name.PROPERTY): helo_name.forward,
    (dmarc_policy.NAME, dmarc_policy.PROPERTY): dmarc_policy.dmarc_policy,
}
"""Checks that take DNS, by the question that they answer."""
