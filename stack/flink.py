"""The Flink parts: a JobManager and TaskManagers of the distribution that `apache-flink` (pip) brings.

The JVMs are started directly, with the class path and the memory that Flink's scripts would compute: they start some
seconds sooner, and a part's pid is its JVM's. `bin/flink` and `bin/sql-client.sh` need `flink_environment`.
"""

import json
import shutil
import threading
from pathlib import Path
from uuid import uuid4

from market.settings import ROOT, Settings
from stack.environment import base_environment, child_environment, effective
from stack.errors import StackError
from stack.flink_conf import CLIENT_OPTIONS, configuration, reporter, write_configuration
from stack.flink_home import class_path, home, java_options, make_home
from stack.flink_memory import jobmanager, taskmanager
from stack.java import Java
from stack.part import Part
from stack.passwords import with_password
from stack.probes import get_json, unanswered
from stack.prometheus import flink_port, gathers
from stack.state import State

JOBMANAGER = "jobmanager"

# Nothing in it runs often enough for what the better of Java's two compilers takes: half of the processor time of a
# JobManager in its first minutes.
_JOBMANAGER = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

# The heap is small, since state lies outside of it: collecting it while all tasks stand still takes less of the
# processor than what G1 adds to each write, and they stand still for half as long where two threads do it. Java's own
# thresholds are for code that runs for hours: with the code of five jobs the compiler would be busy for minutes with
# what runs some times a second. Half of the heap is for new objects, instead of a third: few of them live for long.
_TASKMANAGER = ("-XX:+UseParallelGC", "-XX:CompileThresholdScaling=5", "-XX:NewRatio=1")

# Several processes may be prepared at once, and share folders.
_preparing = threading.Lock()


def jobmanager_part(settings: Settings, state: State, java: Java) -> Part:
    """Return the JobManager: a session cluster without jobs; its REST interface and web UI are on `ports.flink`.

    Raises:
        StackError: Flink is not installed, or the memory of the settings is too small.
    """
    port = settings.ports.flink
    return Part(
        name=JOBMANAGER,
        command=_command(
            JOBMANAGER,
            settings,
            state,
            java,
            options=[*jobmanager(settings.flink.jobmanager_memory).jvm, *_JOBMANAGER],
            main_class="org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
        ),
        env=_process_environment(JOBMANAGER, settings, state),
        cwd=state.flink_tmp,
        endpoint=f"http://127.0.0.1:{port}",
        ready=lambda: unanswered(port, "/overview"),
        prepare=lambda: prepare(JOBMANAGER, settings, state),
    )


def taskmanager_part(number: int, settings: Settings, state: State, java: Java) -> Part:
    """Return the `number`-th TaskManager, counted from 1.

    Raises:
        StackError: Flink is not installed, or the memory of the settings is too small.
    """
    name = f"taskmanager-{number}"
    memory = taskmanager(settings.flink.taskmanager_memory, settings.flink.slots)
    return Part(
        name=name,
        command=_command(
            name,
            settings,
            state,
            java,
            options=[*memory.jvm, *_TASKMANAGER],
            main_class="org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
        ),
        env=_process_environment(name, settings, state),
        cwd=state.flink_tmp,
        endpoint=f"http://127.0.0.1:{settings.ports.flink}/#/task-manager",
        ready=lambda: _taskmanager_not_ready(settings.ports.flink, _conf(name, state)),
        prepare=lambda: prepare(name, settings, state),
        after=(JOBMANAGER,),
    )


def _conf(name: str, state: State) -> Path:
    """Return the configuration folder of one process; `state.flink_conf` itself is that of clients."""
    return state.flink_conf / name


def _command(
    name: str, settings: Settings, state: State, java: Java, *, options: list[str], main_class: str
) -> list[str]:
    conf = _conf(name, state)
    return [
        str(java.executable),
        *options,
        # Unknown options are skipped, as in Flink's scripts: its list is made for several versions of Java.
        "-XX:+IgnoreUnrecognizedVMOptions",
        *java_options(),
        f"-Djava.io.tmpdir={state.flink_tmp / name}",
        f"-Dlog4j.configurationFile={(conf / 'log4j-console.properties').as_uri()}",
        *("-classpath", class_path(settings, state)),
        main_class,
        *("--configDir", str(conf)),
    ]


