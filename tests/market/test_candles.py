"""Candles become trades that make them again, to the last digit."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given

from market.candles import MadeTrade, TradedMinute, UnfitCandle, traded
from market.decimals import UnfitNumber
from tests.candle_helpers import MINUTE, Figures, candles


def made(*figures: str | Decimal) -> list[MadeTrade]:
    *prices, volume = map(Decimal, figures)
    minute = traded(MINUTE, *prices, volume=volume)
    return [] if minute is None else list(minute.trades())


@given(candles())
def test_the_trades_of_a_minute_have_its_figures(figures: Figures) -> None:
    opened, high, low, closed, volume = figures
    trades = made(*figures)
    assert bool(trades) == bool(volume)
    if trades:
        prices = [Decimal(trade.price) for trade in trades]
        assert (prices[0], max(prices), min(prices), prices[-1]) == (opened, high, low, closed)
        assert sum(Decimal(trade.size) for trade in trades) == volume
        assert all(Decimal(trade.size) > 0 for trade in trades)


@given(candles())
def test_no_two_trades_in_a_row_have_the_same_price_and_the_taker_bought_where_it_rose(figures: Figures) -> None:
    trades = made(*figures)
    for before, after in pairwise(trades):
        assert Decimal(before.price) != Decimal(after.price)
        assert after.buy == (Decimal(after.price) > Decimal(before.price))


@given(candles())
def test_trades_are_spread_over_the_minute(figures: Figures) -> None:
    times = [trade.time - MINUTE for trade in made(*figures)]
    assert times == sorted(set(times))
    if times:
        assert 0 <= times[0] <= 2_000
        assert times[-1] <= 58_500
        assert len(times) == 1 or times[-1] >= 50_000


@pytest.mark.parametrize(
    ("figures", "prices"),
    [
        (("10", "12", "9", "11", "1"), ["10", "9", "12", "11"]),
        (("11", "12", "9", "10", "1"), ["11", "12", "9", "10"]),
        (("10", "10", "9", "10", "1"), ["10", "9", "10"]),
        (("10", "12", "9", "9", "1"), ["10", "12", "9"]),
        (("10", "11", "10", "11", "1"), ["10", "11"]),
        (("10", "10.0", "10.00", "1E+1", "1"), ["10"]),
    ],
)
def test_a_minute_goes_by_low_and_high_and_has_no_more_trades_than_it_takes(
    figures: tuple[str, ...], prices: list[str]
) -> None:
    assert [trade.price for trade in made(*figures)] == prices


def test_a_volume_of_one_unit_is_divided_below_it() -> None:
    assert [trade.size for trade in made("2", "4", "1", "3", "0.0001")] == ["0.00004", "0.00002", "0.00002", "0.00002"]
    assert [trade.size for trade in made("2", "4", "1", "3", "1")] == ["0.4", "0.2", "0.2", "0.2"]
    assert [trade.size for trade in made("2", "2", "2", "2", "0.000000000000000001")] == ["0.000000000000000001"]


def test_numbers_of_any_width_stay_exact() -> None:
    sizes = [trade.size for trade in made("2", "4", "1", "3", "1234567890123456789.123456789012345679")]
    units = [int(whole + fraction.ljust(18, "0")) for whole, _, fraction in (size.partition(".") for size in sizes)]
    assert sum(units) == 1234567890123456789123456789012345679


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        (("10", "9", "8", "8", "1"), "high 9 must not be below open 10"),
        (("10", "10", "10", "11", "0"), "high 10 must not be below open 10 and close 11"),
        (("10", "12", "11", "11", "1"), "low 11 must not be above open 10"),
        (("10", "10", "0", "10", "1"), "prices must be above zero"),
        (("0.0000000001", "0.0000000001", "0.0000000001", "0.0000000001", "0.123456789"), "must fit"),
        (("2", "4", "1", "3", "0.000000000000000001"), "must fit"),
        (("10000000000", "10000000000", "10000000000", "10000000000", "10000000000"), "must fit"),
    ],
)
def test_what_no_trades_can_make_is_refused(figures: tuple[str, ...], reason: str) -> None:
    with pytest.raises(UnfitCandle, match=reason):
        made(*figures)


def test_a_number_of_too_many_digits_is_refused() -> None:
    with pytest.raises(UnfitNumber, match="more digits"):
        made("1", "1", "1", "1", "0.1234567890123456789")


def test_a_minute_without_volume_is_silent() -> None:
    assert (
        made("10", "10", "10", "10", "0") == made("0", "0", "0", "0", "0") == made("9", "11", "8", "10", "0.00") == []
    )


def test_a_traded_minute_is_small() -> None:
    minute = traded(MINUTE, *(Decimal(price) for price in ("1", "2", "1", "2")), volume=Decimal("0.5"))
    assert minute == TradedMinute(MINUTE, ("1", "2"), (True, True), 5, 1)
