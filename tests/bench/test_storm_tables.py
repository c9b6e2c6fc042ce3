"""The tables of a storm are Markdown that the README can show as it is."""

from bench._storm import tables
from bench._storm.contest import Run, alone
from bench._storm.facts import Finding
from bench._storm.figures import Counts, Recovery
from bench._storm.weather import Outcome
from replay.faults import KINDS, VENUES_OF


def run(back: float, lost: int, never: int = 0) -> Run:
    counts = {venue: Counts(sent=1_000, seen=1_000 - lost, lost=lost) for venue in ("binance", "kucoin")}
    recovery = Recovery([back, back, 2 * back], never)
    return Run(counts, {"reset": {"binance": recovery, "kucoin": recovery}}, {"reset": 4})


def test_each_kind_has_a_row_a_venue_and_each_client_its_columns() -> None:
    table = tables.by_kind({"Pricebraid": {"reset": run(0.11, 0)}, "other": {"reset": run(14.0, 5, never=1)}})
    head, rule, *rows = table.splitlines()
    assert head.count("|") == rule.count("|") == 8
    assert rows == [
        "| connection reset, Binance | 0.11 / 0.22 | 0 | 0 | 14 / > 28 | 2.5 | 0 |",
        "| connection reset, KuCoin | 0.11 / 0.22 | 0 | 0 | 14 / > 28 | 2.5 | 0 |",
    ]


def test_what_never_came_back_says_how_long_it_was_waited_for() -> None:
    assert str(Recovery([240.0, 200.0], never=2)) == "not in 240"
    assert str(Recovery([0.1, 0.1, 240.0], never=1)) == "0.10 / > 240"


def test_every_kind_of_fault_has_words() -> None:
    assert set(tables.WORDS) == set(KINDS)


def test_the_same_storm_is_compared_by_client_and_venue() -> None:
    table = tables.compared({"Pricebraid": run(0.1, 0), "other": run(1.0, 52)})
    assert "| Pricebraid, Binance | 4 | 1,000 | 1,000 | 0 | 0 |" in table
    assert "| other, KuCoin | 4 | 1,000 | 948 | 5.20 % | 0 |" in table
    assert "| connection reset, KuCoin | 0.10 / 0.20 | 1.00 / 2.00 |" in tables.recovered(
        {"Pricebraid": run(0.1, 0).recoveries, "other": run(1.0, 52).recoveries}
    )


def test_what_is_unexplained_is_named_in_a_line_each() -> None:
    outcome = Outcome(
        start=0, end=1, faults={"reset": 3}, disconnects=3, candles=10, unequal=1, gaps=2, gaps_open=1, counts={},
        passed_twice={"binance": 0}, recoveries={},
        findings=[
            Finding("wrong candle", "kucoin", "BTC-USDT", "10:00 is missing"),
            Finding("open gap", "binance", "ETH-USDT", "binance:ETH-USDT:1-2"),
        ],
    )  # fmt: skip
    assert tables.findings(outcome).splitlines() == [
        "open gap: binance ETH-USDT binance:ETH-USDT:1-2",
        "wrong candle: kucoin BTC-USDT 10:00 is missing",
    ]
    assert "10 closed candles: 9 are what the market says, 1 are not." in tables.summary(outcome)


def test_a_kind_alone_hits_all_connections_and_refusing_rest_comes_with_a_reset() -> None:
    for kind in KINDS:
        for venue in VENUES_OF[kind]:
            faults = alone(kind, venue, at=7, seed=1)
            assert [fault.kind for fault in faults] == ([kind, "reset"] if kind.startswith("rest_") else [kind])
            assert {(fault.venue, fault.at, fault.share) for fault in faults} == {(venue, 7, 1.0)}
