"""What Postfix must be told for milter64, and what in main.cf and master.cf would keep the two apart.

milter64 belongs to the front alone, and goes first there: it deletes the Authentication-Results in our name that it
finds, and another milter's before it would be among them.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from milter64.audit.facts.lookups import Untold
from milter64.audit.facts.postconf import Postfix, Service
from milter64.audit.facts.smtpd_kinds import Kind
from milter64.audit.facts.smtpd_services import (
    MILTER_MAPS,
    MILTERS,
    OWN_HOST,
    POSTPONING,
    PROTOCOL,
    Case,
    Milter,
    elements,
    without_milters,
)
from milter64.config.listen_address import LOCALHOST
from milter64.config.settings import Settings
from milter64.mail.clean_text import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One parameter to set, in main.cf or, where `service` is given ("submission/inet"), in master.cf."""

    service: str = ""
    name: str
    value: str

    @property
    def dense(self) -> str:
        """The value for master.cf and `postconf -P`, which take no blanks; commas do as well, within braces too."""
        return re.sub(r"\s+", ",", re.sub(r"\s*([,{}=])\s*", r"\1", self.value))

    def command(self, directory: Path | None = None) -> str:
        """Return the line for a shell that sets it, in Postfix's own folder or in another."""
        if self.service:
            words = ["-P", f"{self.service}/{self.name}={self.dense}"]
        else:
            words = ["-e", f"{self.name} = {self.value}"]
        return shlex.join(["postconf", *(["-c", str(directory)] if directory else []), *words])

    @property
    def at_once(self) -> str:
        """The line for a shell that sets it, and has Postfix read that."""
        return f"{self.command()} && postfix reload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that doesn't go with milter64: where ("smtp/inet"), what, its remedy, and whether it breaks mail."""

    where: str
    what: str
    remedy: str
    breaks: bool = True


def plan(postfix: Postfix, settings: Settings) -> tuple[Setting, ...]:
    """Return what is to be set, in order; nothing where all is as it should be."""
    return tuple(_plan(Case(postfix, settings)))


def check(postfix: Postfix, settings: Settings) -> tuple[Trouble, ...]:
    """Return what is wrong as Postfix is set now, what keeps milter64 from its work first."""
    return tuple(sorted(_check(Case(postfix, settings)), key=lambda trouble: not trouble.breaks))


def _plan(case: Case) -> Iterator[Setting]:
    counting = [each for each in case.fronts if case.counts(each)]
    main = (None,) if counting or not (case.fronts or case.postfix.front_elsewhere) else ()
    for service in (*main, *(each for each in counting if MILTERS in each.overrides)):
        chroot = service.chroot if service else any(front.chroot for front in case.fronts)
        listed = case.listed(service)
        mine = [each for each in listed if case.mine(each)]
        others = [each for each in listed if each not in mine]
        first = listed[0] if listed and case.ours(listed[0], chroot=chroot) else None
        once = len(mine) == 1
        if not (first and once and case.reaches(service, first)) or any(case.lacking(service, first.own)):
            value = ", ".join([case.element(service, mine[0].own if mine else {}), *(each.text for each in others)])
            yield Setting(service=service.key if service else "", name=MILTERS, value=value)
    for service, kind in case.smtpds:
        if kind in _SPARED and not without_milters(case.postfix, service):
            kept = [each.text for each in case.listed(service) if not case.mine(each)]
            # Without a list of its own it has main.cf's, in which we are, or will be.
            inherits = MILTERS not in service.overrides and not case.postfix.front_elsewhere
            if inherits or len(kept) != len(case.listed(service)):
                yield Setting(service=service.key, name=MILTERS, value=", ".join(kept))


def _check(case: Case) -> Iterator[Trouble]:
    ours = case.settings.milter.socket
    if case.hidden:
        better = f"unix:{case.queue / case.named(None).removeprefix('unix:')}"
        yield Trouble(
            where="milter.socket",
            what=f"smtpd is chrooted into {case.queue} and can't see {ours}",
            remedy=f'write socket = "{better}" in milter64\'s configuration, and make that folder',
        )
    if case.offered and not all(map(case.reached, case.fronts)):
        yield Trouble(
            where="milter.socket",
            what=f"Postfix, by its inet_protocols, can't reach {ours}",
            remedy=f'write socket = "inet:{ours.address[1]}@{LOCALHOST}" in milter64\'s configuration, and restart it',
        )
    closed = not case.fronts and not case.postfix.front_elsewhere
    if closed and any(each.name in ("smtp", "25") for each, _ in case.smtpds):
        yield Trouble(where="inet_interfaces", what="only this host gets in", remedy="write all", breaks=False)
    elif closed:
        yield Trouble(where="master.cf", what="there is no smtpd on port 25", remedy="begin one with smtp or 25")
    for service in case.fronts:
        yield from _front(case, service)
    for service, _ in case.smtpds:
        if not without_milters(case.postfix, service):
            yield from _unreached(case, service.key, service, case.listed(service))
    yield from _unreached(case, "non_smtpd_milters", None, elements(case.postfix.value("non_smtpd_milters")))
    yield from _spared(case)
    if any(map(case.mine, elements(case.postfix.value("non_smtpd_milters")))):
        yield Trouble(
            where="non_smtpd_milters",
            what="mail from this host has no client that could be judged",
            remedy="take milter64 out",
        )


