"""What a Binance connection asks for and when it is over: pure rules from Binance's `web-socket-streams.md`."""

from collections.abc import Container, Sequence

import msgspec

from ingest.venues import Control, Fact, Shard
from ingest.venues.binance.messages import TradeChannel
from ingest.venues.requests import Requests
from market.symbols import Instrument

MARKET_TICKERS = "!miniTicker@arr"
"""The stream of every symbol's 24-hour figures; once is enough, so the first connection has it."""

# Five messages a second are allowed, pongs among them, on pain of a ban. Sent this far apart, not even requests that
# the network bunches up break it.
_GAP_SECONDS = 0.4
_STREAMS_PER_REQUEST = 100


def shards(instruments: Sequence[Instrument], trade_channel: TradeChannel, streams_per_connection: int) -> list[Shard]:
    """Return the connections that carry trades, bid and ask of the instruments, and the whole market's tickers."""
    streams: list[tuple[str, str | None]] = [(MARKET_TICKERS, None)] if instruments else []
    for item in instruments:
        # Names of streams are in lower case, whatever the payload says.
        streams += [(f"{item.code.lower()}@{channel}", item.symbol) for channel in (trade_channel, "bookTicker")]
    found: list[Shard] = []
    for start in range(0, len(streams), streams_per_connection):
        part = streams[start : start + streams_per_connection]
        symbols = dict.fromkeys(symbol for _, symbol in part if symbol is not None)
        trades = {name: (symbol,) for name, symbol in part if symbol is not None and name.endswith(f"@{trade_channel}")}
        found.append(Shard(len(found) + 1, tuple(name for name, _ in part), tuple(symbols), trades))
    return found


class BinanceSession:
    """The rules of one connection: see `ingest.venues.Session`. The library answers the server's pings."""

    def __init__(self, shard: Shard) -> None:
        self.leaving: str | None = None
        self._requests = Requests(_GAP_SECONDS)
        self._confirmed: list[str] = []
        self._awaited: Container[str] = shard.trades or shard.subscriptions
        names = shard.subscriptions
        for number, start in enumerate(range(0, len(names), _STREAMS_PER_REQUEST), start=1):
            part = names[start : start + _STREAMS_PER_REQUEST]
            text = msgspec.json.encode({"method": "SUBSCRIBE", "params": part, "id": number}).decode()
            self._requests.add(str(number), text, part)

    def due(self, now: float) -> list[str]:
        """Return the messages to send now; each is returned once."""
        return self._requests.due(now)

    def received(self, control: Control, now: float) -> list[Fact]:  # noqa: ARG002
        """Take a control message, and return what it means.

        An unknown stream is acknowledged like any other, so `subscribed` does not prove that data will come.
        """
        match control.kind:
            case "ack":
                about = self._requests.answered(control.id)
                self._confirmed += about or ()
                return [] if about is None else [Fact("subscribed", {"subscriptions": about})]
            case "error":
                about = self._requests.answered(control.id)
                detail: dict[str, object] = {
                    "code": control.code,
                    "message": control.text,
                    "subscriptions": about or (),
                }
                return [Fact("refused", detail)]
            case "shutdown":
                self.leaving = "the venue announced a shutdown"
                return [Fact("shutdown_notice")]
        return []

    def ending(self, now: float) -> str | None:
        """Return why the connection must be opened anew, or None while it is well."""
        if (about := self._requests.overdue(now)) is not None:
            return f"no answer to the subscription of {about[0]} and {len(about) - 1} more"
        return None

    def confirmed(self) -> Sequence[str] | None:
        """Return the subscriptions that the venue has confirmed; None while one to trades has no answer yet."""
        return self._confirmed if self._requests.answered_all(self._awaited) else None

    def excuse(self, seconds: float) -> None:
        """Move all that is awaited by so many seconds, in which the socket was not read."""
        self._requests.excuse(seconds)
