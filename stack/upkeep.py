"""What is done again and again while the stack runs: log files are rotated, partitions made ahead and dropped."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psycopg

from market.sections import PostgresSettings
from market.settings import Settings
from stack.errors import StackError
from stack.logfiles import rotate
from stack.passwords import dsn
from stack.state import State

log = logging.getLogger(__name__)

MAINTAIN_SECONDS = 300.0
ROTATE_SECONDS = 5.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def keep(settings: PostgresSettings) -> dict[str, float]:
    """Return how many days each interval of candles is kept, and `events`."""
    return {
        name.removeprefix("keep_").removesuffix("_days"): getattr(settings, name)
        for name in PostgresSettings.model_fields
        if name.startswith("keep_")
    }


def maintain(settings: Settings, state: State, market_now: int) -> None:
    """Make partitions around the market's now (microseconds, UTC) and drop what is older than is kept.

    Raises:
        StackError: the database refuses.
    """
    now = _EPOCH + timedelta(microseconds=market_now)
    try:
        with psycopg.connect(dsn(settings, state, "owner"), autocommit=True, connect_timeout=10) as connection:
            connection.execute(
                "select maintain_partitions(%s, %s::jsonb)",
                [now, msgspec.json.encode(keep(settings.postgres)).decode()],
            )
            connection.execute("select forget_reconciliation(%s)", [settings.postgres.keep_1m_days])
    except psycopg.Error as error:
        raise StackError(f"The partitions cannot be maintained: {str(error).strip()}") from error


class Upkeep:
    """Does it in threads of its own, from `start` until `stop`. `market_now` is None until a trade was seen."""

    def __init__(self, settings: Settings, state: State, market_now: Callable[[], int | None]) -> None:
        self._settings = settings
        self._state = state
        self._market_now = market_now
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin; returns at once."""
        threading.Thread(target=self._rotate, name="rotate", daemon=True).start()
        threading.Thread(target=self._maintain, name="maintain", daemon=True).start()

    def stop(self) -> None:
        """Begin nothing any more."""
        self._stopping.set()

    def _rotate(self) -> None:
        limit = self._settings.log_megabytes << 20
        while not self._stopping.wait(ROTATE_SECONDS):
            rotate_all(self._state.logs, limit)

    def _maintain(self) -> None:
        # Once the market's clock is known, which may be years away from this machine's, partitions are due at once.
        pause = 1.0
        while not self._stopping.wait(pause):
            now = self._market_now()
            if now is None:
                continue
            pause = MAINTAIN_SECONDS
            try:
                maintain(self._settings, self._state, now)
            except StackError as error:
                log.warning("%s", error)


def rotate_all(folder: Path, limit: int) -> None:
    """Rotate every log of the folder that is larger than `limit` bytes."""
    for path in folder.glob("*.log"):
        try:
            rotate(path, limit)
        except OSError as error:
            log.warning("%s cannot be rotated: %s", path, error)
