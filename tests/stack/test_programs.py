from pathlib import Path

import pytest

from stack import programs
from stack.errors import StackError
from stack.programs import locate
from stack.releases import Release
from stack.state import State


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(programs, "_ALSO", ())


def install(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho '{says}'\n")
    (folder / name).chmod(0o755)
    return folder / name


def obtain(program: programs.Program, tmp_path: Path) -> None:
    program.obtain(State(tmp_path, "simulated"), lambda _: None)


def test_the_setting_wins_over_the_path(tmp_path: Path) -> None:
    install(tmp_path / "bin", "grafana", "grafana version 12.0.0")
    given = install(tmp_path / "own", "grafana", "grafana version 13.2.1")
    program = locate("grafana", str(given), 12, State(tmp_path, "simulated"))
    assert program.path == given
    obtain(program, tmp_path)


def test_a_setting_that_names_no_program_is_told(tmp_path: Path) -> None:
    program = locate("grafana", str(tmp_path / "nowhere"), 12, State(tmp_path, "simulated"))
    with pytest.raises(StackError, match=r"`grafana\.binary` names .*/nowhere, which is no program"):
        obtain(program, tmp_path)


@pytest.mark.parametrize(
    ("says", "fits"),
    [
        ("grafana version 12.4.2", True),
        ("grafana version 13.0.0-12345", True),
        ("grafana version 11.6.1", False),
        ("grafana version 9.2.0", False),
    ],
)
def test_a_program_of_the_path_must_be_new_enough(tmp_path: Path, says: str, *, fits: bool) -> None:
    found = install(tmp_path / "bin", "grafana", says)
    program = locate("grafana", "", 12, State(tmp_path, "simulated"))
    assert program.path == found
    if fits:
        obtain(program, tmp_path)
    else:
        with pytest.raises(StackError, match="grafana 12 or newer is needed") as refusal:
            obtain(program, tmp_path)
        assert "grafana.enabled = false" in refusal.value.remedy


def test_a_program_that_does_not_tell_its_version_is_refused(tmp_path: Path) -> None:
    install(tmp_path / "bin", "prometheus", "hello")
    with pytest.raises(StackError, match="does not tell its version"):
        obtain(locate("prometheus", "", 2, State(tmp_path, "simulated")), tmp_path)


def test_a_release_is_fetched_where_there_is_no_other_and_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[Release] = []

    def fetch(release: Release, folder: Path, _say: object) -> None:
        program = release.folder(folder) / release.program
        install(program.parent, program.name, "")
        fetched.append(release)

    monkeypatch.setattr(programs, "fetch", fetch)
    monkeypatch.setattr(programs, "this_platform", lambda: "linux-arm64")
    state = State(tmp_path, "simulated")
    for _ in range(2):
        program = locate("prometheus", "", 2, state)
        obtain(program, tmp_path)
        assert program.path.is_file()
        assert program.path.is_relative_to(state.programs)
    assert [release.name for release in fetched] == ["prometheus"]


def test_where_there_is_neither_a_program_nor_a_release_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "this_platform", lambda: "macos-arm64")
    with pytest.raises(StackError, match="no grafana on the PATH, and no release of it is pinned for macos-arm64"):
        obtain(locate("grafana", "", 12, State(tmp_path, "simulated")), tmp_path)
