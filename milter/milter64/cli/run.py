"""`milter64 run`: the service, in the foreground."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from milter64 import supervisor
from milter64.callbacks import Callbacks, Context, HeaderCallbacks
from milter64.config import Settings, load
from milter64.dns import Resolver
from milter64.engine import Engine
from milter64.greylist import RecordKind
from milter64.store import open_store
from milter64.telemetry import Telemetry


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes, which is nothing."""


def main(arguments: argparse.Namespace) -> int:
    """Serve until told to stop; HUP reads the configuration again."""
    plan = partial(_plan, arguments.config)
    return supervisor.run(plan(), plan)


def _plan(path: Path | None) -> supervisor.Plan:
    settings = load(path)
    telemetry = Telemetry(settings.log)
    milter = settings.milter
    if settings.greylist.store == "memory:":
        milter = replace(milter, workers=1)  # each worker would have a greylist of its own
    return supervisor.Plan(settings=milter, work=partial(_work, settings, telemetry), log=telemetry)


@contextmanager
def _work(settings: Settings, telemetry: Telemetry, on_wait: Callable[[], None]) -> Iterator[Callable[[], Callbacks]]:
    """Open, in a worker, what all its sessions share."""

    def breaker(is_open: bool) -> None:  # noqa: FBT001  the resolver's signature
        if is_open:
            telemetry.warning("no nameserver answers", until="one does: nobody is greylisted for want of DNS")
        else:
            telemetry.info("nameservers answer again")

    translator = settings.translator()
    resolver = Resolver(settings.dns, translator, on_breaker=breaker)
    store = open_store(
        settings.greylist.store,
        RecordKind(settings.greylist),
        lambda trouble: telemetry.warning("greylist", trouble=trouble),
    )
    with telemetry.behind(), closing(Engine(settings, resolver, store, telemetry, on_wait)) as engine:
        context = Context(
            engine=engine,
            translator=translator,
            telemetry=telemetry,
            headers=settings.headers,
            authserv_id=settings.authserv_id,
        )
        session = HeaderCallbacks if settings.headers.authentication_results else Callbacks
        yield partial(session, context)
