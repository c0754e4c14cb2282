"""The names of an address, and whether they lead back to it."""

from milter64.audit.facts.facts import Facts
from milter64.audit.report_line import Line, ok, problem, warning
from milter64.checks.iprev import iprev


def reverse(facts: Facts, address: str, *, grave: bool) -> Line:
    """Judge PTR and forward confirmation of an address; for one that sends, grave, a fault is a problem."""
    finding = facts.dns.find(iprev, facts.envelope(address, facts.name))
    subject, see = f"PTR of {address}", f"dig +short -x {address}"
    if finding.result == "pass":
        return ok(subject, f"{finding.fact('name')}, which leads back", see=see)
    names = [value for name, value in finding.facts if name == "ptr"]
    if finding.result == "temperror":
        reason, remedy = f"DNS gives no answer: {finding.reason}", "mend the nameservers of the reverse zone"
    elif names:
        reason, remedy = finding.reason, f"give {names[0]} the address {address}, or the PTR another name"
    else:
        reason = "there is none" + ("; many servers refuse such clients" if grave else "")
        remedy = f"have the provider set it to {facts.name}"
    make = problem if grave else warning
    return make(subject, reason, *names, see=see, remedy=remedy)
