"""What is wrong with values that are well written, or seldom meant."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from shlex import quote
from stat import S_IROTH
from typing import get_args

from milter64.address.networks import Networks, pack, shown
from milter64.checks.dns_list_settings import ACCEPTING, PROVEN, About
from milter64.checks.dns_list_settings import Settings as DnsList
from milter64.checks.spf_settings import LeftTo
from milter64.config.list_sources import mistakes, recipients
from milter64.config.problems import Problem
from milter64.config.settings import Settings, Translation
from milter64.config.toml_reader import show
from milter64.dns.nameserver import nameserver
from milter64.greylist.wave_through import MOST_RECIPIENTS
from milter64.limits.memory import DEFAULT, LEAST_EACH, MIB
from milter64.lists.entry import read_line
from milter64.lists.mistakes import Mistake
from milter64.mail.clean_text import clean
from milter64.sharing import server_url
from milter64.store import store_url


def open_to_others(settings: Settings) -> Iterator[Problem]:
    """Return what is valid, and yet seldom meant: a socket, or numbers, that other hosts can reach."""
    for key, end, remedy in (
        (
            "milter.socket",
            settings.milter.socket,
            'write "inet:8864@localhost", or have a firewall let in none but the mail server',
        ),
        (
            "metrics.listen",
            settings.metrics.listen,
            'write "127.0.0.1:9864", or have a firewall let in none but Prometheus',
        ),
    ):
        if end and not all(pack(host) in _LOOPBACK for host in end.hosts):
            yield Problem(key=key, what=f"open to whoever reaches {end.address[0]}", remedy=remedy)


def secrets_for_all(settings: Settings, file: Path) -> Iterator[Problem]:
    """Return that each user can read the secrets in the configuration's file, if so."""
    keys = any(each.zone and each.zone.keys for each in settings.dnslist)
    url = server_url.parse(settings.greylist.shared) if settings.greylist.shared else None
    for key, holds, what in (
        ("dnslist", keys, "the keys in the zones"),
        ("greylist.store", url and url.secret, "the password"),
    ):
        if holds and file.stat().st_mode & S_IROTH:
            yield for_all(key, what, file)


def for_all(key: str, what: str, file: Path) -> Problem:
    """Return that each user can read something in a file."""
    path = clean(quote(str(file)), _LONGEST_PATH)
    return Problem(
        key=key,
        what=f"each user of this host can read {what}",
        remedy=f"chgrp milter64 {path} && chmod 640 {path}",
    )


_LOOPBACK = Networks(("127.0.0.0/8", "::1/128"))
_LONGEST_PATH = 4096


def contradictions(settings: Settings) -> Iterator[Problem]:
    """Return what is wrong with values that are well written."""
    grey = settings.greylist
    for key, holds, what, remedy in (
        ("dns.timeout", settings.dns.timeout > 0, "no time at all", 'write a time such as "2s"'),
        ("dns.deadline", settings.dns.deadline > 0, "no time at all", 'write a time such as "8s"'),
        (
            "greylist.retry_window",
            grey.retry_window > grey.delay,
            "ends before greylist.delay does, so that no retry could pass",
            "make it longer than the delay",
        ),
        (
            "greylist.wave_through",
            0 <= grey.wave_through <= MOST_RECIPIENTS,
            "more than are kept, or fewer than none",
            f"write 0 to {MOST_RECIPIENTS}",
        ),
        ("greylist.ipv4_prefix", 0 <= grey.ipv4_prefix <= 32, "no prefix length of IPv4", "write 0 to 32"),  # noqa: PLR2004  as it says
        ("greylist.ipv6_prefix", 0 <= grey.ipv6_prefix <= 128, "no prefix length of IPv6", "write 0 to 128"),  # noqa: PLR2004  as it says
    ):
        if not holds:
            yield Problem(key=key, what=what, remedy=remedy)
    workers = settings.milter.workers or 1  # where it is for the host to say how many, each has the least in any case
    if settings.limits.memory.octets < min(workers * LEAST_EACH, DEFAULT.octets):  # the default is wrong for nobody
        what = f"less than {LEAST_EACH // MIB}M for each of {workers} workers"
        remedy = f'write at least "{workers * LEAST_EACH // MIB}M", or have fewer milter.workers'
        yield Problem(key="limits.memory", what=what, remedy=remedy)
    for result, action in settings.spf.actions.items():
        if action is LeftTo.DMARC and result != "fail":
            remedy = "write another action; DMARC can be left no more than a fail"
            yield Problem(key=f"spf.actions.{result}", what='"dmarc" is possible for fail alone', remedy=remedy)
    for server in settings.dns.nameservers:
        try:
            nameserver(server)
        except ValueError as error:
            yield Problem(key="dns.nameservers", what=str(error), remedy="write its address; names are not looked up")
    yield from _trust_problems(settings)
    yield from _store_problems(settings)
    yield from _named_twice(settings.translation)
    yield from _list_problems(settings.dnslist)
    yield from _entry_problems(settings)


