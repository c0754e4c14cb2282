"""Lists that milter64 is to ask in Postfix's place count by the same answers."""

import pytest

from milter64.audit.rules.lists_moved_here import Site


@pytest.mark.parametrize(
    ("wanted", "answers"),
    [
        ("127.0.0.2", '"127.0.0.2"'),
        ("127.0.0.[2..11]", '"127.0.0.2-11"'),
        ("127.0.0.[2;4..6;10]", '"127.0.0.2", "127.0.0.4-6", "127.0.0.10"'),
        ("127.0.[0..1].2", '"127.0.0.2", "127.0.1.2"'),
    ],
)
def test_a_filter_of_postfix_s_is_written_as_ours(wanted: str, answers: str) -> None:
    site = Site.read(f"bl.example.net={wanted}")
    assert site
    assert f'zone = "bl.example.net"\\nanswers = [{answers}]\\n' in site.table


@pytest.mark.parametrize("wanted", ["192.0.2.1", "127.0.0", "127.0.0.[1..", "here"])
def test_what_is_no_filter_is_none(wanted: str) -> None:
    assert Site.read(f"bl.example.net={wanted}") is None
