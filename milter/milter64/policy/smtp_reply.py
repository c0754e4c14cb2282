"""What the client is told: an SMTP reply for a verdict, with the codes of RFC 7372 and RFC 6647."""

from dataclasses import dataclass

from milter64.checks.dns_list_settings import BLOCKING
from milter64.limits.settings import SESSIONS
from milter64.lists.listed import BLOCK
from milter64.mail.action import Action
from milter64.mail.clean_text import clean
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope
from milter64.policy.decision import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An SMTP reply: code "550", enhanced status code "5.7.23" (RFC 3463), and a text of one line of ASCII."""

    code: str
    status: str
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.status} {self.text}"


_SPF_TROUBLE = ("temperror", "permerror")
_DETAIL = 160
"""Characters of a reason or of a stranger's explanation."""
_LONGEST = 450
"""Characters of all of them; a reply line has 510 in all (RFC 5321 4.5.3.1.5)."""


def reply(verdict: Verdict, envelope: Envelope) -> Reply | None:
    """Return the reply to a recipient, None where it is accepted.

    The text ends in the session's token, which leads from the mail server's log, and from a bounce, to our log line.
    """
    if verdict.action is Action.ACCEPT:
        return None
    token = f"(milter64 {envelope.session.token})"
    if verdict.busy:
        return Reply(code="451", status="4.3.2", text=f"Too busy to look everything up, please try again {token}")
    if verdict.action is Action.GREYLIST:
        why = f" ({_names(verdict.because)})" if verdict.because else ""
        wait = _seconds(verdict.standing.seconds if verdict.standing else 1)
        return Reply(code="450", status="4.7.1", text=f"Greylisted{why}, please try again in {wait} {token}")
    if verdict.excess:
        return _too_many(verdict.excess, token)
    final = verdict.action is Action.REJECT
    statuses = {_subject(finding) for finding in verdict.because}
    subject = statuses.pop() if len(statuses) == 1 else "7.26"
    why = clean("; ".join(dict.fromkeys(map(_sentence, verdict.because))), _LONGEST)
    return Reply(code="550" if final else "451", status=f"{5 if final else 4}.{subject}", text=f"{why} {token}")


def _too_many(excess: Finding, token: str) -> Reply:
    """Return the reply where a limit is used up; beyond that of sessions it ends the session."""
    wait = _seconds(int(excess.fact("seconds") or 1))
    what = excess.property.replace("_", " ")
    code, status = ("421", "4.7.0") if excess.property == SESSIONS else ("450", "4.7.1")
    text = f"Too many {what} from {excess.fact('network')}, please try again in {wait} {token}"
    return Reply(code=code, status=status, text=text)


def _seconds(number: int) -> str:
    return "1 second" if number == 1 else f"{number} seconds"


def trouble(token: str) -> Reply:
    """Return the reply for our own fault: never a refusal."""
    return Reply(code="451", status="4.3.0", text=f"Temporary trouble, please try again (milter64 {token})")


def one_at_a_time(token: str) -> Reply:
    """Return the reply that has a recipient sent to in a message of his own (RFC 5321 4.5.3.1.10)."""
    text = f"Too many recipients of a message from <>, please send to this one separately (milter64 {token})"
    return Reply(code="452", status="4.5.3", text=text)


def too_many_forged(most: int, token: str) -> Reply:
    """Return the reply to a message that claims more in our name than can be deleted (RFC 3463 3.7, 5.6.0)."""
    text = f"More than {most} header fields speak in this server's name (milter64 {token})"
    return Reply(code="554", status="5.6.0", text=text)


NOT_READY = Reply(code="451", status="4.7.0", text="The session's beginning was not seen, please try again (milter64)")
"""For a recipient without a CONNECT or a MAIL before it."""


def _subject(finding: Finding) -> str:
    """Return the last two parts of the enhanced status code (RFC 7372 3)."""
    match finding.check:
        case "spf" | "dmarc":  # what DMARC has to do with it is whether a fail of SPF counts
            return "7.24" if finding.result in _SPF_TROUBLE else "7.23"
        case "iprev":
            return "7.25"
        case "path":
            return "1.7" if finding.property == "smtp.mailfrom" else "1.3"  # RFC 3463 3.2
        case _:
            return "7.1"


_TITLES = {"spf": "SPF", "iprev": "Reverse DNS", "helo": "HELO", "path": "Address", "dmarc": "DMARC"}


def _names(findings: tuple[Finding, ...]) -> str:
    return ", ".join(
        clean(each.reason, _DETAIL)
        if each.check == BLOCKING
        else f"{_TITLES.get(each.check, each.check)} {each.result}"
        for each in findings
    )


def _sentence(finding: Finding) -> str:
    if finding.check == BLOCKING:
        text = finding.fact("text")
        return clean(finding.reason, _DETAIL) + (f": {clean(text, _DETAIL)}" if text else "")
    if finding.check == BLOCK:
        return f"Blocked here: {finding.property} {clean(finding.reason, _DETAIL)}"
    sentence = f"{_TITLES.get(finding.check, finding.check)} {finding.result}: {clean(finding.reason, _DETAIL)}"
    if explanation := finding.fact("explanation"):
        sentence += f"; {finding.fact('domain')} explains: {clean(explanation, _DETAIL)}"
    return sentence
