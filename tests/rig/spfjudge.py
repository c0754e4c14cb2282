"""SPF of one record, for tests of what it leads to."""

from milter64.checks import spf
from milter64.mail.finding import Finding
from rig.envelopes import envelope
from rig.records import Records, zone

CLIENT = "192.31.196.10"


def judge(terms: str, sender: str = "joe@example.org", client: str = CLIENT, others: str = "") -> Finding:
    """Judge a sender of example.org, whose record has these terms, with the records of `others`."""
    records = Records(zone(f"example.org TXT v=spf1 {terms}\n{others}"), ["broken.t"])
    return records.find(spf.mailfrom, envelope(client, "mx.t", sender))
