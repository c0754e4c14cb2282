"""The configuration: what a file says, and all that can be wrong with it."""

import re
from dataclasses import replace
from pathlib import Path
from socket import AF_UNIX

import pytest

from milter64.address.client import Origin
from milter64.address.networks import Networks
from milter64.address.translator import Translator
from milter64.config import load_file
from milter64.config.listen_address import Endpoint
from milter64.config.load_file import load, parse
from milter64.config.problems import ConfigError
from milter64.config.settings import Settings
from milter64.config.toml_reader import keys
from milter64.config.toml_writer import written
from milter64.lists.settings import Recipient
from milter64.mail.action import Action
from milter64.mail.finding import Finding
from milter64.mail.spares import Spares

SAMPLE = Path(__file__).parents[2] / "packaging" / "milter64.toml"


def read(text: str) -> Settings:
    settings, problems = parse(text)
    assert problems == []
    return settings


def comparable(settings: Settings) -> tuple[Settings, list[str]]:
    """Take out the prefixes, which are equal by their text alone."""
    texts = [prefix.text for prefix in settings.translation.prefixes]
    return replace(settings, translation=replace(settings.translation, prefixes=())), texts


def test_an_empty_file_is_a_sensible_server() -> None:
    assert read("") == Settings()


def test_every_key_can_be_given() -> None:
    settings = read("""
        mode = "observe"
        [milter]
        socket = "unix:/run/milter64/milter64.sock"
        socket_mode = "0600"
        socket_group = "postfix"
        workers = 3
        authserv_id = "mx.example.org"
        [translation]
        prefixes = ["2001:db8:64::/96", "2001:db8::/40"]
        explicit = [{ ipv4 = "192.0.2.1", ipv6 = "2001:db8:aaaa::1" }]
        [dns]
        nameservers = ["127.0.0.1", "[::1]:5353"]
        timeout = "500ms"
        deadline = "1.5m"
        [trust]
        networks = ["192.0.2.0/24"]
        relays = ["2001:db8::25"]
        authenticated = false
        judge_private = true
        [helo]
        actions = { own-name = "reject" }
        [iprev]
        enabled = false
        actions = {}
        ipv6_actions = { permerror = "tempfail" }
        [spf]
        enabled = false
        helo_actions = {}
        actions = { fail = "greylist", none = "accept" }
        [greylist]
        enabled = false
        apply = "all"
        delay = "5m"
        retry_window = "24h"
        remember = "10d"
        ipv4_prefix = 32
        ipv6_prefix = 56
        skip_recipients = ["example.org", "Alice@example.com", "postmaster"]
        store = "sqlite:/tmp/x"
        [headers]
        authentication_results = false
        received_spf = true
        [limits]
        memory = "1G"
        [log]
        level = "debug"
        format = "json"
        privacy = "hash"
    """)
    assert settings.mode == "observe"
    assert settings.milter.socket == Endpoint(family=AF_UNIX, address="/run/milter64/milter64.sock")
    assert (settings.milter.socket_mode, settings.milter.socket_group) == (0o600, "postfix")
    assert (settings.milter.workers, settings.authserv_id) == (3, "mx.example.org")
    assert [prefix.text for prefix in settings.translation.prefixes] == ["2001:db8:64::/96", "2001:db8::/40"]
    assert [mapping.text for mapping in settings.translation.explicit] == ["192.0.2.1/32 = 2001:db8:aaaa::1/128"]
    assert settings.dns.nameservers == ("127.0.0.1", "[::1]:5353")
    assert (settings.dns.timeout, settings.dns.deadline) == (0.5, 90.0)
    assert settings.trust.networks == Networks(["192.0.2.0/24"])
    assert settings.trust.relays == Networks(["2001:db8::25/128"])
    assert (settings.trust.authenticated, settings.trust.judge_private) == (False, True)
    assert settings.helo.actions == {"own-name": Action.REJECT}
    assert (settings.iprev.enabled, settings.iprev.actions) == (False, {})
    assert settings.iprev.ipv6_actions == {"permerror": Action.TEMPFAIL}
    assert (settings.spf.enabled, settings.spf.helo_actions) == (False, {})
    assert settings.spf.actions == {"fail": Action.GREYLIST, "none": Action.ACCEPT}
    assert (settings.greylist.enabled, settings.greylist.apply, settings.greylist.store) == (
        False,
        "all",
        "sqlite:/tmp/x",
    )
    assert (settings.greylist.delay, settings.greylist.retry_window) == (300.0, 86400.0)
    assert settings.greylist.remember == 864_000.0
    assert (settings.greylist.ipv4_prefix, settings.greylist.ipv6_prefix) == (32, 56)
    assert settings.greylist.skip_recipients == ("example.org", "Alice@example.com", "postmaster")
    assert (settings.headers.authentication_results, settings.headers.received_spf) == (False, True)
    assert settings.limits.memory.octets == 2**30
    assert (settings.log.level, settings.log.format, settings.log.privacy) == ("debug", "json", "hash")


