"""Trades by cryptofeed, as its documentation shows it. Runs in an environment that has cryptofeed.

Its settings are its own defaults, but for `retries=-1`: it never gives up. Its KuCoin handler is pointed here by
changing three things that it has no setting for; what it does with a connection stays its own.
"""

import asyncio
from typing import Any

from cryptofeed import FeedHandler, connection  # type: ignore[import-not-found, unused-ignore]
from cryptofeed.defines import TRADES  # type: ignore[import-not-found, unused-ignore]
from cryptofeed.exchanges import Binance, KuCoin  # type: ignore[import-not-found, unused-ignore]

from bench.foreign.tape import TRIP_SECONDS, Asked, Tape, asked, ids


def point(where: Asked) -> None:
    """Send all that cryptofeed asks of both venues to the market on localhost."""
    secure = where.ws.replace("ws://", "wss://", 1)
    Binance.websocket_endpoints[0].address = secure
    Binance.rest_endpoints[0].address = where.rest
    KuCoin.rest_endpoints[0].address = where.rest

    # It takes no address but `wss://`, and there is no certificate here: the handshake alone is made without TLS.
    connect = connection.connect

    async def plainly(address: str, **options: Any) -> Any:
        opened = await connect(address.replace("wss://", "ws://", 1), **options)
        await asyncio.sleep(TRIP_SECONDS)
        return opened

    connection.connect = plainly

    # The address of KuCoin's tokens stands in its code, and the answer names a `ws://` endpoint.
    post = connection.HTTPSync.write

    def token(self: Any, address: str, *arguments: Any, **options: Any) -> Any:
        answer = post(self, address.replace("https://api.kucoin.com", where.rest), *arguments, **options)
        for server in answer["data"]["instanceServers"]:
            server["endpoint"] = server["endpoint"].replace("ws://", "wss://", 1)
        return answer

    connection.HTTPSync.write = token

    # It writes a blank after the topic's colon; here the first symbol would never be heard of.
    send = connection.WSAsyncConn.write

    async def without_blank(self: Any, data: str) -> None:
        await send(self, data.replace("/market/match: ", "/market/match:"))

    connection.WSAsyncConn.write = without_blank


def main() -> None:
    """Follow the trades until SIGTERM."""
    where = asked()
    point(where)
    with Tape(where.out) as tape:

        async def note(trade: Any, received: float) -> None:  # noqa: ARG001
            first_id, last_id = ids(trade.raw.get("data", trade.raw))
            tape.write(trade.exchange.lower(), str(trade.symbol), first_id, last_id, round(trade.timestamp * 1e6))

        handler = FeedHandler(config={"log": {"filename": f"{where.out}.log", "level": "INFO"}, "uvloop": True})
        for venue in (Binance, KuCoin):
            handler.add_feed(venue(symbols=where.symbols, channels=[TRADES], callbacks={TRADES: note}, retries=-1))
        handler.run()


if __name__ == "__main__":
    main()
