import asyncio
import logging

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.lists import Lists, NothingToFollow
from ingest.selection import Change, changes, choose, resolve
from market.symbols import Instrument, Status, instrument
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


def test_a_list_that_changed_tells_what_became_of_each_pair() -> None:
    halted = [instrument("binance", code, code[0], code[1], trading=False) for code in ("CD", "EF")]
    before = [*binance("A-B", "C-D", "G-H"), halted[1]]
    after = [*binance("A-B", "E-F", "I-J"), halted[0]]
    told = [(change.kind, change.item.symbol, change.was) for change in changes(before, after)]
    assert told == [
        ("halted", "C-D", before[1]),
        ("resumed", "E-F", halted[1]),
        ("delisted", "G-H", before[2]),
        ("listed", "I-J", None),
    ]


def test_a_renamed_pair_is_not_delisted_and_may_be_halted_besides() -> None:
    before = [instrument("kucoin", "GALAX-USDT", "GALAX", "USDT", trading=True, name="GALAX-USDT")]
    after = [instrument("kucoin", "GALAX-USDT", "GALA", "USDT", trading=False, name="GALA-USDT")]
    assert changes(before, after) == [Change(kind, after[0], before[0]) for kind in ("renamed", "halted")]


NAMES = st.sampled_from(["A", "B", "C"])
STATUSES: st.SearchStrategy[Status] = st.sampled_from(["trading", "halted"])
INSTRUMENTS = st.builds(Instrument, st.just("kucoin"), NAMES, NAMES, NAMES, NAMES, NAMES, STATUSES)
LISTS = st.lists(INSTRUMENTS, max_size=3, unique_by=lambda item: item.code)


def applied(before: list[Instrument], told: list[Change]) -> dict[str, Instrument]:
    found = {item.code: item for item in before}
    for change in told:
        assert found.get(change.item.code) in (change.was, change.item)
        if change.kind == "delisted":
            del found[change.item.code]
        else:
            found[change.item.code] = change.item
    return found


@given(LISTS, LISTS)
def test_the_changes_of_a_list_make_the_one_of_the_other(before: list[Instrument], after: list[Instrument]) -> None:
    assert applied(before, changes(before, after)) == {item.code: item for item in after}


@given(LISTS)
def test_nothing_is_told_of_a_list_that_has_not_changed(listed: list[Instrument]) -> None:
    assert changes(listed, listed[::-1]) == []


@given(INSTRUMENTS, INSTRUMENTS)
def test_each_kind_of_change_is_what_it_says(was: Instrument, item: Instrument) -> None:
    item = msgspec.structs.replace(item, code=was.code)
    kinds = {change.kind for change in changes([was], [item])}
    assert ("halted" in kinds) == (was.trading and not item.trading)
    assert ("resumed" in kinds) == (item.trading and not was.trading)
    assert ("renamed" in kinds) == (msgspec.structs.replace(was, status=item.status) != item)
    assert not kinds & {"listed", "delisted"}


async def test_a_list_is_used_at_once_where_the_symbols_are_named() -> None:
    lists = Lists(["BTC-USDT", "NO-USDT"], ["binance", "kucoin"])
    lists.report("kucoin", kucoin("BTC-USDT"))
    choice = await lists.choice("kucoin")
    assert [item.code for item in choice.followed] == ["BTC-USDT"]


async def test_what_trades_on_both_is_known_once_both_lists_are_and_follows_them() -> None:
    lists = Lists(["BTC-USDT"], ["binance", "kucoin"])
    lists.report("kucoin", kucoin("BTC-USDT", "ETH-USDT"))
    complete = asyncio.create_task(lists.complete())
    await asyncio.sleep(0)
    assert (complete.done(), lists.on_both()) == (False, [])
    lists.report("binance", binance("BTC-USDT", "ETH-USDT", "ETH-BTC"))
    await complete
    assert lists.on_both() == ["BTC-USDT", "ETH-USDT"]
    lists.renew("binance", [])
    assert lists.on_both() == []


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
