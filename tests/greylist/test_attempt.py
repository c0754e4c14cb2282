import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.greylist.attempt import State, attempt
from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings

SETTINGS = Settings(delay=60, retry_window=3600, remember=86400)
KIND = RecordKind(SETTINGS)
NET, OTHER_NET, SPF, RDNS = "net:192.31.196.0/24", "net:2001:db8::/64", "spf:example.org", "rdns:example.org"
T0 = 1_000_000.0


def waiting(first_seen: float = T0, generation: int = 0) -> Record:
    return Record(generation=generation, first_seen=first_seen)


def passed(passed_at: float, first_seen: float = T0, generation: int = 0) -> Record:
    return Record(generation=generation, first_seen=first_seen, passed_at=passed_at)


@pytest.mark.parametrize(
    ("rows", "proven", "now", "state", "seconds", "written"),
    [
        pytest.param({}, None, T0, State.NEW, 60, {NET: waiting()}, id="no row: new, whatever the group"),
        pytest.param(
            {}, {SPF}, T0, State.NEW, 60, {NET: waiting(), SPF: waiting()}, id="new: every proven group is enrolled"
        ),
        pytest.param({NET: waiting()}, None, T0 + 1, State.WAITING, 59, {}, id="an early retry doesn't restart"),
        pytest.param({NET: waiting()}, None, T0 + 59.1, State.WAITING, 1, {}, id="seconds are rounded up, never 0"),
        pytest.param({NET: waiting()}, None, T0 + 60, State.PASSED, 0, {NET: passed(T0 + 60)}, id="the delay is over"),
        pytest.param(
            {NET: waiting()}, None, T0 + 3601, State.NEW, 60, {NET: waiting(T0 + 3601, 1)}, id="retry_window is over"
        ),
        pytest.param(
            {NET: passed(T0 + 60)}, None, T0 + 900, State.PASSED, 0, {NET: passed(T0 + 900)}, id="passed_at moves"
        ),
        pytest.param(
            {NET: passed(T0 + 60)}, None, T0 + 100, State.PASSED, 0, {}, id="again so soon: the row stays as it is"
        ),
        pytest.param(
            {NET: passed(T0)}, None, T0 + 86401, State.NEW, 60, {NET: waiting(T0 + 86401, 1)}, id="remember is over"
        ),
        pytest.param({SPF: waiting()}, None, T0 + 60, State.UNPROVEN, 0, {}, id="only others' rows: unproven"),
        pytest.param(
            {NET: waiting(), SPF: passed(T0)}, None, T0, State.UNPROVEN, 0, {}, id="it waits, others exist: unproven"
        ),
        pytest.param(
            {NET: passed(T0 - 90000), SPF: passed(T0)},
            None,
            T0,
            State.UNPROVEN,
            0,
            {},
            id="it ran out, others exist: unproven",
        ),
        pytest.param(
            {NET: passed(T0), SPF: waiting()},
            None,
            T0 + 100,
            State.PASSED,
            0,
            {NET: passed(T0 + 100)},
            id="its own row passes: no DNS",
        ),
        pytest.param(
            {OTHER_NET: waiting(), SPF: waiting()},
            {SPF, RDNS},
            T0 + 61,
            State.PASSED,
            0,
            dict.fromkeys((NET, SPF, RDNS), passed(T0 + 61)),
            id="one group that passes is enough, and is written under all",
        ),
        pytest.param(
            {NET: passed(T0 - 90000, generation=3), SPF: waiting()},
            {SPF},
            T0 + 61,
            State.PASSED,
            0,
            dict.fromkeys((NET, SPF), passed(T0 + 61, generation=4)),
            id="the passing has the highest generation",
        ),
        pytest.param(
            {OTHER_NET: waiting()},
            set(),
            T0 + 61,
            State.NEW,
            60,
            {NET: waiting(T0 + 61)},
            id="a stranger to all groups is new",
        ),
        pytest.param(
            {SPF: waiting()},
            {SPF},
            T0 + 30,
            State.WAITING,
            30,
            {NET: waiting(T0 + 30)},
            id="a pool's host joins the wait that began",
        ),
        pytest.param(
            {NET: waiting(T0 + 500)},
            None,
            T0,
            State.WAITING,
            60,
            {NET: waiting(T0)},
            id="a row from the future: from now",
        ),
        pytest.param(
            {NET: passed(T0 + 500, T0 + 400)},
            None,
            T0,
            State.PASSED,
            0,
            {NET: passed(T0, T0)},
            id="passed in the future: passed",
        ),
        pytest.param(
            {NET: passed(T0 + 90_000, T0 + 90_000)},
            None,
            T0,
            State.PASSED,
            0,
            {NET: passed(T0, T0, generation=1)},
            id="passed so far in the future that it would be for years: it passes now",
        ),
    ],
)
def test_where_an_attempt_stands(  # noqa: PLR0917  the table's columns
    rows: dict[str, Record], proven: set[str] | None, now: float, state: State, seconds: int, written: dict[str, Record]
) -> None:
    standing = attempt(rows, NET, None if proven is None else lambda: frozenset(proven), now, SETTINGS)
    assert (standing.state, standing.seconds, dict(standing.rows)) == (state, seconds, written)


