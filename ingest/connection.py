"""One connection to a venue, kept open for ever: opened anew when it ends, and replaced before it has to."""

import asyncio
import logging
import time
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

from ingest.backoff import Backoff, Guard
from ingest.coverage import Coverage
from ingest.events import Events
from ingest.intake import Intake
from ingest.link import Link, Patience, Shared, Socket
from ingest.metrics import VenueStats
from ingest.publisher import Publisher
from ingest.venues import Shard, Venue
from ingest.venues.http import VenueError, VenueRefusal, refusal, retry_after
from market.sections import IngestSettings

log = logging.getLogger(__name__)

_OPEN_SECONDS = 10.0
# A peer that is gone does not answer a close; the next connect waits for this.
_CLOSE_SECONDS = 1.0
# A venue that cuts every connection soon after it sent something is not to be asked more often than this, but for a few
# connects at once: Binance allows 300 in five minutes, KuCoin 30 in one.
_CONNECT_GAP_SECONDS = 1.0
_CONNECTS_AT_ONCE = 4
# A venue that tells every new connection to go is not to be asked more often than this.
_RENEWAL_GAP_SECONDS = 5.0
# How long a new socket has to show that it carries what the old one does.
_OVERLAP_SECONDS = 10.0
# A message may come late, and by the old socket only, if the new one was subscribed after it was due.
_LINGER_SECONDS = 6.0
_LOOK_SECONDS = 0.05
# Connections that were opened at once are not replaced at once: their ages differ by up to this share.
_AGE_SPREAD = 0.1
_LARGEST_FRAME = 4 << 20
_QUEUED_FRAMES = 256


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a connection did not end as it should", exc_info=error)


