import math

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from ingest.intake import Intake
from ingest.metrics import IngestCollector, Lag, VenueStats
from ingest.pace import Staleness
from ingest.silence import Silence
from ingest.tickers import TickerBoard
from ingest.venues.binance.messages import BinanceMapper
from tests.ingest.scripted import Collected
from tests.ingest.shapes import binance, codes

TRADE = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,'
    b'"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}'
)
# The recorder's clock ran 1.27 s behind the exchange's.
RECEIVED = 1723161254087896568


def taken(offset: int | None, *frames: bytes) -> VenueStats:
    stats = VenueStats("binance", Silence(300), Staleness(8))
    stats.clock_offset = offset
    publisher: object = Collected()
    intake = Intake(
        BinanceMapper(codes(binance("BTC-USDT")), "trade"), publisher, TickerBoard(1), stats, 10,  # type: ignore[arg-type]
    )  # fmt: skip
    for frame in frames:
        intake.frame("binance-1", frame, RECEIVED)
    return stats


def page(stats: VenueStats) -> list[str]:
    registry = CollectorRegistry()
    registry.register(IngestCollector([stats], lambda: (5, 2)))
    return generate_latest(registry).decode().splitlines()


def test_lag_has_the_difference_of_the_clocks_taken_off() -> None:
    stats = taken(1_270_000, TRADE)
    assert stats.lag_seconds == pytest.approx(0.015896)
    assert stats.newest_event_time == 1723161255342000


def test_no_lag_is_claimed_before_the_clocks_are_compared() -> None:
    stats = taken(None, TRADE)
    assert stats.lag_seconds is None
    assert not any("lag_seconds_count" in line for line in page(stats))
    # Then that of the trade that came before it is known.
    stats.clock_offset = 1_270_000
    assert stats.lag_seconds == pytest.approx(0.015896)


def test_every_number_is_there_by_venue_and_channel() -> None:
    lines = page(taken(1_270_000, TRADE, TRADE, b'{"stream":"btcusdt@depth","data":{}}', b"x"))
    for expected in (
        'messages_total{channel="trade",venue="binance"} 2.0',
        f'bytes_total{{channel="trade",venue="binance"}} {2.0 * len(TRADE)}',
        'trades_total{channel="trade",venue="binance"} 2.0',
        'ignored_total{channel="depth",venue="binance"} 1.0',
        'dead_letters_total{channel="unknown",venue="binance"} 1.0',
        'lag_seconds_count{channel="trade",venue="binance"} 2.0',
        'lag_seconds_bucket{channel="trade",le="0.01",venue="binance"} 0.0',
        'lag_seconds_bucket{channel="trade",le="0.025",venue="binance"} 2.0',
        'connected{venue="binance"} 0.0',
        'clock_offset_seconds{venue="binance"} 1.27',
        'newest_event_time_seconds{venue="binance"} 1.723161255342e+09',
        'reconnects_total{venue="binance"} 0.0',
        'renewals_total{venue="binance"} 0.0',
        'stale_symbols{venue="binance"} 0.0',
        "queue_depth 5.0",
        "delivery_errors_total 2.0",
    ):
        assert f"pricebraid_ingest_{expected}" in lines


def test_buckets_of_lag_are_cumulative_and_hold_every_trade() -> None:
    lag = Lag()
    for seconds in (-1.0, 0.0, 0.004, 0.3, 1e9):
        lag.observe(seconds)
    buckets = dict(lag.buckets())
    assert (buckets["0.0"], buckets["0.005"], buckets["0.5"], buckets["300.0"], buckets["+Inf"]) == (2, 3, 4, 4, 5)
    assert math.isclose(lag.total, 1e9 - 0.696)


def test_health_tells_what_others_rely_on() -> None:
    stats = taken(1_270_000, TRADE)
    stats.planned = stats.open = 1
    assert stats.last_message is not None
    assert stats.health(stats.last_message + 2) == {
        "connected": True, "connections": 1, "symbols": 0, "messages": 1, "last_message_age_seconds": 2.0, "trades": 1,
        "newest_event_time": 1723161255342000, "lag_seconds": pytest.approx(0.015896), "clock_offset_seconds": 1.27,
        "reconnects": 0, "renewals": 0, "dead_letters": 0, "ignored": 0, "silent_symbols": [], "stale_symbols": [],
        "closed_symbols": [],
    }  # fmt: skip
