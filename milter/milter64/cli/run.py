"""`milter64 run`: the service, in the foreground."""

import argparse
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from milter64.address.translator import Translator
from milter64.checks import dns_list
from milter64.checks.all_checks import REMOTE
from milter64.cli.run_caches import SharedCaches
from milter64.config.list_sources import admin_lists
from milter64.config.load_file import load
from milter64.config.problems import DEFAULT as CONFIGURATION
from milter64.config.problems import ConfigError, Problem
from milter64.config.settings import Settings
from milter64.dns.nameserver import Nameserver
from milter64.dns.public_suffixes import suffix_list
from milter64.dns.resolver import AnswerCache, Resolver
from milter64.greylist.row import Record, RecordKind
from milter64.guard.guard import Guard
from milter64.guard.shared_by_workers import SharedNotes
from milter64.judging.engine import Engine
from milter64.judging.remembered_findings import SharedFindings
from milter64.judging.settings import Settings as JudgingSettings
from milter64.limits.memory import DEFAULT, Shares, shares
from milter64.limits.rate_table import RateTable
from milter64.limits.rates import Rates
from milter64.lists.admin_lists import AdminLists
from milter64.numbers.counting_resolver import CountingResolver
from milter64.numbers.gauges import Gauges
from milter64.service import supervisor
from milter64.service.pymilter_callbacks import Callbacks, HeaderCallbacks, callbacks
from milter64.service.session_context import Context
from milter64.service.worker import cpus
from milter64.service.worker_state import Plan
from milter64.store.interface import Store
from milter64.store.open_store import open_store
from milter64.telemetry.log import Telemetry
from milter64.telemetry.metrics import Tally

if TYPE_CHECKING:
    from milter64.cli.run_sharing import Joined
    from milter64.numbers.metrics_files import Ledger

_TOGETHER = 10.0
"""Seconds within which workers see the same trouble with the greylist's file, if it is the same."""
Publishing = Callable[[int, Gauges, Callable[[str], None]], AbstractContextManager[None]]
"""`publisher.publishing`, for a folder and a tally."""

EXAMPLES = """\
  Serve in the foreground with a configuration of your own, until Ctrl-C:
    milter64 run --config new.toml
"""


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes, which is nothing."""


def main(arguments: argparse.Namespace) -> int:
    """Serve until told to stop; HUP reads the configuration again."""
    _have_standard_descriptors()
    with ExitStack() as stack:
        plan = partial(_plan, arguments.config, stack, SharedCaches())
        return supervisor.run(plan(), plan)


def _have_standard_descriptors() -> None:
    """Let nothing of ours be opened as 0, 1 or 2, where others write to, if those were closed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004  the last of the three
        pass
    os.close(descriptor)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """What there is before the workers are forked, and is theirs too.

    `publishing` makes numbers of what `telemetry` has counted.
    """

    settings: Settings
    telemetry: Telemetry
    lists: AdminLists
    notes: SharedNotes
    counters: RateTable | None
    memory: Shares
    answers: AnswerCache
    findings: SharedFindings
    translator: Translator
    judging: JudgingSettings
    publishing: Publishing | None = None


def _plan(path: Path | None, stack: ExitStack, caches: SharedCaches) -> Plan:
    settings = load(path)
    milter = settings.milter
    if settings.greylist.local_store == "memory:":
        milter = replace(milter, workers=1)  # each worker would have a greylist of its own
    suffix_list()  # read here, it is theirs too
    tally = Tally() if settings.metrics.listen else None
    telemetry = Telemetry(settings.log, tally, settings.greylist.local_store)
    if settings.greylist.shared:
        settings = _begin_sharing(settings, telemetry)
    memory = shares(settings.limits.memory, len(cpus(milter.workers)))
    try:
        answers, findings = caches.empty(memory)
    except OSError as error:
        what = f"the system has no room for {settings.limits.memory.text}: {error.strerror}"
        problem = Problem(key="limits.memory", what=what, remedy=f'write less, such as "{DEFAULT.text}"')
        raise ConfigError(path or CONFIGURATION, [problem]) from error
    shared = _Shared(
        settings=settings,
        telemetry=telemetry,
        lists=admin_lists(settings, lambda trouble: telemetry.warning("lists", trouble=trouble)),
        notes=caches.notes(),
        counters=_counters(telemetry) if settings.rate else None,
        memory=memory,
        answers=answers,
        findings=findings,
        translator=settings.translator(),
        judging=settings.judging(),
    )
    plan = Plan(settings=milter, work=partial(_work, shared), log=telemetry, mode=settings.mode)
    if not settings.metrics.listen or tally is None:
        return plan
    from milter64.numbers import metrics_files  # noqa: PLC0415  who wants no numbers doesn't pay for prometheus-client
    from milter64.service import metrics_server  # noqa: PLC0415  nor for its server

    try:
        folder, ledger = _numbers(stack)
    except OSError as error:
        telemetry.warning("metrics", trouble=f"there is no room for the numbers: {error}")
        return plan
    return replace(
        plan,
        work=partial(_work, replace(shared, publishing=partial(metrics_files.publishing, folder, tally))),
        counts=ledger,
        metrics=partial(metrics_server.run, settings.metrics.listen, folder, telemetry),
    )


