"""Changes of what the market on localhost lists: a pair leaves a venue's list, is halted in it, or renamed."""

from collections.abc import Iterable
from dataclasses import replace

import msgspec

from market.symbols import instrument
from replay.events import ALL_MINI_TICKERS, ALL_TICKERS
from replay.faults import Fault
from replay.source import Listing
from replay.targets import Done, Moment
from replay.wire import Message, binance

_STREAMS = ("aggTrade", "trade", "bookTicker", "miniTicker")
_TOPICS = ("/market/match", "/market/ticker")

_elements = msgspec.json.Decoder(list[msgspec.Raw])


class Relisting:
    """One change, for as long as it lasts. The pairs that do not trade meanwhile fall silent; their sockets go on."""

    def __init__(self, fault: Fault, done: Done, listings: Iterable[Listing]) -> None:
        """Take the pairs as the venue lists them without any change."""
        self.done = done
        self._fault = fault
        symbols = {
            each.code: instrument(fault.venue, each.code, each.base, each.quote, trading=True).symbol
            for each in listings
        }
        self._codes = {code for code, symbol in symbols.items() if symbol in fault.symbols}
        done.symbols = sorted({symbols[code] for code in self._codes})
        silent = () if fault.kind == "renamed" else sorted(self._codes)
        self._subjects = [f'"{"s" if fault.venue == "binance" else "subject"}":"{code}"'.encode() for code in silent]
        if not silent:
            self.channels: frozenset[str] = frozenset()
        elif fault.venue == "binance":
            own = (f"{code.lower()}@{stream}" for code in silent for stream in _STREAMS)
            self.channels = frozenset((ALL_MINI_TICKERS, *own))
        else:
            own = (f"{topic}:{code}" for code in silent for topic in _TOPICS)
            self.channels = frozenset((ALL_TICKERS, *own))

    def begin(self, moment: Moment) -> None:
        """Let it begin."""
        self.done.since = moment.now

    def over(self, moment: Moment) -> bool:
        """Return whether it is over: never, where it has no duration."""
        return bool(self._fault.duration) and moment.now >= (self.done.since or 0) + self._fault.duration

    def stop(self, moment: Moment) -> None:
        """Note the end."""
        self.done.to = moment.now

    def listed(self, listing: Listing) -> Listing | None:
        """Return how a pair of the venue is listed meanwhile, null where it is not."""
        if listing.code not in self._codes:
            return listing
        match self._fault.kind:
            case "delisted":
                return None
            case "suspended":
                return replace(listing, trading=False)
        base = self._fault.base
        return replace(listing, base=base, name=f"{base}-{listing.quote}")

    def left(self, message: Message) -> Message | None:
        """Return what is left of a message of one of the channels, null where nothing is."""
        if message.channel == ALL_MINI_TICKERS:
            kept = [bytes(each) for each in _elements.decode(message.data) if not self._is_silent(bytes(each))]
            return binance(message.channel, b"[" + b",".join(kept) + b"]") if kept else None
        return message if message.channel == ALL_TICKERS and not self._is_silent(message.whole) else None

    def _is_silent(self, text: bytes) -> bool:
        return any(subject in text for subject in self._subjects)
