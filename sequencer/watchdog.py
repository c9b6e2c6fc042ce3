"""Ends a process that hangs in a call which does not come back.

librdkafka bounds most of its calls, but not all: one that commits offsets while the broker restarts can wait for a
connection that it has given up, without end (seen with 2.16.0). The state can be rebuilt, so starting again helps.
"""

import logging
import os
import threading
import time

_LOG_SECONDS = 0.5

_logger = logging.getLogger("sequencer")


class Watchdog:
    """Ends the process with code 1 when `turned` was not called for so many seconds after `start`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = 0.0

    def start(self) -> None:
        """Begin to watch, from a thread that ends with the process."""
        self.turned()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def turned(self) -> None:
        """Say that the process goes on."""
        self._last = time.monotonic()

    def _watch(self) -> None:
        while (left := self._last + self._seconds - time.monotonic()) > 0:
            time.sleep(left)
        _logger.critical("Kafka has not answered for %g s: starting anew", self._seconds)
        # The log is written by another thread.
        time.sleep(_LOG_SECONDS)
        os._exit(1)
