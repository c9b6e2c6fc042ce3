"""The life of a process that sends to Kafka: it works until told to stop, and then waits until Kafka has everything."""

import asyncio
import logging
import signal
from typing import Any, Literal, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from ingest.publisher import Publisher
from market.service import serve
from market.settings import Settings

log = logging.getLogger(__name__)


class Stop(Exception):
    """Why the work can't go on, in words that say all: nobody has to look where it happened."""


class Worker(Protocol):
    """What such a process does."""

    def health(self) -> dict[str, Any]:
        """Return what `/health` tells. Called from another thread."""

    async def work(self) -> None:
        """Work until cancelled."""

    async def finish(self) -> int:
        """Send what is held back, close everything; return how many records Kafka has not."""


async def live(
    worker: Worker, name: Literal["ingest", "repair"], settings: Settings, publisher: Publisher, collector: Collector
) -> int:
    """Work until told to stop by SIGTERM or SIGINT, or until it can't go on; return the exit code.

    Health and metrics are served at the port that the setting `ports.<name>` names.
    """
    port: int = getattr(settings.ports, name)
    registry = CollectorRegistry()
    registry.register(collector)
    try:
        server = serve(port, worker.health, registry, address=settings.listen)
    except OSError as error:
        log.critical("port %d for metrics, the setting `ports.%s`: %s", port, name, error)
        await worker.finish()
        return 1
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    work = asyncio.create_task(worker.work())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait((work, stopped, publisher.fatal), return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    stopped.cancel()
    work.cancel()
    await asyncio.wait((work,))
    failed = _failed(name, publisher, work)
    unsent = await worker.finish()
    server.shutdown()
    server.server_close()
    return 1 if failed or unsent else 0


def _failed(name: str, publisher: Publisher, work: asyncio.Task[None]) -> bool:
    """Return whether it was an error that stopped the work, and say which."""
    if publisher.fatal.done():
        log.error("the Kafka producer can't go on: %s", publisher.fatal.result())
        return True
    if work.cancelled():
        return False
    error = work.exception()
    if isinstance(error, ExceptionGroup) and (told := error.subgroup(Stop)) is not None:
        log.error("%s", told.exceptions[0])
    elif error is not None:
        log.error("%s can't go on", name, exc_info=error)
    return error is not None
