"""The filters behind milter64 that see the address on the wire: do they know what to make of it?"""

import re
from collections.abc import Iterator

from milter64.audit.facts.facts import Facts
from milter64.audit.facts.smtpd_kinds import Kind, kinds
from milter64.audit.facts.told_filters import RSPAMD, SPAMASSASSIN
from milter64.audit.report_line import Line, ok, warning
from milter64.audit.rules.host_lists import host_lists
from milter64.audit.rules.published_mx import Published

_SOCKETS = {
    RSPAMD: re.compile(r"[^\s,{}]*(?:rspamd|:11332\b)[^\s,{}]*", re.IGNORECASE),
    SPAMASSASSIN: re.compile(r"[^\s,{}]*spamass[^\s,{}]*", re.IGNORECASE),
}
"""What their sockets are called, or rspamd's port, by its documentation."""


def filters_behind(facts: Facts, found: Published) -> Iterator[Line]:
    """Yield the lines on other milters' lists of hosts, then those on each filter that Postfix asks."""
    yield from host_lists(facts, found)
    fronts = [service for service, kind in kinds(facts.postfix) if kind is Kind.FRONT] if facts.translated else ()
    milters = " ".join(facts.postfix.value("smtpd_milters", service) for service in fronts)
    for program, socket in _SOCKETS.items():
        if not (asked := socket.search(milters)):
            continue
        if program in facts.told:
            yield ok(program, "it has been told who is behind the translator", asked[0], see="postconf smtpd_milters")
        else:
            yield warning(
                program,
                "it knows translated clients by their IPv6 addresses alone: its lists, SPF and points go wrong",
                f"smtpd_milters names {asked[0]}, and no settings of {program}'s here name what the verb prints",
                see="postconf smtpd_milters",
                remedy=f"tell it, where it runs: milter64 neighbours {program.lower()} (docs/neighbours.md)",
            )
