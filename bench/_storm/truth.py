"""What the simulated market itself says: its trades and candles, computed without asking any server."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from bench._storm.facts import MINUTE, Key
from market.records import Venue
from market.sections import SimulationSettings
from market.symbols import instrument
from replay.noise import Ints
from replay.simulation import Candle, Market


class Sent(NamedTuple):
    """The trades of one symbol at one venue, in their order: the venue's own ids, and event times in microseconds."""

    ids: Ints
    times: Ints


class Truth:
    """The market of the settings, by venue and canonical symbol: all symbols, or those that are followed."""

    def __init__(self, settings: SimulationSettings, followed: Collection[str] | None = None) -> None:
        market = Market(settings.seed, settings.symbols, settings.trades_per_second)
        self._series = {}
        for (venue, code), series in market.series.items():
            listing = series.listing
            found = instrument(venue, code, listing.base, listing.quote, trading=True)
            if followed is None or found.symbol in followed:
                self._series[venue, found.symbol] = series

    @property
    def symbols(self) -> list[tuple[Venue, str]]:
        """Every venue and canonical symbol."""
        return list(self._series)

    @property
    def names(self) -> list[str]:
        """Every canonical symbol once, sorted."""
        return sorted({symbol for _, symbol in self._series})

    def candles(self, start: int, end: int) -> dict[Key, Candle]:
        """Return the candle of each minute that begins in the half-open time and in which something traded."""
        found = {}
        for venue, symbol in self._series:
            for minute in range(-(-start // MINUTE), -(-end // MINUTE)):
                candle = self._series[venue, symbol].candle(minute)
                if candle is not None:
                    found[Key(venue, symbol, minute * MINUTE)] = candle
        return found

    def sent(self, start: int, end: int) -> dict[tuple[str, str], Sent]:
        """Return all trades in the half-open time."""
        return {(venue, symbol): self._sent(venue, symbol, start, end) for venue, symbol in self._series}

    def _sent(self, venue: Venue, symbol: str, start: int, end: int) -> Sent:
        series = self._series[venue, symbol]
        ids, times = [], []
        for number in range(start // MINUTE, -(-end // MINUTE)):
            minute = series.minute(number)
            ids.append(series.fill_ids(minute.first_fill, len(minute.size)))
            times.append(np.repeat(minute.time_ms * 1000, np.diff(minute.start)))
        all_ids, all_times = np.concatenate(ids), np.concatenate(times)
        within = (all_times >= start) & (all_times < end)
        return Sent(all_ids[within], all_times[within])
