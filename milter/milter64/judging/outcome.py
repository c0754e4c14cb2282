"""What the log is told at the end of a transaction: one line for all whom the same became of."""

from milter64.judging.recipient_evidence import told
from milter64.judging.transaction_state import Refusal, Transaction
from milter64.telemetry.log import Telemetry


def tell_end(telemetry: Telemetry, transaction: Transaction, queue_id: str | None = None) -> None:
    """Tell of those whom the client was not told to give up; without a queue id no message came.

    Who would have been refused, but for observe mode, is told of as that, and not among the others.
    """
    envelope, took, accepted = transaction.envelope, transaction.seconds, list(transaction.recipients)
    alike: dict[str, list[Refusal]] = {}
    for each in transaction.observed:
        recipient, verdict, reply = each
        if recipient in accepted:
            accepted.remove(recipient)
        standing = verdict.standing and (verdict.standing.state, verdict.standing.group, verdict.standing.seconds)
        key = repr((verdict.action, verdict.busy, verdict.because, standing, reply.code, reply.status))
        alike.setdefault(key, []).append(each)
    for some in alike.values():
        _, verdict, reply = some[0]
        known, recipients = told(transaction, verdict), [recipient for recipient, _, _ in some]
        telemetry.observed(envelope, recipients, known, verdict, reply, queue_id=queue_id, seconds=took)
    if queue_id is None:
        if accepted:
            telemetry.abandoned(envelope, accepted, transaction.known, seconds=took)
    elif accepted or not alike:
        last = transaction.acceptance
        telemetry.accepted(envelope, accepted, told(transaction, last), last, queue_id=queue_id, seconds=took)
