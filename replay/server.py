"""One server for both venues: their sockets, their REST, and pages of our own under `/-/`."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from aiohttp import web

from replay import binance, binance_rest, kucoin, kucoin_rest, refusals
from replay.chaos import Chaos
from replay.connections import Hub
from replay.limits import Rules
from replay.pages import Pages
from replay.source import Source

_log = logging.getLogger(__name__)

_FAULTS_SECONDS = 0.01


class Server:
    """A market that is served while it is played."""

    def __init__(self, source: Source, rules: Rules) -> None:
        self.hub = Hub(rules.buffer_bytes)
        self.port = 0
        self._source = source
        self._rules = rules
        self._streams = binance.Streams(self.hub, rules)
        self._sockets = kucoin.Sockets(self.hub, source, rules)
        self.chaos = Chaos(self.hub, source, self._sockets)
        self.app = web.Application(middlewares=[refusals.middleware(self.chaos, rules)])
        self.app.add_routes(
            [
                *self._streams.routes(),
                *binance_rest.Rest(source, self.chaos, rules).routes(),
                *self._sockets.routes(),
                *kucoin_rest.Rest(source, self.chaos, self._sockets, rules).routes(),
                *Pages(self.hub, source, self.chaos).routes(),
            ]
        )

    @property
    def ws_url(self) -> str:
        """Where Binance's sockets are, without a path."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def rest_url(self) -> str:
        """Where both venues' REST is, without a path."""
        return f"http://127.0.0.1:{self.port}"

    async def play(self) -> None:
        """Play the market; ends only where a recording does."""
        await self._source.run(self.hub)
        _log.info("the recording has been played to its end; the sockets stay open")

    async def watch(self) -> None:
        """Keep the session rules, for ever."""
        while True:
            now = self._rules.clock()
            self._streams.watch(now)
            self._sockets.watch(now)
            await asyncio.sleep(self._rules.watch_seconds)

    async def misbehave(self) -> None:
        """Play the faults that are planned, for ever."""
        while True:
            self.chaos.turn()
            await asyncio.sleep(_FAULTS_SECONDS)


@contextlib.asynccontextmanager
async def running(
    source: Source, port: int = 0, rules: Rules | None = None, *, address: str = "127.0.0.1"
) -> AsyncIterator[Server]:
    """Serve `source` on `address` while the block runs; port 0 takes a free one, which `Server.port` tells.

    Whatever goes wrong while it plays is raised in the block's stead.

    Raises:
        OSError: the port is taken.
    """
    server = Server(source, rules or Rules())
    runner = web.AppRunner(server.app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, address, port)
        await site.start()
        server.port = runner.addresses[0][1]
        try:
            async with asyncio.TaskGroup() as tasks:
                parts = [tasks.create_task(each) for each in (server.play(), server.watch(), server.misbehave())]
                yield server
                for part in parts:
                    part.cancel()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
    finally:
        await server.hub.close_all()
        await runner.cleanup()
