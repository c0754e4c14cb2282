"""dmarc: does the sender's domain publish a DMARC policy, so that whoever checks DMARC behind us can decide?

It is found as RFC 7489 6.6.3 has it: at the domain, or else at its organisational domain by the public suffix list.
RFC 9989 4.10 looks at each domain above instead, so it finds all that is found here, and policies between the two or of
a public suffix besides. Debian's OpenDMARC would miss those, and let in whom we have left to it; so of such a domain
a fail is refused as ever. It takes two questions at most, where a stranger's name could order eight.

The domain is MAIL FROM's, which is what SPF has failed; DMARC itself will look at the header's From.
"""

import re

from milter64.checks.domain_name import domain_name
from milter64.dns.lookup import Asking, Lookup
from milter64.dns.public_suffixes import registered_domain
from milter64.dns.unanswered import Unanswered
from milter64.mail.clean_text import clean
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope, split

NAME = "dmarc"
PROPERTY = "smtp.mailfrom"
POLICY, NONE, TEMPERROR = "policy", "none", "temperror"

_VERSION = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_REQUEST = re.compile(r"none|quarantine|reject", re.IGNORECASE)
_URI = re.compile(r"[ \t]*[a-z][a-z0-9+.-]*:[^\s,!]+(?:![0-9]+[kmgt]?)?[ \t]*", re.IGNORECASE)
"""An address for reports, and how much it takes (RFC 7489 6.2)."""


def dmarc_policy(envelope: Envelope, lookup: Lookup) -> Asking[Finding]:
    """Return `policy`, `none` or `temperror`; as "aside", the nameserver that gave no answer."""
    domain = domain_name(split(envelope.identity)[1])
    if not domain:
        return _finding(NONE, "the sender has no domain name of several labels")
    for owner in dict.fromkeys((domain, registered_domain(domain))):
        name = f"_dmarc.{owner}"
        try:
            answer = yield from lookup.ask(name, "TXT")
        except Unanswered as error:
            return _finding(TEMPERROR, f"{clean(name)}: {error}", ("aside", error.server))
        texts = (value.decode("ascii", "replace") for value in answer.values)
        if records := [text for text in texts if _VERSION.match(text)]:
            return _judge(clean(owner), records, inherited=owner != domain)
    return _finding(NONE, f"{clean(domain)} publishes no DMARC policy")


def _judge(owner: str, records: list[str], *, inherited: bool) -> Finding:
    """Judge all the DMARC records of a domain, one or more; one below it has inherited them."""
    if len(records) > 1:
        return _finding(NONE, f"{owner} publishes more than one DMARC record")
    pairs = (part.partition("=") for part in records[0].split(";"))
    tags = {name.strip(" \t"): value.strip(" \t") for name, _, value in pairs}
    policy = tags.get("p", "")
    if not (_REQUEST.fullmatch(policy) and _REQUEST.fullmatch(tags.get("sp", policy))):
        # Whoever wants reports is taken to be trying DMARC out.
        if not any(map(_URI.fullmatch, tags.get("rua", "").split(","))):
            return _finding(NONE, f"{owner} publishes a DMARC record without a policy")
        return _finding(POLICY, f"{owner} publishes no more than where to report to, which means p=none")
    tag = "sp" if inherited and "sp" in tags else "p"
    return _finding(POLICY, f"{owner} publishes {tag}={tags[tag].lower()}")


def _finding(result: str, reason: str, *facts: tuple[str, str]) -> Finding:
    return Finding(
        check=NAME, property=PROPERTY, result=result, reason=reason, facts=tuple(fact for fact in facts if fact[1])
    )
