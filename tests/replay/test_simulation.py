import math
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.records import VENUES, Venue
from market.symbols import MAJORS
from replay.instruments import assets
from replay.simulation import FIRST_MINUTE, Market, Series, Trades

MARKET = Market(1, 24, 300.0)
MINUTES = st.integers(FIRST_MINUTE, FIRST_MINUTE + 20 * 365 * 1440)
PAIRS = st.sampled_from(sorted(MARKET.series))
# Where days meet, and anywhere.
EDGES = st.integers(0, 20 * 365).map(lambda day: FIRST_MINUTE + day * 1440 + 1439) | MINUTES


def ids(series: Series, minute: int) -> list[int]:
    _, first, _, count = series.counts(minute)
    found: list[int] = series.fill_ids(first, count).tolist()
    return found


def equal(left: Trades, right: Trades) -> bool:
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in Trades.__slots__)


@given(PAIRS, MINUTES)
@settings(max_examples=50, deadline=None)
def test_a_market_made_again_has_the_very_same_trades(pair: tuple[Venue, str], minute: int) -> None:
    again = Market(1, 24, 300.0)
    assert equal(MARKET.series[pair].minute(minute), again.series[pair].minute(minute))


def test_another_seed_is_another_market() -> None:
    other = Market(2, 24, 300.0).series["binance", "BTCUSDT"]
    ours = MARKET.series["binance", "BTCUSDT"]
    assert not equal(ours.minute(FIRST_MINUTE + 5), other.minute(FIRST_MINUTE + 5))


@given(PAIRS, EDGES)
@settings(max_examples=200, deadline=None)
def test_numbers_go_on_without_a_hole_over_minutes_and_days(pair: tuple[Venue, str], minute: int) -> None:
    series = MARKET.series[pair]
    level, fill, levels, fills = series.counts(minute)
    assert series.counts(minute + 1)[:2] == (level + levels, fill + fills)
    made = series.minute(minute)
    assert (made.first_level, made.first_fill) == (level, fill)
    assert (len(made.price), len(made.size)) == (levels, fills)


def test_numbers_begin_at_one_with_the_market() -> None:
    assert MARKET.series["binance", "BTCUSDT"].counts(FIRST_MINUTE)[:2] == (0, 0)
    assert ids(MARKET.series["binance", "BTCUSDT"], FIRST_MINUTE)[0] == 1
    with pytest.raises(ValueError, match="before the market's first"):
        MARKET.series["binance", "BTCUSDT"].minute(FIRST_MINUTE - 1)


@given(PAIRS, EDGES)
@settings(max_examples=200, deadline=None)
def test_binance_ids_are_contiguous_and_kucoin_sequences_rise_but_never_by_one(
    pair: tuple[Venue, str], minute: int
) -> None:
    found = ids(MARKET.series[pair], minute) + ids(MARKET.series[pair], minute + 1)
    steps = {right - left for left, right in pairwise(found)}
    if pair[0] == "binance":
        assert steps <= {1}
    else:
        assert min(steps, default=2) >= 2
        assert all(10**16 < each < 2**63 for each in found)


@given(PAIRS, MINUTES)
@settings(max_examples=200, deadline=None)
def test_a_minute_is_in_order_and_its_orders_hold_together(pair: tuple[Venue, str], minute: int) -> None:
    made = MARKET.series[pair].minute(minute)
    times, orders = made.time_ms.tolist(), made.order.tolist()
    assert times == sorted(times)
    assert all(minute * 60_000 <= time < (minute + 1) * 60_000 for time in times)
    assert (made.price > 0).all()
    assert (made.size > 0).all()
    starts = made.start.tolist()
    assert (starts[0], starts[-1]) == (0, len(made.size))
    assert all(left < right for left, right in pairwise(starts))
    for index in range(1, len(orders)):
        if orders[index] == orders[index - 1]:
            # The next level of an order: the same moment and side, a step further in its direction.
            assert times[index] == times[index - 1]
            assert made.buy[index] == made.buy[index - 1]
            assert made.price[index] - made.price[index - 1] == (1 if made.buy[index] else -1)
        else:
            assert orders[index] == orders[index - 1] + 1


