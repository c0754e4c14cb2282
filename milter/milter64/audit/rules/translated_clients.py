"""What Postfix itself makes of clients that come through a translator: who may what, and who is refused unseen."""

from collections.abc import Iterator

from milter64.address.client import Origin
from milter64.audit.facts.facts import Facts
from milter64.audit.facts.smtpd_services import Case
from milter64.audit.report_line import Line, ok, problem, warning
from milter64.audit.rules.blind_restrictions import blind_restrictions
from milter64.audit.rules.client_rights import by_ipv4, client_rights
from milter64.audit.rules.published_mx import Published
from milter64.config.settings import Translation


def clients(facts: Facts, _found: Published) -> Iterator[Line]:
    """Yield the lines; of what is only blind to such clients, where some come or are expected."""
    if not facts.postfix.services:
        return
    case = Case(facts.postfix, facts.settings)
    found = list(client_rights(case, ipv4=by_ipv4(address.address for address in facts.host.addresses)))
    named = facts.translators.prefixes
    dns64 = all(prefix.text in named for prefix in facts.settings.translation.prefixes)
    found += [each for each in blind_restrictions(case, dns64=dns64) if each.breaks or _translated(facts)]
    for trouble in found:
        make = problem if trouble.breaks else warning
        parameter, service = trouble.where.rpartition(" ")[2], trouble.where.partition(" ")[0]
        see = "milter64 check-config" if parameter.startswith("trust.") else f"postconf {parameter}"
        if "/" in service:
            see = f"postconf -P '{service}/*'"
        yield make(f"clients: {trouble.where}", trouble.what, see=see, remedy=trouble.remedy)
    if not found:
        yield ok("rights and restrictions", "none that goes by a translator's addresses", see="milter64 postfix")


def _translated(facts: Facts) -> bool:
    """Whether clients come, or are expected, through a translator."""
    noted = {client for sighting in facts.sightings for client in sighting.clients}
    origins = {facts.translator.client(client).origin for client in (*facts.host.peers, *noted)}
    translation = facts.settings.translation
    prefixes = {prefix.text for prefix in translation.prefixes} - {prefix.text for prefix in Translation().prefixes}
    expected = translation.explicit or prefixes or facts.translators.prefixes
    only_ipv6 = facts.postfix.families() == ("IPv6",) or not by_ipv4(each.address for each in facts.host.addresses)
    return Origin.TRANSLATED in origins or bool(expected) or only_ipv6
