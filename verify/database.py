"""The candles as they stand in Postgres, read by the role that may only read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from market.settings import Settings
from verify.reading import CannotCheck

SQL = Path(__file__).parent / "sql" / "postgres"
READER = "pricebraid_reader"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Database:
    """A connection to the candles. Methods raise CannotCheck where the database does not answer or refuses."""

    def __init__(self, settings: Settings) -> None:
        try:
            self._connection = psycopg.connect(
                host=settings.postgres.host,
                port=settings.ports.postgres,
                dbname=settings.postgres.database,
                user=READER,
                application_name="pricebraid-verify",
                # Months of candles take longer than readers are given.
                options="-c statement_timeout=0",
                connect_timeout=10,
                autocommit=True,
            )
        except psycopg.Error as error:
            raise CannotCheck(f"Postgres does not answer: {error}") from error

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def write_candles(self, path: Path, interval: str, from_time: int, to_time: int) -> None:
        """Write the candles of an interval that start from one time to before another (µs) into a CSV file."""
        values = {"interval": interval, "from_time": utc(from_time), "to_time": utc(to_time)}
        try:
            with path.open("wb") as file, self._connection.cursor().copy(_sql("candles"), values) as rows:
                for block in rows:
                    file.write(block)
        except psycopg.Error as error:
            raise CannotCheck(f"The candles cannot be read: {error}") from error

    def out_of_reach(self, interval: str, from_time: int) -> int:
        """Return how many candles of an interval start before a time (µs)."""
        try:
            row = self._connection.execute(
                _sql("out_of_reach"), {"interval": interval, "from_time": utc(from_time)}
            ).fetchone()
        except psycopg.Error as error:
            raise CannotCheck(f"The candles cannot be counted: {error}") from error
        assert row is not None
        return int(row[0])


def utc(time: int) -> datetime:
    """Return a time in microseconds as one of Python, UTC."""
    return _EPOCH + timedelta(microseconds=time)


def _sql(name: str) -> bytes:
    return (SQL / f"{name}.sql").read_bytes()
