"""What `milter64 explain` tells of DNS lists: of each what it was asked, what it said, and what follows."""

from collections.abc import Iterator

from milter64.checks.dns_list_settings import ACCEPTING, Settings
from milter64.cli.explain_layout import Report
from milter64.dns.lookup import Question
from milter64.judging.transaction_state import Transaction
from milter64.mail.finding import Finding, Key
from milter64.policy.action_table import Rules


def dns_lists(lists: tuple[Settings, ...], rules: Rules, transaction: Transaction) -> Iterator[Report]:
    """Yield a row for each question to a list, asked or not."""
    for each in lists:
        for about in each.about:
            key = each.key(about)
            finding, question = transaction.known.get(key), _question(transaction, key, each.shown)
            yield {
                "list": each.shown,
                "about": about,
                "asked": question.name.removesuffix(f".{each.shown}") if question else None,
                "answer": ", ".join(question.answer.values) if question and question.answer else None,
                "so": _so(each, rules, finding, key),
            }


def _question(transaction: Transaction, key: Key, shown: str) -> Question | None:
    lookup = transaction.lookups.get(key)
    asked = [each for each in lookup.questions if each.name.endswith(f".{shown}")] if lookup else []
    return asked[-1] if asked else None


def _so(settings: Settings, rules: Rules, finding: Finding | None, key: Key) -> str:
    """Say what follows from what a list has said."""
    if finding is None:
        return "not asked: its word could change nothing" if key in rules.asked else "not asked about such clients"
    if finding.result == settings.positive:
        led_to = "spares the greylist" if settings.check == ACCEPTING else rules.action(finding).name.lower()
        return f"{finding.reason}, and nothing that can't be listed: {led_to}"
    if finding.result == "none":
        return finding.reason
    return f"counts for nothing: {finding.reason}"
