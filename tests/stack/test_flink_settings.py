import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from market.settings import load
from stack import flink, flink_home
from stack.errors import StackError
from stack.flink_conf import configuration, write_configuration
from stack.flink_memory import Memory, jobmanager, taskmanager
from stack.java import Java
from stack.state import State

JAVA = Java(Path("/opt/java"), 17, "test")


def option(memory: Memory, name: str) -> int:
    return next(int(match[1]) for text in memory.jvm if (match := re.fullmatch(rf"{name}=?(\d+)m", text)))


def size(memory: Memory, name: str) -> int:
    return int(memory.configuration[name].removesuffix("m"))


@given(total=st.integers(512, 8192))
def test_the_jobmanager_gets_no_more_than_the_setting_says(total: int) -> None:
    memory = jobmanager(f"{total}m")
    given_out = sum(option(memory, name) for name in ("-Xmx", "-XX:MaxMetaspaceSize", "-XX:MaxDirectMemorySize"))
    assert given_out + size(memory, "jobmanager.memory.jvm-overhead.max") == total


@given(total=st.integers(1500, 16384), slots=st.integers(1, 16))
def test_a_taskmanager_gets_no_more_than_the_setting_says(total: int, slots: int) -> None:
    memory = taskmanager(f"{total}m", slots)
    given_out = sum(option(memory, name) for name in ("-Xmx", "-XX:MaxMetaspaceSize", "-XX:MaxDirectMemorySize"))
    rest = size(memory, "taskmanager.memory.managed.size") + size(memory, "taskmanager.memory.jvm-overhead.max")
    assert given_out + rest == total


@given(total=st.integers(1500, 16384), slots=st.integers(1, 16))
def test_what_the_jvm_gets_is_what_flink_counts_on(total: int, slots: int) -> None:
    memory = taskmanager(f"{total}m", slots)
    heap = sum(size(memory, f"taskmanager.memory.{kind}.heap.size") for kind in ("framework", "task"))
    direct = size(memory, "taskmanager.memory.framework.off-heap.size") + size(memory, "taskmanager.memory.network.max")
    assert option(memory, "-Xmx") == heap
    assert option(memory, "-XX:MaxDirectMemorySize") == direct


def test_too_little_memory_is_refused_by_the_name_of_its_setting() -> None:
    with pytest.raises(StackError, match=r"flink\.jobmanager_memory"):
        jobmanager("256m")
    with pytest.raises(StackError, match=r"flink\.taskmanager_memory"):
        taskmanager("512m", 4)
    with pytest.raises(StackError, match="64 slots") as refusal:
        taskmanager("1g", 64)
    assert "flink.slots" in refusal.value.remedy


def test_the_configuration_keeps_state_in_folders_and_all_clocks_on_utc(tmp_path: Path) -> None:
    settings = load(market="simulated", state_dir=tmp_path, ports={"flink": 1, "flink_rpc": 2, "flink_blob": 3})
    state = State.for_settings(settings)
    values = configuration(settings, state, flink_home.java_options(), [jobmanager("1g"), taskmanager("2g", 4)])
    assert values["execution.checkpointing.dir"] == f"file://{state.checkpoints}"
    assert values["state.backend.type"] == "rocksdb"
    assert "-Duser.timezone=UTC" in values["env.java.opts.all"].split()
    assert "--add-opens=java.base/java.util=ALL-UNNAMED" in values["env.java.opts.all"].split()
    assert [values[f"{name}.port"] for name in ("rest", "jobmanager.rpc", "blob.server")] == ["1", "2", "3"]


def test_the_configuration_is_yaml_whatever_is_in_a_path(tmp_path: Path) -> None:
    values = {"io.tmp.dirs": '/a "quoted": #folder/ü', "rest.port": "8081"}
    write_configuration(tmp_path, values)
    assert YAML(typ="safe").load(tmp_path / "config.yaml") == values


