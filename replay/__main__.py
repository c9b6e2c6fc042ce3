"""`python -m replay`: serve the market that the settings name until SIGTERM, well-behaved or not."""

import argparse
import asyncio
import logging
import signal
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from market import logs, settings
from market.frames import RecordingError
from market.records import VENUES
from replay import faults
from replay.clock import MarketClock, wall
from replay.faults import Fault
from replay.limits import BinanceRules, KucoinRules, Rules
from replay.player import SimulatedMarket
from replay.recording import RecordedMarket
from replay.server import running
from replay.simulation import Market
from replay.source import Source

_log = logging.getLogger("replay")

# Clients need a moment to connect before the script begins.
_CALM = 15_000_000
_MINUTE = 60_000_000


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says beside the settings; times in microseconds since the epoch, UTC."""

    speed: str | None = None
    start: int | None = None
    faults: Path | None = None
    faults_seed: int | None = None
    faults_minutes: float = 20.0


def options(arguments: list[str]) -> Options:
    """Read the command line; a wrong one ends the process with code 2, as is usual."""
    parser = argparse.ArgumentParser(prog="python -m replay", description=__doc__)
    parser.add_argument("--speed", help="market time runs so many times as fast as the clock; a recording also `max`")
    parser.add_argument(
        "--start", type=_time, help="the simulated market's time at the start: ISO 8601, or microseconds"
    )
    parser.add_argument("--faults", type=Path, help="JSON file of faults to play; `in` counts from the start")
    parser.add_argument("--faults-seed", type=int, help="play a storm drawn by this seed")
    parser.add_argument("--faults-minutes", type=float, default=20.0, help="how long the storm is, in market time")
    return Options(**vars(parser.parse_args(arguments)))


def source(chosen: settings.Settings, given: Options = Options()) -> Source:
    """Return the market that the settings name: a recording's path, else the simulated one.

    Raises:
        RecordingError: there is no recording at the path, or it cannot be read.
        SettingsError: there is nothing to serve, or the speed is none.
    """
    if chosen.market == "live":
        raise settings.SettingsError("market: `live` needs no server; give `simulated` or a recording's path")
    text = chosen.speed if given.speed is None else given.speed
    if chosen.market not in ("simulated", "auto"):
        return RecordedMarket(Path(chosen.market), None if text == "max" else _speed(text))
    simulation, speed, begun = chosen.simulation, _speed(text), wall()
    clock = MarketClock(begun if given.start is None else given.start, begun, speed)
    market = Market(simulation.seed, simulation.symbols, simulation.trades_per_second)
    try:
        return SimulatedMarket(market, clock, speed=speed)
    except ValueError as error:
        raise settings.SettingsError(f"start: {error}") from error


def planned(chosen: settings.Settings, given: Options, market: Source) -> list[Fault]:
    """Return the faults that the command line asks for.

    Raises:
        SettingsError: the file of faults cannot be read.
    """
    start = market.now() if given.start is None else given.start
    found: list[Fault] = []
    if given.faults is not None:
        try:
            found += faults.decode(given.faults.read_bytes(), start)
        except (OSError, ValueError) as error:
            raise settings.SettingsError(f"faults: {given.faults}: {error}") from error
    if given.faults_seed is not None:
        end = start + max(_CALM + 1, round(given.faults_minutes * _MINUTE))
        found += faults.script(given.faults_seed, start + _CALM, end, _followed(chosen, market))
    return found


def _followed(chosen: settings.Settings, market: Source) -> list[str]:
    """Return the symbols that the settings follow, as far as they are listed: others would never be hit."""
    listed = {f"{each.base}-{each.quote}" for venue in VENUES for each in market.listings(venue)}
    return sorted(listed if chosen.symbols == "all" else listed & set(chosen.symbols)) or sorted(listed)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e6:
        raise settings.SettingsError("speed: must be above zero; for a recording also `max`")
    return speed


def _time(text: str) -> int:
    if text.isdigit():
        return int(text)
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6)


def rules(market: Source) -> Rules:
    """Return the venues' limits; in a market that runs faster clients have to connect more often, and may."""
    faster = max(1.0, market.speed) if market.kind == "simulated" else 1.0
    binance, kucoin = BinanceRules(), KucoinRules()
    return Rules(
        binance=replace(binance, connections=round(binance.connections * faster)),
        kucoin=replace(kucoin, connections=round(kucoin.connections * faster)),
    )


async def serve(market: Source, address: str, port: int, plan: list[Fault]) -> None:
    """Serve, and play the faults, until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(market, port, rules(market), address=address) as server:
        server.chaos.schedule(plan)
        listed = {venue: len(market.listings(venue)) for venue in ("binance", "kucoin")}
        _log.info("serving", extra={"kind": market.kind, "url": server.rest_url, "faults": len(plan), **listed})
        await stop.wait()
    _log.info("stopped")


def main() -> int:
    """Run the command; return its exit code."""
    given = options(sys.argv[1:])
    try:
        chosen = settings.load()
    except settings.SettingsError as error:
        logs.configure()
        _log.error("%s", error)
        return 1
    logs.configure(chosen.log_format, chosen.log_level)
    try:
        market = source(chosen, given)
        asyncio.run(serve(market, chosen.listen, chosen.ports.market, planned(chosen, given, market)))
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
