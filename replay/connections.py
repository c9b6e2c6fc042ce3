"""Clients, what they are subscribed to, and how frames get to them."""

import asyncio
import logging
import select
import socket as sockets
import struct
from collections.abc import Callable, Iterable

from aiohttp import WSCloseCode
from aiohttp.web import Request, WebSocketResponse

from market.records import Venue
from replay.wire import WHOLE, Message, text_frame

_log = logging.getLogger(__name__)

_CLOSE_SECONDS = 3.0


class Client:
    """A socket with its subscriptions and the frames that wait for the next write.

    Frames are written to the transport itself, many at once: a whole frame at a time keeps them apart from what the
    library writes. What the peer has not taken yet is in the transport's buffer.
    """

    def __init__(
        self, socket: WebSocketResponse, transport: asyncio.Transport, venue: Venue, name: str, form: int = WHOLE
    ) -> None:
        self.venue: Venue = venue
        self.name = name
        self.form = form
        self.channels: dict[str, None] = {}
        self.closing = False
        self.subscribed_at = 0.0
        """When it subscribed last, by the event loop's clock."""
        self.mutes: set[int] = set()
        """Whose faults keep data from it."""
        self.frozen = False
        """Whether nothing at all comes from us any more."""
        self._socket = socket
        self._transport = transport
        self._waiting: list[bytes] = []

    @property
    def backlog(self) -> int:
        """Bytes that the peer's socket has not taken yet."""
        return self._transport.get_write_buffer_size()

    def queue(self, frame: bytes) -> None:
        """Add a frame to what the next `flush` writes."""
        self._waiting.append(frame)

    def flush(self) -> None:
        """Write what waits."""
        frames, self._waiting = self._waiting, []
        if frames and not self.closing and not self.frozen and not self._transport.is_closing():
            self._transport.write(b"".join(frames))

    def reply(self, payload: bytes) -> None:
        """Send a text frame at once, after whatever waits."""
        self.queue(text_frame(payload))
        self.flush()

    def cut(self) -> None:
        """Drop the connection with all that waits for it."""
        self.closing = True
        self._transport.abort()

    def reset(self) -> None:
        """Drop the connection by a TCP reset: the peer is told nothing and loses what it has not read."""
        own = self._transport.get_extra_info("socket")
        if own is not None:
            own.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        self.cut()

    def freeze(self) -> None:
        """Neither send nor read any more, as a machine does that has been unplugged; TCP stays open."""
        self.flush()
        self.frozen = True
        self._transport.pause_reading()

    @property
    def gone(self) -> bool:
        """Whether the peer of a frozen client has ended the connection, which reading would tell otherwise."""
        own = self._transport.get_extra_info("socket")
        if self._transport.is_closing() or own is None or own.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(own.fileno(), getattr(select, "POLLRDHUP", 0))
        return bool(poll.poll(0))

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame and wait for the peer's, or for a few seconds."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._socket.close(code=code, message=reason.encode())
        except TimeoutError:
            self._transport.abort()


async def accept(request: Request, venue: Venue, form: int = WHOLE) -> tuple[WebSocketResponse, Client]:
    """Finish the handshake of a socket that answers no pings itself and does not compress.

    Raises:
        aiohttp.web.HTTPBadRequest: it is no WebSocket request.
        ConnectionResetError: the peer has gone.
    """
    socket = WebSocketResponse(autoping=False, compress=False, timeout=_CLOSE_SECONDS)
    await socket.prepare(request)
    if request.transport is None:
        raise ConnectionResetError("the peer has gone")
    name = f"{request.path} {request.transport.get_extra_info('peername')}"
    return socket, Client(socket, request.transport, venue, name, form)


