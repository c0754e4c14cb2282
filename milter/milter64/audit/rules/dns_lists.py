"""The DNS lists that milter64 asks: whether they can be believed."""

from collections.abc import Iterator

from milter64.audit.facts.facts import Facts
from milter64.audit.report_line import Line, ok, problem
from milter64.audit.rules.published_mx import Published
from milter64.checks.dns_list_health import Trouble, defect, thrice, unanswered
from milter64.checks.dns_list_kinds import IPV4, IPV6, NAMES, Kind
from milter64.checks.dns_list_settings import Settings
from milter64.dns.unanswered import Unanswered

_WITH_KEY = (".dq.spamhaus.net", ".mail.abusix.zone")
"""The zones of operators who answer nobody without a key, which stands before the list's own label."""
_OWN_RESOLVER = "ask through a resolver of your own (apt install unbound): lists refuse those that many share"
_NOT_STRIPPED = (
    "whether the resolver leaves out 127.0.0.0/8 (unbound: private-address; dnsmasq: stop-dns-rebind, which wants "
    "rebind-localhost-ok then)"
)


def dns_lists(facts: Facts, _found: Published) -> Iterator[Line]:
    """Yield the lines on each list."""
    for each in facts.settings.dnslist:
        yield _judged(facts, each)


def _judged(facts: Facts, settings: Settings) -> Line:
    """Look at a list as the service does."""
    zone = settings.zone
    assert zone
    subject = f"DNS list {settings.shown}"
    (test, *_) = (IPV4 if "client" in settings.about else NAMES).listed
    see = f"dig +short {test}.{'KEY.' if zone.public != zone.text else ''}{zone.public}"
    suffix = next((each for each in _WITH_KEY if zone.text.endswith(each)), None)
    if suffix and "." not in zone.text.removesuffix(suffix):
        return problem(
            subject,
            "it answers nobody without a key, and there is none in the zone",
            see=see,
            remedy=f'write zone = "KEY.{zone.text}", with the key of your account',
        )
    kinds = [IPV4, IPV6] if "client" in settings.about else []
    if set(settings.about) - {"client"}:
        kinds.append(NAMES)
    right = []
    for kind in kinds:
        trouble = _trouble(facts, settings, kind)
        if trouble is None:
            right.append(kind.name)
        elif trouble.result != "none":
            what = f"{kind.name}: {trouble.reason}; it counts for nothing"
            return problem(subject, what, see=see, remedy=_remedy(trouble))
    return ok(subject, f"its test entries are right: {', '.join(right)}", see=see)


def _trouble(facts: Facts, settings: Settings, kind: Kind) -> Trouble | None:
    assert settings.zone
    zone, until = settings.zone.text, facts.dns.deadline()
    try:
        return defect(thrice(lambda label: facts.dns.asker.ask(f"{label}.{zone}", "A", until).values), kind)
    except Unanswered as error:
        return unanswered(error)


def _remedy(trouble: Trouble) -> str:
    if "REFUSED" in trouble.reason or "127.255.255." in trouble.reason:
        return _OWN_RESOLVER
    if "doesn't list" in trouble.reason:
        return f"see whether the zone, and its key, are written as its operator wants them; and {_NOT_STRIPPED}"
    if trouble.result == "temperror":
        return "see whether it still exists; if not, take it out"
    return "take it out: it lists whom it should not, as lists do that went out of business"
