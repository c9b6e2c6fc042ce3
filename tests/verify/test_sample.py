"""The comparison with the venues' own candles, against the simulated market's REST."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from market.records import Venue
from market.settings import Settings, load
from market.symbols import instrument
from replay.history import BASE, CLOSE, COUNT, HIGH, LOW, OPEN, QUOTE, TAKER_BASE, History
from replay.player import SimulatedMarket
from replay.server import running
from replay.simulation import Market
from verify.oracle import Difference, Sampled
from verify.reading import CannotCheck, silent
from verify.sample import compare

MARKET = Market(5, 40, 60.0)
NOW = 1_790_000_007_654_321
MINUTE = NOW // 60_000_000 - 10


@pytest.fixture
async def settings() -> AsyncIterator[Settings]:
    """Settings that lead to a simulated market whose clock stands still."""
    async with running(SimulatedMarket(MARKET, lambda: NOW)) as server:
        yield load(binance={"rest_url": server.rest_url}, kucoin={"rest_url": server.rest_url})


def traded(venue: Venue, at: int = 0) -> Sampled:
    """Return a minute of a pair in which something traded, as the market itself has it."""
    listing = MARKET.listings(venue)[at]
    _, rows = History(MARKET).candles(listing, MINUTE - 60, MINUTE, NOW // 1000)
    index = int(np.flatnonzero(rows[:, COUNT])[-1])
    row = rows[index].tolist()

    price, size = listing.price_decimals, listing.size_decimals

    def number(column: int, decimals: int) -> str:
        return format(Decimal(row[column]).scaleb(-decimals), "f")

    return Sampled(
        venue=venue,
        symbol=instrument(venue, listing.code, listing.base, listing.quote, trading=True).symbol,
        start_time=(MINUTE - 60 + index) * 60_000_000,
        open=number(OPEN, price),
        high=number(HIGH, price),
        low=number(LOW, price),
        close=number(CLOSE, price),
        base_volume=number(BASE, size),
        quote_volume=number(QUOTE, price + size),
        taker_buy_base_volume=number(TAKER_BASE, size),
        trade_count=str(row[COUNT]),
    )


async def test_minutes_that_are_the_venues_own_are_clean(settings: Settings) -> None:
    minutes = [traded("binance"), traded("binance", 1), traded("kucoin"), traded("kucoin", 1)]
    assert await asyncio.to_thread(compare, settings, minutes, silent) == (4, [])


@pytest.mark.parametrize("venue", ["binance", "kucoin"])
async def test_a_value_that_is_not_the_venues_is_found(settings: Settings, venue: Venue) -> None:
    right = traded(venue)
    wrong = msgspec.structs.replace(right, high=f"1{right.high}")
    done, differences = await asyncio.to_thread(compare, settings, [wrong], silent)
    assert done == 1
    (difference,) = differences
    assert (difference.column, difference.found) == ("high", wrong.high)
    assert float(difference.expected or 0) == float(right.high)


@pytest.mark.parametrize("venue", ["binance", "kucoin"])
async def test_a_quote_volume_that_the_venue_cuts_off_is_the_same(settings: Settings, venue: Venue) -> None:
    right = traded(venue)
    longer = msgspec.structs.replace(right, quote_volume=f"{right.quote_volume}001")
    assert await asyncio.to_thread(compare, settings, [longer], silent) == (1, [])
    more = msgspec.structs.replace(right, quote_volume=str(Decimal(right.quote_volume) + 1))
    _, (difference,) = await asyncio.to_thread(compare, settings, [more], silent)
    assert difference.column == "quote_volume"


@pytest.mark.parametrize("venue", ["binance", "kucoin"])
async def test_a_minute_that_the_venue_does_not_have_is_found(settings: Settings, venue: Venue) -> None:
    much_later = msgspec.structs.replace(traded(venue), start_time=NOW // 60_000_000 * 60_000_000 + 3_600_000_000)
    _, differences = await asyncio.to_thread(compare, settings, [much_later], silent)
    assert differences == [Difference(venue, much_later.symbol, "1m", much_later.start_time, "row", "none", "a row")]


async def test_a_symbol_that_is_not_listed_any_more_is_left_out(settings: Settings) -> None:
    gone = msgspec.structs.replace(traded("binance"), symbol="GONE-USDT")
    assert await asyncio.to_thread(compare, settings, [gone], silent) == (0, [])


def test_a_venue_that_does_not_answer_means_that_nothing_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verify.sample._PAUSE", 0.0)
    with pytest.raises(CannotCheck, match="kucoin does not tell"):
        compare(load(kucoin={"rest_url": "http://127.0.0.1:9"}), [traded("kucoin")], silent)
