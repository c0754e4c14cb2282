"""What the tests of the resolver find in DNS."""

from rig.dnsserver import Records

RECORDS: Records = {
    "example.org": {
        "A": ["192.0.2.1", "192.0.2.2"],
        "AAAA": ["2001:DB8:0:0::1"],
        "MX": [(10, "mx.example.org"), (0, ".")],
        "NS": ["ns.example.org"],
        "TXT": ["v=spf1 -all", ("v=spf1 ", "ip4:192.0.2.1"), b"\xff\x00", "x" * 2000],
        "SPF": [("v=spf1 ", "+all")],
    },
    "1.2.0.192.in-addr.arpa": {"PTR": ["Mail.Example.ORG", r"a\.b\010.example.net"]},
    "www.example.org": {"CNAME": ["web.example.org"]},
    "web.example.org": {"CNAME": ["example.org"]},
    "to.nowhere.example": {"CNAME": ["nowhere.example.net"]},
    "to.nothing.example": {"CNAME": ["only.mx.example"]},
    "only.mx.example": {"MX": [(10, "mx.example.org")]},
    "round.example": {"CNAME": ["about.example"]},
    "about.example": {"CNAME": ["round.example"]},
    **{f"n{n}.example": {"CNAME": [f"n{n + 1}.example"]} for n in range(10)},
    "n10.example": {"A": ["192.0.2.10"]},
    "before.n0.example": {"CNAME": ["n0.example"]},
}
