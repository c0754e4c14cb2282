"""What `milter64 why` tells of an event: in words, by which rule, and what sender and admin can do about it."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from milter64.cli.why_found import Said
from milter64.history.own_lines import Event
from milter64.limits.settings import RATE
from milter64.lists.entry import shown_second
from milter64.lists.mistakes import Mistakes
from milter64.lists.who import parse
from milter64.mail.clean_text import clean


class Remedy(NamedTuple):
    """What the admin can do: what it does, and the line to paste."""

    does: str
    line: str


_FINDINGS = ("spf", "spf_helo", "iprev", "helo_check", "dmarc", "dnsbl", "dnswl", "path", RATE, "allow", "block")
_BECAUSE = re.compile(r"(?:\A|; )([a-z_]+) ([a-z0-9/]+)(?=:|;|\Z)")
_RULES = {
    "spf": "spf.actions.{}",
    "spf_helo": "spf.helo_actions.{}",
    "iprev": "iprev.actions.{}",
    "helo": "helo.actions.{}",
    "dmarc": 'spf.actions.fail = "dmarc"',
    "dnsbl": "dnslist.action",
    "block": "the block list",
    RATE: "rate.{}",
    "path": "whose mailbox the sender is can't be told",
}
"""What decided, in the words of the configuration."""
_WORDS = {
    "accepted": "let in",
    "rejected": "refused for good",
    "greylisted": "put off by the greylist: to be tried again",
    "deferred": "put off: to be tried again",
    "busy": "put off, as we were too busy: to be tried again",
    "abandoned": "the client went away before it sent the message",
}
_TRANSLATORS = {
    "undecoded": Remedy(
        "find the translator's prefix: with it in the configuration, the client is known", "milter64 discover"
    ),
    "invalid": Remedy(
        "see whether the prefix is right: the address is no legal translation by it", "milter64 discover"
    ),
}
"""What helps where a client's address is a translator's, and not its own: nobody could be named by it."""
_IDENTIFIED = {"ipv4", "ipv6", "mapped", "translated"}
_NAME = re.compile(r"<([^>]*)>\Z")
_STATUS = re.compile(r"to=<(.*?)>,.* status=([a-z-]+) \((.*)\)\Z")
_OUTCOMES = {
    "sent": "Postfix delivered it to {}: {}",
    "bounced": "Postfix could not deliver it to {}, and sent it back: {}",
    "deferred": "Postfix could not deliver it to {} yet, and tries again: {}",
    "expired": "Postfix gave up delivering it to {}, and sent it back: {}",
}
DECISIONS = frozenset(_WORDS)

Told = dict[str, object]


def outcome(event: Event) -> str:
    """Return what became of a mail, or would have, if it weren't for observe mode."""
    return event.fields.get("observe") or event.name


def told(one: Event | Said, *, asked: bool) -> Told:
    """Return what is told of an event, and whether it was `asked` about; what programs get."""
    if isinstance(one, Said):
        return {
            "at": shown_second(one.at),
            "by": f"postfix/{one.program}",
            "event": None,
            "asked": asked,
            "queue": None if one.queue == "NOQUEUE" else one.queue,
            "says": _postfix_says(one),
        }
    fields = one.fields
    return {
        "at": shown_second(one.at),
        "by": "milter64",
        "event": clean(one.name),
        "asked": asked,
        **{name: _shown(fields.get(name)) for name in ("queue", "session", "client", "wire", "helo", "from", "to")},
        "findings": {name: clean(fields[name]) for name in _FINDINGS if name in fields},
        "because": _shown(fields.get("because")),
        "rules": list(_rules(one)),
        "greylist": _shown(fields.get("greylist")),
        "group": _shown(fields.get("group")),
        "wait": int(wait) if (wait := fields.get("wait", "")).isdecimal() and wait.isascii() else None,
        "reply": _shown(fields.get("reply")),
        "observe": _shown(fields.get("observe")),
        "says": _we_say(one),
    }


def _shown(text: str | None) -> str | None:
    return None if text is None else clean(text, 1000)


def _we_say(event: Event) -> str:
    if event.name not in DECISIONS:
        return clean(event.fields.get("why") or event.name, 1000)
    words = _WORDS[event.name]
    if observed := event.fields.get("observe"):
        words += f", as it only observes; it would have been {_WORDS.get(observed, clean(observed))}"
    return words


def _postfix_says(said: Said) -> str:
    if status := _STATUS.match(said.text):
        recipient, result, reason = status.groups()
        words = _OUTCOMES.get(result, f"Postfix says of {{}} {result}: {{}}")
        return words.format(clean(recipient), clean(reason, 500))
    return clean(f"Postfix: {said.text}", 600)


