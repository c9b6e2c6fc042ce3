"""The Kafka topics: their names, keys and bounds. Every topic is bounded by time or size, or compacted."""

from typing import Literal

import msgspec

from market.sections import KafkaSettings

BINANCE_RAW = "binance_raw_data"
KUCOIN_RAW = "kucoin_raw_data"
TRADES_IN = "trades_in"
TRADES = "trades"
TICKERS = "tickers"
FEED_EVENTS = "feed_events"
LATE_TRADES = "late_trades"
CANDLES_1M = "candles_1m"
ROLLUPS = "rollups"
FEED_MARKS = "feed_marks"
GAPS = "gaps"
GAP_MARKS = "gap_marks"
VENUE_CANDLES = "venue_candles"
INSTRUMENTS = "instruments"
SEQUENCER_STATE = "sequencer_state"
DEAD_LETTERS = "dead_letters"

RAW = {"binance": BINANCE_RAW, "kucoin": KUCOIN_RAW}

_HOUR = 3_600_000
_SEGMENT = 64 << 20


class Topic(msgspec.Struct, frozen=True):
    """A topic as it is created. `retention_hours` bounds it by time, `retention_bytes` each partition by size."""

    name: str
    partitions: int
    retention_hours: float
    retention_bytes: int
    cleanup: Literal["delete", "compact", "compact,delete"] = "delete"

    def config(self) -> dict[str, str]:
        """Return the topic's configuration as the broker takes it."""
        # A segment is only ever deleted or compacted whole, so it must be small beside what is kept.
        segment = _SEGMENT if self.retention_bytes < 0 else min(_SEGMENT, self.retention_bytes // 8)
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(int(self.retention_hours * _HOUR)),
            "retention.bytes": str(self.retention_bytes),
            "segment.bytes": str(segment),
            "segment.ms": str(int(max(0.1, min(24.0, self.retention_hours / 8)) * _HOUR)),
            "min.cleanable.dirty.ratio": "0.2",
            "max.compaction.lag.ms": str(_HOUR),
            "message.timestamp.type": "CreateTime",
        }


def topics(settings: KafkaSettings) -> list[Topic]:
    """Return every topic with the bounds that the settings give.

    What the sequencer reads and writes has the same number of partitions, since it writes partition n of the one from
    partition n of the other. `gaps` and `sequencer_state` are its memory: they are compacted, and never cut by time. So
    is `instruments`, of which each venue's newest list stays.
    """
    size = settings.topic_bytes
    return [
        Topic(BINANCE_RAW, 1, settings.raw_hours, size),
        Topic(KUCOIN_RAW, 1, settings.raw_hours, size),
        Topic(TRADES_IN, settings.partitions, settings.trades_in_hours, size),
        Topic(TRADES, settings.partitions, settings.trades_hours, -1),
        Topic(TICKERS, settings.partitions, settings.tickers_hours, size),
        Topic(FEED_EVENTS, 1, settings.events_hours, size),
        Topic(LATE_TRADES, 1, settings.events_hours, size),
        Topic(CANDLES_1M, settings.partitions, settings.candles_hours, -1, "compact,delete"),
        Topic(ROLLUPS, settings.partitions, settings.candles_hours, -1, "compact,delete"),
        Topic(FEED_MARKS, settings.partitions, settings.trades_in_hours, size),
        Topic(GAPS, settings.partitions, settings.events_hours, -1, "compact"),
        Topic(GAP_MARKS, settings.partitions, settings.trades_hours, -1),
        Topic(VENUE_CANDLES, settings.partitions, settings.trades_hours, -1),
        Topic(SEQUENCER_STATE, settings.partitions, settings.events_hours, -1, "compact"),
        Topic(INSTRUMENTS, 1, settings.events_hours, -1, "compact"),
        Topic(DEAD_LETTERS, 1, settings.events_hours, size),
    ]
