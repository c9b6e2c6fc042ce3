"""Corrections: what changes after a candle has closed is counted, kept, and can be asked for as of any time."""

import itertools
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.postgres.candles import END, MINUTE, SECOND, SPANS, START, rows, set_now, write
from tests.postgres.conftest import Database

pytestmark = pytest.mark.stack

LATE = END + 10 * MINUTE
CURRENT = "select revision, close::int, known_from from candle where symbol = 'TEST-USDT'"
OLDER = """
select revision, close::int, known_from, known_until from candle_revision
where symbol = 'TEST-USDT' order by revision
"""
AS_OF = "select close::int from candle_as_of(%s) where symbol = 'TEST-USDT'"


def test_a_candle_that_forms_has_no_revisions(owner: psycopg.Connection) -> None:
    for version in range(1, 4):
        write(owner, close=version, version=version, known_time=START + version * SECOND)
    assert rows(owner, CURRENT) == [(0, 3, None)]
    assert rows(owner, OLDER) == []


def test_what_is_learned_within_a_second_of_the_close_is_no_correction(owner: psycopg.Connection) -> None:
    write(owner, close=1)
    write(owner, close=2, version=2, known_time=END + 0.999 * SECOND)
    assert rows(owner, CURRENT) == [(0, 2, None)]


@pytest.mark.parametrize("interval", SPANS)
def test_a_second_after_the_close_it_is_one_for_every_interval(owner: psycopg.Connection, interval: str) -> None:
    write(owner, interval, close=1)
    corrected = START + SPANS[interval] + SECOND
    write(owner, interval, close=2, version=2, known_time=corrected)
    assert rows(owner, CURRENT) == [(1, 2, corrected)]
    assert rows(owner, OLDER) == [(0, 1, corrected - SECOND, corrected)]


def test_each_correction_keeps_what_it_replaced(owner: psycopg.Connection) -> None:
    write(owner, close=1)
    write(owner, close=2, version=2, known_time=LATE)
    write(owner, close=3, version=3, known_time=LATE + MINUTE)
    assert rows(owner, CURRENT) == [(2, 3, LATE + MINUTE)]
    assert rows(owner, OLDER) == [(0, 1, END, LATE), (1, 2, LATE, LATE + MINUTE)]


@pytest.mark.parametrize("change", [{"complete": False}, {"origin": "venue_candle"}, {"taker_buy_base_volume": None}])
def test_a_gap_another_origin_or_a_missing_value_is_a_correction_too(
    owner: psycopg.Connection, change: dict[str, Any]
) -> None:
    write(owner)
    write(owner, version=2, known_time=LATE, **change)
    assert rows(owner, CURRENT) == [(1, 7, LATE)]


def test_a_job_that_catches_up_and_reads_a_correction_first_corrects_once(writer: psycopg.Connection) -> None:
    # The mark of a gap that was closed later comes by another topic, before the trades of the minute.
    for version in (2, 3, 4):
        write(writer, close=version, version=version, known_time=LATE, late_inputs=1)
    assert rows(writer, CURRENT) == [(0, 4, LATE)]
    write(writer, close=5, version=5, known_time=LATE, late_inputs=2)
    assert rows(writer, CURRENT) == [(1, 5, LATE)]


def test_more_records_that_change_no_value_are_none(owner: psycopg.Connection) -> None:
    write(owner, close=1)
    write(owner, close="1.000", version=2, known_time=LATE)
    assert rows(owner, CURRENT) == [(0, 1, None)]
    assert rows(owner, "select version, known_time from candle where symbol = 'TEST-USDT'") == [(2, LATE)]


def test_the_sink_does_not_say_what_a_revision_is(owner: psycopg.Connection) -> None:
    write(owner, revision=5, known_from=START)
    write(owner, revision=6, known_from=START, version=2)
    assert rows(owner, CURRENT) == [(0, 7, None)]


def test_revisions_go_on_counting_over_a_later_start(owner: psycopg.Connection) -> None:
    write(owner, close=1)
    write(owner, close=2, version=2, known_time=LATE)
    write(owner, close=3, generation=2, version=2, known_time=LATE)
    assert rows(owner, CURRENT) == [(2, 3, LATE)]


def test_a_later_start_takes_no_correction_back_until_it_has_seen_it_itself(owner: psycopg.Connection) -> None:
    write(owner, close=1)
    write(owner, close=2, version=9, known_time=LATE)
    write(owner, close=1, generation=2, version=8, known_time=START)
    assert rows(owner, CURRENT) == [(1, 2, LATE)]
    write(owner, close=2, generation=2, version=9, known_time=LATE)
    assert rows(owner, CURRENT) == [(1, 2, LATE)]
    assert rows(owner, "select generation from candle where symbol = 'TEST-USDT'") == [(2,)]


def test_a_candle_first_known_long_after_its_end_was_not_known_before(owner: psycopg.Connection) -> None:
    write(owner, close=1, known_time=LATE)
    assert rows(owner, CURRENT) == [(0, 1, LATE)]
    assert rows(owner, AS_OF, LATE - SECOND) == []
    assert rows(owner, AS_OF, LATE) == [(1,)]


