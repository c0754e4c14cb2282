import pytest

from milter64.guard.masking_gateway import MANY, WINDOW, NamesByAddress

GATEWAY, OTHER = b"\x0a\0\0\1", b"\x0a\0\0\2"


def hear(heard: NamesByAddress, names: list[str], domains: list[str], every: float = 1.0) -> bool:
    """Hear names and domains one after the other, and return what the last one showed."""
    shown = [heard.hear(GATEWAY, "net", *said, n * every) for n, said in enumerate(zip(names, domains, strict=True))]
    return shown[-1]


def many(word: str, number: int = MANY) -> list[str]:
    return [f"{word}{n}.example" for n in range(number)]


@pytest.mark.parametrize(
    ("names", "domains", "gateway"),
    [
        pytest.param(many("mail"), many("from"), True, id="twenty of both"),
        pytest.param(many("mail", MANY - 1), many("from", MANY - 1), False, id="nineteen of both"),
        pytest.param(["monitor.example"] * 99, many("from", 99), False, id="one name and many domains"),
        pytest.param(many("mail", 99), ["from.example"] * 99, False, id="many names and one domain"),
        pytest.param(many("mail", 19) * 9, many("from", 19 * 9), False, id="nineteen names again and again"),
        pytest.param([*many("mail", 19), "MAIL0.EXAMPLE"], many("from"), False, id="a name in other letters"),
        pytest.param(many("mail"), [*many("from", 19), ""], False, id="the null sender is no domain"),
        pytest.param([*many("mail", 19), ""], many("from"), False, id="no HELO is no name"),
        pytest.param([f"{'x' * 255}{n}" for n in range(99)], many("from", 99), False, id="over-long names are cut"),
    ],
)
def test_many_names_and_many_domains_are_a_gateways(names: list[str], domains: list[str], *, gateway: bool) -> None:
    assert hear(NamesByAddress(), names, domains) is gateway


def test_names_count_for_a_day() -> None:
    assert hear(NamesByAddress(), many("mail"), many("from"), every=WINDOW / MANY)
    assert not hear(NamesByAddress(), many("mail"), many("from"), every=WINDOW / (MANY - 1))
    assert not hear(NamesByAddress(), many("mail", 99), many("from", 99), every=WINDOW / (MANY - 1))


def test_one_who_says_his_name_again_makes_no_other_name_fresh() -> None:
    heard = NamesByAddress()
    assert [heard.hear(GATEWAY, "net", *said, 0) for said in zip(many("mail"), many("from"), strict=True)][-1]
    assert not heard.hear(GATEWAY, "net", "mail0.example", "from0.example", WINDOW + 1)


def test_addresses_are_counted_apart() -> None:
    heard = NamesByAddress()
    for n, (name, domain) in enumerate(zip(many("mail", 38), many("from", 38), strict=True)):
        assert not heard.hear((GATEWAY, OTHER)[n % 2], "net", name, domain, n)


def test_the_address_heard_of_longest_ago_is_forgotten_first() -> None:
    heard = NamesByAddress()
    names, domains = many("mail"), many("from")
    for n in range(MANY - 1):
        heard.hear(GATEWAY, "net", names[n], domains[n], n)
        heard.hear(OTHER, "net", names[n], domains[n], n)
    for n in range(64):
        heard.hear(b"\x0a\1\0" + bytes([n]), "net", "a.example", "a.example", MANY)
        heard.hear(OTHER, "net", "mail0.example", "from0.example", MANY)
    assert not heard.hear(GATEWAY, "net", names[-1], domains[-1], MANY)
    assert heard.hear(OTHER, "net", names[-1], domains[-1], MANY)


def test_a_network_of_many_addresses_crowds_out_no_other() -> None:
    heard = NamesByAddress()
    assert [heard.hear(GATEWAY, "net", *said, 0) for said in zip(many("mail"), many("from"), strict=True)][-1]
    for n in range(200):
        for said in zip(many("mail"), many("from"), strict=True):
            heard.hear(b"\x0a\1\0" + bytes([n]), "flood", *said, 1)
    assert heard.hear(GATEWAY, "net", "mail0.example", "from0.example", 2)
    assert GATEWAY in heard.gateways(2)
    assert len(heard.gateways(2)) == 64


def test_a_gateway_is_one_until_a_day_after_it_last_showed() -> None:
    heard = NamesByAddress()
    for said in zip(many("mail"), many("from"), strict=True):
        heard.hear(GATEWAY, "net", *said, 100)
    assert heard.gateways(99 + WINDOW) == {GATEWAY}
    assert heard.gateways(100 + WINDOW) == frozenset()
