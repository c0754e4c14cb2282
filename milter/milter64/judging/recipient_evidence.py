"""What is known of a transaction, as it weighs for one of its recipients."""

from milter64.checks import unreadable_mailbox
from milter64.judging.transaction_state import Transaction
from milter64.limits.settings import RATE
from milter64.lists.listed import ALLOW, BLOCK, Lists
from milter64.mail.finding import Finding, Findings
from milter64.policy import exemptions
from milter64.policy.decision import EXEMPT, Evidence, Verdict, weigh

_OF_RECIPIENT = frozenset({ALLOW, BLOCK, RATE})


def told(transaction: Transaction, verdict: Verdict | None) -> Findings:
    """Return what was found of a transaction, and what decided about this recipient alone."""
    own = [finding for finding in verdict.because if finding.check in _OF_RECIPIENT] if verdict else ()
    return {**transaction.known, **{finding.key: finding for finding in own}} if own else transaction.known


def beyond(evidence: Evidence, excess: Finding | None) -> Evidence:
    """Return the evidence where a limit is used up, too, if one is."""
    if not excess:
        return evidence
    known = {**evidence.known, excess.key: excess}
    return weigh(known, evidence.rules, evidence.unasked, evidence.listed)


def recipient_evidence(transaction: Transaction, recipient: str, lists: Lists, *, readable: bool) -> Evidence:
    """Return the evidence; of a recipient who is not `readable` we have what the client wrote."""
    evidence = transaction.evidence
    if transaction.exempt:
        return evidence
    if not readable:
        finding = unreadable_mailbox.recipient(recipient)
        return weigh({**evidence.known, finding.key: finding}, evidence.rules, listed=evidence.listed)
    exempt, listed = exemptions.recipient(recipient), lists.of_recipient(recipient)
    if not exempt and not listed.findings:
        return evidence
    known = {**evidence.known, EXEMPT: exempt} if exempt else evidence.known
    return weigh(known, evidence.rules, evidence.unasked, evidence.listed.beside(listed))
