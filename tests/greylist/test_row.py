"""Rows that were forgotten: nothing that comes late brings back what they were."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from milter64.greylist.attempt import State, attempt
from milter64.greylist.row import Record, RecordKind, forget
from milter64.greylist.settings import Settings

SETTINGS = Settings()
KIND = RecordKind(SETTINGS)
NOW = 1_800_000_000.0
NETWORK, DOMAIN = "net:192.31.196.0/24", "spf:honest.example"
times = st.floats(NOW - 400 * 86400, NOW)
records = st.builds(
    lambda generation, one, other, passed: Record(
        generation=generation, first_seen=min(one, other), passed_at=max(one, other) if passed else None
    ),
    st.integers(0, 5),
    times,
    times,
    st.booleans(),
)


@given(records, st.floats(0, 100 * 86400))
def test_a_pair_that_was_forgotten_begins_anew_and_waits(record: Record, later: float) -> None:
    rows = {NETWORK: forget(record, NOW), DOMAIN: forget(record, NOW)}
    standing = attempt(rows, NETWORK, lambda: frozenset({DOMAIN}), NOW + later, SETTINGS)
    assert standing.state is State.NEW
    assert standing.seconds == SETTINGS.delay
    after = {group: KIND.merge(rows[group], row) for group, row in standing.rows.items()}
    back = attempt(after, NETWORK, None, NOW + later + SETTINGS.delay, SETTINGS)
    assert back.state is State.PASSED


@given(records, records)
def test_no_copy_of_what_was_forgotten_counts_whenever_it_comes(record: Record, before: Record) -> None:
    forgotten = forget(KIND.merge(record, before), NOW)
    for order in permutations([record, before, forgotten]):
        one, other, third = order
        assert KIND.merge(KIND.merge(one, other), third) == forgotten
    assert forgotten.forgotten


@given(records)
def test_what_says_so_is_kept_as_long_as_any_copy_is_and_dates_no_clock_ahead(record: Record) -> None:
    forgotten = forget(record, NOW)
    assert KIND.expires(forgotten) >= KIND.expires(record)
    assert KIND.touched(forgotten) == NOW
    assert not KIND.waits(forgotten)
    assert KIND.load(KIND.dump(forgotten)) == forgotten
    assert not record.forgotten
