"""What each kind of fault does to the connections of the market on localhost, and when it is over.

A running fault is told the time again and again; it acts, and notes in its `Done` what it really did.
"""

import random
import re
from collections.abc import Iterable, Sequence

from aiohttp import WSCloseCode

from replay.bends import Bend, spoiled
from replay.connections import Client
from replay.faults import Fault
from replay.kucoin import Sockets
from replay.targets import Done, Moment, Targets
from replay.wire import Message, binance

_WINDOW = 30_000_000
"""How long a fault of messages waits for those that it is to touch, where it does not say so, microseconds."""

_TIME = re.compile(rb'"(?:T":|time":")(\d{13,19})')

Sent = tuple[Message, list[Client]]


class Cut:
    """A connection that ends, or ceases to carry anything, until the client has connected anew."""

    def __init__(self, fault: Fault, done: Done, targets: Targets, sockets: Sockets, hit: Sequence[Client]) -> None:
        self.done = done
        self._fault = fault
        self._targets = targets
        self._hub = targets.hub
        self._sockets = sockets
        self._hit = list(hit)
        carried = [targets.trades(client) for client in hit]
        self.needed = {channel: self._hub.listeners(channel) for channels in carried for channel in channels}
        """The channels that lose a listener, and how many they had."""
        done.symbols = sorted({symbol for channels in carried for symbol in channels.values()})
        done.connections = len(hit)
        self._began: float | None = None
        self.back = self.flows = False
        """Whether there are as many listeners as before, and whether they have been sent anything since."""

    def begin(self, moment: Moment) -> None:
        """Do it."""
        self.done.since = moment.now
        if self._fault.kind == "shutdown":
            notice = b'{"e":"serverShutdown","E":%d}' % (moment.now // 1000)
            message = binance("!serverShutdown", notice)
            for client in self._hit:
                client.queue(message.frame(client.form))
                client.flush()
            return
        self._began = moment.wall
        self._hub.flush()
        if self._fault.kind == "token_expired":
            self._sockets.expire(self._hit)
        for client in self._hit:
            match self._fault.kind:
                case "close":
                    self._hub.close(client, WSCloseCode.GOING_AWAY, "")
                case "reset":
                    client.reset()
                    self._hub.leave(client)
                case "half_open":
                    self._hub.mute(client, self.done.id)
                    client.freeze()
                case "mute":
                    self._hub.mute(client, self.done.id)
        if self._fault.kind not in ("half_open", "mute"):
            self._hit.clear()

    def over(self, moment: Moment) -> bool:
        """Go on; return whether it is over."""
        ended = moment.now >= (self.done.since or 0) + self._fault.duration
        if self._fault.kind == "shutdown" and self._began is None:
            if not ended:
                return False
            self._began = moment.wall
            for client in self._hit:
                self._hub.close(client, WSCloseCode.GOING_AWAY, "")
            self._hit.clear()
        for client in list(self._hit):
            if self._fault.duration and ended:
                self._let_go(client)
            elif client.frozen and client.gone:
                client.cut()
                self._hub.leave(client)
            if client.closing or client not in self._hub.clients or not client.mutes:
                self._hit.remove(client)
        return self._recovered(moment) and not self._hit

    def stop(self, moment: Moment) -> None:
        """Wait no longer."""
        if self.done.to is None:
            self.done.to = moment.now

    def _let_go(self, client: Client) -> None:
        if client.frozen:
            client.reset()
            self._hub.leave(client)
        self._hub.unmute(client, self.done.id)

    def _recovered(self, moment: Moment) -> bool:
        if self.done.recovered is None and self._began is not None:
            self.back = self.back or all(self._hub.listeners(name) >= count for name, count in self.needed.items())
            if self.back and self.flows:
                self.done.recovered = round(moment.wall - self._began, 3)
                self.done.to = moment.now
        return self.done.recovered is not None


class Bending:
    """Messages that do not come as they should."""

    def __init__(self, fault: Fault, done: Done, targets: Targets, hit: Sequence[Client]) -> None:
        self.done = done
        self._fault = fault
        self._hub = targets.hub
        self._until = 0
        # All means those too that connect meanwhile.
        self._hit = None if fault.share == 1 else set(hit)
        self._seen: set[Client] = set()
        self._targets = targets
        wanted = set(fault.symbols)
        self._symbols = {
            channel: symbol
            for client in hit
            for channel, symbol in targets.trades(client).items()
            if not wanted or symbol in wanted
        }
        self._bends = {channel: Bend[Sent](fault, channel, _spoil) for channel in self._symbols}

    @property
    def channels(self) -> Iterable[str]:
        """The channels whose messages are touched."""
        return self._bends

    def begin(self, moment: Moment) -> None:
        """Wait for messages from now on."""
        self._until = moment.now + (self._fault.duration or _WINDOW)

    def take(self, message: Message, clients: list[Client], now: int) -> list[Sent]:
        """Take a message on its way to clients; return what is sent, and to whom."""
        bend = self._bends[message.channel]
        hit = clients if self._hit is None else [client for client in clients if client in self._hit]
        if not hit:
            return [(message, clients)]
        spared = [] if self._hit is None else [client for client in clients if client not in self._hit]
        left = bend.left
        sent = bend.take((message, hit), now)
        if bend.left < left:
            symbols = {self._symbols[message.channel]}
            if self._fault.kind == "malformed" and not _names_its_channel(sent[0][0]):
                # Nobody can tell of which trade it was: it is missing to all that the connections carry.
                symbols.update(symbol for client in hit for symbol in self._targets.trades(client).values())
            self._touch(message, symbols, hit, now)
        return [(message, spared), *sent] if spared else sent

    def over(self, moment: Moment) -> bool:
        """Send what is due; return whether nothing more is to come."""
        deserted = self._hit is not None and not self._hit & self._hub.clients
        if deserted or (moment.now >= self._until and self.done.touched):
            for bend in self._bends.values():
                bend.stop()
        for bend in self._bends.values():
            for message, clients in bend.due(moment.now):
                still = [each for each in clients if message.channel in each.channels and not each.mutes]
                self._hub.send(message, still)
        self._hub.flush()
        return all(bend.idle and not bend.left for bend in self._bends.values())

    def stop(self, moment: Moment) -> None:
        """Note the end."""
        if self.done.to is None:
            self.done.since = self.done.to = moment.now

    def _touch(self, message: Message, symbols: set[str], clients: Iterable[Client], now: int) -> None:
        at = _event_time(message) or now
        done = self.done
        done.since = at if done.since is None else min(done.since, at)
        done.to = at if done.to is None else max(done.to, at)
        done.touched += 1
        done.symbols = sorted({*done.symbols, *symbols})
        self._seen.update(clients)
        done.connections = len(self._seen)


class Outage:
    """A time in which a venue refuses requests, or is halted altogether."""

    def __init__(self, fault: Fault, done: Done, targets: Targets) -> None:
        self.done = done
        self.kind = fault.kind
        self._fault = fault
        self._hub = targets.hub
        self._muted: list[Client] = []
        if fault.kind == "halt":
            done.symbols = targets.listed(fault.venue)

    @property
    def until(self) -> int:
        """When it ends."""
        return (self.done.since or 0) + self._fault.duration

    def begin(self, moment: Moment) -> None:
        """Let it begin."""
        self.done.since = moment.now
        if self.kind == "halt":
            self._hub.flush()
            self._muted = [client for client in self._hub.clients if client.venue == self._fault.venue]
            for client in self._muted:
                self._hub.mute(client, self.done.id)
            self.done.connections = len(self._muted)

    def over(self, moment: Moment) -> bool:
        """Return whether it is over."""
        if moment.now < self.until:
            return False
        for client in self._muted:
            self._hub.unmute(client, self.done.id)
        self.done.to = moment.now
        return True

    def stop(self, moment: Moment) -> None:
        """Note nothing: it ends by itself."""


def _names_its_channel(message: Message) -> bool:
    """Say whether a message that was broken still tells which channel it belongs to."""
    return f'"{message.channel}"'.encode() in message.whole


def _event_time(message: Message) -> int | None:
    """Return when the trade in a message happened, microseconds; null where it holds none."""
    found = _TIME.search(message.whole)
    # Nanoseconds have 19 digits, microseconds 16, milliseconds 13.
    return None if found is None else int(found[1].ljust(19, b"0")) // 1000


def _spoil(sent: Sent, draw: random.Random) -> Sent:
    return spoiled(sent[0], draw), sent[1]
