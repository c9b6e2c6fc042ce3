"""Plays recordings: the frames of one or several files, merged by receive time, at their own pace, faster or at once.

Frames go out as they were recorded, letter for letter. Nothing is dropped: the player waits for its clients.
"""

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from market import recordings
from market.frames import Frame, RecordingError
from market.records import Venue
from replay import recorded
from replay.connections import Hub
from replay.history import History
from replay.rolling import Rolling
from replay.source import DayFigures, Kind, Listing, Progress

_BATCH = 256
_GRAIN_SECONDS = 0.001
# Both venues' numbers fit into so many decimals.
_DECIMALS = 20


class RecordedMarket:
    """A recording as a source.

    Playing begins when every stream of trades in it has a subscriber, or `start_wait` seconds after the first
    subscription; and when nobody has subscribed to anything more for `settle` seconds, unless all that it holds has a
    subscriber, so that who subscribes to one channel after the other misses nothing of any. While nobody is subscribed
    to anything it pauses, and begins again by the same rule. Frames that nobody is subscribed to are passed over, and
    so are frames that belong to no channel, which are counted.
    """

    kind: Kind = "recording"
    history: History | None = None

    def __init__(self, path: Path, speed: float | None = None, start_wait: float = 30.0, settle: float = 0.5) -> None:
        """Read through the recording once, to know what it holds; `speed` null is as fast as the clients read.

        Raises:
            RecordingError: there is no recording at `path`, or it cannot be read.
        """
        self._files = recordings.files(path)
        self._speed = speed
        self.speed = speed or 1.0
        self._start_wait = start_wait
        self._settle = settle
        self._total = self._passed = self._skipped = 0
        self._clock = 0
        self._finished = False
        self._channels: dict[str, tuple[Venue, str | None]] = {}
        self._symbols: dict[tuple[Venue, str], str] = {}
        self._scan()
        codes = {(venue, code) for venue, code in self._channels.values() if code is not None}
        folder = path if path.is_dir() else path.parent
        self._listings = {(each.venue, each.code): each for each in recorded.listings(folder, codes, self._symbols)}
        self._trades = self._one_a_pair()
        self._rolling = {key: Rolling(_DECIMALS, _DECIMALS) for key in self._listings}
        self._book: dict[tuple[Venue, str], bytes] = {}

    def listings(self, venue: Venue) -> list[Listing]:
        """Return the pairs that the recording holds of the venue."""
        return [listing for (where, _), listing in self._listings.items() if where == venue]

    def day(self, venue: Venue, code: str) -> DayFigures:
        """Return the 24-hour figures of a pair, from what was played so far."""
        figures = self._rolling[venue, code].figures(self._clock // 1000)
        book = self._book.get((venue, code))
        if book is None:
            return figures
        bid, bid_size, ask, ask_size = recorded.best(venue, book)
        return replace(figures, bid=bid, bid_size=bid_size, ask=ask, ask_size=ask_size)

    def now(self) -> int:
        """Return when the last frame played was received (before that: the first one), microseconds, UTC."""
        return self._clock // 1000

    def played(self) -> int:
        """Return the same: the clock goes on with what is played."""
        return self.now()

    def progress(self) -> Progress:
        """Return how many frames have been played or passed over."""
        return Progress(self._total, self._passed, self._skipped, self._finished, None)

    async def run(self, hub: Hub) -> None:
        """Play to the end, then return; clients stay connected."""
        loop = asyncio.get_running_loop()
        first, start = 0, 0.0
        for number, frame in enumerate(recordings.merged(self._files)):
            if self._speed is not None:
                wait = start + (frame.receive_time - first) / 1e9 / self._speed - loop.time()
                if wait > _GRAIN_SECONDS and number and hub.subscribed:
                    hub.flush()
                    await asyncio.sleep(wait)
            if number % _BATCH == 0:
                hub.flush()
                await hub.drained()
                await asyncio.sleep(0)
            if not hub.subscribed or not number:
                await self._audience(hub)
                first, start = frame.receive_time, loop.time()
            self._play(hub, frame)
        hub.flush()
        await hub.drained(0)
        self._finished = True

    async def _audience(self, hub: Hub) -> None:
        """Wait until there is somebody to play to."""
        loop = asyncio.get_running_loop()
        awaited = [channel for channel, (venue, _) in self._channels.items() if recorded.is_trades(venue, channel)]
        deadline: float | None = None
        quiet_at = loop.time() + self._settle
        while True:
            now = loop.time()
            if not hub.subscribed:
                deadline = wake = None
            else:
                deadline = wake = deadline or now + self._start_wait
                if now >= deadline or all(hub.wanted(channel) for channel in self._channels):
                    return
                if awaited and all(hub.wanted(channel) for channel in awaited):
                    if now >= quiet_at:
                        return
                    wake = min(deadline, quiet_at)
            hub.changed.clear()
            try:
                async with asyncio.timeout_at(wake):
                    await hub.changed.wait()
                quiet_at = loop.time() + self._settle
            except TimeoutError:
                continue

    def _play(self, hub: Hub, frame: Frame) -> None:
        self._passed += 1
        self._clock = frame.receive_time
        message = recorded.message(frame)
        if message is None:
            self._skipped += 1
            return
        hub.publish(message)
        venue, code = self._channels[message.channel]
        if code is None:
            return
        if message.channel in self._trades:
            trade = recorded.traded(venue, message.data)
            if trade is not None:
                price, size = Decimal(trade.price).scaleb(_DECIMALS), Decimal(trade.size).scaleb(_DECIMALS)
                rolling = self._rolling[venue, code]
                rolling.add(trade.time, int(price), int(size), trade.first_id, trade.last_id)
        elif recorded.is_book(venue, message.channel):
            self._book[venue, code] = message.data

    def _scan(self) -> None:
        first: int | None = None
        for frames in recordings.streams(self._files):
            for frame in frames:
                self._total += 1
                first = frame.receive_time if first is None else min(first, frame.receive_time)
                message = recorded.message(frame)
                if message is not None and message.channel not in self._channels:
                    self._add(frame, message.channel)
        if first is None:
            raise RecordingError(f"{self._files[0].parent}: holds no frames")
        self._clock = first

    def _add(self, frame: Frame, channel: str) -> None:
        code = recorded.code_of(frame.venue, channel)
        self._channels[channel] = (frame.venue, code)
        if code is not None and frame.symbol is not None:
            self._symbols[frame.venue, code] = frame.symbol

    def _one_a_pair(self) -> set[str]:
        """Return the channels whose trades count: one a pair, the single trades where both kinds were recorded."""
        chosen: dict[tuple[Venue, str | None], str] = {}
        for channel, pair in sorted(self._channels.items(), reverse=True):
            if recorded.is_trades(pair[0], channel):
                chosen.setdefault(pair, channel)
        return set(chosen.values())
