import asyncio
import logging

import pytest

from ingest.lists import Lists, NothingToFollow
from ingest.selection import changes, choose, resolve
from market.symbols import instrument
from tests.ingest.shapes import binance, kucoin


def test_what_a_venue_does_not_list_is_followed_at_the_other_only() -> None:
    choice = choose(["BTC-USDT", "ALT-USDT", "BTC-USDT"], binance("ETH-USDT", "BTC-USDT"))
    assert [item.code for item in choice.followed] == ["BTCUSDT"]
    assert choice.unknown == ["ALT-USDT"]


def test_a_renamed_symbol_is_asked_for_by_its_permanent_code() -> None:
    listed = [instrument("kucoin", "BCHSV-USDT", "BSV", "USDT", trading=True)]
    assert choose(["BSV-USDT"], listed).followed[0].code == "BCHSV-USDT"


def test_of_two_codes_for_one_symbol_the_trading_one_is_meant() -> None:
    listed = [instrument("binance", code, "A", "B", trading=code == "NEW") for code in ("OLD", "NEW", "OLDER")]
    assert [item.code for item in choose(["A-B"], listed).followed] == ["NEW"]


def test_all_are_the_usdt_pairs_that_trade_on_both() -> None:
    halted = [instrument("kucoin", "XRP-USDT", "XRP", "USDT", trading=False)]
    both = {
        "binance": binance("BTC-USDT", "ETH-BTC", "XRP-USDT", "SOL-USDT"),
        "kucoin": [*kucoin("BTC-USDT", "ETH-BTC"), *halted],
    }
    assert resolve("all", {"binance": both["binance"], "kucoin": both["kucoin"]}) == ["BTC-USDT"]
    assert resolve("all", {"kucoin": both["kucoin"]}) == ["BTC-USDT"]


def test_a_list_that_changed_tells_what_began_and_what_ceased_to_trade() -> None:
    before = [*binance("A-B", "C-D"), instrument("binance", "EF", "E", "F", trading=False)]
    after = [*binance("A-B", "E-F"), instrument("binance", "CD", "C", "D", trading=False)]
    assert [(kind, item.symbol) for kind, item in changes(before, after)] == [("listed", "E-F"), ("delisted", "C-D")]


async def test_a_list_is_used_at_once_where_the_symbols_are_named() -> None:
    lists = Lists(["BTC-USDT", "NO-USDT"], ["binance", "kucoin"])
    lists.report("kucoin", kucoin("BTC-USDT"))
    choice = await lists.choice("kucoin")
    assert [item.code for item in choice.followed] == ["BTC-USDT"]


async def test_all_waits_for_every_venue() -> None:
    lists = Lists("all", ["binance", "kucoin"])
    lists.report("kucoin", kucoin("BTC-USDT", "ETH-USDT"))
    waiting = asyncio.create_task(lists.choice("kucoin"))
    await asyncio.sleep(0)
    assert not waiting.done()
    lists.report("binance", binance("ETH-USDT"))
    assert [item.code for item in (await waiting).followed] == ["ETH-USDT"]


async def test_a_symbol_that_no_venue_lists_is_named(caplog: pytest.LogCaptureFixture) -> None:
    lists = Lists(["BTC-USDT", "NO-USDT"], ["binance", "kucoin"])
    lists.report("kucoin", kucoin("BTC-USDT"))
    with caplog.at_level(logging.ERROR):
        lists.report("binance", [])
    assert "no venue lists NO-USDT" in caplog.text


async def test_without_any_symbol_left_there_is_nothing_to_do() -> None:
    lists = Lists(["NO-USDT"], ["binance", "kucoin"])
    lists.report("binance", None)
    with pytest.raises(NothingToFollow):
        lists.report("kucoin", kucoin("BTC-USDT"))