def _trust_problems(settings: Settings) -> Iterator[Problem]:
    """Return networks that would have all the world trusted that comes through a translator."""
    trust = settings.trust
    for key, networks in (("trust.networks", trust.networks), ("trust.relays", trust.relays)):
        for text in () if trust.translators else networks:
            for prefix in settings.translation.prefixes:
                if prefix.covered_by(text):
                    yield Problem(
                        key=key,
                        what=f"{show(text)} holds the translation prefix {prefix.text}: all of IPv4 would be trusted",
                        remedy="take it out, or write trust.translators = true if that is meant",
                    )


def _named_twice(translation: Translation) -> Iterator[Problem]:
    """Return prefixes and blocks that stand there more than once."""
    blocks = [shown(block) for mapping in translation.explicit for block in mapping.blocks]
    prefixes = [prefix.text for prefix in translation.prefixes]
    for key, texts in (("translation.prefixes", prefixes), ("translation.explicit", blocks)):
        for text, times in Counter(texts).items():
            if times > 1:
                yield Problem(key=key, what=f"{text} stands there {times} times", remedy="leave one of them")


def _list_problems(lists: Sequence[DnsList]) -> Iterator[Problem]:
    """Return what is wrong with DNS lists; of what only its admin may read nothing is shown."""
    names = Counter(each.shown for each in lists)
    secrets = {key for each in lists if each.zone for key in each.zone.keys}
    for number, each in enumerate(lists, 1):
        path = f"dnslist[{number}]"
        claimed = sorted(set(each.about) - PROVEN) if each.check == ACCEPTING else []
        told = [any(secret in text.lower() for secret in secrets) for text in (each.name, each.text)]
        for key, holds, what, remedy in (
            ("zone", each.zone, "missing", 'write the zone that is asked, such as "zen.spamhaus.org"'),
            ("name", not each.name or _NAME.fullmatch(each.name), "not possible", "write letters, digits, . _ and -"),
            (
                "name",
                told[0] or names[each.shown] == 1 or not each.shown,
                f"another list is called {each.shown}",
                "give each a name of its own",
            ),
            ("name", not told[0], "all would read a zone's key in it", "leave the key out"),
            ("text", not told[1], "strangers would read a zone's key in it", "leave the key out"),
            ("answers", each.answers, "none would ever count", 'write some, such as ["127.0.0.2-11"]'),
            ("about", each.about, "nothing would be asked", f'write "{_ABOUT}"'),
            (
                "about",
                not claimed,
                f"anybody can claim what {' and '.join(claimed)} would be accepted by",
                'write "client" or "name", or another action',
            ),
        ):
            if not holds:
                yield Problem(key=f"{path}.{key}", what=what, remedy=remedy)


_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ABOUT = '" or "'.join(get_args(About))


def _store_problems(settings: Settings) -> Iterator[Problem]:
    """Return what is wrong with the host's own store, and with the servers beside it."""
    grey = settings.greylist
    if grey.shared:
        try:
            server_url.parse(grey.shared)
        except server_url.WrongUrl as wrong:
            yield Problem(key="greylist.store", what=str(wrong), remedy=wrong.remedy)
    elif grey.local not in (grey.store, type(grey)().local):
        what, remedy = "greylist.store is this host's own already, and another one", "leave one of them"
        yield Problem(key="greylist.local", what=what, remedy=remedy)
    if settings.rate.exact and not grey.shared:
        what, remedy = "there is nobody to count with", "name servers in greylist.store, or take it out"
        yield Problem(key="rate.exact", what=what, remedy=remedy)
    if grey.local_store == "memory:" and (settings.milter.workers or 1) > 1:
        what = "each of several workers would have a greylist of its own"
        remedy = 'write milter.workers = 1, or "sqlite:/path"'
        yield Problem(key=grey.local_key, what=what, remedy=remedy)
    what = ""
    try:
        path = store_url.parse(grey.local_store)
        if path and (path.name in ("", "..") or grey.local_store.endswith("/")):
            what = f"{show(grey.local_store)} names no file"
    except ValueError as error:
        what = str(error)
    if what:
        yield Problem(key=grey.local_key, what=what, remedy='write "sqlite:/path" or "memory:"')


_MOST_FILES = 32
"""Of a list: a thread watches each."""


def _entry_problems(settings: Settings) -> Iterator[Problem]:
    """Return entries that can't count under these settings, and others' that can't at all."""
    for key, entries, blocks in (
        ("allow.entries", settings.allow.entries, False),
        ("block.entries", settings.block.entries, True),
    ):
        for entry in entries:
            yield from _mistakes(key, partial(read_line, entry.line.encode(), mistakes(settings), blocks=blocks))
    for key, some in recipients(settings).items():
        for number, each in enumerate(some, 1):
            yield from _mistakes(f"{key}[{number}]" if key == "recipient" else key, each.entry)
    for key, files in (("allow.files", settings.allow.files), ("block.files", settings.block.files)):
        if len(files) > _MOST_FILES:
            yield Problem(key=key, what=f"more than {_MOST_FILES} files", remedy="put their lines together")


def _mistakes(key: str, make: Callable[[], object]) -> Iterator[Problem]:
    try:
        make()
    except Mistake as mistake:
        yield Problem(key=key, what=str(mistake), remedy=mistake.remedy)