def test_as_of_a_time_one_sees_what_was_known_then(owner: psycopg.Connection) -> None:
    write(owner, close=1)
    write(owner, close=2, version=2, known_time=LATE)
    for moment, expected in [
        (END - timedelta(microseconds=1), []),
        (END, [(1,)]),
        (LATE - timedelta(microseconds=1), [(1,)]),
        (LATE, [(2,)]),
        (LATE + timedelta(days=900), [(2,)]),
    ]:
        assert rows(owner, AS_OF, moment) == expected


def test_the_reader_sees_what_was_known_and_the_writer_cannot_change_it(
    database: Database, writer: psycopg.Connection
) -> None:
    write(writer)
    write(writer, close=8, version=2, known_time=LATE)
    for statement in ("update candle_revision set close = 1", "delete from candle_revision"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), writer.transaction():
            writer.execute(statement.encode())
    with database.connect("reader") as reader:
        assert rows(reader, AS_OF, LATE) == []
        assert rows(reader, "select count(*) from candle_revision") == [(0,)]


def test_asking_as_of_a_time_reads_only_the_rows_asked_for(owner: psycopg.Connection) -> None:
    owner.execute("set local enable_seqscan = off")
    plan = rows(
        owner,
        "explain select * from candle_as_of(%s) where venue = 'binance' and symbol = 'TEST-USDT'"
        " and \"interval\" = '1m' and start_time >= %s and start_time < %s",
        LATE,
        START,
        END,
    )
    text = "\n".join(line for (line,) in plan)
    assert "Index Cond" in text
    assert "candle_revision" in text
    assert not [name for name in SPANS if name != "1m" and f"candle_{name}_" in text]


def test_corrections_are_dropped_with_their_candles(owner: psycopg.Connection) -> None:
    now = START + timedelta(days=1000)
    set_now(owner, now)
    for start in (START, now - timedelta(days=300)):
        write(owner, start_time=start)
        write(owner, start_time=start, close=8, version=2, known_time=now)
    owner.execute("select maintain_partitions(%s, %s)", [now, '{"1m": 400}'])
    assert rows(owner, "select start_time from candle where symbol = 'TEST-USDT'") == [(now - timedelta(days=300),)]
    assert rows(owner, "select start_time from candle_revision") == [(now - timedelta(days=300),)]


def test_a_candle_that_was_dropped_and_fetched_again_can_be_corrected_again(owner: psycopg.Connection) -> None:
    for _ in range(2):
        write(owner, close=1)
        write(owner, close=2, version=2, known_time=LATE)
        owner.execute("delete from candle where symbol = 'TEST-USDT'")
    assert rows(owner, OLDER) == [(0, 1, END, LATE)]


# A candle's life as Flink writes it: each state is of one input more and known no earlier; its values may be the same.
lives = st.lists(st.tuples(st.integers(1, 3), st.booleans(), st.integers(0, 40)), min_size=1, max_size=6).flatmap(
    lambda states: st.tuples(
        st.just(
            [
                (close, complete, known)
                for (close, complete, _), known in zip(states, sorted(known for _, _, known in states), strict=True)
            ]
        ),
        st.lists(st.integers(0, len(states) - 1), max_size=12),
    )
)


@given(life=lives)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_order_and_doubles_states_come_in_the_newest_stands_and_each_time_has_its_values(
    owner: psycopg.Connection, life: tuple[list[tuple[int, bool, int]], list[int]]
) -> None:
    states, order = life
    known = [START + seconds * 5 * SECOND for _, _, seconds in states]
    # What the guard lets through: each state newer than all before it. Its history is what a reader must see.
    accepted: list[int] = []
    with owner.transaction(force_rollback=True):
        for number in [*order, len(states) - 1, *order]:
            close, complete, _ = states[number]
            write(owner, close=close, complete=complete, version=number + 1, known_time=known[number])
            if not accepted or number > accepted[-1]:
                accepted.append(number)
        story = [(known[number], states[number][:2]) for number in accepted]
        current = rows(owner, "select close::int, complete, revision from candle where symbol = 'TEST-USDT'")
        assert current == [(*states[-1][:2], corrections(story))]
        for moment in [END, *known]:
            assert rows(
                owner, "select close::int, complete from candle_as_of(%s) where symbol = 'TEST-USDT'", moment
            ) == known_at(story, moment)


Story = list[tuple[datetime, tuple[int, bool]]]


def corrections(story: Story) -> int:
    return sum(values != before and known >= END + SECOND for (_, before), (known, values) in itertools.pairwise(story))


def known_at(story: Story, moment: datetime) -> list[tuple[int, bool]]:
    """What a closed candle was known to be: nothing before it was known at all."""
    if moment < END:
        return []
    seen = [values for known, values in story if known <= moment or known < END + SECOND]
    return seen[-1:]
