"""The real trades in any order, repeated at will, give the exchange's own candles: by logic, and through everything."""

import random
from collections.abc import Iterable
from decimal import Decimal
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.venues import Codes
from ingest.venues.binance.messages import BinanceMapper
from market.records import Trade
from market.symbols import instrument
from sequencer.core import Judge, Verdict
from tests.data import needs_shared
from tests.e2e.btcusdt import Candle, of_whole_minutes, official, ours
from tests.e2e.btcusdt_frames import trade_frames, write_shuffled
from tests.stacks import Stack, Stacks, eventually

pytestmark = needs_shared

HOUR = 3_600_000_000


@cache
def trades() -> tuple[Trade, ...]:
    """Return the trades of the recordings, as ingest maps them."""
    btc = instrument("binance", "BTCUSDT", "BTC", "USDT", trading=True)
    mapper = BinanceMapper(Codes.of([btc], [btc]), "trade")
    return tuple(trade for frame in trade_frames() for trade in mapper.map_frame(frame.encode(), 0).trades)


def candles(passed: Iterable[Trade]) -> dict[int, Candle]:
    """Return the minutes of trades, by start in ms, made in the plainest way there is."""
    minutes: dict[int, list[Trade]] = {}
    for trade in passed:
        minutes.setdefault(trade.event_time // 60_000_000 * 60_000, []).append(trade)
    found: dict[int, Candle] = {}
    for start, members in minutes.items():
        members.sort(key=lambda trade: (trade.event_time, trade.sequence))
        prices = [Decimal(trade.price) for trade in members]
        size = sum((Decimal(trade.size) for trade in members), Decimal())
        found[start] = (prices[0], max(prices), min(prices), prices[-1], size, len(members))
    return found


@given(seed=st.integers(), repeats=st.integers(0, 20_000))
@settings(max_examples=20)
def test_in_any_order_and_with_any_repeats_the_same_trades_are_passed_once(seed: int, repeats: int) -> None:
    chance = random.Random(seed)
    whole = list(trades())
    arriving = whole + chance.choices(whole, k=repeats)
    chance.shuffle(arriving)
    judge = Judge(HOUR)
    passed = [trade for trade in arriving if judge.judge(trade) is Verdict.PASSED]
    assert len(passed) == len(whole)
    assert of_whole_minutes(candles(passed)) == official()


@pytest.fixture
def shuffled(stacks: Stacks, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A stack that has played the same trades three times, each in another order."""
    folder = tmp_path_factory.mktemp("shuffled")
    write_shuffled(folder)
    # The jobs are spread over two tasks, which must make no difference either.
    stack = stacks.need("shuffled", "--market", str(folder), "--speed", "max", PRICEBRAID_FLINK__PARALLELISM="2")
    stack.wait_until_played()
    return stack


@pytest.mark.stack
def test_three_orders_of_arrival_give_the_exchanges_own_candles(shuffled: Stack) -> None:
    for symbol in ("BTC-USDT", "ETH-USDT", "SOL-USDT"):
        eventually(
            f"the candles of {symbol} are the exchange's own",
            lambda symbol=symbol: of_whole_minutes(ours(shuffled, symbol)) == official(),  # type: ignore[misc]
        )


@pytest.mark.stack
def test_what_had_seemed_to_be_missing_has_come_by_the_stream(shuffled: Stack) -> None:
    eventually(
        "every gap that the disorder opened is closed",
        lambda: shuffled.query("select count(*) from gap where kind = 'missed' and closed is null") == [["0"]],
    )
    assert {how for (how,) in shuffled.query("select distinct how from gap where kind = 'missed'")} == {"stream"}
