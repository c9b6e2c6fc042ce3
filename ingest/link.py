"""One socket to a venue, from its opening to its end: frames in, requests out, and when it is to go."""

import asyncio
import time
from collections.abc import Callable, Iterable

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame
from websockets.http11 import Request, Response

from ingest.coverage import Coverage
from ingest.intake import Intake
from ingest.pace import Pace
from ingest.publisher import Publisher
from ingest.venues import Session, Shard
from market.records import FeedMark, encode
from market.topics import FEED_MARKS

_TEND_SECONDS = 0.1

Tell = Callable[[str, dict[str, object]], None]
"""Records an event of the connection: its kind and detail."""


class Socket(ClientConnection):
    """Knows when it last heard anything, pings included, which the library answers by itself."""

    heard = 0.0

    def process_event(self, event: Request | Response | Frame) -> None:
        """Take in whatever came, as the library calls for it."""
        self.heard = time.monotonic()
        super().process_event(event)


class Patience(msgspec.Struct, frozen=True):
    """After how many seconds without a frame, and without trades, a socket is taken for dead; and its greatest age."""

    idle: float
    stale: float
    age: float


class Shared:
    """What the sockets of one connection have in common: what they carry, how often trades come, and where all goes."""

    def __init__(self, name: str, shard: Shard, coverage: Coverage, intake: Intake, publisher: Publisher) -> None:
        self.name = name
        self.shard = shard
        self.coverage = coverage
        self.intake = intake
        self.publisher = publisher
        self.pace = Pace()

    def mark(self, marks: Iterable[FeedMark]) -> None:
        """Send what the sequencer must know, by the way that the trades take."""
        for mark in marks:
            self.publisher.send(FEED_MARKS, mark.symbol, encode(mark))


def _told(closed: ConnectionClosed) -> tuple[str, int]:
    """Return the reason and the code of a connection's end that was not ours."""
    if closed.rcvd is None:
        # No close frame came; by RFC 6455 such an end goes by this code.
        return "the connection broke", 1006
    return f"closed by the venue: {closed.rcvd.reason}".removesuffix(": "), closed.rcvd.code


