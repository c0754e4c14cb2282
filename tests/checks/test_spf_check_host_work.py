"""What check_host() does for a record, beyond the limits of RFC 7208."""

import pytest

from milter64.checks.spf import mailfrom
from milter64.dns.lookup import Answer, Lookup
from milter64.mail.finding import Finding
from rig.envelopes import envelope
from rig.records import Records, zone

CLIENT = "192.0.2.3"
REVERSE = "3.2.0.192.in-addr.arpa"
EXISTING = "e1.t A 127.0.0.2"


def judge(records: Records) -> Finding:
    return records.find(mailfrom, envelope(CLIENT, "mx.t", "joe@d.t"))


def test_records_have_16_kib_in_one_evaluation() -> None:
    long = "ip4:10.0.0.1 " * 615
    assert 2 * len(long) < 16_384 < 3 * len(long)
    others = "".join(f"i{n}.t TXT v=spf1 {long}\n" for n in range(2))
    assert judge(Records(zone(f"d.t TXT v=spf1 include:i0.t all\n{others}"))).result == "pass"
    finding = judge(Records(zone(f"d.t TXT v=spf1 include:i0.t include:i1.t {long} all\n{others}")))
    assert (finding.result, finding.reason) == (
        "permerror",
        "more than 16384 octets of SPF records with that of i1.t, in the record of d.t: include:i1.t",
    )


HOSTS = "\n".join(f"d.t MX {n} h{n}.t" for n in range(10))
MANY = "\n".join(f"h{n}.t A 10.0.{n}.{octet}" for n in range(10) for octet in range(99))


def test_answers_have_1000_values_in_one_evaluation() -> None:
    records = Records(zone(f"d.t TXT v=spf1 mx -all\n{HOSTS}\n{MANY.removesuffix('h9.t A 10.0.9.98')}"))
    assert judge(records).result == "fail", "a record, ten hosts, and 989 addresses"
    records = Records(zone(f"d.t TXT v=spf1 mx -all\n{HOSTS}\n{MANY}"))
    assert (judge(records).result, judge(records).reason) == (
        "permerror",
        "more than 1000 records in all, in the record of d.t: mx",
    )


@pytest.mark.parametrize(("terms", "result"), [("mx:m0.t mx:m1.t mx:m2.t", "fail"), ("mx:m3.t mx:m4.t", "permerror")])
def test_40_questions_may_be_asked_in_one_evaluation_4_6_4(terms: str, result: str) -> None:
    """A record, four mx of which one comes again, and their hosts."""
    hosts = "\n".join(f"m{m}.t MX {n} h{n}.m{m}.t\nh{n}.m{m}.t A 10.0.0.1" for m in range(5) for n in range(9))
    records = Records(zone(f"d.t TXT v=spf1 mx:m0.t mx:m1.t mx:m2.t {terms} -all\n{hosts}"))
    assert judge(records).result == result
    assert len(records.questions) == (31 if result == "fail" else 40)


def test_what_the_client_says_of_itself_uses_nothing_up() -> None:
    """A forger must not make a permerror of the domain's fail: his own zones have 1,000 records."""
    names = "\n".join(f"{REVERSE} PTR h{n}.e.t" for n in range(10))
    addresses = MANY.replace(".t A", ".e.t A")
    records = Records(zone(f"d.t TXT v=spf1 exists:%{{p}}.x.t ptr:e.t -all\n{names}\n{addresses}"))
    assert judge(records).result == "fail"


def test_a_name_is_asked_for_once_in_an_evaluation() -> None:
    records = Records(zone("d.t TXT v=spf1 a:e1.t exists:e1.t a:e1.t/24 -all\ne1.t A 127.0.0.2"))
    judge(records)
    assert records.questions == ["TXT d.t", "A e1.t"]


