"""The real BTCUSDT recordings, through everything, give the exchange's own candles."""

from pathlib import Path

import pytest

from tests.data import needs_shared
from tests.e2e.btcusdt import of_whole_minutes, official, ours
from tests.stacks import Stack, Stacks, eventually

pytestmark = [pytest.mark.stack, needs_shared]


@pytest.fixture
def played(stacks: Stacks, folder: Path) -> Stack:
    """A stack that has played the recording once, as fast as it could."""
    stack = stacks.need("recorded", "--market", str(folder), "--speed", "max")
    stack.wait_until_played()
    return stack


def test_every_whole_minute_equals_the_exchanges_own_candle(played: Stack) -> None:
    assert of_whole_minutes(ours(played)) == official()


def test_seconds_add_up_to_their_minute(played: Stack) -> None:
    rows = played.query(
        "select count(*) from ("
        " select date_trunc('minute', start_time) as minute, sum(base_volume) as volume, sum(trade_count) as trades,"
        " max(high) as high, min(low) as low from candle where interval = '1s' group by 1"
        ") as seconds full join candle on candle.interval = '1m' and candle.start_time = minute"
        " where (base_volume, trade_count, candle.high, candle.low) is distinct from"
        " (volume, trades, seconds.high, seconds.low) and (candle.interval = '1m' or minute is not null)"
    )
    assert rows == [["0"]]


def test_no_frame_of_the_recording_is_a_dead_letter(played: Stack) -> None:
    venue = played.status()["venues"]["binance"]
    assert venue["trades"] == 19_904
    assert played.command("psql", "-c", "select 1").returncode == 0


def test_a_second_replay_into_the_same_state_changes_nothing(played: Stack) -> None:
    before = ours(played)
    played.down()
    played.up()
    eventually("the savepoint was taken up", lambda: "savepoint" in (played.part("job-candles")["restored_from"] or ""))
    played.wait_until_played()
    assert played.status()["venues"]["binance"]["trades"] == 19_904
    assert ours(played) == before
    assert of_whole_minutes(before) == official()
