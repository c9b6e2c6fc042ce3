"""Runs a job's statements in a Flink session cluster; the part of a job's module that needs Flink."""

import argparse
import logging

from pyflink.common import Configuration
from pyflink.table import EnvironmentSettings, TableEnvironment

from flink_jobs.plan import Job, configuration, statements, values
from market.logs import configure
from market.settings import load

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
    tables = environment(configuration(job, settings))
    result = None
    for statement in statements(job, values(settings, arguments.generation, arguments.from_time)):
        result = tables.execute_sql(statement)
    client = result.get_job_client() if result is not None else None
    log.info("submitted", extra={"job": job.name, "job_id": str(client.get_job_id()) if client else None})
