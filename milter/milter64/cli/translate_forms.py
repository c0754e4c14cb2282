"""What `milter64 translate` knows of an address or a network: its other forms, and why it has those or none."""

from collections.abc import Callable, Iterator

from milter64.address import as_written
from milter64.address.client import Origin
from milter64.address.networks import NO_SOURCE_IPV4, Network, Networks, pack, shown, unpack
from milter64.config.settings import Settings

Row = dict[str, str]
"""One form of an address: "address" as given, "origin", "other" (the form, empty if there is none), "via", "reason"."""

_NEAR = Networks(("::1/128", "fe80::/10"))
"""Addresses that nobody translates."""
_NO_SOURCE = "no IPv4 packet comes from such an address (RFC 1812 5.3.7)"
_REASONS = {
    Origin.MAPPED: "IPv4 as a socket shows it (RFC 4291 2.5.5.2)",
    Origin.TRANSLATED: "decoded by {}",
    Origin.INVALID: "inside {}, and no legal translation: ",
    Origin.UNDECODED: "a translator's address, and no configured prefix covers it",
    Origin.MASKED: "a gateway's, which hides the client's",
    Origin.IPV6: "native IPv6: no prefix and no mapping covers it",
}


class Forms:
    """The forms of addresses under some settings; `warn` is told what the nameservers don't say."""

    def __init__(self, settings: Settings, warn: Callable[[str], None]) -> None:
        self._settings = settings
        self._translator = settings.translator()
        self._warn = warn
        self._taught = False

    def rows(self, text: str) -> list[Row]:
        """Return the forms of an address or a network as people write it, at least one row.

        Raises:
            ValueError: it is neither.
        """
        if "/" in text:
            first, length = as_written.network(text)
            is_ipv4, host = len(first) == 4, ""  # noqa: PLR2004  an IPv4 address's length
        else:
            host = as_written.address(text)
            first, length = pack(host), 32
            is_ipv4 = ":" not in host
        if is_ipv4:
            rows = self._encoded((first, length), is_host=bool(host))
        else:
            rows = self._decoded(host) if host else self._decoded_network((first, length))
        return [{"address": text, "origin": origin.value, **row} for origin, row in rows]

    def _decoded(self, address: str) -> Iterator[tuple[Origin, Row]]:
        client = self._translator.client(address)
        if client.origin is Origin.IPV6 and client.packed not in _NEAR and not self._taught:  # or in a DNS64's prefix
            from milter64.discover.learned_by_service import teach  # noqa: PLC0415  few addresses need DNS

            teach(self._translator, self._settings, self._warn)
            self._taught = True
            client = self._translator.client(address)
        other = client.address if client.packed != client.wire_packed else ""
        yield client.origin, _row(other, client.via, _reason(client.origin, client.via, client.packed))

    def _decoded_network(self, network: Network) -> Iterator[tuple[Origin, Row]]:
        origin, found = self._translator.decode_network(network)
        holds_it = not any(form for form, _ in found)
        for form, via in found:
            if form:
                yield origin, _row(shown(form), via, _reason(origin, via, network[0]))
            elif origin is Origin.TRANSLATED and holds_it:
                yield origin, _row("", via, f"holds all of {via}, and more")
            else:
                yield Origin.INVALID, _row("", via, _reason(Origin.INVALID, via, network[0]))
        if not found:
            yield origin, _row("", "", _reason(origin, "", network[0]))

    def _encoded(self, network: Network, *, is_host: bool) -> Iterator[tuple[Origin, Row]]:
        if NO_SOURCE_IPV4.covers(*network):
            yield Origin.IPV4, _row("", "", _NO_SOURCE)
            return
        for form, via in self._translator.encode_network(network):
            yield Origin.IPV4, _row(unpack(form[0]) if is_host else shown(form), via, f"encoded by {via}")
        translation = self._settings.translation
        if any(mapping.encode_network(network) for mapping in translation.explicit):
            return  # it goes before all prefixes
        for prefix in translation.prefixes:
            if prefix.encode_network(network) is None:
                reason = f"{prefix.text} must not carry a non-global address (RFC 6052 3.1)"
                yield Origin.IPV4, _row("", prefix.text, reason)
        if not translation.prefixes:
            yield Origin.IPV4, _row("", "", "no prefix is configured, and no mapping covers it")


def _row(other: str, via: str, reason: str) -> Row:
    return {"other": other, "via": via, "reason": reason}


def _reason(origin: Origin, via: str, packed: bytes) -> str:
    """Return why an IPv6 address has the form that it has; what RFC 6052 has against one inside a prefix, too."""
    reason = _REASONS[origin].format(via)
    if origin is not Origin.INVALID:
        return reason
    if packed[8] and "=" not in via:  # else by a mapping (RFC 7757)
        return f"{reason}bits 64 to 71 are not zero (RFC 6052 2.2)"
    if via == "64:ff9b::/96":
        return f"{reason}64:ff9b::/96 must not carry a non-global address (RFC 6052 3.1)"
    return reason + _NO_SOURCE
