"""`python -m replay`: serve the market that the settings name until SIGTERM."""

import asyncio
import logging
import signal
import sys
from pathlib import Path

from market import logs, settings
from market.recordings import RecordingError
from replay.player import SimulatedMarket
from replay.recording import RecordedMarket
from replay.server import running
from replay.simulation import Market
from replay.source import Source

_log = logging.getLogger("replay")


def source(chosen: settings.Settings) -> Source:
    """Return the market that the settings name: a recording's path, else the simulated one.

    Raises:
        RecordingError: there is no recording at the path, or it cannot be read.
        SettingsError: there is nothing to serve, or the speed is zero.
    """
    if chosen.market == "live":
        raise settings.SettingsError("market: `live` needs no server; give `simulated` or a recording's path")
    if chosen.market in ("simulated", "auto"):
        simulation = chosen.simulation
        return SimulatedMarket(Market(simulation.seed, simulation.symbols, simulation.trades_per_second))
    speed = None if chosen.speed == "max" else float(chosen.speed)
    if speed == 0:
        raise settings.SettingsError("speed: must be above zero, or `max`")
    return RecordedMarket(Path(chosen.market), speed)


async def serve(market: Source, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(market, port) as server:
        listed = {venue: len(market.listings(venue)) for venue in ("binance", "kucoin")}
        _log.info("serving", extra={"kind": market.kind, "url": server.rest_url, **listed})
        await stop.wait()
    _log.info("stopped")


def main() -> int:
    """Run the command; return its exit code."""
    try:
        chosen = settings.load()
    except settings.SettingsError as error:
        logs.configure()
        _log.error("%s", error)
        return 1
    logs.configure(chosen.log_format, chosen.log_level)
    try:
        asyncio.run(serve(source(chosen), chosen.ports.market))
    except (RecordingError, settings.SettingsError) as error:
        _log.error("%s", error)
        return 1
    except OSError as error:
        _log.error("cannot serve on port %d: %s", chosen.ports.market, error)
        return 1
    except Exception:
        _log.exception("the market broke down")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
