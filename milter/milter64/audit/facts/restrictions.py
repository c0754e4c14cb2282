"""Postfix's restriction lists, as a stranger comes to them, in main.cf and master.cf, with the classes in them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from milter64.audit.facts.postconf import Postfix, Service

CLIENT = "smtpd_client_restrictions"
RELAYING = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
LISTS = (
    CLIENT,
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    *RELAYING,
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
)
_TAKES_A_WORD = re.compile(
    r"check_\w+_access|check_policy_service|(?:reject|permit)_(?:rbl|rhsbl|dnswl|rhswl)_\w+|sleep"
)
_ENDS = ("permit", "reject", "defer")
"""Behind these nobody comes to anything."""
_DEEPEST = 20
"""Classes within classes: Postfix itself would go round in circles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """An element of a list: its text with all that belongs to it, its name, its argument; `warns`: it only warns."""

    text: str
    name: str
    argument: str = ""
    warns: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A restriction that a stranger comes to: by one of the `LISTS`, and in the parameter that has it, a class or that.

    `service` is the one whose own value that is, None for main.cf's.
    """

    service: Service | None
    parameter: str
    by: str
    restriction: Restriction


def elements(value: str) -> list[Restriction]:
    """Read a list, between commas or blanks; what stands in braces is one word."""
    found, before = list[Restriction](), ""
    words = iter(re.findall(r"\{[^}]*\}|[^\s,{}]+", value))
    for word in words:
        if word.lower() == "warn_if_reject":
            before = f"{word} "
            continue
        name, equals, argument = word.partition("=")
        if not _TAKES_A_WORD.fullmatch(name.lower()):
            name, argument = word, ""
        elif not equals:
            argument = next(words, "")
        text = f"{before}{name} {argument}".strip()
        found.append(Restriction(text=text, name=name.lower(), argument=argument, warns=bool(before)))
        before = ""
    return found


def rewritten(parameter: str, value: str, changes: Mapping[str, Sequence[str]]) -> str:
    """Return what a list is to be with others in the place of some elements, or none.

    smtpd doesn't begin with a class that has none.
    """
    left = ", ".join(text for each in elements(value) for text in changes.get(each.text, (each.text,)))
    return left or ("" if parameter in LISTS else _NO_OPINION)


_NO_OPINION = "check_client_access static:DUNNO"


def reached(postfix: Postfix, service: Service, *, authenticated: bool = False) -> Iterator[Reached]:
    """Yield all restrictions that somebody may come to who isn't in mynetworks, and has `authenticated` or not."""
    classes = _classes(postfix, service)
    walk = _Walk(postfix, service, classes, (*_ENDS, "permit_sasl_authenticated") if authenticated else _ENDS)
    met = set[str]()
    for name in LISTS:
        for each in walk.through(name, by=name):
            met.add(each.parameter)
            yield each
    for name in sorted(classes - met):  # a table may lead to it
        yield from walk.through(name, by=name)


def _classes(postfix: Postfix, service: Service) -> frozenset[str]:
    return frozenset(re.findall(r"[^\s,]+", postfix.value("smtpd_restriction_classes", service)))


@dataclass(frozen=True, slots=True)
class _Walk:
    """A way through the lists of an smtpd, with its classes, which comes no further than restrictions named `ends`."""

    postfix: Postfix
    service: Service
    classes: frozenset[str]
    ends: Sequence[str] = ()

    def through(self, parameter: str, *, by: str, depth: int = 0) -> Iterator[Reached]:
        """Yield the restrictions of a list, and those of the classes in it."""
        own = self.service if self.service.own(parameter) else None
        for each in elements(self.postfix.value(parameter, self.service)):
            yield Reached(service=own, parameter=parameter, by=by, restriction=each)
            if each.name in self.ends and not each.warns:
                return
            if each.text in self.classes and depth < _DEEPEST:
                yield from self.through(each.text, by=by, depth=depth + 1)


def relays(postfix: Postfix, service: Service, permits: Callable[[Restriction], bool]) -> bool:
    """Whether somebody may send to everybody by an smtpd whom some restrictions permit, without authenticating."""
    permitted, walk = False, _Walk(postfix, service, _classes(postfix, service))
    for name in LISTS:
        for each in walk.through(name, by=name):
            what = each.restriction
            if what.warns:
                continue
            if what.name in _REFUSES_RELAYING:
                return False
            if permits(what):
                permitted |= name in RELAYING
            if permits(what) or what.name == "permit":
                break
    return permitted


def for_mynetworks(restriction: Restriction) -> bool:
    """Whether a restriction permits hosts of mynetworks."""
    return restriction.name == "permit_mynetworks"


_REFUSES_RELAYING = ("reject", "defer", "reject_unauth_destination", "defer_unauth_destination")
