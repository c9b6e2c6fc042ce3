"""What becomes of a frame: raw as it came, mapped to trades and tickers, counted, or a dead letter."""

import logging
import time
from collections.abc import Iterable

from ingest.metrics import VenueStats
from ingest.publisher import Publisher
from ingest.raw import RawBatch
from ingest.tickers import TickerBoard
from ingest.venues import Mapped, Mapper
from market.records import DeadLetter, encode
from market.topics import DEAD_LETTERS, RAW, TRADES_IN

log = logging.getLogger(__name__)

_COMPLAIN_SECONDS = 10.0


class Intake:
    """Takes in all that one venue sends, whichever connection it comes on."""

    def __init__(
        self, mapper: Mapper, publisher: Publisher, board: TickerBoard, stats: VenueStats, raw_batch_frames: int
    ) -> None:
        self.mapper = mapper
        self._publisher = publisher
        self._board = board
        self._stats = stats
        self._raw_batch_frames = raw_batch_frames
        self._raw: dict[str, RawBatch] = {}
        self._complained = float("-inf")

    def frame(self, connection: str, frame: bytes, receive_time: int) -> Mapped:
        """Take in a frame, received at `receive_time` (nanoseconds), and return what it held."""
        self._keep(connection, frame, receive_time)
        mapped = self.mapper.map_frame(frame, receive_time)
        if mapped.control is None:
            self._stats.last_message = time.monotonic()
        self.take(mapped, len(frame), receive_time, connection)
        return mapped

    def take(self, mapped: Mapped, size: int, receive_time: int, connection: str | None = None) -> None:
        """Publish and count what a frame of `size` bytes, or an answer over REST, held."""
        stats = self._stats
        numbers = stats.channel(mapped.channel)
        numbers.messages += 1
        numbers.bytes += size
        numbers.ignored += mapped.ignored
        for trade in mapped.trades:
            self._publisher.send(TRADES_IN, trade.symbol, encode(trade))
            numbers.trades += 1
            if stats.newest_event_time is None or trade.event_time > stats.newest_event_time:
                stats.newest_event_time = trade.event_time
            stats.delay = trade.receive_time - trade.event_time
            if (lag := stats.lag_seconds) is not None:
                numbers.lag.observe(lag)
            stats.silence.heard(trade.symbol)
            stats.staleness.heard(trade.symbol, time.monotonic())
        for part in mapped.tickers:
            self._board.merge(stats.venue, part)
            numbers.tickers += 1
            if not mapped.whole_market:
                stats.silence.heard(part.symbol)
        for item in mapped.unmapped:
            numbers.dead_letters += 1
            letter = DeadLetter("ingest", item.reason, item.payload, receive_time // 1000, stats.venue, connection)
            self._publisher.send(DEAD_LETTERS, None, encode(letter))
            self._complain(mapped.channel, item.reason)

    def expects(self, symbols: Iterable[str]) -> bool:
        """Return whether trades are to be expected of any of these symbols: of those that the venue lets trade."""
        return not self._stats.closed.issuperset(symbols)

    def excuse(self, symbols: Iterable[str], seconds: float) -> None:
        """Take no note of so many seconds, in which nothing of these symbols was read."""
        self._stats.staleness.excuse(symbols, seconds)

    def sweep(self) -> None:
        """Publish the raw frames that are gathered so far."""
        for connection, batch in self._raw.items():
            self._send_raw(connection, batch.take())

    def _keep(self, connection: str, frame: bytes, receive_time: int) -> None:
        batch = self._raw.get(connection)
        if batch is None:
            batch = self._raw[connection] = RawBatch(self._raw_batch_frames)
        full = batch.add(receive_time, frame.decode("utf-8", "replace"))
        if full is not None:
            self._send_raw(connection, full)

    def _send_raw(self, connection: str, batch: bytes | None) -> None:
        if batch is not None:
            self._publisher.send(RAW[self._stats.venue], connection, batch)

    def _complain(self, channel: str, reason: str) -> None:
        now = time.monotonic()
        if now - self._complained > _COMPLAIN_SECONDS:
            self._complained = now
            extra = {"channel": channel, "reason": reason, "dead_letters": self._stats.total("dead_letters")}
            log.warning("%s: a frame could not be mapped", self._stats.venue, extra=extra)
