"""Settings come from one place, say what is wrong, and are all in the docs."""

import os
from pathlib import Path

import pytest

from market.describe import page
from market.settings import ROOT, SettingsError, load


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in list(os.environ):
        if name.startswith("PRICEBRAID_"):
            monkeypatch.delenv(name)
    file = tmp_path / "pricebraid.toml"
    file.write_text("")
    monkeypatch.setenv("PRICEBRAID_CONFIG", str(file))
    return file


def test_every_setting_is_in_the_docs() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == page(), "run: python -m market.describe > docs/settings.md"


def test_the_environment_wins_over_the_file(no_settings_from_outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_settings_from_outside.write_text('speed = "7"\n[kafka]\npartitions = 3\n')
    assert load().kafka.partitions == 3
    monkeypatch.setenv("PRICEBRAID_KAFKA__PARTITIONS", "5")
    assert load().kafka.partitions == 5
    assert load().speed == "7"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("KAFKA__PARTITIONS", "0", "kafka.partitions: Input should be greater than or equal to 1"),
        ("KAFKA__PARTITIONS", "many", "(was 'many')"),
        ("SPEED", "fast", "speed: "),
        ("SYMBOLS", "BTCUSDT", "'BTCUSDT' is not of the form BASE-QUOTE"),
        ("SYMBOLS", "", "at least one symbol"),
        ("BINANCE__TRADE_CHANNEL", "kline", "'aggTrade' or 'trade'"),
        ("PORTS__KAFKA", "70000", "less than or equal to 65535"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(f"PRICEBRAID_{name}", value)
    with pytest.raises(SettingsError) as error:
        load()
    assert told in str(error.value)


def test_an_unknown_setting_in_the_file_is_refused(no_settings_from_outside: Path) -> None:
    no_settings_from_outside.write_text("[kafka]\npartition = 3\n")
    with pytest.raises(SettingsError, match=r"kafka\.partition: Extra inputs are not permitted"):
        load()


def test_a_file_that_is_no_toml_is_named(no_settings_from_outside: Path) -> None:
    no_settings_from_outside.write_text("kafka = ")
    with pytest.raises(SettingsError, match=r"pricebraid\.toml"):
        load()


def test_a_file_that_is_named_and_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICEBRAID_CONFIG", "nowhere.toml")
    with pytest.raises(SettingsError, match=r"nowhere\.toml is no file"):
        load()


def test_symbols_are_split_and_upper_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICEBRAID_SYMBOLS", "btc-usdt, eth-usdt")
    assert load().symbols == ["BTC-USDT", "ETH-USDT"]
    monkeypatch.setenv("PRICEBRAID_SYMBOLS", "all")
    assert load().symbols == "all"
