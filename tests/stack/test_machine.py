"""Every installed part really starts, answers, comes back after `kill -9`, and stops: on free ports, in one folder."""

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from market.settings import Settings, load
from market.topics import Topic, topics
from stack import jars
from stack.accounts import as_user
from stack.errors import StackError
from stack.flink import flink_environment
from stack.java import find
from stack.kafka_topics import create_topics
from stack.migrations import migrate
from stack.part import Part
from stack.parts import all_parts
from stack.passwords import dsn, superuser_dsn
from stack.postgres import psql_program
from stack.probes import get_json
from stack.state import State

pytestmark = pytest.mark.stack

PORTS = {
    "postgres": 23250,
    "kafka": 23251,
    "kafka_controller": 23252,
    "flink": 23253,
    "flink_rpc": 23254,
    "flink_blob": 23255,
    "flink_metrics": 23256,
}
METRICS = (PORTS["flink_metrics"], PORTS["flink_metrics"] + 1)
INSTALLED = ("postgres", "kafka", "jobmanager", "taskmanager-1")

JOB = """
from market.settings import load
from market.topics import TICKERS
from pyflink.table import EnvironmentSettings, TableEnvironment

settings = load()
table = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
table.execute_sql(f'''CREATE TABLE source (name STRING) WITH ('connector' = 'kafka', 'topic' = '{TICKERS}',
    'properties.bootstrap.servers' = '{settings.kafka.bootstrap}',
    'scan.startup.mode' = 'earliest-offset', 'format' = 'json')''')
table.execute_sql(f'''CREATE TABLE sink (name STRING, seen BIGINT, PRIMARY KEY (name) NOT ENFORCED) WITH (
    'connector' = 'jdbc', 'table-name' = 'probe', 'sink.buffer-flush.interval' = '100 ms',
    'url' = 'jdbc:postgresql://{settings.postgres.host}:{settings.ports.postgres}/{settings.postgres.database}',
    'username' = 'pricebraid_writer', 'password' = '{settings.postgres.writer_password}')''')
table.execute_sql("INSERT INTO sink SELECT name, COUNT(*) FROM source GROUP BY name")
"""


def eventually(what: str, check: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Return what `check` gives once it is true; what it raises counts as not yet."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = check()
        except (ConnectionError, psycopg.Error) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what} (last: {last!r})")


