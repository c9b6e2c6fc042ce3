"""One full ticker a symbol out of the parts that the venues send, published no oftener than need be. Pure."""

from collections.abc import Iterable

import msgspec

from ingest.venues import TickerPart
from market.records import Ticker, Venue


class _State(msgspec.Struct):
    values: dict[str, str | None]
    event_time: int
    receive_time: int
    firm: set[str]
    next_at: float = 0.0


class TickerBoard:
    """What is known of every symbol of every venue. Times to publish are seconds of a monotonic clock.

    A symbol's change is published at once if `interval` seconds have passed since the last, else as soon as they
    have, and then with all that came meanwhile: the last change is never kept back for good. For symbols that are
    not followed it is `others_interval`: they are many, and nobody watches them tick.
    """

    def __init__(self, interval: float, others_interval: float = 1.0) -> None:
        self._interval = interval
        self._others_interval = others_interval
        self._followed: dict[Venue, frozenset[str]] = {}
        self._states: dict[tuple[Venue, str], _State] = {}
        # In the order of the first change that is not yet published.
        self._changed: dict[tuple[Venue, str], None] = {}

    def follow(self, venue: Venue, symbols: Iterable[str]) -> None:
        """Take note of the symbols that are followed at a venue; as long as nothing is said, all are."""
        self._followed[venue] = frozenset(symbols)

    def merge(self, venue: Venue, part: TickerPart) -> None:
        """Take in what one message said. `event_time` never goes back: REST answers are older than the socket."""
        key = (venue, part.symbol)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State({}, part.event_time, part.receive_time, set())
        else:
            state.event_time = max(state.event_time, part.event_time)
            state.receive_time = max(state.receive_time, part.receive_time)
        state.values.update(part.values)
        state.firm.update(part.values)
        for name, value in part.fallback.items():
            if name not in state.firm:
                state.values[name] = value
        self._changed[key] = None

    def due(self, now: float) -> list[Ticker]:
        """Return the tickers to publish now."""
        return [self._publish(key, now) for key in list(self._changed) if now >= self._states[key].next_at]

    def rest(self) -> list[Ticker]:
        """Return every ticker that is not yet published, due or not, as at the end."""
        return [self._publish(key, 0.0) for key in list(self._changed)]

    def _publish(self, key: tuple[Venue, str], now: float) -> Ticker:
        state = self._states[key]
        venue, symbol = key
        follows = self._followed.get(venue)
        state.next_at = now + (self._interval if follows is None or symbol in follows else self._others_interval)
        del self._changed[key]
        return Ticker(venue, symbol, state.event_time, state.receive_time, **state.values)
