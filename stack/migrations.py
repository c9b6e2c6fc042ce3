"""Brings the database up to date: its roles, and the numbered migrations, each in a transaction of its own."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from market.settings import ROOT, Settings
from stack.errors import StackError
from stack.passwords import ROLES, dsn, password, superuser_dsn
from stack.state import State

FOLDER = ROOT / "sql" / "postgres"
_OWN = Path(__file__).parent / "sql"

_NAME = re.compile(r"(\d{3})_([a-z0-9_]+)\.sql")
# Any number that nobody else locks in this database.
_LOCK = 7_214_655_031


@dataclass(frozen=True)
class Migration:
    """A migration as the file holds it, or as it was when it was applied (then without its text)."""

    number: int
    name: str
    sha256: str
    text: str = ""

    @property
    def file_name(self) -> str:
        """`007_gaps.sql` for number 7 and name `gaps`."""
        return f"{self.number:03d}_{self.name}.sql"


def read(folder: Path = FOLDER) -> list[Migration]:
    """Return the migrations of a folder in order.

    Raises:
        StackError: a file is not named `NNN_name.sql`, or the numbers are not 1, 2, 3 and so on.
    """
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise StackError(
                f"{path} is not named as a migration.", "Name it NNN_name.sql, in small letters: 001_schema.sql."
            )
        data = path.read_bytes()
        found.append(Migration(int(match[1]), match[2], hashlib.sha256(data).hexdigest(), data.decode()))
    if [item.number for item in found] != list(range(1, len(found) + 1)):
        names = ", ".join(item.file_name for item in found)
        raise StackError(
            f"The migrations in {folder} are not numbered 1, 2, 3 and so on: {names}.",
            "Give each number once and leave none out; restore the folder from git if a file was lost.",
        )
    return found


def pending(available: list[Migration], applied: list[Migration]) -> list[Migration]:
    """Return the migrations that are still to be applied, in order.

    Raises:
        StackError: what was applied is not what is there: changed, renamed, renumbered or missing.
    """
    for was in applied:
        now = next((item for item in available if item.number == was.number), None)
        if now is not None and (now.name, now.sha256) == (was.name, was.sha256):
            continue
        moved = next((item for item in available if item.sha256 == was.sha256), None)
        if moved is not None:
            fault = f"is now {moved.file_name}"
        elif now is None:
            fault = "is missing"
        elif now.name != was.name:
            fault = f"was replaced by {now.file_name}"
        else:
            fault = "was changed since"
        raise StackError(
            f"The migration {was.file_name} was applied to this database and {fault}.",
            "Restore it from git and make changes in a new migration with the next number; "
            "or, if the data may go, delete the market's state folder and start over.",
        )
    done = {item.number for item in applied}
    return [item for item in available if item.number not in done]


def migrate(settings: Settings, state: State, folder: Path = FOLDER) -> list[str]:
    """Make database and roles where they are missing, apply what is pending, and return the files applied.

    Several callers at once wait for each other.

    Raises:
        StackError: the database does not answer, or a migration does not fit or fails.
    """
    available = read(folder)
    try:
        _make_database(settings, state)
        with psycopg.connect(dsn(settings, state, "owner"), autocommit=True, connect_timeout=10) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            connection.execute((_OWN / "schema_migration.sql").read_bytes())
            rows = connection.execute("SELECT number, name, sha256 FROM schema_migration ORDER BY number").fetchall()
            todo = pending(available, [Migration(*row) for row in rows])
            for item in todo:
                _apply(connection, item, folder)
    except psycopg.Error as error:
        raise StackError(
            f"The database cannot be brought up to date: {str(error).strip()}.", "See the log of postgres."
        ) from error
    return [item.file_name for item in todo]


def _make_database(settings: Settings, state: State) -> None:
    passwords = {name: password(settings, state, role) for role, name in ROLES.items()}
    with psycopg.connect(superuser_dsn(settings, state), autocommit=True, connect_timeout=10) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        connection.execute((_OWN / "roles.sql").read_bytes())
        for role in ROLES.values():
            # Hashed here, so that no log of a failed statement can show the password.
            verifier = connection.pgconn.encrypt_password(passwords[role].encode(), role.encode(), b"scram-sha-256")
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier.decode()))
            )
        limit = max(1, round(settings.postgres.reader_timeout_seconds * 1000))
        connection.execute(
            sql.SQL("ALTER ROLE {} SET statement_timeout = {}").format(sql.Identifier(ROLES["reader"]), limit)
        )
        name = settings.postgres.database
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            owner = sql.Identifier(ROLES["owner"])
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), owner))


def _apply(connection: psycopg.Connection, item: Migration, folder: Path) -> None:
    try:
        with connection.transaction():
            connection.execute(item.text.encode())
            connection.execute(
                "INSERT INTO schema_migration (number, name, sha256) VALUES (%s, %s, %s)",
                [item.number, item.name, item.sha256],
            )
    except psycopg.Error as error:
        position = error.diag.statement_position
        line = item.text[: int(position)].count("\n") + 1 if position else None
        where = f"{folder / item.file_name}" + (f", line {line}" if line else "")
        raise StackError(
            f"A migration failed and was undone: {where}: {str(error).strip()}.", "Correct the file and try again."
        ) from error
