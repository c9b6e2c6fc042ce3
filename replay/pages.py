"""Pages of our own beside the venues': how far the market is, what it really did, what really traded."""

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from market import symbols
from market.records import VENUES, Venue
from replay import faults
from replay.chaos import Chaos
from replay.connections import Hub
from replay.history import History
from replay.source import NO_HISTORY, Source


class Pages:
    """Serves `/-/*`."""

    def __init__(self, hub: Hub, source: Source, chaos: Chaos) -> None:
        self._hub = hub
        self._source = source
        self._chaos = chaos

    def routes(self) -> list[web.RouteDef]:
        """Return the paths that are served."""
        return [
            web.get("/-/status", self._status),
            web.get("/-/faults", self._done),
            web.post("/-/faults", self._schedule),
            web.get("/-/truth", self._truth),
        ]

    async def _status(self, request: web.Request) -> web.Response:  # noqa: ARG002
        progress = self._source.progress()
        return _json(
            {
                "kind": self._source.kind,
                "clients": len(self._hub.clients),
                "subscribed": self._hub.subscribed,
                "frames_total": progress.total,
                "frames_sent": progress.sent,
                "frames_skipped": progress.skipped,
                "finished": progress.finished,
                "clock": self._source.now(),
                "speed": self._source.speed,
                "seed": progress.seed,
                "faults": self._chaos.counts(),
            }
        )

    async def _done(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return _json(self._chaos.report())

    async def _schedule(self, request: web.Request) -> web.Response:
        try:
            given = faults.decode(await request.read(), self._source.now())
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        return _json(self._chaos.schedule(given), 201)

    async def _truth(self, request: web.Request) -> web.Response:
        """Answer how many trades were made from `from` to before `to`, microseconds, by now at most."""
        history = self._source.history
        if history is None:
            return _json({"error": NO_HISTORY}, 404)
        now, query = self._source.now(), request.query
        try:
            start, end = int(query["from"]), min(int(query.get("to", now)), now)
        except (KeyError, ValueError):
            return _json({"error": "from and to must be times in microseconds"}, 400)
        venues = [venue for venue in VENUES if query.get("venue", venue) == venue]

        def made() -> dict[str, Any]:
            trades = {venue: self._made(history, venue, start, end, query.get("symbol")) for venue in venues}
            return {"from": start, "to": end, "trades": trades}

        return _json(await asyncio.get_running_loop().run_in_executor(history.worker, made))

    def _made(self, history: History, venue: Venue, start: int, end: int, symbol: str | None) -> dict[str, Any]:
        found = {}
        for listing in self._source.listings(venue):
            name = symbols.instrument(venue, listing.code, listing.base, listing.quote, trading=True).symbol
            if symbol in (None, name):
                found[name] = history.made(listing, -(-start // 1000), -(-end // 1000))
        return found


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
