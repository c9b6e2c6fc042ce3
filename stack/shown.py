"""Writes into the database which market it shows, so that whoever looks at its prices knows whether they are real."""

from pathlib import Path
from typing import Literal

import psycopg

from market.settings import Settings
from stack.errors import StackError
from stack.passwords import dsn
from stack.state import State

_SQL = Path(__file__).parent / "sql" / "market_shown.sql"

Kind = Literal["live", "simulated", "recording"]


def shown(settings: Settings) -> tuple[Kind, str]:
    """Return what kind of market the settings name, and what people call it."""
    if settings.market == "live":
        return "live", "Binance and KuCoin"
    if settings.market == "simulated":
        made = settings.simulation
        return "simulated", f"seed {made.seed}, {made.symbols} symbols, {made.trades_per_second:g} trades/s"
    return "recording", settings.market


def show_market(settings: Settings, state: State) -> None:
    """Write it, in place of what the last start wrote. The migrations must have run.

    Raises:
        StackError: the database refuses.
    """
    kind, name = shown(settings)
    try:
        with psycopg.connect(dsn(settings, state, "owner"), connect_timeout=10) as connection:
            connection.execute(_SQL.read_bytes(), {"kind": kind, "name": name})
    except psycopg.Error as error:
        raise StackError(f"Which market is shown cannot be written: {str(error).strip()}") from error
