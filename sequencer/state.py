"""What is written down of each symbol in `sequencer_state`: what the tail of `trades` may not reach back to."""

from collections.abc import Iterable, Iterator

import msgspec

from market.records import Venue


class Hole(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Ids that were skipped a moment ago; at `due`, by the local clock, they are missed. The others are event times."""

    first: int
    last: int
    from_time: int
    to_time: int
    due: int = 0


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a symbol beyond the tail. Times are event times in microseconds, -1 where there is none.

    `newest` and `born` are those of the newest and the first trade ever, `earlier` that of the newest of those that are
    not remembered any more (KuCoin). Of Binance, `runs` are all ids that were passed, but for those at or below `floor`
    and those of trades before `since`, and `holes` are those that may still fill by themselves.
    """

    venue: Venue
    symbol: str
    newest: int
    born: int
    earlier: int = -1
    since: int = 0
    runs: list[tuple[int, int]] = []
    floor: int = -1
    holes: list[Hole] = []

    @property
    def key(self) -> str:
        """The record's key in `sequencer_state`."""
        return f"{self.venue}|{self.symbol}"


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(State).decode


class Snapshots:
    """What has been written to one partition of `sequencer_state`, and when more is to be.

    All that changed is written once a minute, and whenever market time has moved on by `SPAN` since, so that a tail
    that reaches back further than that together with what was written lacks nothing.
    """

    SPAN = 600 * 1_000_000
    _PAUSE = 60 * 1_000_000

    def __init__(self) -> None:
        self._written: dict[bytes, bytes] = {}
        self._at = 0
        self._newest = -1

    def read(self, key: bytes, value: bytes) -> None:
        """Take in a record that was written before."""
        self._written[key] = value

    def states(self) -> list[State]:
        """Return what was written last of each symbol."""
        return [_decode(value) for value in self._written.values()]

    def due(self, newest: int, now: int) -> bool:
        """Tell whether it is time to write: `newest` is the newest event time, `now` the local clock's."""
        return newest - self._newest >= self.SPAN or now - self._at >= self._PAUSE

    def changed(self, states: Iterable[State], newest: int, now: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values of those that differ from what is written; they count as written."""
        self._at, self._newest = now, newest
        for state in states:
            key, value = state.key.encode(), _encode(state)
            if self._written.get(key) != value:
                self._written[key] = value
                yield key, value
