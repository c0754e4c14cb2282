"""SPF (RFC 7208): whether a domain lets the client use its name in HELO and MAIL FROM.

The client is the decoded address: what a translator made of it is no sender's concern.
"""

from milter64.checks.domain_name import domain_name
from milter64.checks.spf_check_host import CheckHost
from milter64.checks.spf_settings import HELO, MAILFROM, NAME
from milter64.dns.lookup import Asking, Lookup
from milter64.mail.clean_text import clean
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope, split


def helo(envelope: Envelope, lookup: Lookup) -> Asking[Finding]:
    """Judge the HELO identity (RFC 7208 2.3); see `mailfrom`."""
    return _judge(HELO, "", envelope.session.helo or "", envelope, lookup)


def mailfrom(envelope: Envelope, lookup: Lookup) -> Asking[Finding]:
    """Judge the MAIL FROM identity (RFC 7208 2.4), which is postmaster@HELO for the null sender.

    The result is one of the RFC's seven words, whatever a record holds or DNS does. The finding's facts:

    - `domain`: whose permission was asked for; absent if it is no domain name
    - `mechanism`, `record`: the innermost directive that matched, and the domain in whose record it stands
    - `broad`: for a pass, why it says little about who the client is
    - `tailored`: "yes" for a pass that the domain may have made for each client, by its macros, whoever it is
    - `explanation`: for a fail, what the domain says about it (RFC 7208 6.2), on one line of ASCII
    - `aside`: for a temperror, what is the admin's business alone: which nameserver gave no answer
    - `local-part`: "yes" if the answer is for this local part alone
    """
    local, domain = split(envelope.identity)
    return _judge(MAILFROM, local, domain, envelope, lookup)


def _judge(identity: str, local: str, domain: str, envelope: Envelope, lookup: Lookup) -> Asking[Finding]:
    session = envelope.session
    name = domain_name(domain)
    if not session.client.address:
        return Finding(check=NAME, property=identity, result="none", reason="the client has no IP address")
    if not name:
        reason = f"{clean(domain)} is not a domain name of several labels"
        if not domain:
            of_sender = identity == MAILFROM and envelope.sender
            reason = "the sender has no domain" if of_sender else "no HELO or EHLO was given"
        return Finding(check=NAME, property=identity, result="none", reason=reason)
    facts = [("domain", name)]
    query = CheckHost(session, local, name, lookup)
    try:
        result = yield from query.check()
    except Exception as error:  # noqa: BLE001  whatever a stranger's record makes us do, it is this answer and no more
        result, reason = "temperror", f"the record of {name} could not be evaluated"
        facts.append(("aside", f"unexpected {type(error).__name__}"))
    else:
        reason = _reason(result, query)
        facts += _circumstances(result, query)
    return Finding(check=NAME, property=identity, result=result, reason=clean(reason), facts=tuple(facts))


def _reason(result: str, query: CheckHost) -> str:
    client, domain = query.c, query.o
    match result:
        case "none":
            return f"no SPF record at {domain}"
        case "temperror":
            return query.error
        case "permerror":
            what, (owner, term) = query.error.rstrip(":"), query.place
            where = f", in the record of {owner}: {term}" if owner else ""
            return f"{what[:1].lower()}{what[1:]}{where}"
        case "pass":
            assert query.matched is not None
            return f"{query.matched.term} of {query.matched.owner}"
        case "neutral":
            return f"{domain} says nothing about {client} ({query.mechanism or 'no directive matches'})"
        case _:
            permitted = {"fail": "is not permitted", "softfail": "is probably not permitted"}[result]
            return f"{client} {permitted} by {domain} ({query.mechanism})"


def _circumstances(result: str, query: CheckHost) -> list[tuple[str, str]]:
    facts = []
    if query.matched and result not in {"temperror", "permerror"}:
        facts += [("mechanism", clean(query.matched.term)), ("record", clean(query.matched.owner))]
        if result == "pass" and (why := query.matched.broad(query.v)):
            facts.append(("broad", why))
        if result == "pass" and query.is_tailored(query.matched.argument, query.matched.owner):
            facts.append(("tailored", "yes"))
    if result == "fail" and (explanation := clean(query.explanation)):
        facts.append(("explanation", explanation))
    if result == "temperror" and query.nameserver:
        facts.append(("aside", query.nameserver))
    if query.local_part:
        facts.append(("local-part", "yes"))
    return facts
