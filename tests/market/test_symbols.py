"""The same pair of assets has the same symbol at both venues, and one ticker of two coins has two."""

import msgspec

from market.records import Venue
from market.symbols import MAJORS, InstrumentList, encode_list, instrument, listed_on_both


def test_a_renamed_pair_is_known_by_its_assets() -> None:
    assert instrument("kucoin", "BCHSV-USDT", "BSV", "USDT", trading=True).symbol == "BSV-USDT"


def test_a_pair_is_shown_by_its_name_and_asked_for_by_its_code() -> None:
    renamed = instrument("kucoin", "BCHSV-USDT", "BSV", "USDT", trading=True, name="BSV-USDT")
    assert (renamed.code, renamed.name, renamed.symbol) == ("BCHSV-USDT", "BSV-USDT", "BSV-USDT")
    assert instrument("binance", "BTCUSDT", "BTC", "USDT", trading=True).name == "BTCUSDT"


def test_what_is_listed_trades_or_is_halted() -> None:
    pairs = [instrument("binance", "BTCUSDT", "BTC", "USDT", trading=trading) for trading in (True, False)]
    assert [(pair.status, pair.trading) for pair in pairs] == [("trading", True), ("halted", False)]


def test_a_list_is_one_record() -> None:
    pair = instrument("kucoin", "WAX-USDT", "WAXP", "USDT", trading=False, name="WAXP-USDT")
    assert msgspec.json.decode(encode_list(InstrumentList("kucoin", 7, [pair]))) == {
        "venue": "kucoin",
        "seen_time": 7,
        "instruments": [
            {
                "venue": "kucoin",
                "code": "WAX-USDT",
                "name": "WAXP-USDT",
                "symbol": "WAXP-USDT",
                "base": "WAXP",
                "quote": "USDT",
                "status": "halted",
            }
        ],
    }


def test_one_ticker_for_two_coins_does_not_meet() -> None:
    there = instrument("binance", "ALTUSDT", "ALT", "USDT", trading=True)
    other = instrument("kucoin", "ALT-USDT", "ALT", "USDT", trading=True)
    same = instrument("kucoin", "KALT-USDT", "KALT", "USDT", trading=True)
    assert there.symbol != other.symbol
    assert there.symbol == same.symbol


def test_only_pairs_that_trade_on_both_venues_are_on_both() -> None:
    def listed(venue: Venue, base: str, quote: str = "USDT", *, trading: bool = True) -> object:
        return instrument(venue, f"{base}{quote}", base, quote, trading=trading)

    instruments = [
        listed("binance", "BTC"),
        listed("kucoin", "BTC"),
        listed("binance", "ETH"),
        listed("kucoin", "ETH", trading=False),
        listed("binance", "XRP", "BTC"),
        listed("kucoin", "XRP", "BTC"),
        listed("kucoin", "KCS"),
    ]
    assert listed_on_both(instruments) == ["BTC-USDT"]  # type: ignore[arg-type]


def test_the_default_symbols_are_twenty_different_ones() -> None:
    assert len(set(MAJORS)) == 20
