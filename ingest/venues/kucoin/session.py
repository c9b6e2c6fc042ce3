"""What a KuCoin connection asks for, its pings, and when it is over: pure rules of the Classic WebSocket."""

from collections.abc import Container, Sequence
from typing import Literal

import msgspec

from ingest.venues import Control, Endpoint, Fact, Shard
from ingest.venues.requests import ANSWER_SECONDS, Requests
from market.symbols import Instrument

MATCH = "/market/match"
TICKER = "/market/ticker"
MARKET_TICKERS = f"{TICKER}:all"
"""The topic of every symbol's ticker; once is enough, so the first connection has it."""

# 100 messages in 10 seconds are allowed, and a connection has no more than ten requests, since it has 400 topics at
# most: this far apart they are quickly through and still no burst.
_GAP_SECONDS = 0.05
_SYMBOLS_PER_REQUEST = 100
# The server closes after 60 s without a message of ours, even while data is streaming.
_PING_SECONDS = 18.0
_PONG_SECONDS = 10.0
_PING = "ping-"


def shards(
    instruments: Sequence[Instrument], ticker_channel: Literal["all", "symbols"], topics_per_connection: int
) -> list[Shard]:
    """Return the connections that carry the instruments' trades and tickers. Every symbol counts as a topic."""
    topics: list[tuple[str, Instrument | None]] = []
    if instruments and ticker_channel == "all":
        topics.append((MARKET_TICKERS, None))
    prefixes = (MATCH, TICKER) if ticker_channel == "symbols" else (MATCH,)
    topics += [(prefix, item) for item in instruments for prefix in prefixes]
    found: list[Shard] = []
    for start in range(0, len(topics), topics_per_connection):
        part = topics[start : start + topics_per_connection]
        symbols = dict.fromkeys(item.symbol for _, item in part if item is not None)
        trades = _joined(MATCH, part)
        # Trades come first: nothing can bring back those that are made until they are subscribed.
        rest = [*(name for name, item in part if item is None), *_joined(TICKER, part)]
        found.append(Shard(len(found) + 1, (*trades, *rest), tuple(symbols), trades))
    return found


def _joined(prefix: str, topics: Sequence[tuple[str, Instrument | None]]) -> dict[str, tuple[str, ...]]:
    """Join symbols of one kind of topic, as many as one request may name; return the canonical symbols in each."""
    items = [item for name, item in topics if item is not None and name == prefix]
    parts = [items[start : start + _SYMBOLS_PER_REQUEST] for start in range(0, len(items), _SYMBOLS_PER_REQUEST)]
    return {f"{prefix}:{','.join(i.code for i in part)}": tuple(i.symbol for i in part) for part in parts}


class KucoinSession:
    """The rules of one connection: see `ingest.venues.Session`. Nothing is sent before the welcome."""

    def __init__(self, shard: Shard, endpoint: Endpoint, now: float) -> None:
        self.leaving: str | None = None
        self._requests = Requests(_GAP_SECONDS)
        self._confirmed: list[str] = []
        self._awaited: Container[str] = shard.trades or shard.subscriptions
        self._interval = endpoint.ping_interval or _PING_SECONDS
        self._timeout = endpoint.ping_timeout or _PONG_SECONDS
        self._welcome_by: float | None = now + ANSWER_SECONDS
        self._ping_at = now + self._interval
        self._pings = 0
        self._pong_by: float | None = None
        self._over: str | None = None
        for number, topic in enumerate(shard.subscriptions, start=1):
            request = {
                "id": str(number), "type": "subscribe", "topic": topic, "privateChannel": False, "response": True
            }  # fmt: skip
            self._requests.add(str(number), msgspec.json.encode(request).decode(), (topic,))

    def due(self, now: float) -> list[str]:
        """Return the messages to send now; each is returned once."""
        if self._welcome_by is not None:
            return []
        messages = self._requests.due(now)
        if now >= self._ping_at:
            self._ping_at = now + self._interval
            self._pings += 1
            messages.append(msgspec.json.encode({"id": f"{_PING}{self._pings}", "type": "ping"}).decode())
            if self._pong_by is None:
                self._pong_by = now + self._timeout
        return messages

    def received(self, control: Control, now: float) -> list[Fact]:
        """Take a control message, and return what it means.

        An unknown symbol is acknowledged like any other, so `subscribed` does not prove that data will come.
        """
        match control.kind:
            case "welcome":
                self._welcome_by = None
                self._ping_at = now + self._interval
            case "pong":
                self._pong_by = None
            case "ack":
                about = self._requests.answered(control.id)
                self._confirmed += about or ()
                return [] if about is None else [Fact("subscribed", {"subscriptions": about})]
            case "error":
                return self._refused(control)
            case "notice":
                return [Fact("notice", {"message": control.text})]
        return []

    def _refused(self, control: Control) -> list[Fact]:
        about = self._requests.answered(control.id)
        # 401 is a token that has run out. An error that answers none of our requests, as "ping timeout", is about
        # the connection itself. Every connect brings a fresh token.
        if control.code == 401 or about is None:
            self._over = f"the venue said {control.code}: {control.text}"
        return [Fact("refused", {"code": control.code, "message": control.text, "subscriptions": about or ()})]

    def ending(self, now: float) -> str | None:
        """Return why the connection must be opened anew, or None while it is well."""
        if self._over is not None:
            return self._over
        if self._welcome_by is not None and now >= self._welcome_by:
            return "no welcome"
        if self._pong_by is not None and now >= self._pong_by:
            return "no answer to a ping"
        if (about := self._requests.overdue(now)) is not None:
            return f"no answer to the subscription of {about[0]}"
        return None

    def confirmed(self) -> Sequence[str] | None:
        """Return the subscriptions that the venue has confirmed; None while one to trades has no answer yet."""
        return self._confirmed if self._requests.answered_all(self._awaited) else None

    def excuse(self, seconds: float) -> None:
        """Move all that is awaited by so many seconds, in which the socket was not read."""
        self._requests.excuse(seconds)
        if self._welcome_by is not None:
            self._welcome_by += seconds
        if self._pong_by is not None:
            self._pong_by += seconds
