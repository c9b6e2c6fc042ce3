"""Counts trades, and takes the time until they flow again. Pure."""

import bisect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
import numpy as np

from bench._storm.facts import MINUTE, SECOND, Clock, Delivery, Done, GapRow, Key, Lost
from bench._storm.truth import Sent

LATE = SECOND
"""A delivery so far behind its symbol's newest, by event time, is late."""

BREAKING = ("close", "reset", "half_open", "mute", "token_expired", "shutdown", "malformed", "halt")
"""Kinds of faults that stop a stream, or may do so, so that there is a time until it flows again."""


class Counts(msgspec.Struct):
    """Trades of one venue in the time that is looked at; the venue's own trades, an aggregate counts its range.

    `sent` by the market; `seen` at least once in the stream; `doubled`: seen again, each time; `late`: in a record that
    came a second or more behind its symbol's newest; `repaired`: only had by asking for them. What is left is `covered`
    where the venue's own candle stands for its minute, else `listed` where a gap tells of it, else `lost`.
    """

    sent: int = 0
    seen: int = 0
    doubled: int = 0
    late: int = 0
    repaired: int = 0
    covered: int = 0
    listed: int = 0
    lost: int = 0

    @property
    def lost_percent(self) -> float:
        """The share of the trades sent that is lost."""
        return 100 * self.lost / self.sent if self.sent else 0.0


def count(
    sent: Mapping[tuple[str, str], Sent],
    deliveries: Iterable[Delivery],
    covered: Callable[[Key], bool] = lambda key: False,  # noqa: ARG005
    gaps: Iterable[GapRow] = (),
) -> tuple[dict[str, Counts], list[Lost]]:
    """Return the counts by venue, and every trade that is lost.

    `covered` says of a minute whether the venue's own candle stands for it. What is delivered beyond `sent` is not
    looked at.
    """
    streamed = {key: np.zeros(len(found.ids), dtype=np.int64) for key, found in sent.items()}
    repaired = {key: np.zeros(len(found.ids), dtype=np.bool_) for key, found in sent.items()}
    counts: dict[str, Counts] = {}
    for (venue, _), found in sent.items():
        counts.setdefault(venue, Counts()).sent += len(found.ids)
    newest: dict[tuple[str, str], int] = {}
    for item in sorted(deliveries, key=lambda item: item.receive_time):
        key = (item.venue, item.symbol)
        if key not in sent:
            continue
        low, high = np.searchsorted(sent[key].ids, (item.first_id, item.last_id + 1))
        if item.origin != "stream":
            repaired[key][low:high] = True
            continue
        streamed[key][low:high] += 1
        newest[key] = max(newest.get(key, 0), item.event_time)
        if newest[key] - item.event_time >= LATE:
            counts[item.venue].late += int(high - low)
    listed: dict[tuple[str, str], list[GapRow]] = {}
    for gap in gaps:
        listed.setdefault((gap.venue, gap.symbol), []).append(gap)
    lost = []
    for (venue, symbol), found in sent.items():
        key, total = (venue, symbol), counts[venue]
        total.seen += int((streamed[key] > 0).sum())
        total.doubled += int(np.maximum(streamed[key] - 1, 0).sum())
        total.repaired += int(((streamed[key] == 0) & repaired[key]).sum())
        missing = (streamed[key] == 0) & ~repaired[key]
        for trade_id, at in zip(found.ids[missing].tolist(), found.times[missing].tolist(), strict=True):
            if covered(Key(venue, symbol, at // MINUTE * MINUTE)):
                total.covered += 1
            elif any(gap.touches(at, at + 1) for gap in listed.get(key, [])):
                total.listed += 1
            else:
                total.lost += 1
                lost.append(Lost(venue, symbol, trade_id, at))
    return counts, lost


def repeated(sent: Mapping[tuple[str, str], Sent], deliveries: Iterable[Delivery]) -> dict[str, int]:
    """Return how many trades were delivered again, each time counted and whatever their origin, by venue."""
    counts, _ = count(sent, (item._replace(origin="stream") for item in deliveries))
    return {venue: found.doubled for venue, found in counts.items()}


class Recovery(msgspec.Struct):
    """Seconds from each fault of one kind to the next trade; where `never` one came, to the end of listening."""

    seconds: list[float]
    never: int

    def __str__(self) -> str:
        """Return median and most, or how long it was waited for in vain."""
        if self.never == len(self.seconds):
            return f"not in {_shown(self.most)}"
        return f"{_shown(self.median)} / {'> ' if self.never else ''}{_shown(self.most)}"

    @property
    def median(self) -> float:
        """The median of all."""
        return float(np.median(self.seconds))

    @property
    def most(self) -> float:
        """The longest."""
        return max(self.seconds)


def _shown(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.0f}"


def recoveries(
    faults: Iterable[Done], deliveries: Sequence[Delivery], clock: Clock, end_wall: int
) -> dict[str, dict[str, Recovery]]:
    """Return how long the streams took to flow again, by kind of fault and venue.

    From the fault (a halt: from its end) by the wall until a trade of any symbol that it touched is received, one that
    is newer than the fault. `end_wall` is when the client stopped listening.
    """
    streams: dict[str, list[Delivery]] = {}
    for item in sorted(deliveries, key=lambda item: item.receive_time):
        if item.origin == "stream":
            streams.setdefault(item.venue, []).append(item)
    received = {venue: [item.receive_time for item in stream] for venue, stream in streams.items()}
    found: dict[str, dict[str, Recovery]] = {}
    for fault in faults:
        began = fault.until if fault.kind == "halt" else fault.since
        if fault.kind not in BREAKING or began is None or not fault.symbols:
            continue
        wall = clock.wall_of(began)
        # A frame that cannot be read harms its symbols only where the whole stream stops for it.
        anything = fault.kind == "malformed"
        stream, symbols = streams.get(fault.venue, []), set(fault.symbols)
        start = bisect.bisect_right(received.get(fault.venue, []), wall)
        back = next(
            (item for item in stream[start:] if item.event_time > began and (anything or item.symbol in symbols)),
            None,
        )
        kept = found.setdefault(fault.kind, {}).setdefault(fault.venue, Recovery([], 0))
        kept.seconds.append((max(end_wall, wall) if back is None else back.receive_time) / 1e6 - wall / 1e6)
        kept.never += back is None
    return found


def kinds(faults: Iterable[Done]) -> dict[str, int]:
    """Return how many faults of each kind took place."""
    return dict(sorted(Counter(fault.kind for fault in faults).items()))
