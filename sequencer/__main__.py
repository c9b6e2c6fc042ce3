"""`python -m sequencer`: sequences trades until SIGTERM or ctrl-C; metrics and health on `ports.sequencer`."""

import logging
import signal
import sys
import threading

from market import logs, service
from market.settings import SettingsError, load
from sequencer.edge import Sequencer
from sequencer.kafka import FatalError
from sequencer.tally import Tally


def main() -> int:
    """Run until told to stop. Return the exit code: 0 after an orderly stop, 1 after an error, which is logged."""
    logger = logging.getLogger("sequencer")
    try:
        settings = load()
    except SettingsError as error:
        logs.configure()
        logger.critical("%s", error)
        return 1
    logs.configure(settings.log_format, settings.log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    tally = Tally()
    try:
        server = service.serve(settings.ports.sequencer, tally.health, tally.registry, address=settings.listen)
    except OSError as error:
        logger.critical("port %d (ports.sequencer): %s", settings.ports.sequencer, error.strerror)
        return 1
    try:
        Sequencer(settings, tally, stop).run()
    except FatalError as error:
        logger.critical("%s", error)
        return 1
    finally:
        server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
