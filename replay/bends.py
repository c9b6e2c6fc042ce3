"""What becomes of the messages of one channel under a fault: lost, sent twice, out of order, late, or broken. Pure."""

import heapq
import random
import re
from collections.abc import Callable
from typing import Generic, TypeVar

from replay.faults import Fault
from replay.wire import Message

Item = TypeVar("Item")

_REORDER_WAIT = 2_000_000
_LATE = 5_000_000
# A repetition comes at most so many messages later.
_LATER = 3
# Fields without which a trade is none, by what they are replaced with: Binance's, then KuCoin's.
_WRONG = (
    (rb'"p":"[^"]*"', b'"p":{}'),
    (rb'"T":\d+', b'"T":"soon"'),
    (rb'"q":"[^"]*"', b'"q":null'),
    (rb'"price":"[^"]*"', b'"price":{}'),
    (rb'"time":"[^"]*"', b'"time":true'),
    (rb'"size":"[^"]*"', b'"size":[]'),
)


def spoiled(message: Message, draw: random.Random) -> Message:
    """Return the message cut off in its middle, or with a field of a wrong type; it still belongs to its channel."""
    fitting = [(pattern, wrong) for pattern, wrong in _WRONG if re.search(pattern, message.data)]
    if fitting and draw.random() < 0.5:
        pattern, wrong = draw.choice(fitting)
        whole, data = (re.sub(pattern, lambda _: wrong, each, count=1) for each in (message.whole, message.data))
        return Message(message.channel, whole, data)
    cut = draw.randint(1, len(message.data) - 1)
    return Message(message.channel, message.whole[: -cut - 1] or b"{", message.data[:-cut])


class Bend(Generic[Item]):
    """Bends the first `count` items that it is given; the rest pass. Times are the market's, microseconds."""

    def __init__(self, fault: Fault, channel: str, spoil: Callable[[Item, random.Random], Item]) -> None:
        self._kind = fault.kind
        self._wait = fault.delay or (_LATE if fault.kind == "late" else _REORDER_WAIT)
        self._draw = random.Random(f"{fault.seed} {channel}")  # noqa: S311
        self._spoil = spoil
        # At least two, since one alone has no order.
        self.left = max(2, fault.count) if fault.kind == "reordered" else fault.count
        """How many are still to be bent."""
        self._held: list[tuple[int, int, Item]] = []
        self._again: list[tuple[int, Item]] = []
        self._seen = 0

    def take(self, item: Item, now: int) -> list[Item]:
        """Take the channel's next item; return what is sent at once."""
        self._seen += 1
        sent = self._bent(item, now) if self.left else [item]
        due = [again for at, again in self._again if at <= self._seen]
        self._again = [each for each in self._again if each[0] > self._seen]
        return sent + due

    def due(self, now: int) -> list[Item]:
        """Return what has been held back until now."""
        if self._kind == "reordered":
            return self._shuffled() if self._held and self._held[0][0] <= now else []
        found = []
        while self._held and self._held[0][0] <= now:
            found.append(heapq.heappop(self._held)[2])
        return found

    @property
    def idle(self) -> bool:
        """Whether nothing is held back."""
        return not self._held and not self._again

    def stop(self) -> None:
        """Bend nothing more; what is held back still comes."""
        self.left = 0
        self._again.clear()

    def _bent(self, item: Item, now: int) -> list[Item]:
        self.left -= 1
        if self._kind == "skipped":
            return []
        if self._kind == "malformed":
            return [self._spoil(item, self._draw)]
        if self._kind == "repeated":
            later = self._draw.randint(0, _LATER)
            if later:
                self._again.append((self._seen + later, item))
            return [item] if later else [item, item]
        heapq.heappush(self._held, (now + self._wait, self._seen, item))
        if self._kind == "reordered" and not self.left:
            return self._shuffled()
        return []

    def _shuffled(self) -> list[Item]:
        """Return what is held back in another order; nothing more is waited for."""
        self.left = 0
        items = [item for _, _, item in sorted(self._held, key=lambda held: held[1])]
        self._held.clear()
        shuffled = self._draw.sample(range(len(items)), len(items))
        if shuffled == sorted(shuffled):
            shuffled.reverse()
        return [items[index] for index in shuffled]
