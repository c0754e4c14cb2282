"""`milter64 replay`: what this configuration would have done with the traffic in a Postfix log."""

import argparse
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path

from milter64.cli.background import read_at_length
from milter64.cli.document_layout import show
from milter64.cli.html_file import html_argument, write
from milter64.cli.replay_progress import Progress
from milter64.cli.terminal_layout import Screen
from milter64.config.list_sources import admin_lists
from milter64.config.load_file import load
from milter64.config.settings import Settings
from milter64.discover.learned_by_service import teach
from milter64.history.line_times import LineTimes
from milter64.history.postfix_lines import PostfixLines
from milter64.history.sources import files
from milter64.mail.clean_text import clean
from milter64.pages.document import Document
from milter64.replay.alike import Alike
from milter64.replay.answers import Answers, AnswersUnreadable, KeptResolver, answers
from milter64.replay.judge import Judge
from milter64.replay.notes import about, notes
from milter64.replay.outcomes import Outcomes
from milter64.replay.pace import Pace
from milter64.replay.traffic import Attempt, Traffic
from milter64.report.as_json import told
from milter64.report.facts import facts
from milter64.report.figures import Figures
from milter64.report.judgement import judgement
from milter64.report.sections import sections

_PER_SECOND = 20.0
_AT_ONCE = 256
"""Attempts that are read before they are judged: either goes faster by itself."""

EXAMPLES = """\
  What would have become of the mail in a log?
    milter64 replay /var/log/mail.log
  The same with what DNS says now, kept to be run again without asking:
    milter64 replay /var/log/mail.log --ask --answers answers.jsonl
    milter64 replay /var/log/mail.log --answers answers.jsonl
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("log", nargs="+", metavar="MAILLOG", help="Postfix logs, the oldest first, packed or not, or -")
    parser.add_argument("--ask", action="store_true", help="ask DNS; default: nothing is asked")
    parser.add_argument(
        "--answers", type=Path, metavar="FILE", help="take DNS's answers from this file; with --ask, add new ones to it"
    )
    parser.add_argument(
        "--per-second",
        type=_rate,
        default=_PER_SECOND,
        metavar="N",
        help=f"ask no more than so many questions a second, on an average; default: {_PER_SECOND:.0f}",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, for programs")
    html_argument(form)


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate < float("inf"):
        raise ValueError
    return rate


def main(arguments: argparse.Namespace) -> int:
    """Replay a log, and report; Ctrl-C ends it early, with what there is so far."""
    read_at_length()
    settings, complaints = load(arguments.config), Screen(sys.stderr)

    def warn(text: str) -> None:
        complaints.line(f"milter64 replay: {clean(text, 1000)}")

    with ExitStack() as stack:
        kept: Answers | None = None
        if arguments.answers:
            try:
                kept = stack.enter_context(answers(arguments.answers, write=arguments.ask))
            except (OSError, AnswersUnreadable) as error:
                why = error.strerror if isinstance(error, OSError) else error
                warn(f"{arguments.answers}: {why}")
                return os.EX_UNAVAILABLE
        replayed = _Replay(settings, arguments, kept, warn)
        replayed.run()
    if not (replayed.lines.read or replayed.lines.unreadable or replayed.stopped):
        warn(f"there is no line of Postfix's in {' '.join(arguments.log)}")
        return os.EX_UNAVAILABLE
    return _report(replayed, arguments)


class _Replay:
    """A log as it is replayed, and what has come of it so far."""

    def __init__(
        self, settings: Settings, arguments: argparse.Namespace, kept: Answers | None, warn: Callable[[str], None]
    ) -> None:
        self.figures = Figures(settings.greylist.retry_window, observes=True)
        self.traffic = Traffic(trusts_logins=settings.trust.authenticated)
        self.lines = PostfixLines(LineTimes(_written(arguments.log)))
        self.judged = 0
        self.forgotten = 0
        """Rows of the greylist for which there was no room."""
        self.stopped = False
        self.asks = arguments.ask or kept is not None
        self._settings, self._warn = settings, warn
        self._log: Sequence[str] = arguments.log
        self._pace = Pace(arguments.per_second)
        self._translator = settings.translator()
        if arguments.ask:
            teach(self._translator, settings, warn)
        self.resolver = KeptResolver(settings.dns, self._translator, kept, asks=arguments.ask)

    def run(self) -> None:
        """Judge all attempts, or those until somebody says that it is enough."""
        lists = admin_lists(self._settings, lambda trouble: self._warn(f"lists: {trouble}"))
        outcomes = Outcomes(self.figures.outcome)
        with closing(Judge(self._settings, self.resolver, lists, outcomes, asks=self.asks)) as judge:
            by_dns = self.asks or self._settings.rate
            judged = judge.judge if by_dns else Alike(judge, lists, outcomes).judge
            attempts, some = self._attempts(), deque[Attempt]()
            try:
                for attempt in attempts:
                    some.append(attempt)
                    some.extend(islice(attempts, _AT_ONCE))
                    self._judge(some, judged)
            except KeyboardInterrupt:
                self.stopped = True
                if not self.asks:  # it takes a moment
                    self._judge(some, judged)
            self.forgotten = judge.rows.sizes()["dropped"]
        self.figures.finish()

    def _judge(self, some: deque[Attempt], judged: Callable[[Attempt], None]) -> None:
        while some:
            judged(some.popleft())
            self.judged += 1
            if self.asks:
                self._pace.rest(self.resolver.asked)

    def _attempts(self) -> Iterator[Attempt]:
        progress = Progress(self._log, sys.stderr)
        with closing(progress):
            blocks = files(self._log, self._warn, progress.moved)
            yield from self.traffic.attempts(self.lines.of(blocks))


def _written(paths: Sequence[str]) -> float:
    """Return when the first file was written to last; now, of what is no file."""
    try:
        return Path(paths[0]).stat().st_mtime
    except OSError:
        return time.time()


def _report(replayed: _Replay, arguments: argparse.Namespace) -> int:
    """Show what has come of it, and return an exit code."""
    screen, figures, resolver = Screen(), replayed.figures, replayed.resolver
    traffic, unreadable = replayed.traffic, replayed.lines.unreadable
    judged = judgement(facts(figures))
    said = notes("asked" if arguments.ask else "kept" if arguments.answers else "none", stopped=replayed.stopped)
    unanswered = resolver.missing if replayed.asks else 0
    last = about(traffic, unreadable=unreadable, unanswered=unanswered, forgotten=replayed.forgotten, said=said)
    shown = Document(
        title="Replay",
        of=" ".join(arguments.log),
        made_at=time.time(),
        sections=(*sections(figures, judged), last),
    )
    if arguments.html:
        return write(shown, arguments.html, "replay")
    if not arguments.json:
        show(shown, screen)
        return os.EX_OK
    source = {
        "log": arguments.log,
        "lines": replayed.lines.read,
        "unreadable": unreadable,
        "attempts": replayed.judged,
        "refused_by_others": dict(traffic.refused),
        "authenticated": traffic.authenticated,
        "without_sender": traffic.silent,
        "unfinished": traffic.unfinished,
        "stopped": replayed.stopped,
        "asked": resolver.asked,
        "unanswered": resolver.missing,
        "forgotten": replayed.forgotten,
        "notes": said,
    }
    screen.line(json.dumps(told("replay", figures, judged, source=source)))
    return os.EX_OK
