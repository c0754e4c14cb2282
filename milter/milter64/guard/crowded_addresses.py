"""Finds the addresses from which so many speak that they are a gateway's, or may be one's.

One of this host's own network is a gateway's for certain (`masked`). One of elsewhere might be a host of many names,
too (`shared`).
"""

from collections.abc import Mapping, Sequence

from milter64.address.client import Client, Origin
from milter64.guard.masking_gateway import MANY
from milter64.guard.next_hops import gateways
from milter64.guard.shared_by_workers import Notes
from milter64.mail.session import Envelope, split
from milter64.policy.trust import Trust

_NAME_THEM = (
    "let the proxy name the clients: PROXY protocol (smtpd_upstream_proxy_protocol) or XCLIENT; "
    'of Docker: "userland-proxy": false, or network_mode: host'
)


class CrowdedAddresses:
    """One worker's: what it has heard, and `masked` and `shared`, which all workers have found out together."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._gateways = gateways()
        self._latest: dict[bytes, Envelope] = {}
        """The latest envelope from each address of elsewhere."""
        self.masked: frozenset[bytes] = frozenset()
        self.shared: frozenset[bytes] = frozenset()

    def news(self, envelope: Envelope) -> bool:
        """Whether there can be anything new in an envelope."""
        before = self._latest.get(envelope.session.client.wire_packed)
        return not before or before.session.helo != envelope.session.helo

    def telling(self, envelope: Envelope) -> Sequence[Envelope]:
        """Take note of an envelope, and return those that may have come from a gateway.

        A host of elsewhere that always says the same name is none, as nearly all are; who has authenticated is known.
        """
        client = envelope.session.client
        if self._is_local(client):
            return () if envelope.login else (envelope,)
        before = self._latest.get(client.wire_packed)
        self._latest[client.wire_packed] = envelope
        if not before or before.session.helo == envelope.session.helo or not client.origin.identifies:
            return ()
        return [each for each in (before, envelope) if not each.login]

    def forget(self) -> None:
        """Forget the latest envelopes: there is something new in each again."""
        self._latest.clear()

    def _is_local(self, client: Client) -> bool:
        """Whether an address is of this host's network, or hides clients for certain."""
        packed, behind_translator = client.wire_packed, client.origin in (Origin.TRANSLATED, Origin.UNDECODED)
        ours = packed in self._gateways or packed in self._trust.networks
        return ours or client.origin is Origin.MASKED or (client.private and not behind_translator)

    def count(self, envelopes: Sequence[Envelope], notes: Notes, now: float) -> Sequence[Client]:
        """Count the names that were said in envelopes; return clients with which an address shows to be a gateway's."""
        crowd: dict[bytes, Client] = {}
        for envelope in envelopes:
            client, helo, domain = envelope.session.client, envelope.session.helo or "", split(envelope.sender)[1]
            heard = notes.heard if self._is_local(client) else notes.heard_afar
            if heard.hear(client.wire_packed, client.network(16, 32), helo, domain, now):
                crowd[client.wire_packed] = client
        self.masked, self.shared = [
            frozenset(each for each in heard.gateways(now) if each not in self._trust.relays)
            for heard in (notes.heard, notes.heard_afar)
        ]
        return list(crowd.values())

    def warning(self, client: Client) -> Mapping[str, str]:
        """Return the fields of the line that tells of such an address."""
        event, remedy = "masked", _NAME_THEM
        if client.wire_packed in self._trust.relays:
            what = "it is in trust.relays, and stays trusted, but it hides the clients behind it"
        elif self._is_local(client):
            what = "a gateway that hides its clients; its address counts for nothing, trust included"
        else:
            event = "shared"
            what = (
                "a gateway that hides its clients, or a host of many names; nobody there is banned, "
                "and whom SPF or reverse DNS would refuse is put off"
            )
            remedy = (
                f"if it is your gateway, {_NAME_THEM}; if all behind it are yours, name it in trust.relays; "
                f"if it is a stranger, milter64 block {client.address}"
            )
        said = f"{MANY} HELO names and {MANY} sender domains or more from this one address: {what}"
        return {"event": event, "client": client.wire, "what": said, "remedy": remedy}
