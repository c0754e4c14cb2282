"""What the programs for rspamd and SpamAssassin decode, and whose name they take: they are run by Debian's own."""

import os
import random
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from milter64.address.client import Origin
from milter64.address.networks import unpack
from milter64.address.translation_prefix import PLACES
from milter64.cli.neighbours import written
from milter64.config.load_file import parse
from milter64.config.settings import Settings
from milter64.headers.authentication_results import authentication_results
from milter64.headers.forged_fields import is_forged
from rig.fields import HELO, IPREV, envelope, finding

pytestmark = pytest.mark.long

SEED = 20261128
EXPLICIT = (
    '{ ipv4 = "192.0.2.1", ipv6 = "2001:db8:aaaa::1" }',
    '{ ipv4 = "198.51.100.0/24", ipv6 = "2001:db8:bbbb::/120" }',
    '{ ipv4 = "198.51.100.64/27", ipv6 = "2001:db8:bbbb::40/123" }',
    '{ ipv4 = "203.0.113.0/26", ipv6 = "2001:db8:cccc::/57" }',
    '{ ipv4 = "0.0.0.0/1", ipv6 = "2001:db8:8000::/33" }',
    '{ ipv4 = "128.0.0.0/2", ipv6 = "64:ff9b::8000:0/98" }',
)
TRANSLATIONS = {
    "by default": "",
    "none": "prefixes = []",
    **{
        f"/{length}": f'prefixes = ["{prefix}/{length}"]'
        for length, prefix in {
            32: "2001:db8::",
            40: "2001:db8:6400::",
            48: "64:ff9b:1::",
            56: "2001:db8:64:6400::",
            64: "2001:db8:64:64::",
            96: "2001:db8:64:64:0:64::",
        }.items()
    },
    "one in another": 'prefixes = ["2001:db8::/32", "64:ff9b::/96", "2001:db8:64::/48", "2001:db8:64::/96"]',
    "mappings": f"prefixes = []\nexplicit = [{', '.join(EXPLICIT)}]",
    "mappings in prefixes": f'prefixes = ["2001:db8::/32", "64:ff9b::/96"]\nexplicit = [{", ".join(EXPLICIT)}]',
}
RUNNERS = {"rspamd": ("rspamadm", "lua", "-b", "decode.lua"), "spamassassin": ("perl", "-w", "decode.pl")}
"""What runs a program beside this file."""
Run = Callable[[Settings, Iterable[str]], list[tuple[str, str]]]