def blamed(event: Event) -> list[tuple[str, str]]:
    """Return checks and results that led to an outcome; of a limit which it is, such as "recipients", not the network.

    A reason may hold words of strangers, so what looks like a result counts only if the finding has it.
    """
    fields, found = event.fields, list[tuple[str, str]]()
    for check, result in _BECAUSE.findall(fields.get("because", "")):
        if check == RATE:
            limits = [each.partition(":") for each in fields.get(RATE, "").split(",")]
            found += [(RATE, kind) for kind, _, level in limits if level == result and (RATE, kind) not in found]
            continue
        for name in ("spf", "spf_helo") if check == "spf" else (check,):
            has = fields.get("helo_check" if name == "helo" else name, "")
            if (has == result or f":{result}" in has) and (name, result) not in found:
                found.append((name, result))
                break
    return found


def _rules(event: Event) -> Iterator[str]:
    if event.name not in DECISIONS:
        return
    found = blamed(event)
    yield from (_RULES.get(check, f"{check}.{{}}").format(result) for check, result in found)
    state = event.fields.get("greylist")
    if state:
        yield f"the greylist: {clean(state)}"
    if not found and not state:
        yield "nothing speaks against the client"


def for_sender(event: Event, *, came_again: bool) -> str:
    """Return what the sender should do."""
    what, fields = outcome(event), event.fields
    if what == "accepted":
        return "Nothing: the mail was let in."
    if came_again:
        return "Nothing: it has come again, and was let in."
    client, domain = _shown(fields.get("client")) or "the client", _domain(event) or "the sender's domain"
    if what == "rejected":
        not_theirs = (
            f"Send through {domain}'s own mail server, or have who runs its DNS add {client} to its SPF record."
        )
        advice = {
            "spf": not_theirs,
            "spf_helo": f"Have who runs the mail server add {client} to the SPF record of its HELO name.",
            "iprev": f"Have who runs the mail server give {client} a name in reverse DNS that leads back to it.",
            "helo": "Have who runs the mail server let it greet by its own name.",
            "dmarc": not_theirs,
            "dnsbl": f"Have the DNS list that the reply names take {client} off.",
            "block": "Ask the admin here by another way: he has said so himself.",
            "path": "Send from an address without quotes and special characters.",
        }
        said = list(dict.fromkeys(advice[check] for check, _ in blamed(event) if check in advice))
        return " ".join(said) or "Send it again only once what the reply says was mended."
    if what == "greylisted":
        wait = _shown(fields.get("wait"))
        return f"Nothing: a mail server tries again by itself{f', and may pass after {wait} s' if wait else ''}."
    return "Nothing: a mail server tries again by itself; if it does so for long, what the reply says is to be mended."


def for_admin(event: Event, *, came_again: bool) -> list[Remedy]:
    """Return what the admin can do that helps; who is named is proven, and nobody can pretend to be him."""
    what, found = outcome(event), {check for check, _ in blamed(event)}
    if "block" in found:
        return [Remedy("see which entry of the block list it is; `milter64 forget` takes it back", "milter64 list")]
    hidden = _TRANSLATORS.get(event.fields.get("origin", ""))
    if hidden or what in {"accepted", "abandoned", "busy"} or "path" in found:
        return [hidden] if hidden else []
    if found and all(result == "temperror" for _, result in blamed(event)):
        return [Remedy("see whether DNS answers here; if it does, the trouble is the sender's", "milter64 audit")]
    besides = found - {RATE}  # as every entry lifts limits
    client, domain = _client(event.fields), _domain(event) if event.fields.get("spf") == "pass" else ""
    if what == "greylisted":
        again = " from now on, as others may" if came_again else ""
        group, _, name = event.fields.get("group", "").partition(":")
        waiting = [
            (f"@{domain}" if domain else "", "senders at that domain, by SPF pass, don't wait"),
            (name if group == "rdns" else "", "hosts of that name, by reverse DNS, don't wait"),
            (name if group == "net" and client else "", "that network doesn't wait"),
            (client, "that client doesn't wait"),
        ]
        return _lines([(who, f"{does}{again}", "") for who, does in waiting])[:2]
    if found and not besides:
        whos = [(client, "if you know it: that client has no limits, and isn't greylisted", "")]
    elif besides and besides <= {"spf", "spf_helo"}:
        whos = [(client, "if you know it: whatever SPF says isn't held against that client", " --spares spf")]
    else:
        whos = [
            (client, "if you know it: nothing that is found is held against that client", " --spares all"),
            (f"@{domain}" if domain else "", "or against senders at that domain, by SPF pass", " --spares all"),
        ]
    return _lines(whos)


def _client(fields: Mapping[str, str]) -> str:
    """Return the client's address, if it says who that is."""
    return fields.get("client", "") if fields.get("origin") in _IDENTIFIED else ""


def _domain(event: Event) -> str:
    mailbox = _NAME.search(event.fields.get("from", ""))
    return clean(mailbox[1].rpartition("@")[2]) if mailbox else ""


def _lines(whos: Sequence[tuple[str, str, str]]) -> list[Remedy]:
    """Return a line for each who may be named."""
    lines = []
    for who, does, more in whos:
        try:
            parse(who, Mistakes())
        except ValueError:
            continue
        lines.append(Remedy(does, f"milter64 allow {shlex.quote(who)}{more}"))
    return lines
