"""[[dnslist]]: what is wrong with it, each with its line, and never with a key; and what becomes of it."""

import pytest

from milter64.address.translator import Translator
from milter64.checks.dns_list_settings import Answers
from milter64.config.load_file import parse
from milter64.config.toml_writer import written
from milter64.mail.action import Action
from milter64.mail.spares import Spares

KEY = "s3cr3ts3cr3ts3cr3t"
CLIENT = Translator().client("192.0.2.1")


@pytest.mark.parametrize(
    ("text", "key", "line", "what", "remedy"),
    [
        ('[[dnslist]]\nname = "x"', "dnslist[1].zone", 1, "missing", "write the zone"),
        ("[[dnslist]]\nzone = 1", "dnslist[1].zone", 2, "not shown", 'such as "zen.spamhaus.org"'),
        (f'[[dnslist]]\nzone = "{KEY} zen.example"', "dnslist[1].zone", 2, "not shown", "write a zone"),
        (f'[[dnslist]]\nzone = "{KEY}\\u0007.zen.example"', "dnslist[1].zone", 2, "not shown", "without"),
        (f'[[dnslist]]\nzone = ["{KEY}.zen.example"]', "dnslist[1].zone", 2, "not shown", "write a zone"),
        (f'[dnslist]\nzone = "{KEY}.zen.example"', "dnslist", 1, "no list of tables", "write [[dnslist]]"),
        (f'dnslist = "{KEY}.zen.example"', "dnslist", 1, "no list of tables", "write [[dnslist]]"),
        (f'dnslist = ["{KEY}.zen.example"]', "dnslist", 1, "no list of tables", "write [[dnslist]]"),
        (f'\ndnslist = [{{ zone = ["{KEY}.example"] }}]', "dnslist[1].zone", 2, "not shown", "write a zone"),
        (f'[[dnslist]]\nzzz = "{KEY}"\nzone = "a.example"', "dnslist[1].zzz", 2, "unknown key", "possible are zone,"),
        ('[[dnslist]]\nzone = "a.example"\nname = "a b"', "dnslist[1].name", 3, "not possible", "letters, digits"),
        ('[[dnslist]]\nzone = "a.example"\nname = "a/b"', "dnslist[1].name", 3, "not possible", "letters, digits"),
        ('[[dnslist]]\nzone = "a.example"\nanswers = []', "dnslist[1].answers", 3, "none would", "127.0.0.2-11"),
        (
            '[[dnslist]]\nzone = "a.example"\nanswers = ["10.0.0.1"]',
            "dnslist[1].answers",
            3,
            "10.0.0.1",
            "127.0.1.0/24",
        ),
        ('[[dnslist]]\nzone = "a.example"\nanswers = [2]', "dnslist[1].answers", 3, "2 are no answers", "127.0.0.2"),
        ('[[dnslist]]\nzone = "a.example"\nabout = []', "dnslist[1].about", 3, "nothing would", '"client" or "sender"'),
        ('[[dnslist]]\nzone = "a.example"\nabout = ["ip"]', "dnslist[1].about", 3, '"ip"', '"client", "sender"'),
        ('[[dnslist]]\nzone = "a.example"\naction = "block"', "dnslist[1].action", 3, '"block"', '"reject"'),
        (
            '[[dnslist]]\nzone = "a.example"\naction = "accept"\nabout = ["name", "sender", "helo"]',
            "dnslist[1].about",
            4,
            "anybody can claim what helo and sender",
            'write "client" or "name"',
        ),
        (
            f'[[dnslist]]\nzone = "{KEY}.a.example"\nname = "{KEY.upper()}.a"',
            "dnslist[1].name",
            3,
            "all would read",
            "leave the key out",
        ),
        (
            f'[[dnslist]]\nzone = "{KEY}.rbl"\ntext = "https://a.example/{KEY}/"',
            "dnslist[1].text",
            3,
            "strangers would read",
            "leave the key out",
        ),
        (
            f'[[dnslist]]\nzone = "{KEY}.a.example"\nname = "{KEY}"\n[[dnslist]]\nzone = "b.example"\nname = "{KEY}"',
            "dnslist[1].name",
            3,
            "all would read",
            "leave the key out",
        ),
        (
            '[[dnslist]]\nzone = "a.example"\n[log]\n[[dnslist]]\n\nzone = "A.example."\naction = "tempfail"',
            "dnslist[2].name",
            4,
            "another list is called a.example",
            "a name of its own",
        ),
    ],
)
def test_what_is_wrong_has_its_line_and_remedy_and_shows_no_zone(
    text: str, key: str, line: int, what: str, remedy: str
) -> None:
    _, problems = parse(text)
    (problem,) = [problem for problem in problems if problem.key == key]
    assert problem.line == line
    assert what in problem.what
    assert remedy in problem.remedy
    assert KEY not in repr(problems)


