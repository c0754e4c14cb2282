"""`milter64 report`: what the log adds up to, what observe mode would have done, and what to do about it."""

import argparse
import gc
import json
import os
import sys
import time
from math import inf

from milter64.cli.document_layout import show
from milter64.cli.html_file import html_argument, write
from milter64.cli.log_source import blocks, log_arguments, shown
from milter64.cli.terminal_layout import Screen
from milter64.config.load_file import load
from milter64.mail.clean_text import clean
from milter64.pages.document import Document
from milter64.report.as_json import told
from milter64.report.facts import facts
from milter64.report.figures import Figures
from milter64.report.judgement import judgement
from milter64.report.reading import read
from milter64.report.sections import sections

_LONGEST = 2000

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
    """Read the log, add it up, and say what to do; fail if nothing of it can be read."""
    settings, complaints = load(arguments.config), Screen(sys.stderr)
    figures, of = Figures(settings.greylist.retry_window), shown(arguments)

    unread = list[str]()

    def warn(text: str) -> None:
        unread.append(text)
        complaints.line(f"milter64 report: {clean(text, _LONGEST)}")

    gc.freeze()  # to look through all that was imported, again and again, takes a twentieth of the time
    since, until = arguments.since or 0.0, inf if arguments.until is None else arguments.until
    read(blocks(arguments, warn), figures, since, until)
    figures.finish()
    if unread and not figures.total:
        return os.EX_UNAVAILABLE
    judged = judgement(facts(figures))
    if arguments.json:
        Screen().line(json.dumps(told("report", figures, judged, source={"log": of})))
        return os.EX_OK
    document = Document(title="Report", of=of, made_at=time.time(), sections=tuple(sections(figures, judged)))
    if arguments.html:
        return write(document, arguments.html, "report")
    show(document, Screen())
    return os.EX_OK
