"""Logging that never blocks the caller: records go through a queue to a thread that writes them to stderr."""

import atexit
import json
import logging
import logging.handlers
import queue
import sys
import time
from typing import Any, Literal

_QUEUED = 10_000
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class _Text(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        extra = " ".join(f"{key}={value}" for key, value in _extra(record).items())
        return f"{line}  {extra}" if extra else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str)


class _Dropping(logging.handlers.QueueHandler):
    """Counts what a full queue could not take, and says so with the next record that fits."""

    dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1
            return
        if self.dropped:
            record.dropped_before = self.dropped
            self.dropped = 0


def configure(style: Literal["text", "json"] = "text", level: str = "info") -> None:
    """Send all logging of this process to stderr, in UTC, from a thread of its own.

    Key-value facts are passed as `extra={…}`. What is still queued at exit is written then.
    """
    pending: queue.Queue[logging.LogRecord] = queue.Queue(_QUEUED)
    writer = logging.StreamHandler(sys.stderr)
    writer.setFormatter(
        _Json() if style == "json" else _Text("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    )
    listener = logging.handlers.QueueListener(pending, writer)
    root = logging.getLogger()
    root.handlers[:] = [_Dropping(pending)]
    root.setLevel(level.upper())
    listener.start()
    atexit.register(listener.stop)
