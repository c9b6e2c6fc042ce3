"""WebSocket frames as bytes, made once and written to any number of clients (RFC 6455, unmasked as servers send)."""

import re
import struct

# The payload of a client, by its connection's form.
WHOLE = 0
UNWRAPPED = 1
MICROSECONDS = 2

_TEXT = 0x81
_PING = 0x89
_PONG = 0x8A

# Binance's time fields are 13 digits in milliseconds: E event, T trade or close, t open, O and C window, E shutdown.
_TIMES = re.compile(rb'("[ETtOC]":)(\d{13})(?=[,}])')


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def text_frame(payload: bytes) -> bytes:
    """Return a whole text frame; `payload` is UTF-8."""
    return _frame(_TEXT, payload)


def ping_frame(payload: bytes) -> bytes:
    """Return a ping frame (at most 125 bytes of payload)."""
    return _frame(_PING, payload)


def pong_frame(payload: bytes) -> bytes:
    """Return a pong frame (at most 125 bytes of payload)."""
    return _frame(_PONG, payload)


def in_microseconds(payload: bytes) -> bytes:
    """Return a Binance event with its millisecond times in microseconds, as `timeUnit=MICROSECOND` asks for."""
    return _TIMES.sub(rb"\g<1>\g<2>000", payload)


class Message:
    """An event of one channel, whose frames are made when a client first needs that form.

    `whole` is the event as a combined connection gets it, `data` as a raw Binance connection does.
    """

    __slots__ = ("_frames", "channel", "data", "whole")

    def __init__(self, channel: str, whole: bytes, data: bytes | None = None) -> None:
        self.channel = channel
        self.whole = whole
        self.data = whole if data is None else data
        self._frames: dict[int, bytes] = {}

    def frame(self, form: int) -> bytes:
        """Return the frame for a connection of this form."""
        made = self._frames.get(form)
        if made is None:
            payload = self.data if form & UNWRAPPED else self.whole
            if form & MICROSECONDS:
                payload = in_microseconds(payload)
            made = self._frames[form] = text_frame(payload)
        return made


def binance(stream: str, data: bytes) -> Message:
    """Return an event of a Binance stream."""
    return Message(stream, b'{"stream":"' + stream.encode() + b'","data":' + data + b"}", data)
