import os
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from market.settings import Settings, load
from stack.environment import base_environment, child_environment, effective
from stack.python_parts import ingest_parts, market_part, repair_part, sequencer_parts
from tests.ports import free_port

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
        elif isinstance(value, bool):
            values[name] = not value
        elif isinstance(value, float):
            values[name] = value / 2
        elif isinstance(value, int):
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
    made = [market_part(settings), *sequencer_parts(settings), *ingest_parts(settings), repair_part(settings)]
    assert [part.command[2] for part in made] == ["replay", "sequencer", "ingest", "ingest.repair"]
    for part in made:
        assert part.command[0] == sys.executable
        assert part.env["PRICEBRAID_BINANCE__WS_URL"] == "ws://127.0.0.1:1234"


def test_ingest_waits_for_the_sequencer_and_for_the_market_where_there_is_one() -> None:
    assert [part.after for part in ingest_parts(load(market="simulated"))] == [("kafka", "sequencer", "market")]
    assert [part.after for part in ingest_parts(load(market="live"))] == [("kafka", "sequencer")]


def test_a_second_process_has_a_name_a_port_and_an_instance_of_its_own() -> None:
    settings = load(market="simulated", ingest={"processes": 2}, sequencer={"processes": 2})
    for package, parts in (("INGEST", ingest_parts(settings)), ("SEQUENCER", sequencer_parts(settings))):
        assert [part.name for part in parts] == [package.lower(), f"{package.lower()}-2"]
        for variable in (f"PRICEBRAID_PORTS__{package}", f"PRICEBRAID_{package}__INSTANCE"):
            first, second = (part.env[variable] for part in parts)
            assert first != second


def test_a_part_that_does_not_answer_says_why_in_one_line() -> None:
    port = free_port()
    ports = dict.fromkeys(("market", "sequencer", "ingest", "repair"), port)
    settings = load(market="simulated", ports=ports)
    for part in (
        market_part(settings), *sequencer_parts(settings), *ingest_parts(settings), repair_part(settings)
    ):  # fmt: skip
        reason = part.ready()
        assert reason is not None
        assert str(port) in reason
        assert "\n" not in reason
