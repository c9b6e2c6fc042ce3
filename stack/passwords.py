"""The database's roles, their passwords (one file a market, readable by its owner only), and addresses for them."""

import contextlib
import json
import os
import secrets
from typing import Literal
from urllib.parse import quote

from market.settings import Settings
from stack.errors import StackError
from stack.state import State

SUPERUSER = "postgres"

Role = Literal["owner", "writer", "reader"]
ROLES: dict[Role, str] = {"owner": "pricebraid", "writer": "pricebraid_writer", "reader": "pricebraid_reader"}


def make_secrets(state: State) -> dict[str, str]:
    """Write a new password for each role into the market's file, in place of those before, and return them.

    Raises:
        OSError: the file cannot be written.
    """
    passwords = {name: secrets.token_urlsafe(24) for name in (SUPERUSER, *ROLES.values())}
    state.secrets.unlink(missing_ok=True)
    descriptor = os.open(state.secrets, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(passwords, file)
    return passwords


def read_secrets(state: State) -> dict[str, str]:
    """Return the password of each role of the market's database.

    Raises:
        StackError: there are none, or they are broken.
    """
    try:
        found: dict[str, str] = json.loads(state.secrets.read_text())
        if {SUPERUSER, *ROLES.values()} <= found.keys():
            return found
    except (OSError, ValueError, AttributeError) as error:
        reason = str(error)
    else:
        reason = "a role is missing in it"
    raise StackError(
        f"The passwords of the database cannot be read from {state.secrets}: {reason}.",
        f"Restore that file; without it, the market can only start over: stop it and delete {state.folder}.",
    )


def grafana_password(state: State) -> str:
    """Return the password of the user `admin` of the market's Grafana, made at the first call.

    Raises:
        OSError: it can be neither read nor written.
    """
    path = state.grafana_password
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(24))
    return path.read_text()


def password(settings: Settings, state: State, role: Role | Literal["superuser"]) -> str:
    """Return the password that the settings give a role, else the one in the market's file.

    Raises:
        StackError: the market has no secrets yet, or they are broken.
    """
    given: str = getattr(settings.postgres, f"{role}_password")
    return given or read_secrets(state)[SUPERUSER if role == "superuser" else ROLES[role]]


def dsn(settings: Settings, state: State, role: Role = "owner") -> str:
    """Return the address of the database for a role, password included; the reader needs none on this machine.

    Raises:
        StackError: the market has no secrets yet, or they are broken.
    """
    if role == "reader" and not settings.postgres.reader_password:
        return _address(settings, ROLES[role], settings.postgres.database)
    word = quote(password(settings, state, role), safe="")
    return _address(settings, f"{ROLES[role]}:{word}", settings.postgres.database)


def with_password(settings: Settings, state: State) -> Settings:
    """Return the settings with the password that jobs and repair write to the database with.

    Raises:
        StackError: the market has no secrets yet, or they are broken.
    """
    word = password(settings, state, "writer")
    return settings.model_copy(update={"postgres": settings.postgres.model_copy(update={"writer_password": word})})


def superuser_dsn(settings: Settings, state: State, database: str = "postgres") -> str:
    """Return the address of a database for the superuser, password included.

    Raises:
        StackError: the market has no secrets yet, or they are broken.
    """
    word = quote(password(settings, state, "superuser"), safe="")
    return _address(settings, f"{SUPERUSER}:{word}", database)


def _address(settings: Settings, who: str, database: str) -> str:
    return f"postgresql://{who}@{settings.postgres.host}:{settings.ports.postgres}/{database}"
