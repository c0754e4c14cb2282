"""What the running service knows of translators and gateways, for verbs that judge as it does, or would.

It is what the service has learned and noted, and what the nameservers say now, who are asked as the service asks them.
"""

from collections.abc import Callable

from milter64.address import Translator
from milter64.config import Settings
from milter64.discover import records, rfc7050
from milter64.discover.rfc7050 import Synthesis
from milter64.exchange import nameservers
from milter64.networks import pack

_PATIENCE = 5.0
"""Seconds for each question at most, whatever the settings allow: somebody waits at a terminal."""


def teach(translator: Translator, settings: Settings, warn: Callable[[str], None]) -> list[Synthesis]:
    """Have a translator know what the service knows, and return what is known of each nameserver.

    `warn` is told what can't be known.
    """
    noted = _noted(settings, warn)
    before = {server: rfc7050.read(server, addresses) for server, addresses in noted.dns64.items()}
    found = rfc7050.survey(nameservers(settings.dns.nameservers), min(settings.dns.timeout, _PATIENCE))
    known = list(rfc7050.renewed(found, before).values())
    translator.distrust({pattern for synthesis in known for pattern in synthesis.patterns})
    translator.mask(map(pack, noted.masked))
    for synthesis in known:
        if synthesis.error:
            warn(f"whether {synthesis.nameserver} is a DNS64 isn't known: {synthesis.error}")
    return known


def _noted(settings: Settings, warn: Callable[[str], None]) -> records.Learned:
    if path := records.place(settings.greylist.store):
        try:
            return records.learned(path)
        except OSError as error:
            warn(f"what the service has learned isn't known: {path} is not readable: {error.strerror}")
    return records.Learned()
