"""Requests on a socket: sent no faster than the venue takes them, and their answers awaited. Pure."""

from collections import deque
from collections.abc import Container

import msgspec

ANSWER_SECONDS = 10.0
"""How long an answer may take before the connection counts as deaf."""


class _Waiting(msgspec.Struct):
    about: tuple[str, ...]
    deadline: float


class Requests:
    """The requests of one connection. Times are seconds of a monotonic clock.

    They leave in order, `gap` seconds apart: evenly, since a burst that keeps a limit when it is sent may break it
    when it arrives.
    """

    def __init__(self, gap: float, patience: float = ANSWER_SECONDS) -> None:
        self._gap = gap
        self._patience = patience
        self._queue: deque[tuple[str, str, tuple[str, ...]]] = deque()
        self._waiting: dict[str, _Waiting] = {}
        self._next = 0.0

    def add(self, request: str, text: str, about: tuple[str, ...]) -> None:
        """Queue the message `text` with the id `request`; `about` is what it asks for."""
        self._queue.append((request, text, about))

    def due(self, now: float) -> list[str]:
        """Return the message to send now, if it is time for one."""
        if not self._queue or now < self._next:
            return []
        request, text, about = self._queue.popleft()
        self._next = now + self._gap
        self._waiting[request] = _Waiting(about, now + self._patience)
        return [text]

    def answered(self, request: str | None) -> tuple[str, ...] | None:
        """Return what the request asked for, and await it no longer; None if no such request is awaited."""
        waiting = self._waiting.pop(request, None) if request is not None else None
        return None if waiting is None else waiting.about

    def answered_all(self, names: Container[str]) -> bool:
        """Tell whether no request that asks for one of these names has yet to be sent or answered."""
        waiting = (item.about for item in self._waiting.values())
        queued = (about for _, _, about in self._queue)
        return not any(name in names for about in (*waiting, *queued) for name in about)

    def overdue(self, now: float) -> tuple[str, ...] | None:
        """Return what a request asked for whose answer is overdue, or None."""
        return next((item.about for item in self._waiting.values() if now >= item.deadline), None)

    def excuse(self, seconds: float) -> None:
        """Await every answer for so much longer."""
        for item in self._waiting.values():
            item.deadline += seconds