def _begin_sharing(settings: Settings, telemetry: Telemetry) -> Settings:
    """Make what the workers of this host know together, and return settings that share nothing if that can't be."""
    grey = settings.greylist
    try:
        from milter64.cli.run_sharing import host_state  # noqa: PLC0415  who shares nothing doesn't pay for redis-py
    except ImportError as error:
        telemetry.warning(
            "sharing",
            trouble=f"redis-py can't be used: {error}",
            effect="this host goes on by its own store",
            remedy="run `apt install python3-redis`, then `systemctl reload milter64`",
        )
        return replace(settings, greylist=replace(grey, store=grey.local_store))
    host_state(grey.shared, grey.local_store)
    return settings


def _counters(telemetry: Telemetry) -> RateTable | None:
    try:
        return _rate_table()
    except OSError as error:
        telemetry.warning("limits", trouble=f"there is no room to count, so there are none: {error}")
        return None


@cache
def _rate_table() -> RateTable:
    """Return the table of what networks have taken, made when there is a limit first, and kept over reloads."""
    return RateTable()


@cache
def _numbers(stack: ExitStack) -> tuple[Path, "Ledger"]:
    """Return the folder of the numbers and the supervisor's own, made when they are first wanted, for good."""
    from milter64.numbers import metrics_files  # noqa: PLC0415  as above

    with ExitStack() as unless_it_fails:
        folder = unless_it_fails.enter_context(metrics_files.private_folder())
        ledger = metrics_files.Ledger(folder)
        stack.push(unless_it_fails.pop_all())
    return folder, ledger


@contextmanager
def _work(shared: _Shared, slot: int, on_wait: Callable[[], None]) -> Iterator[Mapping[str, Callable[..., int]]]:
    """Open, in a worker, what all its sessions share."""
    settings, telemetry = shared.settings, shared.telemetry
    translator, reports = shared.translator, _Reports(shared)
    make = partial(CountingResolver, tally=telemetry.tally) if telemetry.tally else Resolver
    resolver = make(
        *(settings.dns, translator),
        on_breaker=reports.breaker,
        on_plain=reports.plain,
        memory=shared.memory,
        answers=shared.answers,
    )
    kind, cache = RecordKind(settings.greylist), shared.memory.rows
    own = open_store(settings.greylist.local_store, kind, reports.greylist, cache=cache)
    joined = _joined(shared, own, slot) if settings.greylist.shared else None
    store = joined.store if joined else own
    guard = Guard(settings, translator, telemetry, shared.notes)
    checks = {**REMOTE, **dns_list.checks(settings.dnslist, resolver, settings.dns.timeout, reports.dns_list)}
    engine = Engine(
        shared.judging,
        resolver,
        store,
        telemetry,
        on_wait,
        checks=checks,
        lists=shared.lists,
        rates=Rates(settings.rate, shared.counters, joined.counters if joined else None) if shared.counters else None,
        memory=shared.memory,
        findings=shared.findings,
    )
    watching = shared.lists.watching(lambda: telemetry.exception("fault", where="lists"))
    with telemetry.behind(), closing(engine), closing(guard), watching, ExitStack() as stack:
        guard.start()
        sharing = stack.enter_context(closing(joined.begin(engine.row_time))) if joined else None
        if shared.publishing and isinstance(resolver, CountingResolver):
            gauges = Gauges(engine, resolver, store, shared.memory.workers, sharing.numbers if sharing else None)
            stack.enter_context(shared.publishing(slot, gauges, lambda why: telemetry.warning("metrics", trouble=why)))
        context = Context(
            engine=engine,
            notice=guard.notice,
            translator=translator,
            telemetry=telemetry,
            headers=settings.headers,
            authserv_id=settings.authserv_id,
        )
        session = HeaderCallbacks if settings.headers.any else Callbacks
        yield callbacks(partial(session, context))


def _joined(shared: _Shared, own: Store[Record], slot: int) -> "Joined":
    from milter64.cli.run_sharing import Joined, Reports  # noqa: PLC0415  who shares nothing doesn't pay for redis-py

    return Joined(shared.settings, own, shared.counters, slot, Reports(shared.telemetry, shared.notes))


class _Reports:
    """What DNS has come to, said in the log: whatever every worker sees, by one of them."""

    def __init__(self, shared: _Shared) -> None:
        self._telemetry = shared.telemetry
        self._notes = shared.notes

    def breaker(self, is_open: bool) -> None:  # noqa: FBT001  the resolver's signature
        if is_open:
            self._telemetry.warning("no nameserver answers", until="one does: nobody is greylisted for want of DNS")
        else:
            self._telemetry.info("nameservers answer again")

    def plain(self, server: Nameserver) -> None:
        self._telemetry.warning("nameserver without EDNS", nameserver=str(server), effect="long answers take TCP")

    def greylist(self, trouble: str) -> None:
        with self._notes.notes() as notes:
            due = notes.due(("greylist", trouble), time.monotonic(), _TOGETHER)
        if due:
            self._telemetry.warning("greylist", trouble=trouble)

    def dns_list(self, name: str, why: str) -> None:
        if not why:
            self._telemetry.info("dns list counts again", list=name)
            return
        with self._notes.notes() as notes:
            due = notes.due(("dns list", f"{name} {why}"), time.monotonic())
        if due:
            self._telemetry.warning("dns list", list=name, trouble=why, effect="it counts for nothing")