def test_lists_are_read_as_they_stand() -> None:
    settings, problems = parse("""
        [[dnslist]]
        zone = "zen.example.org"
        answers = ["127.0.0.2-11", "127.0.1.0/24"]
        [[dnslist]]
        zone = "wl.example.org"
        name = "good"
        action = "accept"
        about = ["client", "name"]
    """)
    assert not problems
    first, second = settings.dnslist
    assert (first.shown, first.answers, first.action) == (
        "zen.example.org",
        (Answers("127.0.0.2-11"), Answers("127.0.1.0/24")),
        Action.REJECT,
    )
    assert (second.shown, second.action, second.about) == ("good", Action.ACCEPT, ("client", "name"))
    assert parse(written(settings))[0].dnslist == settings.dnslist


def test_what_a_list_says_leads_to_its_action_or_spares_the_greylist() -> None:
    settings, problems = parse("""
        [[dnslist]]
        zone = "zen.example.org"
        about = ["client", "helo"]
        [[dnslist]]
        zone = "grey.example.org"
        action = "greylist"
        [[dnslist]]
        zone = "wl.example.org"
        action = "accept"
        about = ["client", "name"]
    """)
    assert not problems
    rules = settings.policy().rules(CLIENT)
    assert {key: most for key, most in rules.asked.items() if key[0].startswith("dns")} == {
        ("dnsbl", "zen.example.org"): Action.REJECT,
        ("dnsbl", "zen.example.org/helo"): Action.REJECT,
        ("dnsbl", "grey.example.org"): Action.GREYLIST,
        ("dnswl", "wl.example.org"): Action.ACCEPT,
        ("dnswl", "wl.example.org/name"): Action.ACCEPT,
    }
    relief = {("dnswl", "wl.example.org"): Spares.GREYLIST, ("dnswl", "wl.example.org/name"): Spares.GREYLIST}
    assert rules.relief == relief
    assert ("dnsbl", "zen.example.org", "temperror") not in rules.actions
    assert ("dnsbl", "zen.example.org", "permerror") not in rules.actions


@pytest.mark.parametrize("address", ["10.0.0.1", "fd00::1", "127.0.0.1", "64:ff9b::1", None])
def test_clients_of_private_use_and_those_whose_address_is_not_their_own_are_not_asked_about(
    address: str | None,
) -> None:
    settings, _ = parse('[[dnslist]]\nzone = "zen.example.org"\nabout = ["client", "sender"]\n[greylist]\n')
    client = settings.translator().client(address)
    assert not settings.policy().rules(client).asked


def test_the_header_is_owed_what_lists_that_accept_say_of_an_address() -> None:
    text = '[[dnslist]]\nzone = "zen.example"\n[[dnslist]]\nzone = "wl.example"\naction = "accept"\n'
    settings, _ = parse(f'{text}about = ["client", "name"]')
    found = {key for key in settings.judging().header if key[0].startswith("dns")}
    assert found == {("dnswl", "wl.example")}
    settings, _ = parse(f'{text}about = ["name"]')
    assert {key for key in settings.judging().header if key[0].startswith("dns")} == set()


def test_a_name_may_have_a_label_of_the_zone_that_need_not_be_a_key() -> None:
    settings, problems = parse('[[dnslist]]\nzone = "0spam-killlist.example.org"\nname = "0spam-killlist"\n')
    assert not problems
    assert settings.dnslist[0].shown == "0spam-killlist"
