"""Whom the faults of the market on localhost hit, and the record of what each really did."""

import random
from dataclasses import dataclass

import msgspec

from market.records import Venue
from replay import recorded
from replay.connections import Client, Hub
from replay.faults import Fault, Kind, ListKind


class Done(msgspec.Struct):
    """What a fault really did. Times are the market's, microseconds; `to` is null while it goes on.

    `symbols` are those whose trades it touched, between `since` (null before the first) and `to`. `touched` counts
    messages or requests. `recovered` is how many seconds of the wall clock passed until every channel that a fault of
    sockets took trades from had as many listeners as before, and trades came; null before that, and where it never was.
    """

    id: int
    kind: Kind | ListKind
    venue: Venue
    symbols: list[str]
    since: int | None = msgspec.field(name="from")
    to: int | None
    connections: int
    planned_at: int
    touched: int = 0
    recovered: float | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """`now` is how far the market has been played, microseconds; `wall` the event loop's clock, seconds."""

    now: int
    wall: float


class Targets:
    """Finds connections that carry trades."""

    def __init__(self, hub: Hub, symbols: dict[tuple[Venue, str], str], settle: float) -> None:
        """Take the canonical symbol of each venue's code, and the seconds after which a subscription counts."""
        self.hub = hub
        self._symbols = symbols
        self._settle = settle

    def trades(self, client: Client) -> dict[str, str]:
        """Return the channels by which the client gets trades, and their symbols."""
        found = {}
        for channel in client.channels:
            if recorded.is_trades(client.venue, channel):
                symbol = self._symbols.get((client.venue, recorded.code_of(client.venue, channel) or ""))
                if symbol is not None:
                    found[channel] = symbol
        return found

    def live(self, fault: Fault, wall: float) -> list[Client]:
        """Return the connections that the fault hits: its share of those that are live, at least one if any is."""
        wanted = set(fault.symbols)
        found = [
            client
            for client in self.hub.clients
            if client.venue == fault.venue
            and not (client.closing or client.mutes or client.frozen)
            and client.subscribed_at + self._settle <= wall
            and any(not wanted or symbol in wanted for symbol in self.trades(client).values())
        ]
        found.sort(key=lambda client: (client.subscribed_at, client.name))
        count = min(len(found), max(1, round(fault.share * len(found))))
        return random.Random(fault.seed).sample(found, count)  # noqa: S311

    def listed(self, venue: Venue) -> list[str]:
        """Return the symbols that the venue lists."""
        return sorted(symbol for (where, _), symbol in self._symbols.items() if where == venue)
