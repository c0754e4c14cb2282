import tomllib
from dataclasses import fields, is_dataclass, replace
from typing import get_type_hints

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from milter64.address import translation_prefix
from milter64.address.translation_prefix import Prefix
from milter64.config.load_file import parse
from milter64.config.settings import Settings
from milter64.config.toml_reader import keys, seconds
from milter64.config.toml_writer import written

FULL = """
mode = "observe"
[milter]
socket = "unix:/run/milter64.sock"
socket_mode = "0600"
socket_group = "postfix"
workers = 3
authserv_id = "mx.example.org"
[translation]
prefixes = ["2001:db8:64::/96", "64:ff9b::/96"]
explicit = [{ ipv4 = "192.0.2.1", ipv6 = "2001:db8:aaaa::1" }, { ipv4 = "192.0.2.0/24", ipv6 = "2001:db8::/120" }]
[trust]
networks = []
relays = ["192.0.2.0/24", "2001:db8::1"]
authenticated = false
[helo]
actions = { own-name = "reject", malformed = "tempfail" }
[iprev]
enabled = false
actions = {}
ipv6_actions = { permerror = "accept" }
[metrics]
listen = "[::1]:9864"
[rate]
sessions = { "ipv4/32" = "60/1h", "ipv6/64" = "7/90s" }
exact = true
[greylist]
delay = "1500ms"
skip_recipients = ["example.org", "joe@example.net"]
store = "rediss+sentinel://h1,[::1]:7000/mymaster/3?ca=/etc/ca.pem"
local = "sqlite:/rows"
[allow]
entries = [
    "192.0.2.0/24",
    { who = "@partner.example", spares = "all", until = 2027-01-31T12:00:30Z, because = "ticket #12" },
    { who = "to:a@example.org", until = "2027-01-31" },
]
files = ["/etc/milter64/allow"]
[block]
entries = ["@.example.org"]
files = ["/etc/milter64/block", "/srv/block"]
[[recipient]]
address = "list@example.org"
[[recipient]]
domain = "example.net"
off = "all"
[[dnslist]]
zone = "s3cr3tk3y.zen.example.org"
answers = ["127.0.0.2-11", "127.0.1.0/24"]
text = "see {address}"
[[dnslist]]
zone = "wl.example.net"
name = "wl"
action = "accept"
about = ["client", "name"]
"""


def comparable(value: object) -> object:
    """Return settings as plain values: prefixes and mappings are compared by what they say."""
    if is_dataclass(value):
        return {field.name: comparable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [comparable(each) for each in value]
    return value.text if isinstance(value, Prefix | translation_prefix.Mapping) else value


def made(text: str) -> Settings:
    found, problems = parse(text)
    assert not problems
    return found


@pytest.mark.parametrize("text", ["", FULL, 'milter.socket = "inet6:8864@[::1]"'])
def test_what_is_written_is_read_again_as_the_same_settings(text: str) -> None:
    first = made(text)
    again = made(written(first))
    assert comparable(again) == comparable(first)
    assert written(again) == written(first)


def test_every_key_that_has_a_value_is_written() -> None:
    assert list(paths(tomllib.loads(written(made(FULL))))) == list(keys(Settings))
    left_out = set(keys(Settings)) - set(paths(tomllib.loads(written(Settings()))))
    left_out -= {key for key in left_out if key.startswith(("dnslist.", "recipient."))}  # there is none by default
    hints = {key: get_type_hints(type(section(key)))[key.rpartition(".")[2]] for key in left_out}
    assert all(type(None) in hint.__args__ for hint in hints.values()), hints


def section(key: str) -> object:
    found: object = Settings()
    for name in key.split(".")[:-1]:
        found = getattr(found, name)
    return found


def paths(table: dict[str, object], path: str = "") -> list[str]:
    """Return the keys of a file in the order of the settings; what the settings take whole is not entered."""
    known = list(keys(Settings))
    found = []
    for name, each in table.items():
        key = f"{path}{name}"
        value = each[0] if isinstance(each, list) and key not in known else each
        found += [key] if key in known else paths(value, f"{key}.") if isinstance(value, dict) else [key]
    return found


NAMES = st.from_regex(r"[a-z0-9]{1,9}\.example", fullmatch=True)
TIMES = st.one_of(
    st.floats(0.001, 1e9).map(lambda value: f"{value:.6f}s"),
    st.tuples(st.integers(1, 9999), st.sampled_from(["ms", "s", "m", "h", "d"])).map(
        lambda pair: f"{pair[0]}{pair[1]}"
    ),
)


@example("0.00001s")
@given(TIMES)
def test_any_time_is_read_again_to_the_last_bit(text: str) -> None:
    first = made(f'dns.deadline = "{text}"')
    assert made(written(first)).dns.deadline == seconds(text)


@given(st.text().filter(str.isprintable), st.lists(NAMES).map(tuple))
def test_any_text_is_read_again_as_it_was(group: str, recipients: tuple[str, ...]) -> None:
    first = Settings()
    first = replace(first, milter=replace(first.milter, socket_group=group))
    first = replace(first, greylist=replace(first.greylist, skip_recipients=recipients))
    assert comparable(made(written(first))) == comparable(first)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("48h", "48h"), ("36d", "36d"), ("60s", "60s"), ("8s", "8s"), ("300s", "5m"), ("1500ms", "1.5s"), ("90s", "90s")],
)
def test_times_are_written_as_people_write_them(text: str, shown: str) -> None:
    assert f'deadline = "{shown}"' in written(made(f'dns.deadline = "{text}"'))