class Hub:
    """Who gets what: channels (Binance stream names, KuCoin topics of one symbol) to their clients."""

    def __init__(self, buffer_bytes: int = 8 << 20) -> None:
        self.clients: set[Client] = set()
        self.sent = 0
        """Messages published that had a subscriber."""
        self.changed = asyncio.Event()
        """Set at every new subscription."""
        self._channels: dict[str, dict[Client, None]] = {}
        self._dirty: set[Client] = set()
        self._buffer_bytes = buffer_bytes
        self._closing: set[asyncio.Task[None]] = set()
        self.bends: dict[str, Callable[[Message, Iterable[Client]], None]] = {}
        """What takes the messages of a channel in the place of its subscribers, and sends on what it likes."""

    @property
    def subscribed(self) -> int:
        """How many channels have a subscriber."""
        return len(self._channels)

    def wanted(self, channel: str) -> bool:
        """Say whether anyone is subscribed to the channel."""
        return channel in self._channels

    def subscribe(self, client: Client, channels: Iterable[str]) -> None:
        """Subscribe the client; a channel that it has already stays one."""
        for channel in channels:
            client.channels[channel] = None
            if not client.mutes:
                self._channels.setdefault(channel, {})[client] = None
        client.subscribed_at = asyncio.get_running_loop().time()
        self.changed.set()

    def unsubscribe(self, client: Client, channels: Iterable[str]) -> None:
        """Take back subscriptions; one that the client has not is passed over."""
        for channel in channels:
            client.channels.pop(channel, None)
            self._withdraw(client, channel)

    def listeners(self, channel: str) -> int:
        """Return how many get what is published on the channel."""
        return len(self._channels.get(channel, ()))

    def mute(self, client: Client, by: int) -> None:
        """Keep data from a client until `by` lets it have them again; its subscriptions and its session go on."""
        client.mutes.add(by)
        for channel in client.channels:
            self._withdraw(client, channel)

    def unmute(self, client: Client, by: int) -> None:
        """Take back a `mute`."""
        client.mutes.discard(by)
        if not client.mutes and not client.closing and client in self.clients:
            for channel in client.channels:
                self._channels.setdefault(channel, {})[client] = None
            self.changed.set()

    def _withdraw(self, client: Client, channel: str) -> None:
        clients = self._channels.get(channel)
        if clients is not None:
            clients.pop(client, None)
            if not clients:
                del self._channels[channel]

    def leave(self, client: Client) -> None:
        """Forget a client that has gone."""
        self.unsubscribe(client, list(client.channels))
        self.clients.discard(client)
        self._dirty.discard(client)

    def publish(self, message: Message) -> None:
        """Give the message to the channel's subscribers; it is written at the next `flush`."""
        clients = self._channels.get(message.channel)
        if not clients:
            return
        self.sent += 1
        if self.bends:
            bend = self.bends.get(message.channel)
            if bend is not None:
                bend(message, clients)
                return
        self.send(message, clients)

    def send(self, message: Message, clients: Iterable[Client]) -> None:
        """Give the message to these clients; it is written at the next `flush`."""
        for client in clients:
            client.queue(message.frame(client.form))
        self._dirty.update(clients)

    def flush(self) -> None:
        """Write what was published."""
        for client in self._dirty:
            client.flush()
        self._dirty.clear()

    def cut_slow(self) -> None:
        """Cut off every client that has more waiting than is allowed, as a live market does."""
        for client in list(self.clients):
            if client.backlog > self._buffer_bytes and not client.closing:
                _log.warning("client cut off: it reads too slowly", extra={"client": client.name})
                client.cut()
                self.leave(client)

    async def drained(self, most: int = 1 << 20) -> None:
        """Wait until no client has more than `most` bytes waiting, as a recording does: it loses nothing."""
        # A transport tells its level only when asked.
        while any(client.backlog > most for client in self.clients if not client.closing):  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    def close(self, client: Client, code: int, reason: str) -> None:
        """Begin to close a client: what waits for it is written, and it is unsubscribed at once."""
        if client.closing:
            return
        client.flush()
        client.closing = True
        self.unsubscribe(client, list(client.channels))
        task = asyncio.get_running_loop().create_task(client.close(code, reason))
        self._closing.add(task)
        task.add_done_callback(self._closed)

    async def close_all(self) -> None:
        """Close every client and wait until that is done."""
        for client in list(self.clients):
            if client.frozen:
                client.cut()
            self.close(client, WSCloseCode.GOING_AWAY, "server stops")
        if self._closing:
            await asyncio.wait(self._closing)

    def _closed(self, task: asyncio.Task[None]) -> None:
        self._closing.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.debug("a client was gone before it was closed", extra={"error": repr(task.exception())})
