"""What Grafana is started with."""

import configparser
import re
import stat
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from market.settings import ROOT, load
from stack import grafana, programs
from stack.passwords import grafana_password
from stack.programs import Program
from stack.state import State


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(programs, "_ALSO", ())


def install(home: Path, program: Path) -> Path:
    for path in (home / "conf" / "defaults.ini", program):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o755)
    return program


def test_a_release_is_its_own_home(tmp_path: Path) -> None:
    program = install(tmp_path / "grafana-12", tmp_path / "grafana-12" / "bin" / "grafana")
    assert grafana.home_of(Program("grafana", program, 12)) == tmp_path / "grafana-12"


def test_a_package_has_its_home_beside_its_programs_and_a_link_is_followed(tmp_path: Path) -> None:
    home = tmp_path / "prefix" / "share" / "grafana"
    program = install(home, tmp_path / "prefix" / "bin" / "grafana")
    link = tmp_path / "grafana"
    link.symlink_to(program)
    assert grafana.home_of(Program("grafana", link, 12)) == home


def test_a_packages_own_command_is_passed_by(tmp_path: Path) -> None:
    home = tmp_path / "usr" / "share" / "grafana"
    wrapper = install(home, tmp_path / "usr" / "sbin" / "grafana")
    install(home, home / "bin" / "grafana")
    settings = load(market="simulated", state_dir=tmp_path / "state", grafana={"binary": str(wrapper)})
    command = grafana.part(settings, State.for_settings(settings)).command
    assert command[:4] == [str(home / "bin" / "grafana"), "server", "--homepath", str(home)]


def test_it_answers_on_this_machine_only_and_keeps_all_in_the_markets_folder(tmp_path: Path) -> None:
    settings = load(market="simulated", state_dir=tmp_path, ports={"grafana": 23111})
    state = State.for_settings(settings)
    part = grafana.part(settings, state)
    assert part.endpoint == "http://127.0.0.1:23111"
    assert (part.env["GF_SERVER_HTTP_ADDR"], part.env["GF_SERVER_HTTP_PORT"]) == ("127.0.0.1", "23111")
    kept = [value for name, value in part.env.items() if name in ("GF_PATHS_DATA", "GF_PATHS_LOGS", "GF_PATHS_PLUGINS")]
    assert all(Path(value).is_relative_to(state.folder) for value in kept)
    assert part.optional


def test_every_variable_that_its_files_name_is_in_its_environment(tmp_path: Path) -> None:
    settings = load(market="simulated", state_dir=tmp_path)
    found = grafana.part(settings, State.for_settings(settings)).env
    texts = [path.read_text() for path in (ROOT / "grafana").rglob("*") if path.suffix in (".yaml", ".ini")]
    named = {name for text in texts for name in re.findall(r"\$(?:__env)?\{(GRAFANA_\w+)\}", text)}
    assert len(named) == 6
    assert named <= found.keys()
    documented = (ROOT / "docs" / "dashboards.md").read_text()
    assert all(f"`{name}`" in documented for name in named)


def test_the_administrators_password_is_made_once_and_nobody_else_reads_it(tmp_path: Path) -> None:
    settings = load(market="simulated", state_dir=tmp_path)
    state = State.for_settings(settings)
    state.create()
    part = grafana.part(settings, state)
    part.prepare()
    password = grafana_password(state)
    part.prepare()
    assert grafana_password(state) == password
    assert len(password) >= 32
    assert stat.S_IMODE(state.grafana_password.stat().st_mode) == 0o600
    assert part.env["GF_SECURITY_ADMIN_PASSWORD"] == f"$__file{{{state.grafana_password}}}"
    assert not any(password in value for value in part.env.values())


def test_who_reaches_it_may_look_and_it_calls_nobody() -> None:
    told = configparser.ConfigParser(interpolation=None)
    told.read(ROOT / "grafana" / "grafana.ini")
    assert dict(told["auth.anonymous"]) == {"enabled": "true", "org_role": "Viewer"}
    assert told["users"]["allow_sign_up"] == "false"
    off = {(section, name) for section in told.sections() for name, value in told[section].items() if value == "false"}
    assert {
        ("analytics", "reporting_enabled"),
        ("analytics", "check_for_updates"),
        ("analytics", "check_for_plugin_updates"),
        ("news", "news_feed_enabled"),
        ("plugins", "plugin_admin_enabled"),
        ("snapshots", "external_enabled"),
    } <= off
    assert told["plugins"]["preinstall_disabled"] == "true"
    home = told["dashboards"]["default_home_dashboard_path"].replace("$__env{GRAFANA_DASHBOARDS}", "grafana/dashboards")
    assert (ROOT / home).is_file()


def test_metrics_are_a_data_source_of_a_pinned_uid() -> None:
    told = YAML(typ="safe").load(ROOT / "grafana" / "provisioning" / "datasources" / "prometheus.yaml")
    (source,) = told["datasources"]
    assert (source["type"], source["uid"]) == ("prometheus", "pricebraid-prometheus")
    assert source["url"] == "${GRAFANA_PROMETHEUS_URL}"
    assert source["editable"] is False