class Machine:
    """The installed parts as processes."""

    def __init__(self, settings: Settings, state: State) -> None:
        self.settings, self.state = settings, state
        self.parts: dict[str, Part] = {part.name: part for part in all_parts(settings, state)}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        part = self.parts[name]
        part.prepare()
        with (self.state.logs / f"{name}.log").open("ab") as log:
            self.processes[name] = process = subprocess.Popen(
                part.command, env=part.env, cwd=part.cwd, stdout=log, stderr=log, **as_user(part.user)
            )
        eventually(f"{name} is ready", lambda: part.ready() is None or process.poll() is not None, 120)
        assert process.poll() is None, (self.state.logs / f"{name}.log").read_text()[-2000:]

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait(10)

    def stop(self) -> None:
        for name, process in reversed(self.processes.items()):
            process.send_signal(self.parts[name].stop_signal)
            try:
                process.wait(self.parts[name].stop_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def connect(self, address: str) -> psycopg.Connection:
        return psycopg.connect(address, autocommit=True, connect_timeout=5)

    def owner(self) -> psycopg.Connection:
        return self.connect(dsn(self.settings, self.state, "owner"))

    def flink(self, path: str) -> Any:
        return get_json(self.settings.ports.flink, path)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    cached = load().state_dir / "jars"
    jars.ensure(cached)
    # pytest's own folder is closed to other users, and Flink's scripts could not live with the space.
    root = tmp_path_factory.mktemp("machine") / "a state folder"
    settings = load(market="simulated", state_dir=root, ports=PORTS, flink={"checkpoint_seconds": 1.0})
    state = State.for_settings(settings)
    root.mkdir()
    state.jars.symlink_to(cached)
    state.create()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        running = Machine(settings, state)
        try:
            for name in INSTALLED:
                running.start(name)
            yield running
        finally:
            running.stop()
            # Where pytest's folder is closed to the user of Postgres, the database lies elsewhere.
            shutil.rmtree(state.postgres.resolve(), ignore_errors=True)


@pytest.fixture(scope="module")
def folder(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of migrations that the database has had."""
    made = tmp_path_factory.mktemp("sql")
    (made / "001_probe.sql").write_text(
        "CREATE TABLE probe (name text PRIMARY KEY, seen bigint);\n"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON probe TO pricebraid_writer;\n"
        "GRANT SELECT ON probe TO pricebraid_reader;\n"
    )
    assert migrate(machine.settings, machine.state, made) == ["001_probe.sql"]
    return made


def test_a_pid_is_the_program_itself_and_every_jvm_is_on_utc(machine: Machine) -> None:
    lines = {name: psutil.Process(process.pid).cmdline() for name, process in machine.processes.items()}
    assert {Path(line[0]).name for line in lines.values()} == {"postgres", "java"}
    assert all("-Duser.timezone=UTC" in line for name, line in lines.items() if name != "postgres")
    stamps = [
        re.match(r"\d{4}-\d\d-\d\dT\d\d", line)
        for line in (machine.state.logs / "taskmanager-1.log").read_text().splitlines()
    ]
    assert {stamp[0] for stamp in stamps if stamp} <= {
        time.strftime("%Y-%m-%dT%H", time.gmtime(time.time() - back)) for back in (0, 3600)
    }


def test_what_submits_jobs_wastes_no_time_on_compiling(machine: Machine) -> None:
    asked = (
        "from pyflink.java_gateway import get_gateway\n"
        "beans = get_gateway().jvm.java.lang.management.ManagementFactory\n"
        "print(*beans.getRuntimeMXBean().getInputArguments())\n"
    )
    environment = flink_environment(machine.settings, machine.state, find())
    done = subprocess.run([sys.executable, "-c", asked], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert {"-XX:TieredStopAtLevel=1", "-Xmx512m", "-Duser.timezone=UTC"} <= set(done.stdout.split())


def test_the_installed_parts_leave_room_in_four_gigabytes(machine: Machine) -> None:
    resident = 0
    for process in machine.processes.values():
        top = psutil.Process(process.pid)
        resident += sum(one.memory_info().rss for one in (top, *top.children(recursive=True)))
    assert resident < 2.5 * 2**30


def test_everything_listens_on_this_machine_only(machine: Machine) -> None:
    for process in machine.processes.values():
        top = psutil.Process(process.pid)
        listening = [c for c in top.net_connections("inet") if c.status == psutil.CONN_LISTEN]
        # Flink's reporter of metrics can't be bound to an address, so it is there only where Prometheus asks it.
        ours = [c.laddr.ip for c in listening if c.laddr.port not in METRICS]
        assert ours
        assert {address.removeprefix("::ffff:") for address in ours} == {"127.0.0.1"}


def test_the_database_counts_in_utc_and_sorts_by_bytes(machine: Machine, folder: Path) -> None:
    with machine.owner() as connection:
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
        found = connection.execute(
            "SELECT pg_encoding_to_char(encoding), datcollate, pg_get_userbyid(datdba) FROM pg_database "
            "WHERE datname = current_database()"
        ).fetchone()
    assert found == ("UTF8", "C", "pricebraid")


def test_only_the_reader_needs_no_password_and_it_cannot_write(machine: Machine, folder: Path) -> None:
    with machine.connect(dsn(machine.settings, machine.state, "reader")) as reader:
        assert reader.execute("SELECT count(*) FROM probe").fetchone() == (0,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.execute("INSERT INTO probe VALUES ('x', 1)")
    for name in ("pricebraid_writer", "pricebraid", "postgres"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            machine.connect(f"postgresql://{name}@127.0.0.1:{PORTS['postgres']}/pricebraid")
    with machine.connect(dsn(machine.settings, machine.state, "writer")) as writer:
        writer.execute("INSERT INTO probe VALUES ('written', 1)")
        writer.execute("DELETE FROM probe")


def test_psql_talks_to_the_database(machine: Machine, folder: Path) -> None:
    address = dsn(machine.settings, machine.state, "reader")
    shown = subprocess.run(
        [psql_program(), address, "-Atc", "SELECT 1 + 1"], capture_output=True, text=True, check=True
    )
    assert shown.stdout == "2\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as somebody else")
def test_postgres_runs_as_a_user_without_rights(machine: Machine) -> None:
    user = psutil.Process(machine.processes["postgres"].pid).username()
    assert user == machine.parts["postgres"].user
    assert machine.state.postgres.resolve().stat().st_uid == pwd.getpwnam(user).pw_uid


def test_migrations_run_once_and_a_failed_one_leaves_nothing(machine: Machine, folder: Path) -> None:
    assert migrate(machine.settings, machine.state, folder) == []
    wrong = folder / "002_wrong.sql"
    wrong.write_text("CREATE TABLE half_made ();\n\nSELECT no_such_column;\n")
    try:
        with pytest.raises(StackError, match=r"002_wrong\.sql, line 3"):
            migrate(machine.settings, machine.state, folder)
    finally:
        wrong.unlink()
    with machine.owner() as connection:
        assert connection.execute("SELECT to_regclass('half_made')").fetchone() == (None,)
        assert connection.execute("SELECT number, name FROM schema_migration").fetchall() == [(1, "probe")]


def test_an_applied_migration_that_changed_is_refused(machine: Machine, folder: Path) -> None:
    file = folder / "001_probe.sql"
    text = file.read_text()
    file.write_text(text + "-- an afterthought\n")
    try:
        with pytest.raises(StackError, match="was changed since"):
            migrate(machine.settings, machine.state, folder)
    finally:
        file.write_text(text)


def test_a_killed_postgres_comes_back_though_one_of_its_children_is_at_work(machine: Machine, folder: Path) -> None:
    with machine.owner() as connection:
        connection.execute("INSERT INTO probe VALUES ('kept', 7)")
    busy = machine.owner()
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000)")
    with machine.connect(superuser_dsn(machine.settings, machine.state)) as watcher:
        active = "SELECT FROM pg_stat_activity WHERE query LIKE '%%1000000000)' AND state = 'active'"
        eventually("the query runs", lambda: watcher.execute(active, []).rowcount)
    machine.kill("postgres")
    machine.start("postgres")
    busy.close()
    with machine.owner() as connection:
        assert connection.execute("DELETE FROM probe RETURNING seen").fetchall() == [(7,)]


def test_a_server_of_a_killed_supervisor_is_ended_first(machine: Machine) -> None:
    forgotten = machine.processes["postgres"]
    machine.start("postgres")
    assert forgotten.wait(10) == 0, "it was asked to stop, not killed"
    assert machine.parts["postgres"].ready() is None


def test_topics_are_made_then_kept_as_the_settings_say(machine: Machine) -> None:
    bootstrap = machine.parts["kafka"].endpoint
    wanted = topics(machine.settings.kafka)
    create_topics(bootstrap, wanted)
    create_topics(bootstrap, wanted)
    shorter = Topic("probe", 2, retention_hours=1, retention_bytes=1 << 23)
    create_topics(bootstrap, [Topic("probe", 2, retention_hours=5, retention_bytes=-1, cleanup="compact")])
    create_topics(bootstrap, [shorter])
    assert described(bootstrap, "probe") == shorter.config()
    with pytest.raises(StackError, match="has 2 partitions, the settings say 3") as refusal:
        create_topics(bootstrap, [Topic("probe", 3, retention_hours=1, retention_bytes=1 << 23)])
    assert "kafka.partitions" in refusal.value.remedy


def test_topics_that_were_made_can_be_asked_at_once(machine: Machine) -> None:
    bootstrap = machine.parts["kafka"].endpoint
    made = [Topic(f"at-once-{number}", 8, retention_hours=1, retention_bytes=1 << 23) for number in range(20)]
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "at-once"})
    for topic in made:
        create_topics(bootstrap, [topic])
        for number in range(topic.partitions):
            assert consumer.get_watermark_offsets(TopicPartition(topic.name, number), timeout=10) == (0, 0)
    consumer.close()


def described(bootstrap: str, topic: str) -> dict[str, str]:
    """Return the configuration that is set at a topic itself."""
    from confluent_kafka.admin import (  # type: ignore[attr-defined]
        AdminClient,
        ConfigResource,
        ConfigSource,
        ResourceType,
    )

    resource = ConfigResource(ResourceType.TOPIC, topic)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    entries = admin.describe_configs([resource])[resource].result(10)
    return {
        name: entry.value
        for name, entry in entries.items()
        if ConfigSource(entry.source) is ConfigSource.DYNAMIC_TOPIC_CONFIG
    }


def test_a_broker_that_does_not_answer_is_told() -> None:
    with pytest.raises(StackError, match=r"127\.0\.0\.1:23299"):
        create_topics("127.0.0.1:23299", [], seconds=1)


def test_a_killed_broker_comes_back_with_its_topics(machine: Machine) -> None:
    machine.kill("kafka")
    assert machine.parts["kafka"].ready() is not None
    machine.start("kafka")
    create_topics(machine.parts["kafka"].endpoint, topics(machine.settings.kafka))


def test_a_killed_taskmanager_is_not_taken_for_the_new_one(machine: Machine) -> None:
    before = {item["id"] for item in machine.flink("/taskmanagers")["taskmanagers"]}
    machine.kill("taskmanager-1")
    machine.parts["taskmanager-1"].prepare()
    assert machine.parts["taskmanager-1"].ready() is not None
    machine.start("taskmanager-1")
    after = {item["id"] for item in machine.flink("/taskmanagers")["taskmanagers"]}
    assert after - before


class Jobs:
    """What the cluster's client does with the job above."""

    def __init__(self, machine: Machine, script: Path) -> None:
        self.machine, self.script = machine, script
        self.environment = flink_environment(machine.settings, machine.state, find())

    def run(self, *options: str) -> str:
        """Submit the job and return its id."""
        python = ("-pyclientexec", sys.executable, "-pyexec", sys.executable, "-py", str(self.script))
        shown = self._client("run", "-d", *options, *python)
        found = re.search(r"JobID ([0-9a-f]{32})", shown)
        assert found is not None, shown
        return found[1]

    def stop(self, job: str) -> str:
        """Stop a job with a savepoint and return where that lies."""
        shown = self._client("stop", job)
        found = re.search(r"Savepoint completed. Path: (.*)", shown)
        assert found is not None, shown
        return found[1]

    def checkpoint(self, job: str, after: int = 0) -> Path:
        """Wait for a complete checkpoint with a number above `after` and return its folder."""
        folder = self.machine.state.checkpoints / job
        done = eventually(
            "a checkpoint is complete",
            lambda: [p.parent for p in folder.glob("chk-*/_metadata") if int(p.parent.name[4:]) > after],
        )
        return max(done, key=lambda path: int(path.name[4:]))  # type: ignore[no-any-return]

    def restored_from(self, job: str) -> str:
        """Return the path of the checkpoint or savepoint that the job began with."""
        return str(self.machine.flink(f"/jobs/{job}/checkpoints")["latest"]["restored"]["external_path"])

    def _client(self, *arguments: str) -> str:
        program = self.machine.state.flink_home / "bin" / "flink"
        done = subprocess.run(
            [program, *arguments], env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        return done.stdout + done.stderr


def test_a_python_job_goes_on_where_it_was_after_kills_and_a_stop(
    machine: Machine, folder: Path, tmp_path: Path
) -> None:
    create_topics(machine.parts["kafka"].endpoint, topics(machine.settings.kafka))
    script = tmp_path / "job.py"
    script.write_text(JOB)
    jobs = Jobs(machine, script)
    producer = Producer({"bootstrap.servers": machine.parts["kafka"].endpoint})
    sent = 0

    def send_and_see() -> None:
        nonlocal sent
        for _ in range(100):
            producer.produce("tickers", json.dumps({"name": f"name {sent % 7}"}))
            sent += 1
        assert producer.flush(10) == 0
        with machine.owner() as connection:
            eventually(
                f"all {sent} are counted once",
                lambda: (
                    connection.execute("SELECT coalesce(sum(seen), 0) = %s FROM probe", [sent]).fetchone() == (True,)
                ),
            )

    first = jobs.run()
    send_and_see()
    newest = jobs.checkpoint(first, after=int(jobs.checkpoint(first).name[4:]))

    machine.kill("taskmanager-1")
    machine.start("taskmanager-1")
    send_and_see()
    eventually("it was restored", lambda: machine.flink(f"/jobs/{first}/checkpoints")["latest"]["restored"])

    newest = jobs.checkpoint(first, after=int(newest.name[4:]))
    machine.kill("jobmanager")
    machine.start("jobmanager")
    second = jobs.run("-s", f"file://{newest}")
    send_and_see()
    jobs.checkpoint(second, after=int(newest.name[4:]))
    assert jobs.restored_from(second) == f"file:{newest}"

    savepoint = jobs.stop(second)
    assert Path(savepoint.removeprefix("file:")).parent == machine.state.savepoints
    third = jobs.run("-s", savepoint)
    send_and_see()
    assert jobs.restored_from(third) == savepoint


def test_a_stop_is_orderly(machine: Machine) -> None:
    for name in ("taskmanager-1", "jobmanager", "kafka", "postgres"):
        process = machine.processes.pop(name)
        process.send_signal(machine.parts[name].stop_signal)
        # A JVM that ends on SIGTERM says so in its exit code.
        assert process.wait(machine.parts[name].stop_seconds) in (0, 128 + signal.SIGTERM)
    assert (machine.state.kafka / "data" / ".kafka_cleanshutdown").is_file()
    assert not (machine.state.postgres / "postmaster.pid").exists()
