from pathlib import Path

import pytest

from market.settings import load
from stack.errors import StackError
from stack.state import State, market_name


def test_live_and_simulated_have_folders_of_their_own(tmp_path: Path) -> None:
    live = State.for_settings(load(market="live", state_dir=tmp_path))
    simulated = State.for_settings(load(market="simulated", state_dir=tmp_path))
    assert (live.folder, simulated.folder) == (tmp_path / "live", tmp_path / "simulated")
    assert live.jars == simulated.jars


def test_recordings_of_one_name_in_two_places_are_two_markets(tmp_path: Path) -> None:
    names = [market_name(str(tmp_path / folder / "binance-btc.frames.gz")) for folder in ("a", "b")]
    assert names[0] != names[1]
    assert all(name.startswith("recording-binance-btc-") for name in names)


def test_a_recording_is_the_same_market_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert market_name("some/../take 1") == market_name(str(tmp_path / "take 1"))
    assert market_name("take 1").startswith("recording-take-1-")


def test_an_undecided_market_has_no_folder() -> None:
    with pytest.raises(StackError, match="not chosen"):
        market_name("auto")


def test_folders_are_made_once_and_again(tmp_path: Path) -> None:
    state = State(tmp_path / "state", "live")
    state.create()
    state.create()
    assert state.checkpoints.is_dir()
    assert not state.postgres.exists(), "a database is made by its own preparation"


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StackError, match="state folder") as refusal:
        State(tmp_path / "state", "live").create()
    assert "state_dir" in refusal.value.remedy
