"""Trades are counted once each as seen, repaired, covered, listed or lost, and recoveries run from the fault."""

import pytest

from bench._storm.facts import MINUTE, SECOND, Clock, Delivery, Done, GapRow
from bench._storm.figures import Counts, count, recoveries
from bench._storm.truth import Sent, Truth
from market.sections import SimulationSettings

START = 29_670_000 * MINUTE + 20 * SECOND
END = START + 90 * SECOND
CLOCK = Clock(market=START, wall=1_000_000_000, speed=4.0)


@pytest.fixture(scope="module")
def sent() -> dict[tuple[str, str], Sent]:
    found = Truth(SimulationSettings(symbols=2, trades_per_second=20)).sent(START, END)
    assert set(found) == {(venue, f"{base}-USDT") for venue in ("binance", "kucoin") for base in ("BTC", "ETH")}
    return found


def all_of(sent: dict[tuple[str, str], Sent]) -> list[Delivery]:
    """Every trade, once, as it comes over a quick stream."""
    return [
        Delivery(venue, symbol, number, number, at, round(CLOCK.wall_of(at)) + 2_000)
        for (venue, symbol), found in sent.items()
        for number, at in zip(found.ids.tolist(), found.times.tolist(), strict=True)
    ]


def test_the_market_itself_says_which_trades_belong_to_a_time(sent: dict[tuple[str, str], Sent]) -> None:
    truth = Truth(SimulationSettings(symbols=2, trades_per_second=20))
    minute = START // MINUTE * MINUTE + MINUTE
    for key, candle in truth.candles(minute, minute + MINUTE).items():
        within = truth.sent(minute, minute + MINUTE)[key.venue, key.symbol]
        assert (within.ids[0], within.ids[-1], len(within.ids)) == (
            candle.first_id, candle.last_id, candle.trade_count,
        )  # fmt: skip
        assert minute <= within.times.min() <= within.times.max() < minute + MINUTE
    times = sent["binance", "BTC-USDT"].times
    assert START <= times.min() <= times.max() < END


def test_all_trades_once_are_all_seen(sent: dict[tuple[str, str], Sent]) -> None:
    counts, lost = count(sent, all_of(sent))
    assert lost == []
    for venue, found in counts.items():
        number = sum(len(one.ids) for (of, _), one in sent.items() if of == venue)
        assert found == Counts(sent=number, seen=number)


def test_an_aggregate_counts_the_trades_of_its_range(sent: dict[tuple[str, str], Sent]) -> None:
    ids = sent["binance", "BTC-USDT"].ids
    whole = Delivery("binance", "BTC-USDT", int(ids[0]), int(ids[-1]), START, CLOCK.wall)
    counts, _ = count(sent, [whole, whole])
    assert (counts["binance"].seen, counts["binance"].doubled) == (len(ids), len(ids))


def test_a_trade_that_did_not_come_is_lost_and_named(sent: dict[tuple[str, str], Sent]) -> None:
    missing, *others = (item for item in all_of(sent) if item[:2] == ("kucoin", "ETH-USDT"))
    rest = [item for item in all_of(sent) if item[:2] != ("kucoin", "ETH-USDT")]
    counts, lost = count(sent, rest + others)
    assert counts["kucoin"].lost == 1
    assert counts["kucoin"].lost_percent == pytest.approx(100 / counts["kucoin"].sent)
    assert lost == [("kucoin", "ETH-USDT", missing.first_id, missing.event_time)]


