"""What the running service knows of translators and gateways, for verbs that judge as it does, or would.

It is what the service has learned and noted, and what the nameservers say now, who are asked as the service asks them.
"""

from collections.abc import Callable

from milter64.address.networks import pack
from milter64.address.translator import Translator
from milter64.config.settings import Settings
from milter64.discover import dns64_prefix, recorded_prefixes
from milter64.discover.dns64_prefix import Synthesis
from milter64.dns.query import nameservers

_PATIENCE = 5.0
"""Seconds for each question at most, whatever the settings allow: somebody waits at a terminal."""


def teach(translator: Translator, settings: Settings, warn: Callable[[str], None]) -> list[Synthesis]:
    """Have a translator know what the service knows, and return what is known of each nameserver.

    `warn` is told what can't be known.
    """
    noted = _noted(settings, warn)
    before = {server: dns64_prefix.read(server, addresses) for server, addresses in noted.dns64.items()}
    found = dns64_prefix.survey(nameservers(settings.dns.nameservers), min(settings.dns.timeout, _PATIENCE))
    known = list(dns64_prefix.renewed(found, before).values())
    translator.distrust({pattern for synthesis in known for pattern in synthesis.patterns})
    translator.mask(map(pack, noted.masked), map(pack, noted.shared))
    for synthesis in known:
        if synthesis.error:
            warn(f"whether {synthesis.nameserver} is a DNS64 isn't known: {synthesis.error}")
    return known


def _noted(settings: Settings, warn: Callable[[str], None]) -> recorded_prefixes.Learned:
    if path := recorded_prefixes.place(settings.greylist.local_store):
        try:
            return recorded_prefixes.learned(path)
        except OSError as error:
            warn(f"what the service has learned isn't known: {path} is not readable: {error.strerror}")
    return recorded_prefixes.Learned()