# The sample


def test_the_sample_as_it_comes_is_the_default() -> None:
    assert read(SAMPLE.read_text()) == Settings()


def test_the_samples_lines_without_their_comment_signs_are_the_default() -> None:
    text = re.sub(r"^#(?=\w)", "", SAMPLE.read_text(), flags=re.MULTILINE)
    assert comparable(read(text)) == comparable(Settings())
    assert text.count("\n") == SAMPLE.read_text().count("\n")


def test_the_sample_names_every_key_and_no_other() -> None:
    table, named = "", []
    for line in SAMPLE.read_text().splitlines():
        if header := re.fullmatch(r"\[(\w+)\]|# \[\[(\w+)\]\]", line):
            table = f"{header[1] or header[2]}."
        elif key := re.match(r"# ?(\w+) = ", line):
            named.append(table + key[1])
    assert named == list(keys(Settings))


def test_only_a_key_without_a_default_or_of_a_table_that_there_may_be_several_of_is_no_setting_in_the_sample() -> None:
    several = [key.partition(".")[2] for key in keys(Settings) if key.startswith(("dnslist.", "recipient."))]
    named = re.findall(r"^# (\w+) = ", SAMPLE.read_text(), flags=re.MULTILINE)
    assert sorted(named) == sorted(["ipv6_actions", "listen", *several])


def test_each_table_of_which_there_may_be_several_is_valid_as_it_stands_in_the_sample() -> None:
    text = re.sub(r"^# (?=\[\[|\w+ = )", "", SAMPLE.read_text(), flags=re.MULTILINE)
    settings = read(text.replace('domain = "example.net"\n', ""))  # it stands in the place of an address
    (found,), (recipient,) = settings.dnslist, settings.recipient
    assert recipient == Recipient(address="list@example.org")
    assert (found.shown, found.action, found.about) == ("zen", Action.REJECT, ("client",))


# Files


@pytest.fixture
def default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "default.toml"
    monkeypatch.setattr(load_file, "DEFAULT", path)
    return path


def test_the_default_file_counts_if_it_is_there(default: Path) -> None:
    assert load() == Settings()
    default.write_text('mode = "observe"')
    assert load().mode == "observe"


def test_a_default_file_that_cannot_be_read_is_not_passed_over(default: Path) -> None:
    default.mkdir()
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        load()


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file or directory"):
        load(tmp_path / "missing.toml")


def test_a_file_that_is_no_text_says_in_which_line(tmp_path: Path) -> None:
    path = tmp_path / "latin1.toml"
    path.write_bytes(b'mode = "observe"\n# caf\xe9\n')
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == f"{path}:2: byte 0xe9 is not UTF-8; save it as UTF-8"


def test_an_error_reads_like_a_compilers(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text('mode = "obsrve"\n[spf]\nenabled = 1\n')
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).splitlines() == [
        f'{path}:1: mode: "obsrve" is not possible here; did you mean "observe"?',
        f"{path}:3: spf.enabled: 1 is of the wrong kind; write true or false",
    ]


# What the settings lead to


def action(settings: Settings, wire: str, check: str, property_: str, result: str) -> Action:
    rules = settings.policy().rules(settings.translator().client(wire))
    return rules.action(Finding(check=check, property=property_, result=result))