@given(PAIRS, MINUTES)
@settings(max_examples=200, deadline=None)
def test_a_candle_is_what_its_trades_give(pair: tuple[Venue, str], minute: int) -> None:
    series = MARKET.series[pair]
    made, candle = series.minute(minute), series.candle(minute)
    tick, step = Decimal(1).scaleb(-series.listing.price_decimals), Decimal(1).scaleb(-series.listing.size_decimals)
    trades = [
        (int(made.price[level]) * tick, int(size) * step, bool(made.buy[level]))
        for level in range(len(made.price))
        for size in made.size[made.start[level] : made.start[level + 1]]
    ]
    if candle is None:
        assert not trades
        return
    prices = [price for price, _, _ in trades]
    assert (candle.open, candle.high, candle.low, candle.close) == (prices[0], max(prices), min(prices), prices[-1])
    assert candle.base_volume == sum(size for _, size, _ in trades)
    assert candle.quote_volume == sum(price * size for price, size, _ in trades)
    assert candle.taker_buy_base_volume == sum(size for _, size, buy in trades if buy)
    assert (candle.trade_count, candle.first_id, candle.last_id) == (
        len(trades), ids(series, minute)[0], ids(series, minute)[-1],
    )  # fmt: skip


def test_the_venues_are_a_few_basis_points_apart() -> None:
    start = FIRST_MINUTE + 3_000_000
    for symbol in MAJORS[::3]:
        base = symbol.partition("-")[0]
        binance, kucoin = MARKET.series["binance", f"{base}USDT"], MARKET.series["kucoin", symbol]
        apart = []
        for minute in range(start, start + 200):
            left, right = binance.candle(minute), kucoin.candle(minute)
            if left is not None and right is not None:
                apart.append(abs(float(left.close / right.close) - 1) * 1e4)
        assert 0.3 < float(np.median(apart)) < 3, symbol
        assert max(apart) < 20, symbol


def test_prices_stay_near_their_base_for_years_and_move_by_the_day() -> None:
    series = MARKET.series["binance", "BTCUSDT"]
    days = np.arange(FIRST_MINUTE * 60_000, FIRST_MINUTE * 60_000 + 3000 * 86_400_000, 86_400_000)
    prices = series.middle(days) * 0.01
    assert 50_000 < prices.min() < prices.max() < 130_000
    assert 0.01 < float(np.diff(np.log(prices)).std()) < 0.04


@pytest.mark.parametrize(("symbols", "rate"), [(20, 100.0), (200, 2000.0)])
def test_the_rate_is_that_of_records_over_both_venues(symbols: int, rate: float) -> None:
    market = Market(3, symbols, rate)
    records: dict[Venue, float] = dict.fromkeys(VENUES, 0.0)
    for (venue, _), series in market.series.items():
        level, fill, *_ = series.counts(FIRST_MINUTE + 1440)
        records[venue] += (level if venue == "binance" else fill) / 86_400
    assert math.isclose(sum(records.values()), rate, rel_tol=0.03)
    assert math.isclose(records["binance"], 0.6 * rate, rel_tol=0.03)


def test_activity_falls_from_pair_to_pair() -> None:
    trades = [MARKET.series["kucoin", f"{each.base}-USDT"].counts(FIRST_MINUTE + 1440)[1] for each in assets(24)]
    assert trades == sorted(trades, reverse=True)
    assert trades[0] > 8 * trades[-1]


def test_a_thousand_pairs_have_names_of_their_own_and_decimals_that_suit_the_price() -> None:
    listed = assets(1000)
    assert len({each.base for each in listed}) == 1000
    assert [each.symbol for each in listed[:20]] == list(MAJORS)
    assert [each.base for each in listed[:300]] == [each.base for each in assets(300)]
    for each in listed:
        assert each.base.isalpha()
        for venue in VENUES:
            price_decimals, size_decimals = each.decimals[venue]
            # A price step is at most a few basis points of the price.
            assert 10.0**-price_decimals / each.price < 6e-4
            assert price_decimals + size_decimals <= 12
    assert {10, 9, 8} <= {each.decimals["kucoin"][0] for each in listed}
