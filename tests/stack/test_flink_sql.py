"""How Flink's SQL client is started."""

from pathlib import Path

from market.settings import load
from stack import flink_home, flink_sql
from stack.jars import Jar, locked
from stack.java import Java
from stack.state import State


def test_the_client_is_told_what_flink_is_and_has_the_jars_that_it_alone_needs(tmp_path: Path) -> None:
    settings = load(market="simulated", state_dir=tmp_path)
    state = State.for_settings(settings)
    flink_home.make_home(settings, state)
    told = flink_sql.command(settings, state, Java(tmp_path / "java", 17, "here"), ["--file", "/dev/fd/3"])
    assert told[0] == str(tmp_path / "java" / "bin" / "java")
    assert told[1] == f"@{state.flink_conf / 'client.args'}"
    # Of two class paths Java takes the last.
    jars = [Path(jar).name for jar in told[told.index("-classpath") + 1].split(":")]
    assert any(jar.startswith("flink-dist-") for jar in jars)
    assert {"flink-sql-client-2.2.1.jar", "flink-sql-gateway-2.2.1.jar"} <= set(jars)
    assert told[-2:] == ["--file", "/dev/fd/3"]


def test_of_a_whole_distribution_it_has_nothing_but_what_it_runs_on(tmp_path: Path) -> None:
    # As Flink's image has it. A second planner beside the one in `lib` keeps the client from starting.
    whole = tmp_path / "flink"
    needed = {"flink-python-2.2.1.jar", "flink-sql-client-2.2.1.jar", "flink-sql-gateway-2.2.1.jar"}
    for folder, names in (
        ("lib", {"flink-dist-2.2.1.jar", "flink-table-planner-loader-2.2.1.jar"}),
        ("opt", needed | {"flink-table-planner_2.12-2.2.1.jar", "flink-s3-fs-presto-2.2.1.jar"}),
    ):
        (whole / folder).mkdir(parents=True)
        for name in names:
            (whole / folder / name).touch()
    settings = load(market="simulated", state_dir=tmp_path, flink={"home": str(whole)})
    state = State.for_settings(settings)
    told = flink_sql.command(settings, state, Java(tmp_path / "java", 21, "here"), [])
    jars = [Path(jar) for jar in told[told.index("-classpath") + 1].split(":")]
    assert all(jar.is_file() for jar in jars)
    assert {jar.name for jar in jars if jar.parent.name == "opt"} == needed


def test_no_process_of_the_cluster_has_these_jars(tmp_path: Path) -> None:
    settings = load(market="simulated", state_dir=tmp_path)
    own: list[Jar] = [jar for jar in locked() if jar.group == "sql"]
    assert own
    assert not any(jar.file_name in flink_home.class_path(settings, State.for_settings(settings)) for jar in own)