def test_each_table_of_actions_reaches_its_own_question() -> None:
    settings = read("""
        helo.actions = { malformed = "reject" }
        iprev.actions = { fail = "tempfail" }
        iprev.ipv6_actions = { fail = "greylist" }
        spf.helo_actions = { fail = "greylist" }
        spf.actions = { fail = "reject" }
    """)
    client = "64:ff9b::c01f:c40a"
    assert action(settings, client, "helo", "smtp.helo", "malformed") is Action.REJECT
    assert action(settings, client, "iprev", "policy.iprev", "fail") is Action.TEMPFAIL
    assert action(settings, "2001:db8::1", "iprev", "policy.iprev", "fail") is Action.GREYLIST
    assert action(settings, client, "spf", "smtp.helo", "fail") is Action.GREYLIST
    assert action(settings, client, "spf", "smtp.mailfrom", "fail") is Action.REJECT
    assert action(settings, client, "spf", "smtp.mailfrom", "softfail") is Action.ACCEPT


def test_native_ipv6_clients_have_the_common_actions_without_their_own() -> None:
    assert action(Settings(), "2001:db8::1", "iprev", "policy.iprev", "permerror") is Action.GREYLIST


def test_what_is_disabled_is_not_asked() -> None:
    client = Translator().client("192.31.196.10")
    settings = read("spf.enabled = false\niprev.enabled = false")
    assert not settings.policy().rules(client).asked
    assert set(Settings().policy().rules(client).asked) == {
        ("iprev", "policy.iprev"),
        ("spf", "smtp.helo"),
        ("spf", "smtp.mailfrom"),
    }


@pytest.mark.parametrize("more", ["", "spf.enabled = false\n"])
@pytest.mark.parametrize("fail", ["reject", "dmarc"])
def test_a_policy_of_dmarc_is_asked_for_relief_alone_and_where_a_fail_is_left_to_it(fail: str, more: str) -> None:
    settings = read(f'{more}spf.actions.fail = "{fail}"')
    assert (f'actions = {{ fail = "{fail}" }}' in written(settings)) is True
    rules, dmarc = settings.policy().rules(Translator().client("192.31.196.10")), ("dmarc", "smtp.mailfrom")
    assert rules.action(Finding(check="spf", property="smtp.mailfrom", result="fail")) is Action.REJECT
    relief = {dmarc: Spares.SPF_FAIL} if (fail, more) == ("dmarc", "") else {}
    assert rules.relief == relief
    assert {key: action for key, action in rules.asked.items() if key == dmarc} == dict.fromkeys(relief, Action.ACCEPT)
    assert not Settings().policy().rules(Translator().client("172.17.0.1")).relief


@pytest.mark.parametrize(("result", "asked"), [("fail", True), ("malformed", False)])
def test_where_a_helo_name_leads_is_asked_only_if_something_follows(result: str, asked: bool) -> None:  # noqa: FBT001  a column
    rules = read(f'helo.actions.{result} = "reject"').policy().rules(Translator().client("192.31.196.10"))
    assert (("helo", "smtp.helo") in rules.asked) is asked


@pytest.mark.parametrize(
    ("text", "floor", "softfail"),
    [
        ("", Action.ACCEPT, Action.GREYLIST),
        ('greylist.apply = "all"', Action.GREYLIST, Action.GREYLIST),
        ('greylist = { apply = "all", enabled = false }', Action.ACCEPT, Action.ACCEPT),
    ],
)
def test_greylisting_is_for_suspects_or_for_all_or_for_nobody(text: str, floor: Action, softfail: Action) -> None:
    rules = read(text).policy().rules(Translator().client("192.31.196.10"))
    assert rules.floor is floor
    assert rules.action(Finding(check="spf", property="smtp.mailfrom", result="softfail")) is softfail


def test_private_clients_are_judged_on_demand() -> None:
    client = Translator().client("172.17.0.1")
    assert not Settings().policy().rules(client).asked
    assert read("trust.judge_private = true").policy().rules(client).asked


def test_the_default_decodes_the_well_known_prefix_and_no_other() -> None:
    translator = Settings().translator()
    assert translator.client("64:ff9b::c01f:c40a").address == "192.31.196.10"
    assert translator.client("64:ff9b:1::c01f:c40a").origin is Origin.UNDECODED
