"""What the allow and the block list have to do with a decision: each match, and what was not asked for one."""

from collections.abc import Iterator

from milter64.cli.explain_layout import Report
from milter64.judging.transaction_state import Transaction
from milter64.lists.listed import ALLOW, BLOCK, Lists
from milter64.mail.finding import Key

_ASKED_FOR: dict[Key, str] = {("iprev", "policy.iprev"): "name", ("spf", "smtp.mailfrom"): "sender"}
"""What entries are of that an answer is asked for."""


def lists_said(lists: Lists, transaction: Transaction, recipient: str) -> Iterator[Report]:
    """Yield matches, of who is trusted none; and the questions that nobody has asked for more."""
    if transaction.exempt:
        return
    listed = transaction.evidence.listed.beside(lists.of_recipient(recipient))
    for finding in listed.findings:
        so = "is refused" if finding.check == BLOCK else f"is spared {finding.result}"
        where = finding.fact("aside")
        yield {"list": finding.check, "by": finding.property, "entry": finding.reason, "so": so, "where": where}
    for check, keys in ((BLOCK, listed.may_block), (ALLOW, listed.may_spare)):
        for key in sorted(keys):
            so = f"{key[0]} was not asked, which could change nothing"
            yield {"list": check, "by": _ASKED_FOR[key], "entry": None, "so": so, "where": None}
