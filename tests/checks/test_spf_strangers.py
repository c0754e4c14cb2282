"""Whatever records, names and addresses strangers think of."""

from hypothesis import given
from hypothesis import strategies as st

from milter64.checks import spf
from rig.envelopes import envelope
from rig.records import Records, Zone

RESULTS = {"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"}
CLIENTS = ["192.31.196.10", "2001:db8::1", "64:ff9b::c01f:c40a", "", "no address"]
ARGUMENTS = st.sampled_from(
    [
        *(
            "",
            ":",
            ":example.org",
            ":a.t",
            ":b.t",
            ":%{d}",
            ":%{l}.t",
            ":%{s}",
            ":%{p}.t",
            ":%{ir}.%{v}.t",
            ":%{D2-}.t",
        ),
        *(
            ":192.31.196.10",
            ":2001:db8::1",
            "/0",
            "/24",
            "//0",
            "/99",
            "=",
            "=a.t",
            "=b.t",
            "=%{o}",
            "=%{h}",
            "=x.%{S}",
        ),
    ]
)
TERMS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "+", "-", "~", "?"]),
    st.sampled_from("a mx ptr exists include ip4 ip6 all redirect exp x".split()),  # noqa: SIM905  words
    ARGUMENTS,
    st.one_of(ARGUMENTS, st.text(max_size=9)),
)
TEXTS = st.one_of(
    st.lists(TERMS, max_size=13).map(lambda terms: " ".join(["v=spf1", *terms]).encode()),
    st.binary(max_size=60).map(lambda junk: b"v=spf1 " + junk),
    st.binary(max_size=60),
)
NAMES = st.sampled_from(["a.t", "b.t", "example.org", "10.196.31.192.in-addr.arpa", "joe.t"])
HOSTS = st.one_of(NAMES, st.sampled_from([".", "", "a..t", "\\000.t", "é.t", "x" * 300]))
ZONES = st.dictionaries(
    NAMES,
    st.fixed_dictionaries(
        {},
        optional={
            "TXT": st.lists(TEXTS, min_size=1, max_size=2),
            "A": st.lists(st.sampled_from([CLIENTS[0], "10.0.0.1"]), max_size=2),
            "AAAA": st.lists(st.sampled_from(["2001:db8::1", "::"]), max_size=2),
            "MX": st.lists(st.tuples(st.integers(0, 9), HOSTS), max_size=11),
            "PTR": st.lists(HOSTS, max_size=11),
            "CNAME": st.lists(NAMES, min_size=1, max_size=1),
        },
    ),
)
DOMAINS = st.one_of(NAMES, st.text(max_size=20), st.just("x." * 150), st.just("a@b.t"))
SENDERS = st.builds("{}@{}".format, st.one_of(st.just("joe"), st.text(max_size=70)), DOMAINS)


@given(ZONES, st.lists(NAMES, max_size=1), st.sampled_from(CLIENTS), DOMAINS, SENDERS)
def test_whatever_strangers_say_the_result_is_one_of_the_seven_2_6(
    records: Zone, failing: list[str], client: str, helo: str, sender: str
) -> None:
    answers = Records(records, failing)
    for check in (spf.helo, spf.mailfrom):
        answers.questions.clear()
        finding = answers.find(check, envelope(client, helo, sender))
        assert finding.result in RESULTS
        assert "unexpected" not in finding.reason
        assert all(text.isascii() and text.isprintable() for _, text in (*finding.facts, ("", finding.reason)))
        assert len(answers.questions) <= 1 + 10 * 11 + 12, "4.6.4"