def test_each_process_has_its_own_configuration_and_scratch_folder(tmp_path: Path) -> None:
    settings = load(market="simulated", state_dir=tmp_path / "with a space")
    state = State.for_settings(settings)
    state.create()
    parts = [flink.jobmanager_part(settings, state, JAVA), flink.taskmanager_part(1, settings, state, JAVA)]
    leftover = state.flink_tmp / "taskmanager-1" / "rocksdb"
    leftover.mkdir(parents=True)
    for part in parts:
        part.prepare()
    folders = {part.name: Path(part.env["FLINK_CONF_DIR"]) for part in parts}
    read = {name: YAML(typ="safe").load(folder / "config.yaml") for name, folder in folders.items()}
    assert {name: values["io.tmp.dirs"] for name, values in read.items()} == {
        name: str(state.flink_tmp / name) for name in folders
    }
    assert not leftover.exists()
    assert "taskmanager.resource-id" not in read["jobmanager"]


def test_a_taskmanager_has_another_id_after_each_start(tmp_path: Path) -> None:
    settings = load(market="simulated", state_dir=tmp_path)
    state = State.for_settings(settings)
    part = flink.taskmanager_part(2, settings, state, JAVA)
    seen = set()
    for _ in range(2):
        part.prepare()
        seen.add(YAML(typ="safe").load(state.flink_conf / "taskmanager-2" / "config.yaml")["taskmanager.resource-id"])
    assert len(seen) == 2
    assert all(name.startswith("taskmanager-2-") for name in seen)


@pytest.mark.parametrize("enabled", [True, False])
def test_each_process_shows_its_metrics_only_where_a_prometheus_asks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, enabled: bool
) -> None:
    monkeypatch.setattr("stack.programs.this_platform", lambda: "linux-x86_64")
    settings = load(market="simulated", state_dir=tmp_path, prometheus={"enabled": enabled})
    state = State.for_settings(settings)
    ports = {}
    for part in (flink.jobmanager_part(settings, state, JAVA), flink.taskmanager_part(1, settings, state, JAVA)):
        part.prepare()
        told = YAML(typ="safe").load(Path(part.env["FLINK_CONF_DIR"]) / "config.yaml")
        ports[part.name] = told.get("metrics.reporter.prometheus.port")
    assert ports == ({"jobmanager": "29110", "taskmanager-1": "29111"} if enabled else dict.fromkeys(ports))
    # Clients that read this would take the ports.
    clients = YAML(typ="safe").load(state.flink_conf / "config.yaml")
    assert not any(name.startswith("metrics.reporter") for name in clients)
    plugin = Path(part.env["FLINK_PLUGINS_DIR"]) / "metrics-prometheus"
    assert [path.name.split("-2.")[0] for path in plugin.iterdir()] == ["flink-metrics-prometheus"]


def test_flinks_home_has_real_folders_of_links_and_mends_itself(tmp_path: Path) -> None:
    state = State(tmp_path, "simulated")
    flink_home.make_home(load(), state)
    home = state.flink_home
    stale, wrong = home / "lib" / "flink-dist-0.9.jar", next((home / "opt").glob("flink-python-*.jar"))
    stale.symlink_to("/nowhere")
    wrong.unlink()
    wrong.symlink_to("/nowhere")
    flink_home.make_home(load(), state)
    assert not stale.is_symlink()
    assert wrong.is_file()
    assert not (home / "lib").is_symlink()
    assert not (home / "opt").is_symlink()
    assert (home / "lib" / "postgresql-42.7.14.jar").is_symlink()
    assert (home / "bin" / "sql-client.sh").stat().st_mode & 0o111


def test_parts_start_in_the_order_of_what_they_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stack import parts

    settings = load(market="simulated", state_dir=tmp_path, flink={"taskmanagers": 2})
    made = parts.all_parts(settings, State.for_settings(settings))
    names = [part.name for part in made]
    assert names == [
        "postgres", "kafka", "jobmanager", "taskmanager-1", "taskmanager-2", "market", "sequencer", "ingest",
        "repair", "prometheus", "grafana",
    ]  # fmt: skip
    for number, part in enumerate(made):
        assert set(part.after) <= set(names[:number])
    live = load(market="live", state_dir=tmp_path, grafana={"enabled": False}, prometheus={"enabled": False})
    without = {part.name for part in parts.all_parts(live, State.for_settings(live))}
    assert not without & {"market", "grafana", "prometheus"}
