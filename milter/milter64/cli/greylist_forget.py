"""`milter64 greylist forget`: have those wait anew who are meant, on all hosts that share."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence

from milter64.cli.greylist_file import Entries, Misuse, Opened, changing, opened, saying_how_far
from milter64.cli.greylist_list import show
from milter64.cli.greylist_rows import Row, Wanted, told, wanted
from milter64.cli.terminal_layout import Screen
from milter64.config.settings import Settings
from milter64.greylist import row
from milter64.greylist.row import Record
from milter64.greylist.settings import Settings as GreylistSettings
from milter64.greylist.wave_through import counts_passings, discredit
from milter64.sharing.keys import LOADED
from milter64.sharing.shared_store import known_here


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Show the rows that are meant, and have them say nothing any more."""
    meant = wanted(arguments, settings.translator())
    if not meant:
        raise Misuse("whom? Say it by --from, --to, --network, --group, --waiting or --passed")
    screen = Screen()
    with opened(settings) as greylist:
        now = greylist.now()
        found = (
            told(each, settings.greylist, greylist.kind) for each in meant.rows(greylist.reader, greylist.kind, now)
        )
        show(found, "forget", as_json=arguments.json)
        forgetting = _Forgetting(meant, greylist, settings.greylist, now)
        if arguments.dry_run:
            for _ in forgetting.entries():
                pass
        else:
            with saying_how_far(forgetting.far), changing(settings, greylist.now, _warn) as change:
                for entries in forgetting.entries():
                    change.merge(entries)
                    forgetting.merged = forgetting.rows
                for trouble in change.troubles:
                    _warn(trouble)
    counts = {"rows": forgetting.rows, "groups": len(forgetting.groups)}
    if arguments.json:
        screen.line(
            json.dumps({"milter64": "greylist forget", "schema": 1, "forgotten": not arguments.dry_run, **counts})
        )
    else:
        would = "would be forgotten" if arguments.dry_run else "forgotten"
        screen.line(f"{counts['rows']} {would}")
        if counts["groups"]:
            begin = "would begin" if arguments.dry_run else "begin"
            screen.line(f"{counts['groups']} that were earning, or had earned, not to wait {begin} anew")
    return os.EX_OK


def _warn(what: str) -> None:
    Screen(sys.stderr).line(f"milter64 greylist forget: {what}")


class _Forgetting:
    """What is to be merged to have rows forgotten, counted as it goes."""

    def __init__(self, meant: Wanted, greylist: Opened, settings: GreylistSettings, now: float) -> None:
        self._meant = meant
        self._greylist = greylist
        self._settings = settings
        self._now = now
        self.rows = 0
        """How many rows were meant."""
        self.merged = 0
        """How many of these are forgotten by now."""
        self.groups = set[str]()
        """The groups that lose what they had earned by passing often."""

    def far(self) -> str:
        """Say how far it came, where it ends before all is done."""
        if not self.merged:
            return "nothing was forgotten"
        return f"{self.merged} were forgotten by then, and it may be done again"

    def entries(self) -> Iterator[Entries]:
        """Yield it, some at a time."""
        meant, kind = self._meant, self._greylist.kind
        for chunk in meant.chunks(self._greylist.reader):
            rows = [each for each in chunk if meant.means(each, kind, self._now)]
            self.rows += len(rows)
            entries = dict[str, dict[str, Record]]()
            for key, group, record in rows:
                # What other hosts have told of a digest may be the pair's by now, and not be written yet.
                for of in {key, meant.pair or key}:
                    known, forgotten = entries.setdefault(of, {}), row.forget(record, self._now)
                    known[group] = kind.merge(known[group], forgotten) if group in known else forgotten
            if meant.by_group_alone and self._settings.wave_through:
                entries |= self._discredited(chunk)
            yield list(entries.items())

    def _discredited(self, chunk: Sequence[Row]) -> Mapping[str, dict[str, Record]]:
        """Return what has groups lose what they had earned, of those that rows are of and are meant."""
        groups = {
            key
            for key, group, _ in chunk
            if counts_passings(key, group) and not key.startswith(LOADED) and self._meant.means_group(key)
        }
        read, kind, now, settings = self._greylist.reader.read, self._greylist.kind, self._now, self._settings
        news = {
            group: dict(discredit(known_here(read, kind, group), now, settings))
            for group in sorted(groups - self.groups)
        }
        lost = {group: rows for group, rows in news.items() if rows}
        self.groups |= lost.keys()
        return lost
