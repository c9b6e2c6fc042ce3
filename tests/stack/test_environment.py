import os
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from market.settings import Settings, load
from stack.environment import base_environment, child_environment, effective
from stack.python_parts import ingest_part, market_part, sequencer_part

OTHERS = {
    "market": "simulated", "speed": "2.5", "state_dir": "/somewhere/else", "symbols": ["BTC-USDT", "ETH-BTC"],
    "log_format": "json", "log_level": "debug", "ws_url": "ws://here", "rest_url": "http://here",
    "trade_channel": "trade", "ticker_channel": "symbols", "bootstrap": "there:1", "jobmanager_memory": "1g",
    "taskmanager_memory": "2g", "host": "db", "database": "other",
}  # fmt: skip


def changed(model: BaseModel) -> dict[str, object]:
    """Return values for every field of a model that differ from those it has."""
    values: dict[str, object] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            values[name] = changed(value)
        elif isinstance(value, int | float):
            values[name] = value + 1
        else:
            values[name] = OTHERS.get(name, f"{value}1")
    return values


def only(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """Make `environment` the whole environment."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def leaves(model: BaseModel) -> int:
    fields = [getattr(model, name) for name in type(model).model_fields]
    return sum(leaves(field) if isinstance(field, BaseModel) else 1 for field in fields)


def test_the_environment_alone_gives_a_child_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = load()
    other = Settings.model_validate(changed(defaults))
    for settings in (defaults, other, load(symbols="all", state_dir="/x y/z")):
        environment = child_environment(settings)
        assert len(environment) == leaves(settings)
        only(monkeypatch, environment)
        assert load() == settings


def test_paths_reach_the_child_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment = child_environment(load(market="take.frames.gz", state_dir="state"))
    assert environment["PRICEBRAID_MARKET"] == str(tmp_path / "take.frames.gz")
    assert environment["PRICEBRAID_STATE_DIR"] == str(tmp_path / "state")


def test_the_market_on_localhost_stands_in_for_both_venues() -> None:
    settings = effective(load(market="simulated", ports={"market": 1234, "kafka": 2345}))
    assert settings.binance.ws_url == "ws://127.0.0.1:1234"
    assert settings.binance.rest_url == settings.kucoin.rest_url == "http://127.0.0.1:1234"
    assert settings.kafka.bootstrap == "127.0.0.1:2345"


def test_the_live_market_is_where_the_venues_are() -> None:
    settings = load(market="live")
    assert effective(settings).binance == settings.binance
    assert effective(settings).kucoin == settings.kucoin


def test_options_for_all_jvms_and_pythons_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Duser.timezone=Asia/Tokyo")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert {"JAVA_TOOL_OPTIONS", "PYTHONPATH"}.isdisjoint(base_environment())
    assert base_environment()["TZ"] == "Asia/Tokyo"


def test_our_own_parts_run_with_the_settings_of_this_machine() -> None:
    settings = load(market="simulated", ports={"market": 1234})
    for part, package in ((market_part, "replay"), (sequencer_part, "sequencer"), (ingest_part, "ingest")):
        made = part(settings)
        assert made.command == [sys.executable, "-m", package]
        assert made.env["PRICEBRAID_BINANCE__WS_URL"] == "ws://127.0.0.1:1234"


def test_ingest_waits_for_the_sequencer_and_for_the_market_where_there_is_one() -> None:
    assert ingest_part(load(market="simulated")).after == ("kafka", "sequencer", "market")
    assert ingest_part(load(market="live")).after == ("kafka", "sequencer")


def test_a_part_that_does_not_answer_says_why_in_one_line() -> None:
    settings = load(market="simulated", ports={"market": 23290, "sequencer": 23290, "ingest": 23290})
    for part in (market_part(settings), sequencer_part(settings), ingest_part(settings)):
        reason = part.ready()
        assert reason is not None
        assert "23290" in reason
        assert "\n" not in reason