def test_what_did_not_come_may_be_repaired_covered_or_listed(sent: dict[tuple[str, str], Sent]) -> None:
    streamed = all_of(sent)
    stream = [item for item in streamed if item.venue == "binance"]
    repaired = next(item for item in streamed if item.venue == "kucoin")
    again = stream[0]._replace(origin="repair")
    gap = GapRow("g", "kucoin", "ETH-USDT", "suspected", "disconnected", START, END, None, None)
    counts, lost = count(
        sent,
        [*stream, again, repaired._replace(origin="repair")],
        covered=lambda key: key.symbol == "BTC-USDT" and key.start > START,
        gaps=[gap],
    )
    assert (counts["binance"].seen, counts["binance"].repaired) == (len(stream), 0)
    kucoin = counts["kucoin"]
    assert (kucoin.seen, kucoin.repaired) == (0, 1)
    assert kucoin.listed == len(sent["kucoin", "ETH-USDT"].ids)
    assert kucoin.covered == int((sent["kucoin", "BTC-USDT"].times >= START // MINUTE * MINUTE + MINUTE).sum())
    assert kucoin.sent == kucoin.repaired + kucoin.covered + kucoin.listed + kucoin.lost
    assert len(lost) == kucoin.lost


def test_what_comes_a_second_behind_its_symbol_is_late(sent: dict[tuple[str, str], Sent]) -> None:
    streamed = all_of(sent)
    late = next(item for item in streamed if item[:2] == ("binance", "BTC-USDT"))
    counts, _ = count(sent, [item for item in streamed if item != late] + [late._replace(receive_time=2**60)])
    assert counts["binance"].late == 1
    assert counts["binance"].lost == counts["kucoin"].late == 0


def fault(kind: str, at: int, until: int | None = None, venue: str = "binance") -> Done:
    return Done(kind, venue, ["BTC-USDT", "ETH-USDT"], at, until)


def without(streamed: list[Delivery], start: int, end: int) -> list[Delivery]:
    return [item for item in streamed if not start <= item.event_time < end]


def test_a_recovery_runs_by_the_wall_from_the_fault_to_the_next_new_trade(sent: dict[tuple[str, str], Sent]) -> None:
    cut = START + 30 * SECOND
    streamed = without(all_of(sent), cut + 1, cut + 20 * SECOND)
    found = recoveries([fault("reset", cut)], streamed, CLOCK, end_wall=CLOCK.wall + 60 * SECOND)
    recovery = found["reset"]["binance"]
    # Twenty seconds of a market at four times the pace, and the time to the next trade.
    assert 5.0 < recovery.median == recovery.most < 5.5
    assert recovery.never == 0


def test_an_old_trade_that_comes_late_is_no_recovery(sent: dict[tuple[str, str], Sent]) -> None:
    cut = START + 30 * SECOND
    streamed = without(all_of(sent), cut + 1, cut + 20 * SECOND)
    straggler = next(item for item in streamed if item.venue == "binance" and item.event_time < cut)
    late = straggler._replace(receive_time=round(CLOCK.wall_of(cut)) + 10_000)
    found = recoveries([fault("reset", cut)], [*streamed, late], CLOCK, CLOCK.wall + 60 * SECOND)
    assert found["reset"]["binance"].median > 5.0


def test_what_never_recovers_counts_as_long_as_was_listened(sent: dict[tuple[str, str], Sent]) -> None:
    cut = START + 30 * SECOND
    streamed = without(all_of(sent), cut + 1, END)
    end_wall = round(CLOCK.wall_of(cut)) + 100 * SECOND
    recovery = recoveries([fault("half_open", cut)], streamed, CLOCK, end_wall)["half_open"]["binance"]
    assert recovery.never == 1
    assert recovery.median == pytest.approx(100)


def test_repairs_are_no_sign_of_life_and_a_halt_counts_from_its_end(sent: dict[tuple[str, str], Sent]) -> None:
    halt, back = START + 30 * SECOND, START + 50 * SECOND
    streamed = without(all_of(sent), halt, back)
    asked_for = Delivery("binance", "BTC-USDT", 1, 1, back + 1, round(CLOCK.wall_of(back)) + 1, "repair")
    found = recoveries([fault("halt", halt, back)], [*streamed, asked_for], CLOCK, CLOCK.wall + 60 * SECOND)
    assert 0 < found["halt"]["binance"].most < 0.5


def test_faults_that_stop_no_stream_have_no_recovery(sent: dict[tuple[str, str], Sent]) -> None:
    assert recoveries([fault("repeated", START), fault("rest_429", START)], all_of(sent), CLOCK, CLOCK.wall) == {}