@pytest.mark.parametrize("terms", ["a:e1.t -all", "include:one.t -all", "redirect=one.t"])
def test_time_that_is_up_is_noticed_before_the_next_term_4_6_4(terms: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("milter64.checks.spf_check_host.time.monotonic", lambda: now[0])
    records = Records(zone(f"d.t TXT v=spf1 {terms}\none.t TXT v=spf1 a:e1.t -all\n{EXISTING}"))
    actual = records.ask
    monkeypatch.setattr(records, "ask", lambda *question: now.__setitem__(0, 2.0) or actual(*question))
    assert records.find(mailfrom, envelope(CLIENT, "mx.t", "joe@d.t"), Lookup(1.0)).result == "temperror"
    assert records.questions == ["TXT d.t"]


@pytest.mark.parametrize("terms", ["ptr ptr:e1.t", "include:one.t ptr", "exists:%{i}.%{p}.x.t", "exists:%{p}.x.t ptr"])
@pytest.mark.parametrize("silent", [{f"PTR {REVERSE}"}, {f"A {n}.d.t" for n in range(10)}, {"TXT why.t"}])
def test_neither_a_client_nor_an_explanation_whose_names_are_silent_uses_up_the_time(
    terms: str, silent: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("milter64.checks.spf_check_host.time.monotonic", lambda: now[0])
    names = "\n".join(f"{REVERSE} PTR {n}.d.t" for n in range(10))
    records = Records(zone(f"d.t TXT v=spf1 {terms} -all exp=why.t\none.t TXT v=spf1 ptr:d.t -all\n{names}"), silent)
    actual = records.ask

    def ask(name: str, rdtype: str, deadline: float = 0.0, lasting: float = 0.0) -> Answer:
        if f"{rdtype} {name}" in silent:
            now[0] = max(now[0], min(now[0] + 8.0, deadline))
        return actual(name, rdtype, deadline, lasting)

    monkeypatch.setattr(records, "ask", ask)
    assert records.find(mailfrom, envelope(CLIENT, "mx.t", "joe@d.t"), Lookup(8.0)).result == "fail"
    assert now[0] < 8.0, "there is time to see whether any nameserver answers, without which a fail is none"


@pytest.mark.parametrize(
    ("terms", "result"),
    [
        pytest.param("exists:%{l}.x.t -all", "fail", id="no match, as of a malformed name (4.8)"),
        pytest.param("exists:%{l1r+}.x.t -all", "fail", id="not even of its beginning"),
        pytest.param("include:%{l}.x.t -all", "permerror", id="no record to include (5.2)"),
        pytest.param("redirect=%{s}.x.t", "permerror", id="nor to redirect to (6.1)"),
        pytest.param("ptr:%{l} -all", "fail", id="no name of the client's"),
        pytest.param("-exists:%{h}.x.t all", "pass", id="HELO is not too long"),
        pytest.param("mx:e1.t -all", "fail", id="where it has no say, it doesn't matter"),
    ],
)
def test_a_local_part_of_more_than_64_octets_makes_no_name(terms: str, result: str) -> None:  # RFC 5321 4.5.3.1.1
    text = f"d.t TXT v=spf1 {terms}\njoe.x.t A 127.0.0.2\nbob.x.t TXT v=spf1 +all\n{EXISTING}\n{REVERSE} PTR e1.t"
    records = Records(zone(text))
    finding = records.find(mailfrom, envelope(CLIENT, "mx.t", f"joe+{'x.' * 30}bob@d.t"))
    assert finding.result == result
    assert not any("joe" in question or "bob" in question for question in records.questions)


def test_an_explanation_is_as_long_as_is_shown() -> None:
    records = Records(zone(f"d.t TXT v=spf1 -all exp=x.t\nx.t TXT {'%{d} ' * 3000}"))
    assert judge(records).fact("explanation") == "d.t " * 62 + "d.t..."
    records = Records(zone(f"d.t TXT v=spf1 -all exp=x.t\nx.t TXT {'a' * 16_385}"))
    assert judge(records).fact("explanation") is None
