"""Which fields of one message must go, by their places, and how many that may be."""

import pytest

from milter64.headers.authentication_results import AUTHENTICATION_RESULTS
from milter64.headers.forged_fields import MOST, ForgedFields
from milter64.headers.received_spf import RECEIVED_SPF

OURS, OTHERS = b"mx.example.org; spf=pass", b"mx.example.com; spf=pass"


def test_a_field_is_told_by_its_number_among_all_of_its_name() -> None:
    fields = ForgedFields("mx.example.org")
    for name, value in (
        (AUTHENTICATION_RESULTS, OTHERS),
        (RECEIVED_SPF, b"pass"),
        (AUTHENTICATION_RESULTS, OURS),
        (AUTHENTICATION_RESULTS, OTHERS),
        (AUTHENTICATION_RESULTS, OURS),
        (RECEIVED_SPF, b"fail"),
    ):
        fields.note(name, value)
    assert fields.places == [
        (RECEIVED_SPF, 1),
        (AUTHENTICATION_RESULTS, 2),
        (AUTHENTICATION_RESULTS, 4),
        (RECEIVED_SPF, 2),
    ]


def test_where_we_add_no_authentication_results_those_of_others_stay() -> None:
    fields = ForgedFields(None)
    fields.note(AUTHENTICATION_RESULTS, OURS)
    fields.note(RECEIVED_SPF, b"pass")
    assert fields.places == [(RECEIVED_SPF, 1)]


@pytest.mark.parametrize(("forged", "too_many"), [(MOST, False), (MOST + 1, True), (MOST + 1000, True)])
def test_a_hundred_can_be_deleted_and_no_more_are_looked_at(forged: int, too_many: bool) -> None:  # noqa: FBT001
    fields = ForgedFields("mx.example.org")
    for _ in range(forged):
        fields.note(AUTHENTICATION_RESULTS, OURS)
    assert fields.too_many is too_many
    assert len(fields.places) <= MOST + 1


def test_what_is_beyond_64_kib_is_not_trusted() -> None:
    fields = ForgedFields("mx.example.org")
    fields.note(AUTHENTICATION_RESULTS, OTHERS + b" " * (65_536 - 2 * len(OTHERS)))
    fields.note(AUTHENTICATION_RESULTS, OTHERS)
    assert fields.places == []
    fields.note(AUTHENTICATION_RESULTS, OTHERS)
    assert fields.places == [(AUTHENTICATION_RESULTS, 3)]
