"""`python -m ingest`: from the venues' sockets to Kafka, until told to stop."""

import asyncio
import logging
import sys

from ingest.service import Ingest
from market.logs import configure
from market.settings import Settings, SettingsError, load

log = logging.getLogger("ingest")


async def _run(settings: Settings) -> int:
    return await Ingest(settings).run()


def main() -> int:
    """Run ingest with the settings of the environment; return the exit code."""
    try:
        settings = load()
    except SettingsError as error:
        configure()
        log.critical("%s", error)
        return 1
    configure(settings.log_format, settings.log_level)
    # It tells of every request that goes well.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    return asyncio.run(_run(settings))


if __name__ == "__main__":
    sys.exit(main())
