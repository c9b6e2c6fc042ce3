"""What a recording decides: which channels are subscribed, which symbols, and what time it is on its market."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec

from market import recordings
from market.frames import Frame, RecordingError
from market.settings import Settings
from market.symbols import Instrument, instrument, listed_on_both
from stack.asking import NoAnswer, ask
from stack.errors import StackError

ENOUGH_FRAMES = 20_000
"""Frames of a file that are looked at, unless they do not tell yet."""

_PATIENCE_SECONDS = 86_400.0


class Recorded(msgspec.Struct, frozen=True):
    """What the frames show. None where they do not. `began` is the first receive time, microseconds, UTC."""

    trade_channel: Literal["aggTrade", "trade"] | None
    ticker_channel: Literal["all", "symbols"] | None
    began: int | None


def _told_by(frame: Frame) -> str | None:
    text = frame.text
    if frame.venue == "binance":
        if '"aggTrade"' in text or "@aggTrade" in text:
            return "aggTrade"
        return "trade" if '"trade"' in text or "@trade" in text else None
    if "/market/ticker:all" in text:
        return "all"
    return "symbols" if "/market/ticker:" in text else None


def scan(streams: Iterable[Iterable[Frame]], enough: int = ENOUGH_FRAMES) -> Recorded:
    """Return what the streams of frames show; of each, no more are read than it takes.

    A recording of both kinds of trades is played by its aggregates, and one of both kinds of tickers by `all`: the
    defaults.
    """
    seen: set[str] = set()
    began: int | None = None
    for frames in streams:
        told: set[str] = set()
        for number, frame in enumerate(frames):
            began = frame.receive_time // 1000 if began is None else min(began, frame.receive_time // 1000)
            if (channel := _told_by(frame)) is not None:
                told.add(channel)
            if (number >= enough and told) or told & {"aggTrade", "all"}:
                break
        seen |= told
    return Recorded(
        "aggTrade" if "aggTrade" in seen else "trade" if "trade" in seen else None,
        "all" if "all" in seen else "symbols" if "symbols" in seen else None,
        began,
    )


def scan_path(path: Path) -> Recorded:
    """Return what a recording shows.

    Raises:
        StackError: there is none at the path, or it cannot be read.
    """
    try:
        recorded = scan(recordings.streams(recordings.files(path)))
    except (RecordingError, OSError) as error:
        raise StackError(f"{error}.", "Pass a recording's path: a *.frames.gz or candle file, or a folder.") from error
    if recorded.began is None:
        raise StackError(f"{path} holds no frame.", "Pass another recording.")
    return recorded


def as_recorded(settings: Settings, recorded: Recorded) -> Settings:
    """Return the settings with the channels that the recording holds, and with patience for its silence.

    A recording is silent because it has ended, or since nothing was traded then: no connection is to blame for that.
    """
    patient = {"stale_seconds": _PATIENCE_SECONDS, "idle_seconds": _PATIENCE_SECONDS}
    changes: dict[str, object] = {"ingest": settings.ingest.model_copy(update=patient)}
    if recorded.trade_channel is not None:
        changes["binance"] = settings.binance.model_copy(update={"trade_channel": recorded.trade_channel})
    if recorded.ticker_channel is not None:
        changes["kucoin"] = settings.kucoin.model_copy(update={"ticker_channel": recorded.ticker_channel})
    return settings.model_copy(update=changes)


def instruments(exchange_info: Any, kucoin_symbols: Any) -> list[Instrument]:
    """Return what the venues list, from `/api/v3/exchangeInfo` and `/api/v2/symbols`."""
    return [
        *(
            instrument("binance", s["symbol"], s["baseAsset"], s["quoteAsset"], trading=s["status"] == "TRADING")
            for s in exchange_info["symbols"]
        ),
        *(
            instrument("kucoin", s["symbol"], s["baseCurrency"], s["quoteCurrency"], trading=s["enableTrading"])
            for s in kucoin_symbols["data"]
        ),
    ]


def symbols_listed(base: str, *, both: bool, asked: Callable[[str, float], Any] = ask) -> list[str]:
    """Return the canonical symbols, sorted, that the market at `base`, such as `http://127.0.0.1:28090`, lists.

    With `both`, those that trade against USDT on both venues; else all, of either venue.

    Raises:
        StackError: it does not answer, or lists none.
    """
    try:
        listed = instruments(asked(f"{base}/api/v3/exchangeInfo", 10.0), asked(f"{base}/api/v2/symbols", 10.0))
    except (NoAnswer, KeyError, TypeError) as error:
        raise StackError(f"The market on localhost does not tell its symbols: {error}.") from error
    symbols = listed_on_both(listed) if both else sorted({item.symbol for item in listed})
    if not symbols:
        raise StackError(
            "The market on localhost lists no symbol.", "Pass a recording that holds trades of Binance or KuCoin."
        )
    return symbols
