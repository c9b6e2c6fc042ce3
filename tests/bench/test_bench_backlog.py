"""The backlog that the catch-up is measured on."""

from collections import Counter
from decimal import Decimal
from itertools import islice

import msgspec

from bench._backlog import SECOND, trades
from market.records import Trade, decode_trade

COUNT, SYMBOLS, RATE = 20_000, 30, 10.0


def made(seed: int = 1) -> list[Trade]:
    return [decode_trade(text.encode()) for _, text in islice(trades(SYMBOLS, RATE, seed), COUNT)]


def test_it_goes_on_without_end_and_is_the_same_for_a_seed() -> None:
    assert len(made()) == COUNT
    assert made() == made()
    assert made(2) != made(1)


def test_it_comes_in_order_of_time_at_its_rate_on_both_venues() -> None:
    times = [trade.event_time for trade in made()]
    assert times == sorted(times)
    assert 0.8 < (times[-1] - times[0]) / (COUNT / RATE * SECOND) < 1.25
    assert {trade.venue for trade in made()} == {"binance", "kucoin"}


def test_each_symbol_of_a_venue_has_consecutive_ids_and_exact_quotes() -> None:
    newest: Counter[tuple[str, str]] = Counter()
    for trade in made():
        newest[trade.venue, trade.symbol] += 1
        assert trade.first_id == trade.last_id == newest[trade.venue, trade.symbol]
        assert Decimal(trade.quote) == Decimal(trade.price) * Decimal(trade.size)


def test_a_few_symbols_have_most_trades_and_a_second_of_one_has_several() -> None:
    found = made()
    of_symbol = Counter((trade.venue, trade.symbol) for trade in found)
    of_second = Counter((trade.venue, trade.symbol, trade.event_time // 1_000_000) for trade in found)
    assert of_symbol.most_common(1)[0][1] > 5 * COUNT / len(of_symbol)
    assert 2 < COUNT / len(of_second) < 10


def test_its_records_are_as_the_sequencer_writes_them() -> None:
    symbol, text = next(trades(1, RATE))
    trade = decode_trade(text.encode())
    assert trade.symbol == symbol
    assert msgspec.json.encode(trade).decode() == text
