"""`milter64 run`: the service, in the foreground."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from milter64 import supervisor
from milter64.board import Board
from milter64.callbacks import Callbacks, HeaderCallbacks, callbacks
from milter64.config import Settings, load
from milter64.context import Context
from milter64.counting import CountingResolver
from milter64.dns import Resolver
from milter64.engine import Engine
from milter64.exchange import Nameserver
from milter64.gauges import Gauges
from milter64.greylist import RecordKind
from milter64.guard import Guard
from milter64.metrics import Tally
from milter64.store import open_store
from milter64.suffixes import suffix_list
from milter64.telemetry import Telemetry

Publishing = Callable[[Gauges, Callable[[str], None]], AbstractContextManager[None]]
"""`publisher.publishing`, for a folder and a tally."""


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes, which is nothing."""


def main(arguments: argparse.Namespace) -> int:
    """Serve until told to stop; HUP reads the configuration again."""
    with ExitStack() as stack:
        plan = partial(_plan, arguments.config, stack)
        return supervisor.run(plan(), plan)


def _plan(path: Path | None, stack: ExitStack) -> supervisor.Plan:
    settings = load(path)
    milter = settings.milter
    if settings.greylist.store == "memory:":
        milter = replace(milter, workers=1)  # each worker would have a greylist of its own
    suffix_list()  # read before the workers are forked, it is theirs too
    board = Board()
    if not settings.metrics.listen:
        telemetry = Telemetry(settings.log, store=settings.greylist.store)
        return supervisor.Plan(settings=milter, work=partial(_work, settings, telemetry, None, board), log=telemetry)
    from milter64 import exporter, publisher  # noqa: PLC0415  who wants no numbers doesn't pay for prometheus-client

    tally = Tally()
    telemetry = Telemetry(settings.log, tally, settings.greylist.store)
    try:
        folder = _folder(stack)
        clerk = publisher.Clerk(telemetry, folder)
    except OSError as error:
        telemetry.warning("metrics", trouble=f"there is no room for the numbers: {error}")
        return supervisor.Plan(settings=milter, work=partial(_work, settings, telemetry, None, board), log=telemetry)
    return supervisor.Plan(
        settings=milter,
        work=partial(_work, settings, telemetry, partial(publisher.publishing, folder, tally), board),
        log=clerk,
        metrics=partial(exporter.run, settings.metrics.listen, folder, telemetry),
    )


@cache
def _folder(stack: ExitStack) -> Path:
    """Return a private folder that is made when it is first wanted, and lasts as long as the service."""
    folder = TemporaryDirectory(prefix="milter64-", ignore_cleanup_errors=True)
    return Path(stack.enter_context(folder))


@contextmanager
def _work(
    settings: Settings, telemetry: Telemetry, publishing: Publishing | None, board: Board, on_wait: Callable[[], None]
) -> Iterator[Mapping[str, Callable[..., int]]]:
    """Open, in a worker, what all its sessions share; `publishing` publishes what `telemetry` counts."""

    def breaker(is_open: bool) -> None:  # noqa: FBT001  the resolver's signature
        if is_open:
            telemetry.warning("no nameserver answers", until="one does: nobody is greylisted for want of DNS")
        else:
            telemetry.info("nameservers answer again")

    def plain(server: Nameserver) -> None:
        telemetry.warning("nameserver without EDNS", nameserver=str(server), effect="long answers take TCP")

    translator = settings.translator()
    resolver = (
        CountingResolver(settings.dns, translator, telemetry.tally, on_breaker=breaker, on_plain=plain)
        if telemetry.tally
        else Resolver(settings.dns, translator, on_breaker=breaker, on_plain=plain)
    )
    store = open_store(
        settings.greylist.store,
        RecordKind(settings.greylist),
        lambda trouble: telemetry.warning("greylist", trouble=trouble),
    )
    guard = Guard(settings, translator, resolver, telemetry, board)
    engine = Engine(settings, resolver, store, telemetry, on_wait)
    with telemetry.behind(), closing(engine), closing(guard), ExitStack() as stack:
        guard.start()
        if publishing and isinstance(resolver, CountingResolver):
            gauges = Gauges(engine, resolver, store)
            stack.enter_context(publishing(gauges, lambda trouble: telemetry.warning("metrics", trouble=trouble)))
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