_SPARED = {
    Kind.SUBMISSION: "users' mail would be judged",
    Kind.BACK: "mail that comes back would be judged again",
}
"""Who is not to be judged, and what would be."""


def _spared(case: Case) -> Iterator[Trouble]:
    """Yield each smtpd that asks us, and whose clients are not to be judged."""
    wanted = {setting.service: setting for setting in _plan(case)}
    for service, kind in case.smtpds:
        if kind not in _SPARED or without_milters(case.postfix, service):
            continue
        if any(map(case.mine, case.listed(service))):
            remedy = f"in master.cf, set -o {MILTERS}={wanted[service.key].dense} for it"
            yield Trouble(where=service.key, what=_SPARED[kind], remedy=remedy)
        yield from _mapped_to_us(case, service, kind)


def _mapped_to_us(case: Case, service: Service, kind: Kind) -> Iterator[Trouble]:
    """Yield that smtpd_milter_maps has an smtpd ask us whose clients are not to be judged."""
    with suppress(Untold):  # what can't be asked is told of at the front
        for client, (text, listed) in case.mapped(service).items():
            counts = kind is Kind.SUBMISSION or case.clients(service)[client] == OWN_HOST
            if counts and any(map(case.mine, listed)):
                yield Trouble(
                    where=f"{service.key} {MILTER_MAPS}",
                    what=clean(f"it says {text} for {client}: {_SPARED[kind]}"),
                    remedy=f"in master.cf, set -o {MILTER_MAPS}= for it",
                )
                return


def _unreached(case: Case, where: str, service: Service | None, listed: Iterable[Milter]) -> Iterator[Trouble]:
    """Yield each milter, be it ours or another, at an address of a family that Postfix has no use for."""
    protocols = case.postfix.value("inet_protocols", service)
    for each in listed:
        if not case.reaches(service, each):
            what = f"with inet_protocols = {protocols} it can't reach {each.socket}, and puts mail off"
            ours = case.ours(each, chroot=False)
            better = f"have it listen on {case.loopback(service)} or on a unix socket, and name that"
            yield Trouble(where=where, what=clean(what), remedy=f"name it as {case.named(service)}" if ours else better)


def _front(case: Case, service: Service) -> Iterator[Trouble]:
    """Yield what is wrong with one smtpd that strangers talk to."""
    where, listed = service.key, case.listed(service)
    places = [place for place, each in enumerate(listed) if case.ours(each, chroot=service.chroot)]
    if without_milters(case.postfix, service):
        yield Trouble(
            where=where, what="receive_override_options has no_milters: no milter is asked", remedy="take that out"
        )
    if case.postfix.value("smtpd_proxy_filter", service):
        yield Trouble(
            where=where,
            what="smtpd_proxy_filter keeps the message from milters: forged fields stay, ours are not added",
            remedy="let the filter take mail after the queue (content_filter)",
        )
    try:
        mapped = case.mapped(service)
    except Untold as error:
        mapped = {}
        what = f"it can't be asked, and goes before smtpd_milters: {error}"
        remedy = "mend that, or run this as a user who may read it"
        yield Trouble(where=f"{where} {MILTER_MAPS}", what=what, remedy=remedy, breaks=False)
    yield from _by_maps(case, service, {each: said for each, said in mapped.items() if each in case.strangers(service)})
    if not case.counts(service):
        return
    if not places:
        unseen = [each for each in listed if service.chroot and case.ours(each, chroot=False)]
        stale = [each for each in listed if case.stale(each)]
        if unseen:
            what = f"in its chroot there is no {unseen[0].socket}"
        elif MILTERS in service.overrides:
            what = "it has smtpd_milters of its own, without milter64; main.cf's has no effect here"
        elif stale:
            what = f"milter64 is not asked: it listens on {case.door}, and not on {stale[0].socket}"
        else:
            what = "milter64 is not asked"
        yield Trouble(where=where, what=clean(what), remedy=f"name it as {case.named(service)}, first in smtpd_milters")
        return
    yield from _well(case, service, where, listed)


