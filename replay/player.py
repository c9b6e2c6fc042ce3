"""Plays the simulated market: each trade at its own time, and the tickers that follow from the trades.

The loop is open: when it is held up, trades go out late but keep the time at which they were due. Binance's `E` is the
real time of sending. Minutes are made ahead, a few pairs a turn, so that no turn is long.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from market.records import Venue
from replay.clock import wall
from replay.connections import Hub
from replay.events import ALL_MINI_TICKERS, ALL_TICKERS, BinanceEvents, KucoinEvents
from replay.history import History
from replay.pairs import Pair
from replay.simulation import FIRST_MINUTE, Market
from replay.source import DayFigures, Kind, Listing, Progress
from replay.wire import binance

_MINUTE_MS = 60_000
_BATCH = 500
_TICKER_MS = 100
_MINI_MS = 1000


class SimulatedMarket:
    """The simulated market as a source.

    Its 24-hour figures begin with the minute before the server's start, so they grow for the first day.
    """

    kind: Kind = "simulated"

    def __init__(
        self, market: Market, now: Callable[[], int] = wall, turn_seconds: float = 0.005, speed: float = 1.0
    ) -> None:
        """Take `now` as the clock (microseconds since the epoch), and look for what is due every `turn_seconds`.

        `speed` only tells how fast that clock runs.

        Raises:
            ValueError: the clock is before the market's second minute.
        """
        self.now = now
        self.speed = speed
        self._turn_seconds = turn_seconds
        self._market = market
        self.history: History | None = History(market)
        series = market.series
        self._binance = {key: BinanceEvents(series[key].listing) for key in series if key[0] == "binance"}
        self._kucoin = {key: KucoinEvents(series[key].listing) for key in series if key[0] == "kucoin"}
        self._keys = list(series)
        self._queue: list[tuple[int, int]] = []
        self._ahead: deque[Pair] = deque()
        self._tickers_due: list[tuple[int, tuple[Venue, str]]] = []
        self._sent = 0
        start = now() // 60_000_000
        if start <= FIRST_MINUTE:
            raise ValueError("the clock is before the simulated market's first minute, 2020-01-01")
        self._minute = start - 1
        self._pairs = {key: Pair(series, self._minute) for key, series in market.series.items()}
        self._next_mini = (now() // 1000 // _MINI_MS + 1) * _MINI_MS
        self._enter()
        # What was due before the start is history: counted in the figures, sent to nobody.
        self._play(Hub(), now() // 1000)

    def listings(self, venue: Venue) -> list[Listing]:
        """Return the pairs that the venue lists, the busiest first."""
        return self._market.listings(venue)

    def day(self, venue: Venue, code: str) -> DayFigures:
        """Return the 24-hour figures of a pair, since the minute before the start at most."""
        pair = self._pairs[venue, code]
        figures = pair.rolling.figures(self.now())
        if not pair.ask:
            return figures
        prices, sizes = -pair.series.listing.price_decimals, -pair.series.listing.size_decimals
        return replace(
            figures,
            bid=Decimal(pair.bid).scaleb(prices),
            bid_size=Decimal(pair.bid_size).scaleb(sizes),
            ask=Decimal(pair.ask).scaleb(prices),
            ask_size=Decimal(pair.ask_size).scaleb(sizes),
        )

    def played(self) -> int:
        """Return up to when all that was due has been published."""
        due = self._queue[0][0] * 1000 if self._queue else (self._minute + 1) * _MINUTE_MS * 1000
        return min(self.now(), due)

    def progress(self) -> Progress:
        """Return how many frames found a subscriber; there is no end."""
        return Progress(None, self._sent, 0, False, self._market.seed)

    async def run(self, hub: Hub) -> None:
        """Play for ever."""
        while True:
            now_ms = self.now() // 1000
            while self._play(hub, now_ms):
                hub.flush()
                await asyncio.sleep(0)
            self._tickers(hub, now_ms)
            hub.flush()
            hub.cut_slow()
            self._sent = hub.sent
            if self._ahead:
                self._ahead.popleft().prepare(self._minute + 1)
            await asyncio.sleep(self._turn_seconds)

    def _enter(self) -> None:
        for number, key in enumerate(self._keys):
            pair = self._pairs[key]
            pair.enter(self._minute)
            due = pair.due()
            if due is not None:
                self._queue.append((due, number))
        heapq.heapify(self._queue)
        self._ahead = deque(self._pairs.values())

    def _play(self, hub: Hub, now_ms: int) -> bool:
        """Publish what is due, of a long delay only a part; return whether there is more."""
        left = _BATCH
        queue = self._queue
        sent = self.now() // 1000
        while True:
            while queue and queue[0][0] <= now_ms:
                _, number = queue[0]
                key = self._keys[number]
                pair = self._pairs[key]
                if key[0] == "binance":
                    self._play_binance(hub, pair, self._binance[key], sent)
                else:
                    self._play_kucoin(hub, pair, self._kucoin[key], key)
                due = pair.due()
                if due is None:
                    heapq.heappop(queue)
                else:
                    heapq.heapreplace(queue, (due, number))
                left -= 1
                if not left and hub.clients:
                    return True
            if now_ms < (self._minute + 1) * _MINUTE_MS:
                return False
            self._minute += 1
            self._enter()

    def _play_binance(self, hub: Hub, pair: Pair, events: BinanceEvents, sent: int) -> None:
        level = pair.take()
        if hub.wanted(events.agg_trade_stream):
            hub.publish(events.agg_trade(sent, level))
        if hub.wanted(events.trade_stream):
            for number, size in zip(level.ids, level.sizes, strict=True):
                hub.publish(events.trade(sent, number, size, level))
        if hub.wanted(events.book_stream):
            hub.publish(events.book(pair))

    def _play_kucoin(self, hub: Hub, pair: Pair, events: KucoinEvents, key: tuple[Venue, str]) -> None:
        was_changed = pair.changed
        level = pair.take()
        if hub.wanted(events.match_topic):
            taker = pair.order_id(level.time_ms, self._minute << 20 | level.order)
            for number, size in zip(level.ids, level.sizes, strict=True):
                maker = pair.order_id(level.time_ms - 1000 * (number % 600), number)
                hub.publish(events.match(number, size, level, taker, maker))
        if not was_changed:
            heapq.heappush(self._tickers_due, (pair.pushed_ms + _TICKER_MS, key))

    def _tickers(self, hub: Hub, now_ms: int) -> None:
        """Push what the trades changed: KuCoin's tickers when 100 ms have passed, Binance's once a second."""
        while self._tickers_due and self._tickers_due[0][0] <= now_ms:
            _, key = heapq.heappop(self._tickers_due)
            self._push_ticker(hub, self._pairs[key], self._kucoin[key], now_ms)
        if now_ms >= self._next_mini:
            self._next_mini = (now_ms // _MINI_MS + 1) * _MINI_MS
            self._push_minis(hub, now_ms)

    def _push_ticker(self, hub: Hub, pair: Pair, events: KucoinEvents, now_ms: int) -> None:
        pair.changed = False
        pair.pushed_ms = now_ms
        own, of_all = hub.wanted(events.ticker_topic), hub.wanted(ALL_TICKERS)
        if not own and not of_all:
            return
        data = events.ticker_data(pair)
        if own:
            hub.publish(events.ticker(data))
        if of_all:
            hub.publish(events.ticker_of_all(data))

    def _push_minis(self, hub: Hub, now_ms: int) -> None:
        of_all = hub.wanted(ALL_MINI_TICKERS)
        changed = []
        for key, events in self._binance.items():
            pair = self._pairs[key]
            if not pair.changed:
                continue
            pair.changed = False
            own = hub.wanted(events.mini_stream)
            if own or of_all:
                data = events.mini(now_ms, pair.rolling.figures(now_ms * 1000))
                changed.append(data)
                if own:
                    hub.publish(binance(events.mini_stream, data))
        if changed and of_all:
            hub.publish(binance(ALL_MINI_TICKERS, b"[" + b",".join(changed) + b"]"))
