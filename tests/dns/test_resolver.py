"""What a resolver answers, and what it makes of a name."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Queue

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.address.translator import Translator
from milter64.dns import query
from milter64.dns.lookup import Answer, Lookup, asked_alone
from milter64.dns.nameserver import nameserver
from milter64.dns.resolver import Resolver
from milter64.dns.settings import Settings
from milter64.dns.unanswered import Unanswered
from rig.dnsserver import ALL, DnsServer, Fault
from rig.zone import RECORDS

PATIENCE = 5.0
MOMENT = 0.2
"""Seconds in which a question would arrive, if one came."""


@pytest.mark.parametrize(
    ("name", "rdtype", "values"),
    [
        ("example.org", "A", {"192.0.2.1", "192.0.2.2"}),
        ("example.org", "AAAA", {"2001:db8::1"}),
        ("example.org", "MX", {(10, "mx.example.org"), (0, ".")}),
        ("example.org", "NS", {"ns.example.org"}),
        ("example.org", "TXT", {b"v=spf1 -all", b"v=spf1 ip4:192.0.2.1", b"\xff\x00", b"x" * 2000}),
        ("example.org", "SPF", {b"v=spf1 +all"}),
        ("1.2.0.192.in-addr.arpa", "PTR", {"Mail.Example.ORG", r"a\.b\010.example.net"}),
        ("www.example.org", "CNAME", {"web.example.org"}),
    ],
)
def test_each_type_has_its_values(
    ask: Callable[..., Answer], name: str, rdtype: str, values: set[str | bytes | tuple[int, str]]
) -> None:
    answer = ask(name, rdtype)
    assert (answer.exists, set(answer.values), answer.name, answer.ttl) == (True, values, name, 300)
    assert len(answer.values) == len(values)


@pytest.mark.parametrize(
    ("name", "rdtype", "exists", "owner"),
    [
        ("nowhere.example.net", "A", False, "nowhere.example.net"),
        ("example.org", "PTR", True, "example.org"),
        ("0.192.in-addr.arpa", "PTR", True, "0.192.in-addr.arpa"),
        ("to.nowhere.example", "A", False, "nowhere.example.net"),
        ("to.nothing.example", "A", True, "only.mx.example"),
    ],
    ids=["NXDOMAIN", "NODATA", "an empty non-terminal", "NXDOMAIN after CNAME", "NODATA after CNAME"],
)
def test_a_void_answer_says_whether_the_name_exists(
    ask: Callable[..., Answer], server: DnsServer, name: str, rdtype: str, owner: str, *, exists: bool
) -> None:
    answer = ask(name, rdtype)
    assert (answer.exists, answer.values, answer.name, answer.ttl) == (exists, (), owner, 60)
    assert len(server.queries) == 1


@pytest.mark.parametrize("follows", [True, False], ids=["in one response", "one by one"])
def test_a_cname_chain_is_followed(ask: Callable[..., Answer], server: DnsServer, *, follows: bool) -> None:
    server.follows_cnames = follows
    answer = ask("www.example.org", "A")
    assert (set(answer.values), answer.name, answer.ttl) == ({"192.0.2.1", "192.0.2.2"}, "example.org", 300)
    assert len(server.queries) == (1 if follows else 3)
    assert set(ask("n0.example", "A").values) == {"192.0.2.10"}


@pytest.mark.parametrize("follows", [True, False], ids=["in one response", "one by one"])
@pytest.mark.parametrize("name", ["round.example", "before.n0.example"])
def test_a_cname_loop_or_a_chain_of_eleven_is_an_error_and_not_void(  # RFC 1034 3.6.2, RFC 7208 4.6.4
    ask: Callable[..., Answer], server: DnsServer, name: str, *, follows: bool
) -> None:
    server.follows_cnames = follows
    with pytest.raises(Unanswered, match="CNAME"):
        ask(name, "A")


def test_the_shortest_ttl_of_a_chain_counts(ask: Callable[..., Answer], server: DnsServer) -> None:
    server.follows_cnames = False
    server.ttl = 30
    with ThreadPoolExecutor() as pool:
        gate = server.hold("web.example.org")
        future = pool.submit(ask, "www.example.org", "A")
        assert server.received(2)
        server.ttl = 500
        gate.set()
        assert future.result(PATIENCE).ttl == 30


def test_what_dns64_invented_is_dropped(ask: Callable[..., Answer], server: DnsServer) -> None:  # RFC 6147
    server.records["mixed.example"] = {"AAAA": ["64:ff9b::c01f:c40a", "2001:db8:64::c01f:c40a", "2001:db8::1"]}
    server.records["four.example"] = {"AAAA": ["64:ff9b::c01f:c40a"]}
    assert ask("mixed.example", "AAAA").values == ("2001:db8::1",)
    four = ask("four.example", "AAAA")
    assert (four.exists, four.values) == (True, ())


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "@",
        "..",
        ".example.org",
        "a..b",
        "example.org..",
        f"{'x' * 64}.example",
        "x." * 130,
        "a\\",
        r"\999.x",
        "\udc80.x",
    ],
)
def test_what_can_be_no_name_in_dns_does_not_exist_and_is_not_asked_about(
    ask: Callable[..., Answer], server: DnsServer, name: str
) -> None:
    answer = ask(name, "A")
    assert (answer.exists, answer.values) == (False, ())
    assert not server.queries


def test_a_name_beyond_ascii_is_asked_about_as_a_labels(ask: Callable[..., Answer], server: DnsServer) -> None:
    server.records["xn--bcher-kva.example"] = {"A": ["192.0.2.3"]}
    assert ask("Bücher.example", "A").values == ("192.0.2.3",)


def test_no_search_list_is_applied(ask: Callable[..., Answer], server: DnsServer) -> None:
    assert not ask("example", "TXT").values
    assert server.queries == [("example", "TXT")]


def test_any_text_is_answered() -> None:
    with DnsServer() as server:
        resolver = Resolver(Settings(nameservers=(server.address,)), Translator())

        @given(st.text(max_size=70) | st.from_regex(r"[\w.\\-]{1,80}"))
        def hold(name: str) -> None:
            assert resolver.ask(name, "TXT", time.monotonic() + PATIENCE).values == ()

        hold()


def test_resolv_conf_is_read_where_no_nameserver_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    with DnsServer(RECORDS) as server:
        monkeypatch.setattr(query, "system_nameservers", lambda: (nameserver(server.address),))
        assert Resolver(Settings(), Translator()).ask("example.org", "A", time.monotonic() + PATIENCE).values


def test_a_nameserver_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'dns\.example' is not a nameserver"):
        Resolver(Settings(nameservers=("dns.example",)), Translator())


def test_a_lookup_tells_what_was_asked_and_the_shortest_ttl(server: DnsServer) -> None:
    resolver = Resolver(Settings(nameservers=(server.address,)), Translator())
    deadline = time.monotonic() + PATIENCE
    lookup = Lookup(deadline)
    assert (lookup.ttl, lookup.deadline, lookup.questions) == (None, deadline, [])
    answer = asked_alone(lookup.ask("example.org", "A"), resolver)
    assert lookup.ttl == 300
    void = asked_alone(lookup.ask("nowhere.example.net", "A"), resolver)
    assert lookup.ttl == 60
    asked_alone(lookup.ask("example.org", "AAAA"), resolver)
    assert lookup.ttl == 60
    server.faults[ALL] = Fault.REFUSED
    with pytest.raises(Unanswered):
        asked_alone(lookup.ask("example.org", "TXT"), resolver)
    assert [(q.name, q.rdtype, q.answer, q.error) for q in lookup.questions if q.rdtype != "AAAA"] == [
        ("example.org", "A", answer, ""),
        ("nowhere.example.net", "A", void, ""),
        ("example.org", "TXT", None, f"REFUSED ({server.address})"),
    ]
    assert all(0 < question.seconds < PATIENCE for question in lookup.questions)


def test_a_lookup_tells_of_large_answers_how_they_went_and_not_what_they_hold(server: DnsServer) -> None:
    for number in range(20):
        server.records[f"large{number}.example"] = {"TXT": ["x" * 2_000]}
    resolver = Resolver(Settings(nameservers=(server.address,)), Translator())
    lookup = Lookup(time.monotonic() + PATIENCE)
    for number in range(20):
        answer = asked_alone(lookup.ask(f"large{number}.example", "TXT"), resolver)
        assert answer.values == (b"x" * 2_000,)
    told = [question.answer.values for question in lookup.questions if question.answer and question.answer.exists]
    assert told == [(b"x" * 2_000,)] * 8 + [()] * 12


@pytest.mark.slow
def test_a_silent_server_opens_the_breaker_in_five_seconds_and_its_return_closes_it_within_two(
    server: DnsServer,
) -> None:
    news = Queue[bool]()
    resolver = Resolver(Settings(nameservers=(server.address,)), Translator(), on_breaker=news.put)
    server.silence()
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        asking = [pool.submit(ask_on, resolver, f"n{n}.example", began + 8) for n in range(4)]
        assert news.get(timeout=10) is True
        assert 5 <= time.monotonic() - began < 6
        assert {future.result(PATIENCE) for future in asking} == {"no nameserver answers"}
    revived = time.monotonic()
    server.revive()
    assert news.get(timeout=10) is False
    assert time.monotonic() - revived < 2
    assert resolver.ask("n0.example", "CNAME", time.monotonic() + 1).values


def ask_on(resolver: Resolver, name: str, deadline: float) -> str:
    """Ask again and again, till the deadline or the breaker; return the last words."""
    words = ""
    while time.monotonic() < deadline and words != "no nameserver answers":
        with pytest.raises(Unanswered) as caught:
            resolver.ask(name, "A", deadline)
        words = str(caught.value)
    return words