def _well(case: Case, service: Service, where: str, listed: Sequence[Milter]) -> Iterator[Trouble]:
    """Yield what is wrong with a list in which we are."""
    places = [place for place, each in enumerate(listed) if case.ours(each, chroot=service.chroot)]
    if places[0]:
        before = ", ".join(each.socket for each in listed[: places[0]])
        yield Trouble(
            where=where,
            what=clean(f"{before} comes before milter64, which takes its Authentication-Results for forged"),
            remedy="put milter64 first; what reads its results, as OpenDMARC does, must come behind it",
        )
    twice = [each for each in listed if case.mine(each)][1:]
    if twice:
        again = f", by {twice[0].socket} too" if twice[0].text != listed[places[0]].text else ""
        yield Trouble(where=where, what=clean(f"milter64 is asked more than once{again}"), remedy="name it once")
    yield from _values(case, service, listed[places[0]].own)
    if case.settings.spf.left_to_dmarc:
        yield from _nobody_for_dmarc(case, service, listed[places[0] + 1 :])


def _by_maps(case: Case, service: Service, mapped: Mapping[str, tuple[str, list[Milter]]]) -> Iterator[Trouble]:
    """Yield what smtpd_milter_maps makes of us, for strangers of the kinds that it has something to say about."""
    where, kinds = f"{service.key} {MILTER_MAPS}", case.clients(service)
    for text, listed in dict(mapped.values()).items():
        who = " and ".join(f"{each} ({kinds[each]})" for each, (said, _) in mapped.items() if said == text)
        others = [each.socket for each in case.listed(service) if not case.mine(each)]
        if not any(case.ours(each, chroot=service.chroot) for each in listed):
            yield Trouble(
                where=where,
                what=clean(f"it says {text} for {who}: milter64 is not asked"),
                remedy=f"let it say {case.named(service)} first, or take these clients out of it",
            )
            continue
        if missing := [each for each in others if each not in {milter.socket for milter in listed}]:
            yield Trouble(
                where=where,
                what=clean(f"it says {text} for {who}: {', '.join(missing)} is not asked, which smtpd_milters has"),
                remedy="name it there behind milter64, if that is not meant",
                breaks=False,
            )
        yield from _well(case, service, where, listed)


_CHECKS_DMARC = re.compile(r"dmarc|rspamd|mailauth|authentication[_-]?milter|:(?:8893|11332)\b", re.IGNORECASE)
"""What the sockets of those that do are called; OpenDMARC's port and rspamd's, by their documentation."""


def _nobody_for_dmarc(case: Case, service: Service, behind: Iterable[Milter]) -> Iterator[Trouble]:
    """Yield that there seems to be nobody to whom a fail of SPF could be left."""
    sockets = [*(each.socket for each in behind), case.postfix.value("content_filter", service)]
    if not any(map(_CHECKS_DMARC.search, sockets)):
        yield Trouble(
            where=service.key,
            what="I see nobody behind milter64 that checks DMARC: nobody refuses whom spf.actions.fail lets in",
            remedy="put OpenDMARC behind milter64 in smtpd_milters, or write another action; I go by sockets' names",
            breaks=False,
        )


def _values(case: Case, service: Service, own: Mapping[str, str]) -> Iterator[Trouble]:
    """Yield what is wrong with the settings that count for us."""
    deadline = f"dns.deadline of {case.settings.dns.deadline:g} s"
    for name, wanted, value in case.lacking(service, own):
        match name, value:
            case "default_action", "accept":
                what = "accept lets mail in unjudged, forged results and all, while milter64 is away"
            case "default_action", ("tempfail" | "shutdown"):
                what = f"{value} makes mail wait while milter64 is away, though it only observes"
            case "default_action", _:
                what = f"{value}: mail is lost or held while milter64 is away"
            case "protocol", _:
                what = f"{value}: below {PROTOCOL} milter64 is sent what it has no use for, and must reply to all of it"
            case _:
                what = f"{value} is over before a verdict that takes the {deadline}"
        harmless = name == "protocol" or (name == "default_action" and value in ("accept", *POSTPONING))
        yield Trouble(
            where=f"{service.key} milter_{name}", what=clean(what), remedy=f"set {wanted}", breaks=not harmless
        )
