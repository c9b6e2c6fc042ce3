"""Runs a job's statements in a Flink session cluster; the part of a job's module that needs Flink."""

import argparse
import logging

from pyflink.common import Configuration
from pyflink.java_gateway import get_gateway
from pyflink.table import EnvironmentSettings, TableEnvironment

from flink_jobs.plan import Job, configuration, statements, values
from market.logs import configure
from market.settings import Settings, load

log = logging.getLogger(__name__)


def environment(options: dict[str, str], *, streaming: bool = True) -> TableEnvironment:
    """Return a table environment with these Flink options."""
    config = Configuration()
    for name, value in options.items():
        config.set_string(name, value)
    builder = EnvironmentSettings.new_instance().with_configuration(config)
    return TableEnvironment.create((builder.in_streaming_mode() if streaming else builder.in_batch_mode()).build())


def main(job: Job) -> None:
    """Submit the job as `flink run -py` does, with `--generation` and `--from-time` from the command line."""
    parser = argparse.ArgumentParser(description=f"Submits the job {job.name}; run it by `flink run -d -py`.")
    parser.add_argument("--generation", type=int, default=1, help="counts the starts from the topics")
    parser.add_argument("--from-time", type=int, default=0, help="leave out trades before it (microseconds, UTC)")
    arguments = parser.parse_args()
    settings = load()
    configure(settings.log_format, settings.log_level)
    job_id = submit(job, settings, configuration(job, settings), arguments.generation, arguments.from_time)
    log.info("submitted", extra={"job": job.name, "job_id": job_id})


def submit(job: Job, settings: Settings, options: dict[str, str], generation: int, from_time: int) -> str:
    """Submit the job with these Flink options over those of the client's own configuration; return its id.

    Raises:
        py4j.protocol.Py4JJavaError: Flink refuses.
    """
    tables = environment(_configured() | options)
    for statement in statements(job, values(settings, generation, from_time)):
        result = tables.execute_sql(statement)
    client = result.get_job_client()
    assert client is not None  # a job's last statement is the one that runs
    return str(client.get_job_id())


def _configured() -> dict[str, str]:
    """Return what the folder `FLINK_CONF_DIR` says: only `flink run` reads it by itself, and checkpoints hang on it."""
    return dict(get_gateway().jvm.org.apache.flink.configuration.GlobalConfiguration.loadConfiguration().toMap())
