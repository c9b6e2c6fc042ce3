"""The script `pricebraid` in a folder of its own, with Pythons, pip and a project that are made up."""

import json
import os
import shutil
import signal
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from market.settings import ROOT
from tests.stack.fake_parts import until

# Answers the probe as the version it is told to be; makes an environment whose Python does the same, and whose pip
# notes that it ran and then does what the file `pip` says.
PYTHON = """#!/bin/sh
root="{root}"
case "$1 $2" in
"-m venv")
    [ -f "$root/venv" ] && . "$root/venv"
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python"
    echo venv >> "$root/ran" ;;
"-m pip")
    echo pip "$@" >> "$root/ran"
    [ -f "$root/pip" ] && . "$root/pip"
    echo "Collecting one==1" ;;
"-m stack") shift 2; echo "stack $* in $PYTHONPATH" ;;
*) echo '{probe}' ;;
esac
"""


class Project:
    """A folder with the script, and how it is run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copy(ROOT / "pricebraid", root)
        (root / "requirements.lock").write_text("one==1 --hash=sha256:0\n")
        self.python = self.add_python("python-of-the-test", "3.12")

    def add_python(self, name: str, version: str, problem: str = "", folder: str = "bin") -> Path:
        path = self.root / folder / name
        path.parent.mkdir(exist_ok=True)
        probe = json.dumps({"version": version, "full": f"{version}.0", "problem": problem})
        path.write_text(PYTHON.format(root=self.root, probe=probe))
        path.chmod(0o755)
        return path

    def environment(self, python: Path | None = None) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "PRICEBRAID_PYTHON": str(python or self.python)}

    def run(self, *arguments: str, python: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(self.root / "pricebraid"), *arguments],
            env=self.environment(python),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(self.root / "pricebraid"), *arguments],
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ran(self) -> list[str]:
        path = self.root / "ran"
        return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_the_first_use_makes_the_environment_and_hands_over(project: Project) -> None:
    done = project.run("up", "--market", "simulated")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"stack up --market simulated in {project.root}\n"
    assert project.ran() == ["venv", "pip"]
    assert "--require-hashes" in (project.root / "ran").read_text()
    assert "fetching packages" in done.stderr
    assert "The environment is ready" in done.stderr


def test_the_second_use_hands_over_at_once(project: Project) -> None:
    project.run("status")
    done = project.run("status", "--json")
    assert done.stdout.startswith("stack status --json")
    assert done.stderr == ""
    assert project.ran() == ["venv", "pip"]


def test_a_changed_lock_makes_the_environment_anew(project: Project) -> None:
    project.run("status")
    (project.root / "requirements.lock").write_text("one==2 --hash=sha256:1\n")
    assert project.run("status").returncode == 0
    assert project.ran() == ["venv", "pip", "venv", "pip"]


def test_help_needs_no_environment(project: Project) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        done = project.run(*arguments)
        assert done.returncode == 0
        assert "./pricebraid COMMAND" in done.stdout
    assert project.ran() == []


def test_an_install_that_failed_is_told_with_pips_last_lines_and_redone(project: Project) -> None:
    (project.root / "pip").write_text("echo 'ERROR: something odd'; exit 1")
    done = project.run("up")
    assert done.returncode == 1
    assert "pip failed" in done.stderr
    assert "ERROR: something odd" in done.stderr
    assert "Traceback" not in done.stderr
    (project.root / "pip").unlink()
    assert project.run("up").returncode == 0
    assert project.ran() == ["venv", "pip", "venv", "pip"]


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("Max retries exceeded with url: /simple/one/", "PIP_INDEX_URL"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "do not use that index"),
    ],
)
def test_what_pip_says_is_told_with_what_to_do(project: Project, said: str, remedy: str) -> None:
    (project.root / "pip").write_text(f"echo '{said}'; exit 1")
    done = project.run("up")
    assert done.returncode == 1
    assert said in done.stderr
    assert remedy in done.stderr
    assert said in (project.root / ".pricebraid" / "install.log").read_text()


def test_an_install_that_was_killed_is_redone(project: Project) -> None:
    (project.root / "pip").write_text('touch "$root/begun"; sleep 60')
    process = project.start("up")
    until("pip runs", (project.root / "begun").exists)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Interrupted" in said
    (project.root / "pip").unlink()
    assert project.run("up").returncode == 0
    assert project.ran() == ["venv", "pip", "venv", "pip"]


def test_two_at_once_make_one_environment(project: Project) -> None:
    (project.root / "pip").write_text('touch "$root/begun"; while [ ! -f "$root/go" ]; do sleep 0.05; done')
    first = project.start("up")
    until("pip runs", (project.root / "begun").exists)
    second = project.start("status")
    assert second.stderr is not None
    assert "waiting for it" in second.stderr.readline()
    (project.root / "go").touch()
    assert first.communicate(timeout=20)[0].startswith("stack up")
    assert second.communicate(timeout=20)[0].startswith("stack status")
    assert project.ran() == ["venv", "pip"]


def test_an_environment_that_somebody_else_made_is_kept_and_completed(project: Project) -> None:
    (project.root / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(project.python, project.root / ".venv" / "bin" / "python")
    assert project.run("up").returncode == 0
    assert project.ran() == ["pip"]


def test_an_environment_of_another_python_is_not_touched(project: Project) -> None:
    (project.root / ".venv" / "bin").mkdir(parents=True)
    old = project.add_python("python3.9", "3.9")
    shutil.copy(old, project.root / ".venv" / "bin" / "python")
    done = project.run("up")
    assert done.returncode == 1
    assert "rm -rf" in done.stderr
    assert project.ran() == []


def test_a_python_that_is_too_new_is_told_with_what_to_install(project: Project) -> None:
    done = project.run("up", python=project.add_python("python3.14", "3.14"))
    assert done.returncode == 1
    assert "Pricebraid needs Python 3.11 or 3.12" in done.stderr
    assert "python3.14 (Python 3.14)" in done.stderr
    assert "apt install python3.12" in done.stderr


def test_a_python_without_venv_names_the_package(project: Project) -> None:
    done = project.run("up", python=project.add_python("python3.11", "3.11", "No module named 'ensurepip'"))
    assert done.returncode == 1
    assert "apt install python3.11-venv" in done.stderr


def test_a_folder_that_cannot_be_written_to_is_told(project: Project) -> None:
    (project.root / ".pricebraid").touch()
    done = project.run("up")
    assert done.returncode == 1
    assert "cannot be made" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def script(project: Project, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, in the made-up project; PATH holds its `bin` only."""
    loader = SourceFileLoader("pricebraid_script", str(project.root / "pricebraid"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    monkeypatch.setenv("PATH", f"{project.root / 'shims'}{os.pathsep}{project.root / 'bin'}")
    monkeypatch.delenv("PRICEBRAID_PYTHON", raising=False)
    return module


def test_a_fit_python_on_the_path_is_found_past_shims_that_fail(
    project: Project, script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(project.add_python("python3", "3.13")))
    shim = project.root / "shims" / "python3.12"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.12: command not found' >&2; exit 127\n")
    shim.chmod(0o755)
    fit = project.add_python("python3.11", "3.11")
    path, told = script.find_python()
    assert path == str(fit)
    assert told["version"] == "3.11"


def test_this_python_is_taken_where_it_is_fit(
    project: Project, script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = project.add_python("python3", "3.11")
    project.add_python("python3.12", "3.12")
    monkeypatch.setattr(sys, "executable", str(own))
    assert script.find_python()[0] == str(own)


def test_a_full_disk_is_told_before_anything_is_fetched(
    project: Project, script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1 << 30})())
    with pytest.raises(script.Trouble, match=r"1\.0 GB free"):
        script.make(str(project.python), {"version": "3.12"})
    assert project.ran() == []


def test_the_script_is_written_in_words_that_an_old_python_reads() -> None:
    import ast

    ast.parse((ROOT / "pricebraid").read_text(), feature_version=(3, 6))