def _folders(settings: Settings, state: State) -> dict[str, str]:
    folder = home(settings, state)
    return {
        "FLINK_HOME": str(folder),
        "FLINK_BIN_DIR": str(folder / "bin"),
        "FLINK_LIB_DIR": str(folder / "lib"),
        "FLINK_OPT_DIR": str(folder / "opt"),
        "FLINK_PLUGINS_DIR": str(folder / "plugins"),
    }


def _process_environment(name: str, settings: Settings, state: State) -> dict[str, str]:
    return {
        **base_environment(),
        **_folders(settings, state),
        "FLINK_CONF_DIR": str(_conf(name, state)),
        # RocksDB allocates outside the heap from many threads; with an arena for each, glibc keeps what is freed.
        "MALLOC_ARENA_MAX": "2",
    }


def flink_environment(settings: Settings, state: State, java: Java) -> dict[str, str]:
    """Return the environment in which `flink run` and `sql-client.sh` reach this cluster and a script the project.

    Every setting is in it, and with them the password that the jobs write to Postgres with.

    Raises:
        StackError: the market has no secrets yet.
    """
    return {
        **base_environment(),
        **child_environment(effective(with_password(settings, state))),
        **_folders(settings, state),
        "FLINK_CONF_DIR": str(state.flink_conf),
        "FLINK_LOG_DIR": str(state.logs),
        "FLINK_PID_DIR": str(state.run),
        "JAVA_HOME": str(java.home),
        # The one place where the JVM that PyFlink starts by itself looks for options of clients.
        "JVM_ARGS": " ".join(CLIENT_OPTIONS),
        "PYTHONPATH": str(ROOT),
    }


def prepare(name: str, settings: Settings, state: State) -> None:
    """Make `FLINK_HOME`, the configurations of the process and of clients, and an empty scratch folder.

    Each start gets an id of its own, so that a TaskManager that was just killed is not taken for the new one.

    Raises:
        StackError: something cannot be written.
    """
    with _preparing:
        _prepare(name, settings, state)


def _prepare(name: str, settings: Settings, state: State) -> None:
    make_home(settings, state)
    memory = [
        jobmanager(settings.flink.jobmanager_memory),
        taskmanager(settings.flink.taskmanager_memory, settings.flink.slots),
    ]
    values = configuration(settings, state, java_options(), memory)
    scratch = state.flink_tmp / name
    try:
        # RocksDB's files and unpacked libraries of a killed process would stay here for ever.
        shutil.rmtree(scratch, ignore_errors=True)
        for folder in (scratch, state.flink_tmp / "client", state.checkpoints, state.savepoints, state.logs, state.run):
            folder.mkdir(parents=True, exist_ok=True)
        write_configuration(state.flink_conf, values)
        _write_client_arguments(settings, state)
        own = {"io.tmp.dirs": str(scratch)}
        if gathers(settings, state):
            own |= reporter(flink_port(settings, name))
        if name != JOBMANAGER:
            own["taskmanager.resource-id"] = f"{name}-{uuid4().hex[:8]}"
            _write_id(_conf(name, state), own["taskmanager.resource-id"])
        write_configuration(_conf(name, state), values | own)
    except OSError as error:
        raise StackError(
            f"Flink's folders in {state.flink} cannot be prepared: {error}.",
            "Check that the disk is not full and that you may write there.",
        ) from error


def _write_client_arguments(settings: Settings, state: State) -> None:
    """Write what `bin/flink` tells Java, in the form of the java command's argument files."""
    arguments = [
        *CLIENT_OPTIONS,
        "-XX:+IgnoreUnrecognizedVMOptions",
        *java_options(),
        f"-Djava.io.tmpdir={state.flink_tmp / 'client'}",
        f"-Dlog.file={state.logs / 'flink-client.log'}",
        f"-Dlog4j.configurationFile={(state.flink_conf / 'log4j-cli.properties').as_uri()}",
        "-classpath",
        class_path(settings, state),
    ]
    # json's quotes and escapes are those that argument files have.
    text = "".join(json.dumps(argument, ensure_ascii=False) + "\n" for argument in arguments)
    (state.flink_conf / "client.args").write_text(text)


def _write_id(conf: Path, resource_id: str) -> None:
    conf.mkdir(parents=True, exist_ok=True)
    (conf / "id").write_text(resource_id)


def _taskmanager_not_ready(port: int, conf: Path) -> str | None:
    try:
        registered = {item["id"] for item in get_json(port, "/taskmanagers")["taskmanagers"]}
        own = (conf / "id").read_text()
    except (OSError, KeyError, TypeError) as error:  # ConnectionError is an OSError
        return str(error)
    return None if own in registered else "it has not registered with the JobManager yet"
