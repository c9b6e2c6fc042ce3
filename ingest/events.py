"""Facts about the feeds, as records of `feed_events` and as lines of the log."""

import logging
import time
import uuid
from collections.abc import Mapping

import msgspec

from ingest.publisher import Publisher
from market.records import FeedEvent, Venue, encode
from market.topics import FEED_EVENTS

log = logging.getLogger(__name__)

_WARNINGS = frozenset(
    {
        "disconnected", "refused", "silent_symbol", "unknown_symbol", "delisted", "renamed", "unreachable", "stale",
        "mute",
    }
)  # fmt: skip


class Events:
    """Publishes what happens to one venue's feed, and logs it."""

    def __init__(self, venue: Venue, publisher: Publisher) -> None:
        self._venue = venue
        self._publisher = publisher

    def tell(
        self,
        kind: str,
        detail: Mapping[str, object] | None = None,
        *,
        connection: str | None = None,
        symbol: str | None = None,
    ) -> None:
        """Record that something happened just now. `detail` is kept as a JSON object."""
        event = FeedEvent(
            uuid.uuid4().hex,
            self._venue,
            kind,
            time.time_ns() // 1000,
            connection,
            symbol,
            msgspec.json.encode(detail).decode() if detail else None,
        )
        self._publisher.send(FEED_EVENTS, self._venue, encode(event))
        level = logging.WARNING if kind in _WARNINGS else logging.INFO
        # Hundreds of symbols are for the record, not for the log.
        short = {name: len(value) if isinstance(value, tuple) else value for name, value in (detail or {}).items()}
        extra = {"connection": connection, "symbol": symbol, "detail": short}
        shown = {name: value for name, value in extra.items() if value}
        log.log(level, "%s: %s", self._venue, kind.replace("_", " "), extra=shown)
