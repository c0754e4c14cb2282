"""What a pass of SPF says about who the client is: nothing where others would have got it as well."""

import pytest

from rig.spfjudge import CLIENT, judge


@pytest.mark.parametrize(
    ("terms", "client", "broad"),
    [
        ("+all", CLIENT, "all"),
        ("include:any.t -all", CLIENT, "all"),
        ("exists:a.t", CLIENT, "all"),
        ("exists:%{l}.t", CLIENT, "all"),
        ("exists:%{i}.known.t", CLIENT, "exists"),
        ("exists:%{IR}.known.t", CLIENT, "exists"),
        ("ptr:a.t", CLIENT, "ptr"),
        ("ip4:0.0.0.0/0", CLIENT, "all"),
        ("ip4:192.0.0.0/7", CLIENT, "all"),
        ("ip4:192.0.0.0/8", CLIENT, "wider than /16"),
        ("ip4:192.31.0.0/15", CLIENT, "wider than /16"),
        ("ip4:192.31.0.0/16", CLIENT, None),
        ("a:a.t/15//64", CLIENT, "wider than /16"),
        ("a:a.t/16//0", CLIENT, None),
        ("mx:a.t/0", CLIENT, "all"),
        ("mx:a.t/24", CLIENT, None),
        ("a:a.t", CLIENT, None),
        ("include:wide.t", CLIENT, "all"),
        ("ip6:2000::/3", "2001:db8::1", "all"),
        ("ip6:2001::/15", "2001:db8::1", "all"),
        ("ip6:2001::/16", "2001:db8::1", "wider than /32"),
        ("ip6:2001:db8::/32", "2001:db8::1", None),
        ("a:a.t/32//31", "2001:db8::1", "wider than /32"),
        ("a:a.t/0//64", "2001:db8::1", None),
        ("~all", CLIENT, None),
        ("-all", CLIENT, None),
    ],
)
def test_a_pass_that_anybody_gets_is_called_broad(terms: str, client: str, broad: str | None) -> None:
    others = """
        a.t A 192.31.196.10
        a.t AAAA 2001:db8::1
        a.t MX 1 a.t
        any.t TXT v=spf1 +all
        wide.t TXT v=spf1 a:a.t/1
        joe.t A 127.0.0.2
        192.31.196.10.known.t A 127.0.0.2
        10.196.31.192.known.t A 127.0.0.2
        10.196.31.192.in-addr.arpa PTR a.t
        """
    assert judge(terms, client=client, others=others).fact("broad") == broad


@pytest.mark.parametrize(
    ("terms", "tailored"),
    [
        ("ip4:192.31.196.10", None),
        ("a:%{d}.t", None),
        ("include:%{o}.v.%{v}.t", None),
        ("exists:%{i}.nowhere.t a:a.t", None),
        ("exists:%{i}.nowhere.t include:fixed.t", None),
        ("a:%{ir}.t", "yes"),
        ("mx:%{H}.t", "yes"),
        ("a:%{l}.t", "yes"),
        ("include:%{i}.of.t", "yes"),
        ("include:%{i}.farther.t", "yes"),
        ("redirect=%{p}.of.t", "yes"),
        ("include:inner.t", "yes"),
    ],
)
def test_a_pass_that_a_domain_may_make_for_each_client_is_called_so(terms: str, tailored: str | None) -> None:
    others = f"""
        a.t A {CLIENT}
        example.org.t A {CLIENT}
        10.196.31.192.t A {CLIENT}
        joe.t A {CLIENT}
        mx.t.t MX 1 a.t
        fixed.t TXT v=spf1 ip4:{CLIENT} -all
        {CLIENT}.of.t TXT v=spf1 ip4:{CLIENT} -all
        unknown.of.t TXT v=spf1 ip4:{CLIENT} -all
        {CLIENT}.farther.t TXT v=spf1 include:fixed.t -all
        inner.t TXT v=spf1 include:%{{i}}.of.t -all
        example.org.v.in-addr.t TXT v=spf1 include:fixed.t -all
        """
    finding = judge(terms, others=others)
    assert (finding.result, finding.fact("tailored")) == ("pass", tailored)
