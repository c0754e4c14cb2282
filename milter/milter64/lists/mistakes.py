"""What is refused of what people write about others: what is no entry, and what can't be meant."""

from collections.abc import Iterable

from milter64.address.networks import PRIVATE, Networks, pack, unpack
from milter64.address.translation_prefix import Prefix
from milter64.dns.public_suffixes import suffix_list


class Mistake(ValueError):  # noqa: N818  an entry is wrong, the program is not
    """An entry can't count: what is wrong with it, and how to mend it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


_EVERYBODY = {4: 8, 16: 16}
"""The shortest prefix of a network, by the octets of an address: a shorter one is a part of the world."""
_NOBODYS = Networks(
    (
        # Blocks of which a mail server never sees an address on the wire (RFC 6890): who seems to have one behind a
        # translator has made it up.
        "0.0.0.0/8",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "ff00::/8",
    )
)
_WIDER = 3
"""The longest prefix of a network that may begin and end in two of these."""
_OF_ALL_IPV4 = (pack("64:ff9b::")[:12], pack("64:ff9b:1::")[:6], bytes(10) + b"\xff\xff")
"""What IPv4 addresses stand behind, whatever is configured (RFC 6052, RFC 8215, RFC 4291 2.5.5.2)."""
_FEW_BITS = 8
"""Bits of an IPv4 address that a network on the wire has to have at least."""
_U_OCTET = 64
"""Where the octet begins that is no part of an IPv4 address (RFC 6052 2.2)."""


class Mistakes:
    """What can't be meant under a configuration."""

    def __init__(self, prefixes: Iterable[Prefix] = (), *, iprev: bool = True, spf: bool = True) -> None:
        """Take the prefixes of translators, and whether reverse DNS and SPF are asked at all."""
        heads = {*_OF_ALL_IPV4, *(prefix.packed for prefix in prefixes)}
        self._translators = tuple((int.from_bytes(head.ljust(16, b"\0")), len(head) * 8) for head in sorted(heads))
        self._remarkable = {*_NOBODYS.first_octets(), *(head[0] for head in heads)}
        self._iprev = iprev
        self._spf = spf

    def network(self, packed: bytes, length: int) -> None:
        """Refuse a network that is everybody's or nobody's, by its first address.

        Raises:
            Mistake: it is one.
        """
        shortest = _EVERYBODY[len(packed)]
        if length >= shortest and packed[0] not in self._remarkable:  # as most are
            return
        if len(packed) == 16:  # noqa: PLR2004  octets of an IPv6 address
            self._not_translators(packed, length)
        if length > _WIDER and packed in _NOBODYS and _last(packed, length) in _NOBODYS:
            raise Mistake(f"no client has an address of {unpack(packed)}/{length}", "leave it out")
        if length < shortest and not (packed in PRIVATE and _last(packed, length) in PRIVATE):
            raise Mistake(f"{unpack(packed)}/{length} is nearly everybody", f"write networks of /{shortest} or longer")

    def _not_translators(self, packed: bytes, length: int) -> None:
        number = int.from_bytes(packed)
        for head, of_head in self._translators:
            common = min(length, of_head)
            if number >> 128 - common != head >> 128 - common:
                continue
            skipped = max(0, min(length, _U_OCTET + 8) - _U_OCTET) if of_head <= _U_OCTET else 0
            if length - of_head - skipped < _FEW_BITS:
                where = f"{unpack(head.to_bytes(16))}/{of_head}"
                raise Mistake(
                    f"{unpack(packed)}/{length} is IPv4's, which stands behind {where}",
                    "write the IPv4 network itself, as 192.0.2.0/24",
                )

    def name(self, domain: str) -> None:
        """Refuse the names below a domain, by confirmed reverse DNS, if they are anybody's or never looked up.

        Raises:
            Mistake: they are.
        """
        if not self._iprev:
            raise Mistake("names are not looked up, for iprev.enabled is false", "write a network")
        _not_public(domain)

    def sender(self) -> None:
        """Refuse any sender if SPF is not asked.

        Raises:
            Mistake: it isn't.
        """
        if not self._spf:
            raise Mistake("senders are not proven, for spf.enabled is false", "write a network")

    def domain(self, domain: str) -> None:
        """Refuse a sender's domain if it is anybody's, or SPF is not asked.

        Raises:
            Mistake: it is.
        """
        self.sender()
        _not_public(domain)


class NoMistakes(Mistakes):
    """Whatever can be read may be meant, so that one can take back what was right once."""

    def network(self, packed: bytes, length: int) -> None:
        """Refuse nothing."""

    def name(self, domain: str) -> None:
        """Refuse nothing."""

    def sender(self) -> None:
        """Refuse nothing."""

    def domain(self, domain: str) -> None:
        """Refuse nothing."""


def _last(packed: bytes, length: int) -> bytes:
    """Return the last address of a network."""
    size = len(packed)
    return (int.from_bytes(packed) | (1 << size * 8 - length) - 1).to_bytes(size)


def _not_public(domain: str) -> None:
    if suffix_list().is_suffix(domain):
        raise Mistake(f"below {domain} anybody may have a name", f"write a name of theirs, such as partner.{domain}")
