"""Lines are found by what they have in them as if each had been looked at."""

from hypothesis import given
from hypothesis import strategies as st

from milter64.history.lines_with import lines_with

TEXT = st.text("abAB\n", max_size=40).map(str.encode)
NEEDLES = st.frozensets(st.text("ab", min_size=1, max_size=3).map(str.encode), max_size=4)


@given(block=TEXT, texts=NEEDLES)
def test_those_lines_are_found_that_have_one_of_the_texts_in_any_case_each_once_and_in_order(
    block: bytes, texts: frozenset[bytes]
) -> None:
    wanted = [line for line in block.splitlines(keepends=True) if any(text in line.lower() for text in texts)]
    assert lines_with(block, texts, block.lower()) == b"".join(wanted)
