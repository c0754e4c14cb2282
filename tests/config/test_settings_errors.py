"""What can be wrong with a configuration: each thing with its key, its line and its remedy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.config.load_file import parse

WRONG = {
    "unknown key, near one": ("[spf]\nactoins = {}", "spf.actoins", 2, "unknown key", 'did you mean "actions"?'),
    "unknown key in the wrong table": (
        '[trust]\ndelay = "60s"',
        "trust.delay",
        2,
        "unknown key",
        'did you mean "greylist.delay"?',
    ),
    "unknown table that is a key elsewhere": (
        '[[recipients]]\ndomain = "example.org"',
        "recipients",
        1,
        "unknown key",
        'did you mean "recipient"?',
    ),
    "unknown key like no other": (
        "[headers]\n\nxyz = 1",
        "headers.xyz",
        3,
        "unknown key",
        "possible are authentication_results, received_spf",
    ),
    "a key of no table in one": ('[spf]\nmode = "x"', "spf.mode", 2, "unknown key", "belongs above the first [table]"),
    "unknown table": ("\n[milters]", "milters", 2, "unknown key", 'did you mean "milter"?'),
    "unknown table in a table": ("\n[zzz.listen]", "zzz", 2, "unknown key", "possible are mode, milter,"),
    "a table of tables": ("[[spf]]\n[[spf]]", "spf", 1, "[{}, {}] is of the wrong kind", "write a table"),
    "no table": ("spf = true", "spf", 1, "true is of the wrong kind", "write a table"),
    "no list": ('[trust]\nrelays = "::1"', "trust.relays", 2, '"::1" is of the wrong kind', "write a list"),
    "no switch": ('[spf]\nenabled = "yes"', "spf.enabled", 2, '"yes" is of the wrong kind', "write true or false"),
    "no number": ("[greylist]\nipv4_prefix = true", "greylist.ipv4_prefix", 2, "true is of", "write a whole number"),
    "no text": ("[greylist]\nstore = 1", "greylist.store", 2, "not shown", "write a text in quotes"),
    "a text in a list": ("[dns]\nnameservers = [53]", "dns.nameservers", 2, "53 is of the wrong kind", "a text in"),
    "a choice": ('mode = "obsrve"', "mode", 1, '"obsrve" is not possible here', 'did you mean "observe"?'),
    "no choice": (
        '[log]\nlevel = "xx"',
        "log.level",
        2,
        '"xx" is not possible',
        'possible are "debug", "info", "warning", "error"',
    ),
    "a time without unit": ("[dns]\ntimeout = 2", "dns.timeout", 2, "2 is no length of time", 'such as "90s"'),
    "a time with a strange unit": ('[dns]\ntimeout = "2y"', "dns.timeout", 2, '"2y" is no length', 'such as "90s"'),
    "a time of nothing": ('[dns]\ntimeout = "0s"', "dns.timeout", 2, "no time at all", "write a time"),
    "a deadline of nothing": ('[dns]\ndeadline = "0s"', "dns.deadline", 2, "no time at all", "write a time"),
    "a translator's prefix that is trusted": (
        '[trust]\nnetworks = ["::1", "64:ff9b::/96"]',
        "trust.networks",
        2,
        '"64:ff9b::/96" holds the translation prefix 64:ff9b::/96: all of IPv4 would be trusted',
        "trust.translators = true",
    ),
    "the /64 of a translator's prefix as relays": (
        '[translation]\nprefixes = ["2001:db8:6:4::/96"]\n[trust]\nrelays = ["2001:db8:6:4::/64"]',
        "trust.relays",
        4,
        '"2001:db8:6:4::/64" holds the translation prefix 2001:db8:6:4::/96',
        "take it out",
    ),
    "a nameserver's name": ('[dns]\nnameservers = ["ns.example"]', "dns.nameservers", 2, "ns.example", "address"),
    "a result that isn't SPF's": (
        '[spf.actions]\nfail = "reject"\nfial = "reject"',
        "spf.actions.fial",
        3,
        "unknown key",
        'did you mean "fail"?',
    ),
    "a result that isn't iprev's": (
        '[iprev]\nipv6_actions = { softfail = "reject" }',
        "iprev.ipv6_actions.softfail",
        2,
        "unknown key",
        'did you mean "fail"?',
    ),
    "a result that isn't HELO's": (
        'helo.actions.none = "reject"',
        "helo.actions.none",
        1,
        "unknown key",
        "possible are fail, literal, malformed, own-name, pass, temperror",
    ),
    "no action": (
        '[spf]\nhelo_actions = { fail = "refuse" }',
        "spf.helo_actions.fail",
        2,
        '"refuse" is not possible',
        'possible are "accept", "greylist", "tempfail", "reject"',
    ),
    "DMARC for what isn't a fail": (
        '[spf]\nactions = { fail = "dmarc", softfail = "dmarc" }',
        "spf.actions.softfail",
        2,
        '"dmarc" is possible for fail alone',
        "write another action",
    ),
    "DMARC for HELO": (
        '[spf]\nhelo_actions = { fail = "dmarc" }',
        "spf.helo_actions.fail",
        2,
        '"dmarc" is not possible',
        'possible are "accept", "greylist", "tempfail", "reject"',
    ),
    "DMARC misspelled": (
        '[spf]\nactions = { fail = "dmark" }',
        "spf.actions.fail",
        2,
        '"dmark" is not possible',
        'did you mean "dmarc"?',
    ),
    "no prefix": ('[translation]\nprefixes = ["64:ff9b::/95"]', "translation.prefixes", 2, "/95", "64:ff9b::/96"),
    "a prefix that is link-local": (
        '[translation]\nprefixes = ["64:ff9b::/96", "fe80::/64"]',
        "translation.prefixes",
        2,
        "'fe80::/64' can't be a translator's: it is link-local (RFC 4291 2.5.6)",
        "64:ff9b::/96",
    ),
    "a prefix twice": (
        '[translation]\nprefixes = ["64:ff9b::/96", "64:ff9b:1::/96", "64:FF9B::/96"]',
        "translation.prefixes",
        2,
        "64:ff9b::/96 stands there 2 times",
        "leave one of them",
    ),
    "a mapped address twice": (
        '[translation]\nexplicit = [{ipv4 = "192.0.2.1", ipv6 = "2::1"}, {ipv4 = "192.0.2.1/32", ipv6 = "2::2"}]',
        "translation.explicit",
        2,
        "192.0.2.1/32 stands there 2 times",
        "leave one of them",
    ),
    "no mapping": ('[translation]\nexplicit = ["x"]', "translation.explicit", 2, '"x" is no mapping', "ipv4 = "),
    "half a mapping": (
        '[[translation.explicit]]\nipv4 = "192.0.2.1"',
        "translation.explicit",
        1,
        '{ipv4 = "192.0.2.1"} is no mapping',
        "ipv6 = ",
    ),
    "an impossible mapping": (
        '[translation]\nexplicit = [\n  { ipv4 = "192.0.2.0/24", ipv6 = "2001:db8::/127" },\n]',
        "translation.explicit",
        2,
        "fewer addresses",
        "write two blocks",
    ),
    "no network": ('[trust]\nnetworks = ["192.0.2.0/33"]', "trust.networks", 2, "is no network", "192.0.2.0/24"),
    "no networks": ('[trust]\nnetworks = ["x", "::1", "y"]', "trust.networks", 2, '"x", "y" are no networks', "2001"),
    "a prefix longer than IPv4": ("[greylist]\nipv4_prefix = 33", "greylist.ipv4_prefix", 2, "IPv4", "0 to 32"),
    "a prefix longer than IPv6": ("[greylist]\nipv6_prefix = 129", "greylist.ipv6_prefix", 2, "IPv6", "0 to 128"),
    "a window that closes before it opens": (
        '[greylist]\ndelay = "2h"\nretry_window = "1h"',
        "greylist.retry_window",
        3,
        "ends before greylist.delay does",
        "longer than the delay",
    ),
    "a delay longer than the default window": (
        '[greylist]\ndelay = "49h"',
        "greylist.retry_window",
        1,
        "ends before greylist.delay does",
        "longer than the delay",
    ),
    "no store": (
        '[greylist]\nstore = "rows.db"',
        "greylist.store",
        2,
        "scheme is unknown",
        '"sqlite:/path" or "memory:"',
    ),
    "no socket": ('[milter]\nsocket = "tcp:8864"', "milter.socket", 2, '"tcp:8864" is no socket', '"unix:/path"'),
    "a socket's name": ('[milter]\nsocket = "inet:1@mx"', "milter.socket", 2, "not an IP address", "host's address"),
    "no port": ('[milter]\nsocket = "inet:65536@::1"', "milter.socket", 2, "is no socket", '"unix:/path"'),
    "a path too long": (
        f'[milter]\nsocket = "unix:/{"x" * 107}"',
        "milter.socket",
        2,
        "the socket's path has 108 bytes, and may have 107",
        "write a shorter one",
    ),
    "a relative path": ('[milter]\nsocket = "unix:sock"', "milter.socket", 2, "is no socket", '"unix:/path"'),
    "a mode as a number": ("[milter]\nsocket_mode = 0o660", "milter.socket_mode", 2, "432 is no file mode", '"0660"'),
    "no mode": ('[milter]\nsocket_mode = "0680"', "milter.socket_mode", 2, '"0680" is no file mode', '"0660"'),
    "no workers": ("[milter]\nworkers = 0", "milter.workers", 2, "0 is no number of workers", '"auto"'),
    "many greylists": (
        '[milter]\nworkers = 2\n[greylist]\nstore = "memory:"',
        "greylist.store",
        4,
        "each of several workers would have a greylist of its own",
        "workers = 1",
    ),
    "a switch of workers": ("[milter]\nworkers = true", "milter.workers", 2, "true is no number", '"auto"'),
    "no authserv-id": ('[milter]\nauthserv_id = "a b"', "milter.authserv_id", 2, '"a b" is no', "mx.example.org"),
    "no network to count by": (
        '[rate]\nrecipients = { "ipv4/16" = "60/1h" }',
        "rate.recipients.ipv4/16",
        2,
        "unknown key",
        'did you mean "ipv4/',
    ),
    "no count and time": (
        '[rate]\nsessions = { "ipv4/32" = "60" }',
        "rate.sessions.ipv4/32",
        2,
        '"60" is no count and time',
        'such as "60/1h"',
    ),
    "a count of none": ('rate.sessions = { "ipv4/32" = "0/1h" }', "rate.sessions.ipv4/32", 1, "no count", '"60/1h"'),
    "a count and no time": ('rate.sessions = { "ipv4/32" = "6/h" }', "rate.sessions.ipv4/32", 1, "no length", '"90s"'),
    "a count in no time": ('rate.sessions = { "ipv4/32" = "6/0s" }', "rate.sessions.ipv4/32", 1, "no time", '"60/1h"'),
    "a count as a number": ('rate.sessions = { "ipv4/32" = 60 }', "rate.sessions.ipv4/32", 1, "60 is no count", '"60/'),
    "a window that is wrong in two ways": (
        '[greylist]\ndelay = "49h"\nretry_window = 50',
        "greylist.retry_window",
        3,
        "50 is no length of time",
        'such as "90s"',
    ),
}


@pytest.mark.parametrize(("text", "key", "line", "what", "remedy"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_has_key_line_and_remedy(text: str, key: str, line: int, what: str, remedy: str) -> None:
    [problem] = parse(text)[1]
    assert (problem.key, problem.line) == (key, line)
    assert what in problem.what
    assert remedy in problem.remedy


def test_all_errors_are_found_at_once_and_in_their_order() -> None:
    text = """
        mode = "sometimes"
        [log]
        levle = "info"
        format = "xml"
        [dns]
        nameservers = [
            "127.0.0.1",
            "ns1.example",
            "ns2.example",
        ]
        deadline = "0s"
        [greylist]
        delay = 60
        store = 'nowhere'
    """
    assert [(problem.line, problem.key) for problem in parse(text)[1]] == [
        (2, "mode"),
        (4, "log.levle"),
        (5, "log.format"),
        (7, "dns.nameservers"),
        (7, "dns.nameservers"),
        (12, "dns.deadline"),
        (14, "greylist.delay"),
        (15, "greylist.store"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "# [spf]\n\"spf\" . 'xyz' = 1  # spf.xyz",
        'mode = """\nenforce"""\n[spf]\nxyz = 1',
        "[greylist]\nskip_recipients = [\n'a',\n'b', # ]\n\n]\n[spf]\nxyz = '''\n[spf]\nxyz = 1'''",
        "[ spf ]\r\nenabled = true\r\nxyz = 1\r\n",
        "spf = { enabled = true, xyz = 1 }",
        "spf.enabled = true\nspf.xyz = 1",
    ],
)
def test_a_line_is_found_however_the_file_is_laid_out(text: str) -> None:
    [problem] = [problem for problem in parse(text)[1] if problem.key == "spf.xyz"]
    last = [number for number, line in enumerate(text.splitlines(), 1) if "xyz" in line]
    assert problem.line == (last[0] if "'''" in text else last[-1])


def test_a_list_of_thousands_of_lines_is_no_trouble() -> None:
    networks = "".join(f'"192.31.{number // 256}.{number % 256}",\n' for number in range(10_000))
    [problem] = parse(f"[trust]\nnetworks = [\n{networks}]\nauthenticated = 1")[1]
    assert problem.line == 10_004


@given(st.text(alphabet="spf.enabled[]{}=\"'\n# ,1truefalse", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for problem in parse(text)[1]:
        assert problem.line is not None
        assert 1 <= problem.line <= text.count("\n") + 1
