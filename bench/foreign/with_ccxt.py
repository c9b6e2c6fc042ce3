"""Trades by ccxt.pro, as its manual shows it. Runs in an environment that has ccxt.

`newUpdates` hands over each trade once, `watchTradesForSymbols` follows many symbols, and the loop goes on after any
error: that is what the manual says one does. Binance's trades come as aggregates, as they do to us.
"""

import asyncio
import contextlib
import logging
from typing import Any

import ccxt.pro  # type: ignore[import-not-found, unused-ignore]
from ccxt.async_support.base.ws.client import Client  # type: ignore[import-not-found, unused-ignore]

from bench.foreign.tape import TRIP_SECONDS, Asked, Tape, asked, ids, until_stopped

_AGAIN_SECONDS = 0.1


def pointed(tree: Any, rest: str, ws: str) -> Any:
    """Return ccxt's tree of addresses with every host replaced, and the paths kept."""
    if isinstance(tree, dict):
        return {name: pointed(part, rest, ws) for name, part in tree.items()}
    if not isinstance(tree, str) or "://" not in tree:
        return tree
    scheme, _, address = tree.partition("://")
    _, slash, path = address.partition("/")
    return (ws if scheme in ("ws", "wss") else rest) + slash + path


def far_away() -> None:
    """Let every connection take its trip before anything is sent on it."""
    dial = Client.create_connection

    async def slowly(self: Any, session: Any) -> Any:
        opened = await dial(self, session)
        await asyncio.sleep(TRIP_SECONDS)
        return opened

    Client.create_connection = slowly


def exchanges(where: Asked) -> list[tuple[Any, dict[str, str]]]:
    """Return both venues, pointed at the market on localhost, each with the parameters of its calls."""
    common = {"newUpdates": True, "enableRateLimit": True}
    spot = {"types": ["spot"], "fetchTickersFees": False}
    binance = ccxt.pro.binance({**common, "options": {"defaultType": "spot", "fetchMarkets": spot}})
    kucoin = ccxt.pro.kucoin({**common, "options": {"fetchMarkets": spot}})
    for venue in (binance, kucoin):
        venue.urls["api"] = pointed(venue.urls["api"], where.rest, where.ws)
        # The market on localhost lists no currencies and no fees.
        venue.has["fetchCurrencies"] = False
    return [(binance, {"name": "aggTrade"}), (kucoin, {})]


async def follow(venue: Any, parameters: dict[str, str], symbols: list[str], tape: Tape) -> None:
    """Write down the trades of a venue, for ever."""
    names = [symbol.replace("-", "/") for symbol in symbols]
    while True:
        try:
            trades = await venue.watch_trades_for_symbols(names, params=parameters)
        except Exception as error:
            logging.warning("%s: %r", venue.id, error)
            await asyncio.sleep(_AGAIN_SECONDS)
            continue
        for trade in trades:
            first_id, last_id = ids(trade["info"])
            tape.write(venue.id, trade["symbol"].replace("/", "-"), first_id, last_id, trade["timestamp"] * 1000)


async def run(where: Asked, tape: Tape) -> None:
    """Follow the trades until SIGTERM."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    until_stopped(lambda: loop.call_soon_threadsafe(stopped.set))
    found = exchanges(where)
    tasks = [asyncio.create_task(follow(venue, given, where.symbols, tape)) for venue, given in found]
    await stopped.wait()
    for task in tasks:
        task.cancel()
    with contextlib.suppress(Exception):
        async with asyncio.timeout(5):
            await asyncio.gather(*(venue.close() for venue, _ in found))


def main() -> None:
    """Follow the trades until SIGTERM."""
    where = asked()
    far_away()
    logging.basicConfig(filename=f"{where.out}.log", format="%(asctime)s %(message)s")
    with Tape(where.out) as tape:
        asyncio.run(run(where, tape))


if __name__ == "__main__":
    main()
