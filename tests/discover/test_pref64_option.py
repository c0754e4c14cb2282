import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.address.networks import pack
from milter64.address.translation_prefix import Prefix
from milter64.discover.pref64_option import Pref64, read
from rig.advertisement import advertisement, pref64
from rig.prefixes import prefixes

NSP = pack("2001:db8:122:344::")


def found(message: bytes) -> list[tuple[str, int]] | None:
    prefixes = read(message)
    return None if prefixes is None else [(each.prefix.text, each.lifetime) for each in prefixes]


@given(prefixes(), st.integers(0, 8191), st.binary(max_size=8))
def test_what_a_router_writes_is_read_back(prefix: Prefix, scaled: int, noise: bytes) -> None:
    packed, length = prefix.packed.ljust(16, bytes(1)), prefix.length
    dirty = packed[: length // 8] + noise.ljust(16 - length // 8, b"\0")[: 16 - length // 8]
    (read_back,) = read(advertisement(pref64(dirty, length, scaled * 8))) or []
    assert isinstance(read_back, Pref64)
    assert read_back.lifetime == scaled * 8
    assert (read_back.prefix.packed, read_back.prefix.length) == (packed[: length // 8], length)


@given(st.binary(max_size=120))
def test_no_bytes_break_it(rest: bytes) -> None:
    read(rest)
    read(advertisement()[:16] + rest)
    read(advertisement(rest))


def test_the_bytes_of_the_rfc() -> None:
    option = bytes.fromhex("2602 0708 0064ff9b0000000000000000")  # 1800 s, rounded up to 225 units of 8 (4.1)
    assert found(advertisement(option)) == [("64:ff9b::/96", 1800)]
    assert found(advertisement(bytes.fromhex("2602 fffd 20010db8 0000000000000000"))) == [("2001:db8::/32", 65528)]


VALID = pref64(NSP, 96, 600)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(advertisement(), [], id="no PREF64"),
        pytest.param(
            advertisement(VALID, pref64(pack("64:ff9b::"), 96, 0)),
            [("2001:db8:122:344::/96", 600), ("64:ff9b::/96", 0)],
            id="two, one of which is withdrawn",
        ),
        *(
            pytest.param(
                advertisement(VALID[:2] + bytes([0, code]) + VALID[4:], VALID),
                [("2001:db8:122:344::/96", 600)],
                id=f"code {code}",
            )
            for code in (6, 7)
        ),
        pytest.param(
            advertisement(bytes([38, 3]) + VALID[2:] + bytes(8), VALID), [("2001:db8:122:344::/96", 600)], id="length 3"
        ),
        pytest.param(advertisement(bytes([38, 1, 0, 0, 0, 0, 0, 0])), [], id="length 1"),
        pytest.param(
            advertisement(pref64(b"\x20\x01\x0d\xb8" + bytes(4) + b"\xff" + bytes(7), 96, 8)),
            [],
            id="bits 64 to 71 set",
        ),
        pytest.param(advertisement(pref64(pack("64:ff9b::"), 64, 8)), [], id="64:ff9b::/64"),
        pytest.param(
            advertisement(VALID, bytes([1, 0, 0, 0, 0, 0, 0, 0])), None, id="an option of no length (RFC 4861 6.1.2)"
        ),
        pytest.param(advertisement(VALID)[:-1], None, id="cut short"),
        pytest.param(advertisement(VALID) + b"\x26", None, id="an option of one octet"),
        pytest.param(advertisement()[:15], None, id="shorter than its head"),
        pytest.param(advertisement(VALID, code=1), None, id="code 1"),
        pytest.param(b"\x85" + advertisement(VALID)[1:], None, id="another message"),
    ],
)
def test_an_option_counts_as_the_rfc_has_it(message: bytes, expected: list[tuple[str, int]] | None) -> None:
    assert found(message) == expected