@pytest.fixture(params=["rspamd", pytest.param("spamassassin", marks=pytest.mark.slow)])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """What gives clients to the program that was made for these settings, and returns their addresses and names."""
    *command, script = RUNNERS[request.param]
    file = tmp_path / "Milter64.pm"

    def call(settings: Settings, lines: Iterable[str]) -> list[tuple[str, str]]:
        file.write_text(written(request.param, settings))
        done = subprocess.run(
            [*command, str(Path(__file__).with_name(script))],
            input="".join(f"{line}\n" for line in lines),
            env={**os.environ, "RULES": str(file)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr.replace(NO_TLDS, "")) == (0, "")
        found = [line.partition("\t") for line in done.stdout.splitlines()]
        return [(address, name) for address, _, name in found]

    return call


NO_TLDS = "config: registryboundaries: no tlds defined, need to run sa-update\n"
"""What SpamAssassin says without its own rules."""


def settings(text: str) -> Settings:
    found, problems = parse(text)
    assert not problems
    return found


# Addresses


def taken(settings: Settings, wire: str) -> str:
    """Return the address that milter64 judges by, or the one on the wire: none of private use gets rights by that."""
    client = settings.translator().client(wire)
    decoded = client.origin is Origin.MAPPED or (client.origin is Origin.TRANSLATED and not client.private)
    return client.address if decoded else client.wire


INTERESTING = (
    *("192.31.196.10", "0.0.0.0", "10.0.0.1", "100.63.255.255", "100.64.0.0", "127.0.0.1", "169.254.1.1", "172.16.0.1"),
    *("172.32.0.0", "192.0.0.1", "192.0.0.9", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.7"),
    *("203.0.113.70", "223.255.255.255", "224.0.0.1", "240.0.0.1", "255.255.255.254", "255.255.255.255"),
)
BESIDE = (("0064ff9b" + "00" * 8, 96), ("0064ff9b0001", 48), ("00" * 10 + "ffff", 96), ("20", 8))
"""64:ff9b::/96, 64:ff9b:1::/48, ::ffff:0:0/96, and a neighbourhood."""


def wires(settings: Settings) -> Iterator[str]:
    """Yield addresses in each prefix and mapping and beside them, with what they must and must not carry."""
    dice = random.Random(SEED)
    heads = [(each.packed, each.length) for each in settings.translation.prefixes]
    heads += [(each.first6.to_bytes(16), 128 - each.suffix6) for each in settings.translation.explicit]
    heads += [(bytes.fromhex(text), length) for text, length in BESIDE]
    carried = [*(bytes(map(int, text.split("."))) for text in INTERESTING), *(dice.randbytes(4) for _ in range(100))]
    for head, length in heads:
        octets = head[: length // 8]
        for ipv4 in carried:
            embedding = bytearray(octets.ljust(16, b"\0"))
            for place, octet in zip(PLACES.get(length, PLACES[96]), ipv4, strict=True):
                embedding[place] = octet
            yield unpack(bytes(embedding))
            embedding[dice.choice([8, 15])] ^= dice.randrange(256)
            yield unpack(bytes(embedding))
            yield unpack(octets + dice.randbytes(16 - len(octets)))
    for ipv4 in carried:
        yield unpack(ipv4)
        yield from (unpack(packed) for each in settings.translation.explicit if (packed := each.encode(ipv4)))


@pytest.mark.parametrize("translation", TRANSLATIONS.values(), ids=TRANSLATIONS)
def test_what_we_decode_is_decoded_and_the_rest_is_left(translation: str, run: Run) -> None:
    given = settings(f"[translation]\n{translation}\n")
    expected = {wire: taken(given, wire) for wire in wires(given)}
    found = run(given, (f"{wire}\t\tmx.example.org\t" for wire in expected))
    assert {
        wire: address for wire, (address, _) in zip(expected, found, strict=True) if address != expected[wire]
    } == {}
    assert sum(wire != address for wire, address in expected.items()) > 80  # those of ::ffff:0:0/96 at least


# Names

WIRE, HONEST, OURS = "64:ff9b::c01f:c40a", "192.31.196.10", "mx.example.org"
PASS = f"iprev=pass (mail.honest.example) policy.iprev={HONEST}"
FIELD = f"{OURS}; spf=pass (ip4:{HONEST} of honest.example) smtp.mailfrom=honest.example; {PASS} (client {HONEST})"


def line(*fields: str, wire: str = WIRE, user: str = "", mta: str = OURS, name: str = "") -> str:
    return "\t".join((wire, user, mta, name, *fields))


@pytest.mark.parametrize(
    ("client", "name"),
    [
        (line(FIELD), "mail.honest.example"),
        (line(f"{OURS}; {PASS}"), "mail.honest.example"),
        (line(f"{OURS}; spf=none smtp.helo=mail.honest.example", FIELD), "mail.honest.example"),
        (
            line(f"{OURS}; dkim=pass header.d=honest.example", "mx.example.net; iprev=pass (x)", FIELD),
            "mail.honest.example",
        ),
        (line(FIELD, mta="MX.Example.Org"), "mail.honest.example"),
        (line(FIELD, name="nat64.example.org"), "mail.honest.example"),
        (line(), ""),
        (line(name="nat64.example.org"), ""),
        (line(FIELD, mta="mx.example.net"), ""),
        (line(FIELD.replace("pass (m", "fail (m")), ""),
        (line(FIELD.replace("iprev=pass", "iprev=temperror"), FIELD), ""),
        (line(FIELD.replace(HONEST, "192.31.196.1")), ""),
        (line(FIELD, wire="64:ff9b::c01f:c401"), ""),
        (line(FIELD.replace("mail.honest.example", "mail.honest.example and 1 more do not lead back")), ""),
        (line(f'{OURS}; spf=none smtp.mailfrom="; {PASS}"'), ""),
        (line(f"{OURS}; spf=none ({PASS}) smtp.mailfrom=honest.example"), ""),
        (line(FIELD, user="joe"), ""),
    ],
)
def test_the_name_is_the_one_of_our_uppermost_iprev_and_no_other(client: str, name: str, run: Run) -> None:
    assert run(settings(""), [client]) == [("192.31.196.1" if "c401" in client else HONEST, name)]


def test_who_is_not_decoded_keeps_the_name_that_the_mail_server_has_found(run: Run) -> None:
    clients = [
        line(FIELD, wire=wire, name="host.example.org") for wire in ("2001:db8::1", "192.0.2.1", "64:ff9b::a00:1")
    ]
    assert {name for _, name in run(settings(""), clients)} == {"host.example.org"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('milter.authserv_id = "spf.example.org"', ""),
        (f'milter.authserv_id = "{OURS}"', "mail.honest.example"),
        ("headers.authentication_results = false", ""),
        ("iprev.enabled = false", "mail.honest.example"),
        ('trust.relays = ["64:ff9b::c01f:c40a"]', ""),
        ('trust.networks = ["64:ff9b::c01f:c400/120", "192.0.2.0/24"]', ""),
    ],
)
def test_no_name_is_taken_where_no_field_can_be_told_to_be_ours(text: str, name: str, run: Run) -> None:
    assert run(settings(text), [line(FIELD)]) == [(HONEST, name)]


def test_a_configured_authserv_id_goes_before_the_mail_servers_name(run: Run) -> None:
    given = settings('milter.authserv_id = "spf.example.org"')
    assert run(given, [line(FIELD.replace(OURS, "spf.example.org"))]) == [(HONEST, "mail.honest.example")]


def test_whatever_strangers_have_put_into_our_fields_the_name_is_the_right_one(run: Run) -> None:
    dice = random.Random(SEED)
    texts = [nasty(dice) for _ in range(400)]
    clients = []
    for sender, reason, helo in zip(texts, texts[1:], texts[2:], strict=False):
        spf = finding("spf", "smtp.mailfrom", "pass", reason)
        fields = authentication_results(
            OURS, envelope(WIRE, helo, f"a@{sender}"), [spf, replace(HELO, reason=reason), IPREV]
        )
        clients.append(line(*(field.replace("\n", "") for field in fields)))
    assert set(run(settings(""), clients)) == {(HONEST, "mail.example.org")}


def test_no_field_that_we_would_leave_to_a_stranger_gives_him_a_name(run: Run) -> None:
    dice = random.Random(SEED)
    fields = [nasty(dice) for _ in range(20_000)]
    left = [field for field in fields if PASS in field and not is_forged(field, OURS)]
    assert len(left) > 500
    assert set(run(settings(""), map(line, left))) == {(HONEST, "")}


def nasty(dice: random.Random) -> str:
    """Return what some parser of Authentication-Results may trip over, in one line."""
    pieces = (
        PASS,
        PASS,
        f"; {PASS}",
        OURS,
        OURS,
        f"{OURS};",
        "mx.example.net",
        *'();"\\= .1',
        "iprev",
        "=?utf-8?q?",
        "\u00ad",
    )
    return "".join(dice.choices(pieces, k=dice.randint(1, 8)))
