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


def test_no_process_of_the_cluster_has_these_jars(tmp_path: Path) -> None:
    settings = load(market="simulated", state_dir=tmp_path)
    own: list[Jar] = [jar for jar in locked() if jar.group == "sql"]
    assert own
    assert not any(jar.file_name in flink_home.class_path(settings, State.for_settings(settings)) for jar in own)