class Connection:
    """Opens the shard's connection, opens it anew whenever it ends, and replaces it, with an overlap, before it does.

    `random` gives numbers uniform in [0, 1).
    """

    def __init__(
        self,
        *,
        venue: Venue,
        shard: Shard,
        intake: Intake,
        publisher: Publisher,
        events: Events,
        stats: VenueStats,
        settings: IngestSettings,
        random: Callable[[], float],
    ) -> None:
        self._name = f"{venue.name}-{shard.number}-{settings.instance}"
        self._venue = venue
        self._shard = shard
        self._events = events
        self._stats = stats
        self._settings = settings
        self._random = random
        self._backoff = Backoff(settings.reconnect_max_seconds, random)
        symbols = [symbol for names in shard.trades.values() for symbol in names]
        coverage = Coverage(venue.name, settings.instance, symbols)
        self._shared = Shared(self._name, shard, coverage, intake, publisher)
        self._links: list[Link] = []
        self._successor: Link | None = None
        self._guard = Guard(_CONNECT_GAP_SECONDS, _CONNECTS_AT_ONCE)
        self._connected = False
        self._renewed = float("-inf")

    async def run(self) -> None:
        """Stay connected until cancelled.

        Raises:
            VenueRefusal: the venue will never answer from here.
        """
        try:
            while True:
                before, wait = self._connected, 0.0
                try:
                    link: Link | None = await self._open()
                    self._stats.reconnects += before
                    while link is not None:
                        link = await self._follow(link)
                except VenueError as error:
                    self._unreachable(error)
                    wait = error.wait
                wait = max(wait, self._guard.wait(time.monotonic()))
                await asyncio.sleep(self._backoff.next(wait))
        finally:
            for link in self._links:
                link.task.cancel()
            await asyncio.gather(*(link.task for link in self._links), return_exceptions=True)

    async def _follow(self, link: Link) -> Link | None:
        """Stay with a socket until it ends; return the one that has taken over from it, None where none has."""
        renewal = asyncio.create_task(self._renew(link))
        try:
            await asyncio.wait((link.task, renewal), return_when=asyncio.FIRST_COMPLETED)
            if renewal.done():
                # Its end may take a while, and nothing depends on it.
                link.retire(renewal.result(), replaced=True)
                link.task.add_done_callback(_report)
            else:
                link.task.result()
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
        # One that has not shown yet that it carries everything is as good as any that could be opened now.
        successor, self._successor = self._successor, None
        if successor is None or successor.task.done():
            return None
        self._stats.renewals += 1
        return successor

    async def _renew(self, link: Link) -> str:
        """Wait until the socket is to be replaced, and until another carries what it does; return the reason."""
        reason = await link.replacement
        await asyncio.sleep(self._renewed + _RENEWAL_GAP_SECONDS - time.monotonic())
        backoff = Backoff(self._settings.reconnect_max_seconds, self._random)
        while True:
            self._renewed = time.monotonic()
            wait = 0.0
            try:
                successor = self._successor = await self._open(instead=reason)
                if await self._takes_over(link, successor):
                    if link.sound:
                        await asyncio.wait((successor.task,), timeout=_LINGER_SECONDS)
                    if not successor.task.done():
                        return reason
                self._successor = None
                successor.retire("it does not carry what the one before it does", replaced=False)
                await asyncio.wait((successor.task,))
                successor.task.result()
            except (VenueError, VenueRefusal) as error:
                self._unreachable(error)
                wait = error.wait if isinstance(error, VenueError) else 0.0
            await asyncio.sleep(backoff.next(max(wait, _RENEWAL_GAP_SECONDS)))

    async def _takes_over(self, old: Link, new: Link) -> bool:
        """Wait until it is clear whether the new socket carries what the old one does."""
        waited = 0.0
        while not new.task.done():
            patient = waited >= _OVERLAP_SECONDS
            verdict = self._shared.coverage.takes_over(old.carrier, new.carrier, patient=patient)
            if verdict is not None:
                return verdict
            await asyncio.sleep(_LOOK_SECONDS)
            if not old.paused and not new.paused:
                waited += _LOOK_SECONDS
        return False

    async def _open(self, instead: str | None = None) -> Link:
        """Connect once. `instead` is why this is to replace a socket that is open.

        Raises:
            VenueError: it did not work; it makes sense to try again.
            VenueRefusal: the venue will never answer from here.
        """
        endpoint = await self._venue.endpoint()
        for fact in endpoint.facts:
            self._tell(fact.kind, fact.detail)
        socket = await self._connect(endpoint.url)
        opened = time.monotonic()
        self._connected = True
        self._guard.passed(opened)
        settings = self._settings
        age = settings.renew_hours * 3600 * (1 - _AGE_SPREAD * self._random())
        link = Link(
            socket,
            self._venue.session(self._shard, endpoint, opened),
            self._shared,
            patience=Patience(settings.idle_seconds, settings.stale_seconds, age),
            tell=self._tell,
            proved=self._backoff.reset,
        )
        self._stats.open += not self._links
        self._links.append(link)
        link.task.add_done_callback(lambda _: self._gone(link))
        self._stats.silence.watch(self._shard.symbols, time.monotonic())
        replaces = {} if instead is None else {"replaces": instead}
        self._tell("connected", {"symbols": self._shard.symbols, **replaces})
        return link

    async def _connect(self, url: str) -> ClientConnection:
        try:
            return await connect(
                url,
                create_connection=Socket,
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
                raise refusal(url.partition("?")[0]) from error
            wait = retry_after(error.response.headers.get("Retry-After"), time.time())
            raise VenueError(f"the handshake was answered with HTTP {status}", wait) from error
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            raise VenueError(str(error) or type(error).__name__) from error

    def _gone(self, link: Link) -> None:
        self._links.remove(link)
        self._stats.open -= not self._links

    def _unreachable(self, error: VenueError | VenueRefusal) -> None:
        self._tell("unreachable", {"reason": str(error)})
        if not self._links:
            self._shared.mark(self._shared.coverage.unreachable("unreachable"))

    def _tell(self, kind: str, detail: dict[str, object]) -> None:
        self._events.tell(kind, detail, connection=self._name)
