"""The commands that ask what runs, as the process of a container: led by its environment alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from market.settings import ROOT
from stack.tools import psql_environment


def ask(state: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    told = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    told |= {f"PRICEBRAID_{name}": value for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "stack.tools", *arguments],
        cwd=ROOT,
        env=told | {"PRICEBRAID_STATE_DIR": str(state)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def config(tmp_path: Path) -> str:
    """The file that says which market it is."""
    path = tmp_path / "pricebraid.toml"
    path.write_text('market = "simulated"\n')
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "settings", "asked"),
    [
        (["psql", "-c", "select 1"], {"POSTGRES__HOST": "db.invalid", "POSTGRES__READER_PASSWORD": "r"}, "db.invalid"),
        (["verify"], {"POSTGRES__HOST": "db.invalid"}, "db.invalid"),
        (["backfill", "BTC-USDT", "--from", "2026-01-31"], {"HOSTS__MARKET": "market.invalid"}, "market.invalid:28090"),
    ],
)
def test_the_address_is_that_of_the_environment(
    arguments: list[str], settings: dict[str, str], asked: str, config: str, tmp_path: Path
) -> None:
    done = ask(tmp_path, *arguments, CONFIG=config, POSTGRES__WRITER_PASSWORD="w", **settings)
    assert done.returncode in (1, 2)
    assert asked in "".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["psql"], ["sql"], ["verify"], ["backfill", "BTC-USDT", "--from", "2026-01-31"]])
def test_before_the_first_start_it_is_said_how_to_start(command: list[str], tmp_path: Path) -> None:
    done = ask(tmp_path, *command, CONFIG=str(tmp_path / "none.toml"))
    assert done.returncode == 1
    assert "docker compose up" in done.stderr


@pytest.mark.parametrize("command", ["psql", "sql", "verify", "backfill"])
def test_help_needs_nothing_that_runs(command: str, tmp_path: Path) -> None:
    done = ask(tmp_path, command, "--help", CONFIG=str(tmp_path / "none.toml"))
    assert done.returncode == 0, done.stderr


def test_psql_is_told_where_to_go_by_its_environment() -> None:
    env = psql_environment("postgresql://pricebraid:se%2Fcret@127.0.0.1:5/pricebraid")
    told = {name: env[name] for name in ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGTZ")}
    assert told == {
        "PGHOST": "127.0.0.1",
        "PGPORT": "5",
        "PGDATABASE": "pricebraid",
        "PGUSER": "pricebraid",
        "PGPASSWORD": "se/cret",
        "PGTZ": "UTC",
    }
