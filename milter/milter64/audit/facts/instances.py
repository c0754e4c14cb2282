"""The Postfixes of this host: the one that its commands mean, and others that it manages (postmulti(1))."""

from dataclasses import dataclass, replace
from pathlib import Path

from milter64.audit.facts.postconf import Postfix, PostfixUnreadable, read
from milter64.audit.facts.smtpd_kinds import Kind, kinds

_MOST = 20
"""Instances that are looked at; each costs as many runs of postconf as it has services."""
_LISTENING = ("smtpd", "postscreen")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instances:
    """Those that listen, or the first alone if none does; and of the others, by their folder, why they are not here."""

    judged: tuple[Postfix, ...]
    others: dict[str, str]


def instances(directory: Path | None = None) -> Instances:
    """Return the Postfixes of this host, as `postmulti -l` does, by `multi_instance_directories` of the first.

    Raises:
        PostfixUnreadable: the first can't be read.
    """
    first = read(directory)
    others: dict[str, str] = {}
    found = [first]
    for text in first.value("multi_instance_directories").replace(",", " ").split()[:_MOST]:
        try:
            found.append(read(Path(text)))
        except PostfixUnreadable as error:
            others[text] = str(error)
    judged = []
    for each in found:
        if why := _idle(each, alone=len(found) + len(others) == 1):
            others[str(each.directory)] = why
        else:
            judged.append(each)
    if not judged:
        others.pop(str(first.directory))
        judged = [first]
    fronts = [any(kind is Kind.FRONT for _, kind in kinds(each)) for each in judged]
    judged = [replace(each, front_elsewhere=any(fronts) and not own) for each, own in zip(judged, fronts, strict=True)]
    return Instances(judged=tuple(judged), others=others)


def _idle(postfix: Postfix, *, alone: bool) -> str:
    """Say why a Postfix listens to nobody, empty if it does."""
    if not alone and postfix.value("multi_instance_enable") != "yes":
        return "it is not started: multi_instance_enable = no"
    if not any(each.type == "inet" and each.command in _LISTENING for each in postfix.services):
        off = postfix.value("master_service_disable")
        return f"it does not listen: master_service_disable = {off}" if off else "it does not listen"
    return ""