@pytest.mark.parametrize(
    ("row", "now", "settled"),
    [
        pytest.param(passed(T0), T0 + 1, True, id="it stays as it is: no other group could add to it"),
        pytest.param(passed(T0), T0 + 100, False, id="it moves, and so do the rows of the other groups"),
        pytest.param(waiting(), T0 + 60, False, id="it passes for the first time"),
        pytest.param(waiting(), T0 + 1, False, id="it waits"),
    ],
)
def test_a_standing_is_settled_without_dns_if_nothing_moves(row: Record, now: float, settled: bool) -> None:  # noqa: FBT001  a column
    assert attempt({NET: row}, NET, None, now, SETTINGS).settled is settled


@pytest.mark.parametrize(
    ("rows", "now", "learned"),
    [
        pytest.param({NET: passed(T0), SPF: waiting()}, T0 + 1, 0, id="its own row has said all"),
        pytest.param({NET: passed(T0)}, T0 + 100, 1, id="all rows of its groups move"),
        pytest.param({NET: waiting()}, T0 + 1, 1, id="another group may have waited longer"),
        pytest.param({}, T0, 1, id="all groups are enrolled"),
    ],
)
def test_the_groups_are_learned_once_and_where_they_matter_alone(
    rows: dict[str, Record], now: float, learned: int
) -> None:
    asked = []

    def proven() -> frozenset[str]:
        asked.append(SPF)
        return frozenset({SPF})

    standing = attempt(rows, NET, proven, now, SETTINGS)
    assert len(asked) == learned
    assert standing.settled
    assert standing.rows.keys() >= (set(asked) - rows.keys())


times = st.floats(0, 2e9, allow_nan=False)
records = st.builds(Record, generation=st.integers(0, 5), first_seen=times, passed_at=st.none() | times)


@given(records, records, records)
def test_merging_is_commutative_associative_and_idempotent(a: Record, b: Record, c: Record) -> None:
    assert KIND.merge(a, b) == KIND.merge(b, a)
    assert KIND.merge(KIND.merge(a, b), c) == KIND.merge(a, KIND.merge(b, c))
    assert KIND.merge(a, a) == a


def test_the_higher_generation_wins_whole_and_within_one_the_extremes_count() -> None:
    assert KIND.merge(waiting(generation=1), passed(T0 + 9)) == waiting(generation=1)
    assert KIND.merge(passed(T0 + 9, T0 + 1), passed(T0 + 5, T0 + 2)) == passed(T0 + 9, T0 + 1)
    assert KIND.merge(waiting(T0 + 5), passed(T0 + 9, T0 + 1)) == passed(T0 + 9, T0 + 1)


@given(records)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    assert KIND.load(KIND.dump(record)) == record


@given(st.lists(st.tuples(st.sampled_from([NET, OTHER_NET]), st.floats(0, 200)), max_size=12))
def test_nobody_passes_before_the_delay_is_over_and_everybody_does_who_comes_back_after(
    attempts: list[tuple[str, float]],
) -> None:
    rows: dict[str, Record] = {}
    first: dict[str, float] = {}
    for network, now in sorted(attempts, key=lambda each: each[1]):
        standing = attempt(rows, network, frozenset, T0 + now, SETTINGS)
        due = network in first and now - first[network] >= SETTINGS.delay
        first.setdefault(network, now)
        assert (standing.state is State.PASSED) == due or abs(now - first[network] - SETTINGS.delay) < 1e-6
        rows |= {group: KIND.merge(rows.get(group, row), row) for group, row in standing.rows.items()}


def test_a_waiting_row_expires_with_its_retry_window_and_a_passed_one_when_it_is_forgotten() -> None:
    assert KIND.expires(waiting()) == T0 + 3600
    assert KIND.expires(passed(T0 + 60)) == T0 + 60 + 86400
    assert KIND.touched(passed(T0 + 60)) == T0 + 60
