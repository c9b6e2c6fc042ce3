"""One connection to a venue, kept open for ever: the thin edge between a socket and the pure rules of its session."""

import asyncio
import logging
import time

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import Frame
from websockets.http11 import Request, Response

from ingest.backoff import Backoff
from ingest.events import Events
from ingest.intake import Intake
from ingest.metrics import VenueStats
from ingest.publisher import Publisher
from ingest.venues import Endpoint, Session, Shard, Venue
from ingest.venues.http import VenueError, refusal, retry_after

log = logging.getLogger(__name__)

_OPEN_SECONDS = 10.0
# A peer that is gone does not answer a close; the next connect waits for this.
_CLOSE_SECONDS = 1.0
# A venue that cuts every connection soon after it sent something is not to be asked more often than this.
_CONNECT_GAP_SECONDS = 1.0
_TEND_SECONDS = 0.1
_LARGEST_FRAME = 4 << 20
_QUEUED_FRAMES = 256


class _Socket(ClientConnection):
    """Knows when it last heard anything, pings included, which the library answers by itself."""

    heard = 0.0

    def process_event(self, event: Request | Response | Frame) -> None:
        self.heard = time.monotonic()
        super().process_event(event)


def _told(closed: ConnectionClosed) -> tuple[str, int]:
    """Return the reason and the code of a connection's end that was not ours."""
    if closed.rcvd is None:
        # No close frame came; by RFC 6455 such an end goes by this code.
        return "the connection broke", 1006
    return f"closed by the venue: {closed.rcvd.reason}".removesuffix(": "), closed.rcvd.code


class Connection:
    """Opens the shard's connection, and opens it anew whenever it ends."""

    def __init__(
        self,
        name: str,
        *,
        venue: Venue,
        shard: Shard,
        intake: Intake,
        publisher: Publisher,
        events: Events,
        stats: VenueStats,
        backoff: Backoff,
        idle_seconds: float,
    ) -> None:
        self._name = name
        self._venue = venue
        self._shard = shard
        self._intake = intake
        self._publisher = publisher
        self._events = events
        self._stats = stats
        self._backoff = backoff
        self._idle_seconds = idle_seconds
        # When reading stopped because Kafka is behind, None while it goes on; and when it last went on again.
        self._paused: float | None = None
        self._resumed = 0.0
        # When a channel of the whole market last sent, on this connection.
        self._market_heard: float | None = None
        self._proved = False
        self._opened: float | None = None
        self._last_frame: int | None = None

    async def run(self) -> None:
        """Stay connected until cancelled.

        Raises:
            VenueRefusal: the venue will never answer from here.
        """
        while True:
            self._opened, wait = None, 0.0
            try:
                endpoint = await self._venue.endpoint()
                for fact in endpoint.facts:
                    self._tell(fact.kind, fact.detail)
                await self._connect(endpoint)
            except VenueError as error:
                self._tell("unreachable", {"reason": str(error)})
                wait = error.wait
            if self._opened is not None:
                wait = max(wait, self._opened + _CONNECT_GAP_SECONDS - time.monotonic())
            await asyncio.sleep(self._backoff.next(wait))

    async def _connect(self, endpoint: Endpoint) -> None:
        """Connect once, and stay until it ends."""
        try:
            socket = await connect(
                endpoint.url,
                create_connection=_Socket,
                compression=None,
                open_timeout=_OPEN_SECONDS,
                close_timeout=_CLOSE_SECONDS,
                # Pings of ours would count against Binance's five messages a second; KuCoin wants them in JSON.
                ping_interval=None,
                max_size=_LARGEST_FRAME,
                max_queue=_QUEUED_FRAMES,
            )
        except InvalidStatus as error:
            status = error.response.status_code
            if status == 451:
                raise refusal(endpoint.url.partition("?")[0]) from error
            wait = retry_after(error.response.headers.get("Retry-After"), time.time())
            raise VenueError(f"the handshake was answered with HTTP {status}", wait) from error
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            raise VenueError(str(error) or type(error).__name__) from error
        await self._stay(socket, endpoint)

    async def _stay(self, socket: ClientConnection, endpoint: Endpoint) -> None:
        connected = time.time_ns() // 1000
        self._opened = time.monotonic()
        session = self._venue.session(self._shard, endpoint, time.monotonic())
        self._paused, self._resumed, self._market_heard, self._proved = None, self._opened, None, False
        self._stats.open += 1
        self._stats.reconnects += self._last_frame is not None
        self._stats.silence.watch(self._shard.symbols, time.monotonic())
        self._tell("connected", {"symbols": self._shard.symbols})
        reason, code = "ingest stops", None
        reader = asyncio.create_task(self._read(socket, session))
        keeper = asyncio.create_task(self._tend(socket, session))
        try:
            await asyncio.wait((reader, keeper), return_when=asyncio.FIRST_COMPLETED)
            verdict = keeper.result() if keeper.done() else None
            if verdict is not None:
                await socket.close()
            # What had come before the end is still read, also where Kafka has to make room for it first.
            closed = await reader
            reason, code = (verdict, None) if verdict is not None else _told(closed)
        finally:
            for task in (reader, keeper):
                task.cancel()
            await asyncio.gather(reader, keeper, return_exceptions=True)
            self._stats.open -= 1
            self._tell(
                "disconnected",
                {
                    "reason": reason,
                    "code": code,
                    "connected_time": connected,
                    "last_frame_time": None if self._last_frame is None else self._last_frame // 1000,
                    "symbols": self._shard.symbols,
                },
            )
            await socket.close()

    async def _read(self, socket: ClientConnection, session: Session) -> ConnectionClosed:
        """Take in frame after frame; return how the connection was closed, once all that came before is read."""
        while True:
            try:
                frame = await socket.recv(decode=False)
            except ConnectionClosed as closed:
                return closed
            received = self._last_frame = time.time_ns()
            mapped = self._intake.frame(self._name, frame, received)
            if mapped.control is not None:
                for fact in session.received(mapped.control, time.monotonic()):
                    self._tell(fact.kind, fact.detail)
            elif not self._proved:
                self._proved = True
                self._backoff.reset()
            if mapped.whole_market:
                self._market_heard = time.monotonic()
            if self._publisher.full:
                await self._pause(session)

    async def _pause(self, session: Session) -> None:
        """Wait until Kafka has room. What is awaited from the venue is not overdue by that."""
        self._paused = time.monotonic()
        await self._publisher.room()
        self._resumed = time.monotonic()
        session.excuse(self._resumed - self._paused)
        self._paused = None

    async def _tend(self, socket: ClientConnection, session: Session) -> str | None:
        """Send what is due; return why the connection has to end, or None once the venue has ended it."""
        while True:
            now = time.monotonic()
            try:
                for message in session.due(now):
                    await socket.send(message)
            except ConnectionClosed:
                return None
            if self._paused is None:
                reason = session.ending(now) or self._idle(socket, now)
                if reason is not None:
                    return reason
            await asyncio.sleep(_TEND_SECONDS)

    def _idle(self, socket: ClientConnection, now: float) -> str | None:
        heard = socket.heard if isinstance(socket, _Socket) else now
        if now - max(heard, self._resumed) > self._idle_seconds:
            return f"no frame for {self._idle_seconds:g} s"
        # A channel of the whole market never rests for long: heartbeats without it are no life.
        if self._market_heard is not None and now - max(self._market_heard, self._resumed) > self._idle_seconds:
            return f"heartbeats but no data for {self._idle_seconds:g} s"
        return None

    def _tell(self, kind: str, detail: dict[str, object]) -> None:
        self._events.tell(kind, detail, connection=self._name)
