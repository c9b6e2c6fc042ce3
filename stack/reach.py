"""Which market to run: what was asked for, made definite."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from market.settings import Settings
from stack.asking import NoAnswer, ask
from stack.errors import StackError
from stack.recorded import scan_path

SECONDS = 2.0


class Choice(NamedTuple):
    """The market to run, and, where it was not asked for by name, what people must be told."""

    market: str
    said: str | None = None


def times(settings: Settings) -> dict[str, str]:
    """Return the address at each venue that gives its time."""
    return {
        "binance": f"{settings.binance.rest_url}/api/v3/time",
        "kucoin": f"{settings.kucoin.rest_url}/api/v1/timestamp",
    }


def unreachable(settings: Settings, asked: Callable[[str, float], Any] = ask) -> dict[str, str]:
    """Return the venues that do not answer over REST within two seconds, each with the reason."""

    def reason(url: str) -> str | None:
        try:
            asked(url, SECONDS)
        except NoAnswer as error:
            return str(error)
        return None

    addresses = times(settings)
    with ThreadPoolExecutor(len(addresses)) as pool:
        answers = dict(zip(addresses, pool.map(reason, addresses.values()), strict=True))
    return {venue: why for venue, why in answers.items() if why is not None}


def choose(settings: Settings, asked: Callable[[str, float], Any] = ask) -> Choice:
    """Return the market for the setting: itself, a recording's absolute path, or for `auto` what can be reached.

    Raises:
        StackError: it is a path, and there is no recording.
    """
    if settings.market in ("live", "simulated"):
        return Choice(settings.market)
    if settings.market == "auto":
        silent = unreachable(settings, asked)
        if not silent:
            return Choice("live", "Both exchanges answer: this is the LIVE market.")
        reasons = "\n".join(f"  {venue}: {why}" for venue, why in silent.items())
        return Choice(
            "simulated",
            f"{' and '.join(silent)} cannot be reached, so this is a SIMULATED market: its prices are made up.\n"
            f"{reasons}\nFor the real one, mend the network and pass --market live.",
        )
    path = Path(settings.market).expanduser().resolve()
    if not path.exists():
        raise StackError(
            f"--market {settings.market}: there is no such file or folder.",
            "Pass live, simulated, auto, or the path of a recording.",
        )
    scan_path(path)
    return Choice(str(path))
