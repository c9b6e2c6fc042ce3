"""`python -m replay`: its options, and the clock that they set."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.settings import ROOT, Settings, SettingsError
from replay.__main__ import Options, options, planned, rules, source
from replay.clock import MarketClock
from replay.faults import STORM, script
from tests.ports import free_port

START = 1_790_000_000_000_000


@given(st.integers(0, 2**51), st.floats(0.01, 1000), st.lists(st.integers(0, 10**12), min_size=2))
def test_the_clock_runs_so_many_times_as_fast_from_its_start_on(start: int, speed: float, passed: list[int]) -> None:
    wall = iter(sorted(passed))
    clock = MarketClock(start, 0, speed, lambda: next(wall))
    shown = [clock() for _ in passed]
    assert shown == sorted(shown)
    assert all(
        abs(time - start - each * speed) <= 1 + each * speed * 1e-9
        for time, each in zip(shown, sorted(passed), strict=True)
    )


def test_a_clock_of_no_other_speed_and_start_shows_what_the_wall_does() -> None:
    assert MarketClock(START, START, 1.0, lambda: START + 123_456_789)() == START + 123_456_789


def test_options_are_read() -> None:
    given = ["--speed", "10", "--start", "2026-09-21T12:00:00", "--faults-seed", "7", "--faults-minutes", "3"]
    assert options(given) == Options("10", 1_789_992_000_000_000, None, 7, 3.0)
    assert options(["--start", str(START)]).start == START
    assert options([]) == Options()
    with pytest.raises(SystemExit):
        options(["--start", "yesterday"])


@pytest.mark.parametrize("given", [Options(speed="max"), Options(speed="0"), Options(speed="x"), Options(start=0)])
def test_what_the_simulated_market_cannot_do_is_refused(given: Options) -> None:
    with pytest.raises(SettingsError):
        source(Settings(market="simulated"), given)


def test_the_same_seed_and_start_plan_the_same_storm() -> None:
    settings, given = (
        Settings(market="simulated", symbols=["BTC-USDT", "NONE-USDT"]),
        Options(start=START, faults_seed=7),
    )
    plan = planned(settings, given, source(settings, given))
    assert len(plan) == sum(STORM.values())
    assert {symbol for fault in plan for symbol in fault.symbols} == {"BTC-USDT"}
    assert plan == script(7, START + 15_000_000, START + 1_200_000_000, ["BTC-USDT"])


def test_a_file_of_faults_is_played_from_the_start_on_and_a_wrong_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text('[{"kind": "close", "venue": "binance", "in": 1000}]')
    settings, given = Settings(market="simulated"), Options(start=START, faults=path)
    plan = planned(settings, given, source(settings, given))
    assert plan[0].at == START + 1000
    path.write_text("[{}]")
    with pytest.raises(SettingsError, match=r"faults\.json"):
        planned(settings, given, source(settings, given))


def test_a_faster_market_lets_clients_connect_more_often() -> None:
    settings = Settings(market="simulated")
    assert rules(source(settings, Options(speed="10"))).kucoin.connections == 300
    assert rules(source(settings)).kucoin.connections == 30


async def test_the_command_serves_a_market_that_runs_faster_and_misbehaves() -> None:
    port = free_port()
    environment = {**os.environ, "PRICEBRAID_MARKET": "simulated", "PRICEBRAID_PORTS__MARKET": str(port)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "replay", "--speed", "10", "--start", str(START), "--faults-seed", "7",
        cwd=ROOT, env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        first = await _status(port)
        assert first["speed"] == 10
        assert START < first["clock"] < START + 10**9
        assert first["faults"]["planned"] == sum(STORM.values())
        later = await _status(port)
        while later["clock"] < first["clock"] + 5_000_000:
            later = await _status(port)
    finally:
        process.terminate()
        assert await process.wait() == 0


async def _status(port: int) -> Any:
    async with asyncio.timeout(30), httpx2.AsyncClient() as client:
        while True:
            try:
                return json.loads((await client.get(f"http://127.0.0.1:{port}/-/status")).text)
            except httpx2.ConnectError:
                await asyncio.sleep(0.05)
