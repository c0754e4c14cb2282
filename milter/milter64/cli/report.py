"""`milter64 report`: what the log adds up to, what observe mode would have done, and what to do about it."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path

from milter64.cli.background import read_at_length
from milter64.cli.document_layout import show
from milter64.cli.html_file import html_argument, write
from milter64.cli.log_source import blocks, log_arguments, shown
from milter64.cli.terminal_layout import Screen
from milter64.config.load_file import load
from milter64.config.settings import Settings
from milter64.mail.clean_text import clean
from milter64.pages.document import Document, Finding, Findings, Level, Section
from milter64.report.as_json import told
from milter64.report.facts import facts
from milter64.report.figures import Figures
from milter64.report.judgement import judgement
from milter64.report.reading import read
from milter64.report.sections import sections

_LONGEST = 2000
_WEEK = 7 * 86400.0

EXAMPLES = """\
  Can this host enforce, after a week of observing?
    milter64 report --since 7d
  The same of log files, and of those that were rotated:
    milter64 report --log /var/log/milter64.log
  As a page for a browser:
    milter64 report --html report.html
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    log_arguments(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, for programs")
    html_argument(form)


def main(arguments: argparse.Namespace) -> int:
    """Read the log, add it up, and say what to do; fail if no line of ours can be read."""
    read_at_length()
    settings, complaints = load(arguments.config), Screen(sys.stderr)
    unread = list[str]()

    def warn(text: str) -> None:
        unread.append(text)
        complaints.line(f"milter64 report: {clean(text, _LONGEST)}")

    figures = _figures(arguments, settings, warn)
    if unread and not figures.total:
        return os.EX_UNAVAILABLE
    code = os.EX_UNAVAILABLE if figures.first_at is None else os.EX_OK
    if arguments.json:
        judged = judgement(facts(figures))
        Screen().line(json.dumps(told("report", figures, judged, source={"log": shown(arguments)})))
        return code
    document = _document(arguments, figures)
    if arguments.html:
        return write(document, arguments.html, "report") or code
    show(document, Screen())
    return code


def found(config: Path | None, log: Sequence[str] | None = None) -> Document:
    """Return the page of the last week of the journal, or of files; what can't be read is the first thing there.

    Raises:
        OSError: nothing of it can be read.
    """
    week = argparse.Namespace(log=log, since=time.time() - _WEEK, until=None)
    unread = list[str]()
    figures = _figures(week, load(config), unread.append)
    if unread and not figures.total:
        raise OSError("; ".join(unread))
    return _document(week, figures, unread)


def _figures(arguments: argparse.Namespace, settings: Settings, warn: Callable[[str], None]) -> Figures:
    figures = Figures(settings.greylist.retry_window, observes=settings.mode == "observe")
    until = inf if arguments.until is None else arguments.until
    read(blocks(arguments, warn), figures, arguments.since or 0.0, until)
    figures.finish()
    return figures


def _document(arguments: argparse.Namespace, figures: Figures, unread: Sequence[str] = ()) -> Document:
    problems = tuple(Finding(level=Level.PROBLEM, text=text) for text in unread)
    first = [Section(title="Not all could be read", content=Findings(findings=problems))] if problems else []
    made = sections(figures, judgement(facts(figures)))
    return Document(title="Report", of=shown(arguments), made_at=time.time(), sections=(*first, *made))
