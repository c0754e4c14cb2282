"""What the engine has said of an attempt counts for others that are alike, as far as no DNS and no list is asked.

What becomes of one then follows from a few things about it, its kind, and from where its pair stands with the greylist.
So the engine judges the first of a kind; of the others the greylist's rows alone are looked at, and moved. Whatever
else an attempt does, such as to lose a group what it has earned, the engine has to do each time.
"""

from functools import lru_cache, partial
from typing import NamedTuple

from milter64.address.client import UNKNOWN, Client
from milter64.checks import helo_name
from milter64.greylist.attempt import State
from milter64.greylist.attempt import attempt as advance
from milter64.greylist.client_groups import groups
from milter64.greylist.pair import pair_key
from milter64.greylist.wave_through import exact_network, register
from milter64.lists.admin_lists import AdminLists
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope, Session
from milter64.policy import exemptions
from milter64.replay.judge import Judge, greeting, mailbox, sender
from milter64.replay.outcomes import Outcomes
from milter64.replay.traffic import Attempt
from milter64.report.outcome import Shape, who

_REMEMBERED = 16_384
"""Clients, and HELO names, of which it is kept ready what attempts of theirs are like."""
_LONGEST_HELO = 255
"""Octets of one that is remembered: no domain is longer."""
_WAITS = frozenset({State.NEW, State.WAITING})


class _Client(NamedTuple):
    """A client as an attempt has it: what Postfix has `found` him to be called, and what he `greets` with.

    `said` has what the engine has said of attempts of his kind: by where the pair stands with the greylist, by None if
    that makes no odds.
    """

    client: Client
    found: Finding | None
    greets: str
    said: dict[State | None, Shape]


class Alike:
    """Judges attempts, those of a known kind by what was said of others; for one thread."""

    def __init__(self, judge: Judge, lists: AdminLists, tell: Outcomes) -> None:
        """Take a judge who asks no DNS, goes by `lists` and tells `tell`."""
        self._judge = judge
        self._greylist = judge.settings.greylist
        self._lists = lists
        self._tell = tell
        self._exempt = exemptions.Exemptions(judge.settings.trust)
        self._said: dict[tuple[object, ...], dict[State | None, Shape]] = {}
        """By all that it follows from, but for the greylist, what becomes of an attempt."""
        self._client = lru_cache(_REMEMBERED)(self._client_of)
        self._helo = lru_cache(_REMEMBERED)(self._helo_result)

    def judge(self, attempt: Attempt) -> None:
        """Judge an attempt, and tell what would have become of it."""
        at, _, name, address, helo, said_from, said_to, login = attempt
        from_, to, self._judge.rows.now = sender(said_from), mailbox(said_to[0]), at
        usual = len(said_to) == 1 and len(helo or b"") <= _LONGEST_HELO
        if not from_ or not to or not usual or exemptions.recipient(to) or not self._lists.empty:
            self._judge.judge(attempt)  # there may be no other like it
            return
        client = self._client(name, address, helo, login != b"")
        shape = client.said.get(None)
        if not shape and client.said:
            shape = self._greylisted(client, from_, to, at)
        if shape:
            self._tell.take(at, shape, *who(client.client.address, client.greets, from_, to))
        else:
            self._judge.judge(attempt)
            self._learn(client)

    def _learn(self, client: _Client) -> None:
        """Keep what the engine has just said, unless it has done more than to move the pair's rows."""
        if len(self._tell.told) == 1:
            shape, verdict = self._tell.told[0]
            if verdict and not verdict.blames:
                client.said[verdict.standing.state if verdict.standing else None] = shape

    def _greylisted(self, who: _Client, sender: str, recipient: str, now: float) -> Shape | None:
        """Move the rows of a pair, and return what becomes of an attempt, None where that is for the engine to do."""
        rows, settings, client, found = self._judge.rows, self._greylist, who.client, who.found
        pair, network = pair_key(sender, recipient), client.network(settings.ipv4_prefix, settings.ipv6_prefix)
        is_named, known, group = found and found.result == "pass", rows.read(pair), f"net:{network}"
        standing = None  # of a pair of which nothing is known, and of a client without a name, it takes no finding out
        if known or is_named:
            proven = partial(groups, client, sender, {found.key: found}) if is_named and found else None
            standing = advance(known, group, proven, now, settings)
        state = standing.state if standing else State.NEW
        if state not in _WAITS:
            return who.said.get(State.PASSED) if standing and state is State.PASSED and not standing.rows else None
        if settings.wave_through and (exact := exact_network(client)) in rows.read(register(exact)):
            return None
        shape = who.said.get(state)
        if shape and standing:
            if standing.rows:
                rows.merge(pair, standing.rows)
        elif shape:
            rows.begin(pair, now, group)
        return shape

    def _client_of(self, name: bytes, address: bytes, helo: bytes | None, has_login: bool) -> _Client:  # noqa: FBT001  a cache's key
        client = self._judge.client(address)
        found = self._judge.iprev(client, name)
        exempt = self._exempt.client(client)
        kind = (client.origin.value, client.private, client.shared, exempt and exempt.result)
        key = (*kind, found and found.result, self._helo(helo), has_login)
        return _Client(client, found, "" if helo is None else greeting(helo), self._said.setdefault(key, {}))

    def _helo_result(self, helo: bytes | None) -> str | None:
        """Return what a HELO name is found to be without DNS, None where the log doesn't have it."""
        if helo is None:
            return None
        session = Session(token="", client=UNKNOWN, port=0, helo=greeting(helo), mta=self._judge.mta)
        finding = helo_name.local(Envelope(session=session, sender="", login=""), self._judge.own_names)
        return finding.result if finding else ""