class Link:
    """One open socket. It runs in `task` from the start, which ends with it.

    `proved` is called once, with its first data.
    """

    def __init__(
        self,
        socket: ClientConnection,
        session: Session,
        shared: Shared,
        *,
        patience: Patience,
        tell: Tell,
        proved: Callable[[], None],
    ) -> None:
        self._socket = socket
        self._session = session
        self._shared = shared
        self._patience = patience
        self._tell = tell
        self._proved: Callable[[], None] | None = proved
        self._connected = time.time_ns() // 1000
        self._last_frame: int | None = None
        # When a channel of the whole market last sent, on this connection.
        self._market_heard: float | None = None
        # When reading stopped because Kafka is behind, None while it goes on; and when it last went on again.
        self._paused: float | None = None
        self._resumed = self.opened = time.monotonic()
        self._retired: str | None = None
        self._replaced = False
        self._mute = False
        self._stir = asyncio.Event()
        self.carrier = shared.coverage.open()
        self.replacement: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done with the reason once another socket should take over from this one."""
        self.task = asyncio.create_task(self._run())

    @property
    def paused(self) -> bool:
        """Whether reading waits for Kafka."""
        return self._paused is not None

    @property
    def sound(self) -> bool:
        """Whether it might as well go on: trades come, and the venue has not announced its end."""
        return self.carrier.since is not None and self._session.leaving is None

    def retire(self, reason: str, *, replaced: bool) -> None:
        """End the connection; `replaced` where another has taken over. What has come by then is still read."""
        self._retired, self._replaced = reason, replaced
        self._stir.set()

    async def _run(self) -> None:
        reason, code = "ingest stops", None
        reader = asyncio.create_task(self._read())
        keeper = asyncio.create_task(self._tend())
        try:
            await asyncio.wait((reader, keeper), return_when=asyncio.FIRST_COMPLETED)
            verdict = keeper.result() if keeper.done() else None
            if verdict is not None:
                await self._socket.close()
            # What had come before the end is still read, also where Kafka has to make room for it first.
            closed = await reader
            reason, code = (verdict, None) if verdict is not None else _told(closed)
        finally:
            for task in (reader, keeper):
                task.cancel()
            await asyncio.gather(reader, keeper, return_exceptions=True)
            self._end(reason, code)
            await self._socket.close()

    def _end(self, reason: str, code: int | None) -> None:
        replaced = self._replaced and reason == self._retired
        self._shared.mark(self._shared.coverage.ended(self.carrier, reason, replaced=replaced))
        self._tell(
            "renewed" if replaced else "disconnected",
            {
                "reason": reason,
                "code": code,
                "connected_time": self._connected,
                "last_frame_time": None if self._last_frame is None else self._last_frame // 1000,
                "symbols": self._shared.shard.symbols,
            },
        )

    async def _read(self) -> ConnectionClosed:
        """Take in frame after frame; return how the connection was closed, once all that came before is read."""
        shared, coverage, carrier = self._shared, self._shared.coverage, self.carrier
        while True:
            try:
                frame = await self._socket.recv(decode=False)
            except ConnectionClosed as closed:
                return closed
            received = self._last_frame = time.time_ns()
            mapped = shared.intake.frame(shared.name, frame, received)
            if mapped.control is not None:
                for fact in self._session.received(mapped.control, time.monotonic()):
                    self._tell(fact.kind, fact.detail)
                self._look_for_answers()
                self._stir.set()
            elif self._proved is not None:
                self._proved()
                self._proved = None
            for trade in mapped.trades:
                shared.pace.heard(time.monotonic())
                marks = coverage.trade(carrier, trade.event_time)
                if marks:
                    shared.mark(marks)
            if mapped.doubtful:
                coverage.doubt(carrier, mapped.doubtful)
            if mapped.whole_market:
                self._market_heard = time.monotonic()
            if shared.publisher.full:
                await self._pause()

    def _look_for_answers(self) -> None:
        confirmed = None if self.carrier.answered else self._session.confirmed()
        if confirmed is not None:
            trades = self._shared.shard.trades
            self._shared.coverage.subscribed(self.carrier, (s for name in confirmed for s in trades.get(name, ())))

    async def _pause(self) -> None:
        """Wait until Kafka has room. What is awaited from the venue is not overdue by that."""
        self._paused = time.monotonic()
        await self._shared.publisher.room()
        self._resumed = time.monotonic()
        passed = self._resumed - self._paused
        self._session.excuse(passed)
        self._shared.intake.excuse(self._shared.shard.symbols, passed)
        self._paused = None

    async def _tend(self) -> str | None:
        """Send what is due; return why the connection has to end, or None once the venue has ended it."""
        while True:
            self._stir.clear()
            now = time.monotonic()
            try:
                for message in self._session.due(now):
                    await self._socket.send(message)
            except ConnectionClosed:
                return None
            reason = self._retired
            if reason is None and self._paused is None:
                reason = self._session.ending(now) or self._idle(now)
                self._look_for_replacement(now)
            if reason is not None:
                return reason
            # An answer may let the next request go.
            try:
                async with asyncio.timeout(_TEND_SECONDS):
                    await self._stir.wait()
            except TimeoutError:
                pass

    def _idle(self, now: float) -> str | None:
        idle = self._patience.idle
        heard = self._socket.heard if isinstance(self._socket, Socket) else now
        if now - max(heard, self._resumed) > idle:
            return f"no frame for {idle:g} s"
        # A channel of the whole market never rests for long: heartbeats without it are no life.
        if self._market_heard is not None and now - max(self._market_heard, self._resumed) > idle:
            return f"heartbeats but no data for {idle:g} s"
        return None

    def _look_for_replacement(self, now: float) -> None:
        """Find out whether another socket should take over, and tell at once where trades stay away."""
        reason = self._session.leaving
        if reason is None and now - self.opened >= self._patience.age:
            reason = f"open for {self._patience.age / 3600:.3g} h"
        silence = self._silence(now)
        if self.carrier.since is not None:
            self._mute = False
        if silence is not None and not self._mute:
            self._mute = True
            reason = f"no trade for {silence:.1f} s where one comes every {self._shared.pace.interval:.2g} s"
            self._shared.pace.missed()
            self._shared.mark(self._shared.coverage.fell_silent(self.carrier, reason))
            self._tell("mute", {"reason": reason})
        if reason is not None and not self.replacement.done():
            self.replacement.set_result(reason)

    def _silence(self, now: float) -> float | None:
        """Return for how long no trade has come, where that is too long for this connection."""
        last, limit = self._shared.pace.last, self._shared.pace.limit(self._patience.stale)
        if last is None or limit is None:
            return None
        silence = now - max(last, self._resumed)
        if silence < limit:
            return None
        if not self._shared.intake.expects(self._shared.shard.symbols):
            # All that it carries is halted or delisted: no socket would have trades.
            self._shared.pace.rest()
            return None
        return silence
