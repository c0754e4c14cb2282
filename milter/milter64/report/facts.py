"""What the judgement goes by: a few numbers out of all figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from milter64.report.figures import Figures
from milter64.report.outcome import PUT_OFF, REFUSED
from milter64.report.senders import Sender
from milter64.report.signs import Sign

_SHOWN = 10
_DAY = 86400
_PSEUDONYM = 16

WORDS = {
    Sign.WHITE: "a DNS list of honest hosts has it",
    Sign.OWN_HOST: "its own name is in your domain, and DNS confirms one",
    Sign.SENDERS_HOST: "its own name is in the sender's domain, and DNS confirms one",
    Sign.LIST: "the sender looks like a mailing list's or a newsletter's",
    Sign.FORWARDER: "a forwarder has rewritten the sender (SRS)",
    Sign.NAMED: "reverse DNS leads back to it",
    Sign.HELO: "SPF proves its HELO name",
    Sign.SPF: "SPF proves its sender's domain",
}
"""What speaks for a sender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """Somebody who is kept out and looks honest: how often, mostly for what, and what speaks for him.

    Of `count` times it was `observed` times in observe mode, which let him in.
    """

    who: str
    count: int
    observed: int = 0
    why: str
    speaks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The numbers; counts are of lines, each of which is one recipient or several with whom the same became of a mail.

    `let_in` came in, also those that observe mode let in, of whom `honest_observed` would have been refused. `mixed` is
    whether others were kept out in fact. `days` is how much time the log tells of.
    """

    mode: Literal["observe", "enforce"] = "enforce"
    days: float = 0.0
    total: int = 0
    let_in: int = 0
    refused: int = 0
    suspects: tuple[Suspect, ...] = ()
    honest_refused: int = 0
    honest_observed: int = 0
    mixed: bool = False
    limited: tuple[Suspect, ...] = ()
    put_off: int = 0
    lost: tuple[Suspect, ...] = ()
    time_to_pass: float = 0.0
    busy: int = 0
    origins: Mapping[str, int] = field(default_factory=dict)
    odd_client: Mapping[str, str] = field(default_factory=dict)
    unanswered: Mapping[str, int] = field(default_factory=dict)
    answered: Mapping[str, int] = field(default_factory=dict)
    troubles: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    pseudonyms: bool = False


def facts(figures: Figures) -> Facts:
    """Return what figures come to."""
    unanswered: dict[str, int] = {}
    answered: dict[str, int] = {}
    for (check, result), count in figures.results().items():
        name, _, said = result.rpartition(":")
        of = f"{check} {name}" if name else check
        troubled = said in {"temperror", "permerror"} if check in {"dnsbl", "dnswl"} else said == "temperror"
        answered[of] = answered.get(of, 0) + count
        if troubled:
            unanswered[of] = unanswered.get(of, 0) + count
    honest = figures.refused.honest()
    return Facts(
        mode="observe" if figures.observes else "enforce",
        days=(figures.last_at - figures.first_at) / _DAY if figures.first_at is not None else 0.0,
        total=figures.total,
        let_in=figures.by("event")["accepted"],
        refused=figures.count(REFUSED, observed=False),
        suspects=tuple(map(suspect, honest[:_SHOWN])),
        honest_refused=sum(sender.count - sender.observed for sender in honest),
        honest_observed=sum(sender.observed for sender in honest),
        mixed=figures.mixed,
        limited=tuple(map(suspect, figures.limited.honest()[:_SHOWN])),
        put_off=figures.count(*PUT_OFF),
        lost=tuple(Suspect(who=who, count=count, why="greylist") for who, count in figures.lost.most(_SHOWN)),
        time_to_pass=figures.came_back.part(0.9) or 0.0,
        busy=figures.count("busy"),
        origins=figures.by("origin"),
        odd_client={origin: top.most(1)[0][0] for origin, top in figures.odd_clients.items()},
        unanswered=unanswered,
        answered=answered,
        troubles={name: (trouble.count, trouble.said) for name, trouble in figures.troubles.items()},
        pseudonyms=all(map(_is_pseudonym, (sender for sender, _ in figures.senders.most(_SHOWN) if sender)))
        and len(figures.senders) > 0,
    )


def suspect(sender: Sender) -> Suspect:
    """Return somebody in a few words."""
    speaks = [words for sign, words in WORDS.items() if sign in sender.signs]
    if len(sender.domains) > 1:
        speaks.append(f"it sends for {len(sender.domains)} domains")
    if sender.steady:
        days, recipients = len(sender.days), len(sender.recipients)
        when = f"on {days} days, " if days > 1 else ""
        speaks.append(f"it came {when}to {recipients} recipient{'s' * (recipients > 1)}")
    return Suspect(who=sender.who, count=sender.count, observed=sender.observed, why=sender.why, speaks=tuple(speaks))


def _is_pseudonym(sender: str) -> bool:
    local = sender.rpartition("@")[0]
    return len(local) == _PSEUDONYM and all(digit in "0123456789abcdef" for digit in local)
