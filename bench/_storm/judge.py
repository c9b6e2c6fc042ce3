"""Judges what is left of a storm. Pure: everything is passed in, and what is wrong comes back by name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from bench._storm.facts import MINUTE, SECOND, Done, Finding, GapRow, Key, Lost, Row
from replay.simulation import Candle

WITHIN = 5 * SECOND
"""How far from each other, by the market's clock, a gap and the fault that explains it may be."""

_ALWAYS = ("open", "high", "low", "close", "base_volume", "quote_volume")
_WHERE_GIVEN = ("taker_buy_base_volume", "trade_count", "first_id", "last_id")


def differences(row: Row, candle: Candle) -> list[str]:
    """Return what the row has otherwise than the market, a column each.

    A venue's own candle need not have all columns; one made of trades has.
    """
    whole = row.origin == "trades"
    names = [*_ALWAYS, *(name for name in _WHERE_GIVEN if whole or getattr(row, name) is not None)]
    pairs = ((name, getattr(row, name), getattr(candle, name)) for name in names)
    return [f"{name} {_shown(ours)}, not {_shown(theirs)}" for name, ours, theirs in pairs if ours != theirs]


def _shown(value: Decimal | int | None) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def candles(truth: Mapping[Key, Candle], rows: Mapping[Key, Row], gaps: Iterable[GapRow]) -> list[Finding]:
    """Return each candle that is missing, made up or wrong, though no gap touches it; and each that is wrongly marked.

    `truth` has the candles that must be there, and that of every row's minute where something traded.
    """
    by_symbol: dict[tuple[str, str], list[GapRow]] = {}
    for gap in gaps:
        by_symbol.setdefault((gap.venue, gap.symbol), []).append(gap)
    found = []
    for key in sorted(truth.keys() | rows.keys()):
        row, candle = rows.get(key), truth.get(key)
        touching = [gap for gap in by_symbol.get(key[:2], []) if gap.touches(key.start, key.start + MINUTE)]
        if not touching:
            found += [Finding("wrong candle", key.venue, key.symbol, text) for text in _wrong(key, row, candle)]
        if row is not None and row.complete == any(gap.closed is None for gap in touching):
            text = f"{clock(key.start)} is {'' if row.complete else 'not '}complete; the gaps say otherwise"
            found.append(Finding("wrong mark", key.venue, key.symbol, text))
    return found


def _wrong(key: Key, row: Row | None, candle: Candle | None) -> Iterator[str]:
    if row is None:
        yield f"{clock(key.start)} is missing"
    elif candle is None:
        yield f"{clock(key.start)} is there, though nothing traded"
    elif wrong := differences(row, candle):
        yield f"{clock(key.start)}: {'; '.join(wrong)} (origin {row.origin})"


def unequal(truth: Mapping[Key, Candle], rows: Mapping[Key, Row]) -> list[Key]:
    """Return every minute whose row is not what the market says, whether a gap touches it or not."""
    return [key for key in sorted(truth.keys() | rows.keys()) if any(_wrong(key, rows.get(key), truth.get(key)))]


def explains(fault: Done, gap: GapRow, within: int = WITHIN) -> bool:
    """Say whether the fault touched the gap's symbol at its time, or up to `within` before or after."""
    if fault.venue != gap.venue or gap.symbol not in fault.symbols or fault.since is None:
        return False
    ended_before = fault.until is not None and fault.until + within < gap.from_time
    began_after = gap.end is not None and gap.end + within < fault.since
    return not ended_before and not began_after


def gaps_explained(gaps: Iterable[GapRow], faults: Sequence[Done]) -> list[Finding]:
    """Return each gap that no fault explains."""
    return [
        Finding("unexplained gap", gap.venue, gap.symbol, described(gap))
        for gap in gaps
        if not any(explains(fault, gap) for fault in faults)
    ]


def open_gaps(gaps: Iterable[GapRow], venue: str = "binance") -> list[Finding]:
    """Return each gap of the venue that is still open: its ids prove and repair everything, so none may be."""
    return [
        Finding("open gap", gap.venue, gap.symbol, described(gap))
        for gap in gaps
        if gap.venue == venue and gap.closed is None
    ]


def lost(trades: Iterable[Lost]) -> list[Finding]:
    """Return the trades that nothing stands for, a finding a symbol."""
    by_symbol: dict[tuple[str, str], list[Lost]] = {}
    for trade in trades:
        by_symbol.setdefault((trade.venue, trade.symbol), []).append(trade)
    return [
        Finding(
            "lost trades", venue, symbol,
            f"{len(found)}, the first {found[0].trade_id} at {clock(found[0].event_time, parts=True)}",
        )
        for (venue, symbol), found in by_symbol.items()
    ]  # fmt: skip


def described(gap: GapRow) -> str:
    """Return the gap in words, times by the market's clock in UTC."""
    end = "now" if gap.end is None else clock(gap.end, parts=True)
    state = "open" if gap.closed is None else f"closed by {gap.how}"
    return f"{gap.gap_id} ({gap.kind}, {gap.reason}) {clock(gap.from_time, parts=True)}–{end}, {state}"


def clock(micros: int, *, parts: bool = False) -> str:
    """Return the time of day in UTC, to the minute, or with milliseconds."""
    seconds, part = divmod(micros, SECOND)
    of_day = seconds % 86_400
    text = f"{of_day // 3600:02d}:{of_day // 60 % 60:02d}"
    return f"{text}:{of_day % 60:02d}.{part // 1000:03d}" if parts else text
