"""A Binance that only sends aggregate trades, as fast as a socket takes them; KuCoin it refuses.

The frames are made beforehand and written to the socket in large pieces, so that the server takes as little as possible
of a machine that it shares with what is measured. `GET /-/make?first=&count=` makes frames, `GET /-/go` lets them go
to whoever subscribed to trades last, `GET /-/status` tells how many streams of trades are subscribed.
"""

import argparse
import asyncio
import json
import time
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from bench._frames import exchange_info, framed, frames

_PIECE = 1_000
_AHEAD_BYTES = 4 << 20


class Blaster:
    """The server's state: what it will send, and to whom."""

    def __init__(self, symbols: int) -> None:
        self._symbols = symbols
        self._pieces: list[bytes] = []
        self._reader: ServerConnection | None = None
        self._subscribed = 0
        self._sending: asyncio.Task[None] | None = None

    async def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer what is asked over HTTP; None where a socket is to be opened."""
        url = urlsplit(request.path)
        query = {name: int(values[0]) for name, values in parse_qs(url.query).items() if values[0].isdigit()}
        status, text = HTTPStatus.OK, "done"
        match url.path:
            case "/stream":
                return None
            case "/api/v3/exchangeInfo":
                text = exchange_info(self._symbols)
            case "/api/v3/time":
                text = json.dumps({"serverTime": time.time_ns() // 1_000_000})
            case "/-/make":
                self._make(query["first"], query["count"])
            case "/-/go":
                self._sending = asyncio.create_task(self._send())
            case "/-/status":
                text = json.dumps({"subscribed": self._subscribed})
            case _:
                status, text = HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS, "not here"
        return connection.respond(status, text)

    async def stay(self, connection: ServerConnection) -> None:
        """Acknowledge what one client subscribes to, until it leaves."""
        mine = 0
        try:
            async for message in connection:
                request = json.loads(message)
                trades = sum(name.endswith("@aggTrade") for name in request["params"])
                if trades:
                    self._reader = connection
                    self._subscribed += trades
                    mine += trades
                await connection.send(json.dumps({"result": None, "id": request["id"]}))
        except ConnectionClosed:
            pass
        finally:
            self._subscribed -= mine

    def _make(self, first: int, count: int) -> None:
        made = frames(first, count, self._symbols)
        self._pieces = [framed(made[start : start + _PIECE]) for start in range(0, count, _PIECE)]

    async def _send(self) -> None:
        assert self._reader is not None
        transport = self._reader.transport
        for piece in self._pieces:
            transport.write(piece)
            # What `drain` would wait for, without taking turns with the library's own writing.
            while transport.get_write_buffer_size() > _AHEAD_BYTES:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        self._pieces = []


async def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--symbols", type=int, required=True)
    arguments = parser.parse_args()
    blaster = Blaster(arguments.symbols)
    async with serve(
        blaster.stay, "127.0.0.1", arguments.port, process_request=blaster.answer, compression=None, ping_interval=None
    ):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main())
