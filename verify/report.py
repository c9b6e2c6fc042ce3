"""What the check found, for people and for programs."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from verify.check import Verdict
from verify.database import utc
from verify.oracle import Difference

_TIMES = ("last_trade_time", "known_time")


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as what becomes JSON; times are ISO 8601, UTC."""
    return {
        "clean": verdict.clean,
        "market_now": _time(verdict.market_now),
        "judged_until": _time(verdict.judged_until),
        "records": verdict.records,
        "doubled_trades": verdict.doubled,
        "candles": {
            interval: {
                "judged_from": _time(verdict.judged_from[interval]),
                "compared": counts.compared,
                "incomplete": counts.incomplete,
                "differing": counts.differing,
                "out_of_reach": verdict.out_of_reach.get(interval),
            }
            for interval, counts in verdict.candles.items()
        },
        "compared": verdict.compared,
        "differing": verdict.differing.candles,
        "differences": [difference(item) for item in verdict.differences],
        "sampled": verdict.sampled,
        "unlike_venue": [difference(item) for item in verdict.unlike_venue],
        "venues_silent": verdict.venues_silent,
        "seconds": verdict.seconds,
    }


def difference(item: Difference) -> dict[str, str | None]:
    """Return a value that differs as what becomes JSON; times are ISO 8601, UTC."""
    return {
        "venue": item.venue,
        "symbol": item.symbol,
        "interval": item.interval,
        "start_time": _time(item.start_time),
        "column": item.column,
        "expected": _value(item, item.expected),
        "found": _value(item, item.found),
    }


def show(verdict: Verdict, console: Console) -> None:
    """Print the verdict: differences, a line for each interval, and a summary."""
    if verdict.differences:
        console.print(_differences("Differences", verdict.differences))
    if verdict.unlike_venue:
        console.print(_differences("Differences from the venues' own candles", verdict.unlike_venue))
    console.print(_intervals(verdict))
    if verdict.venues_silent is not None:
        console.print(escape(f"Not compared with the venues' own: {verdict.venues_silent}"), style="yellow")
    console.print(escape(summary(verdict)), style="green" if verdict.clean else "bold red", highlight=False)


def summary(verdict: Verdict) -> str:
    """Return the verdict in a line."""
    facts = f"{verdict.compared:,} candles from {verdict.records:,} records in {verdict.seconds:.1f} s"
    if verdict.sampled:
        facts += f", {verdict.sampled:,} minutes compared with the venues' own,"
    if verdict.clean:
        return f"clean: all {facts} are as they should be"
    faults = [f"{verdict.differing.candles:,} differ"] if verdict.differing.candles else []
    faults += [f"{verdict.doubled:,} trades stand in the topic twice"] if verdict.doubled else []
    faults += [f"{len(verdict.unlike_venue):,} values are not the venues'"] if verdict.unlike_venue else []
    return f"of {facts}, {' and '.join(faults)}"


def _differences(title: str, differences: list[Difference]) -> Table:
    table = Table("venue", "symbol", "interval", "start", "column", "expected", "found", title=title)
    for item in differences:
        values = (_value(item, value) or "null" for value in (item.expected, item.found))
        cells = (item.venue, item.symbol, item.interval, _time(item.start_time), item.column, *values)
        table.add_row(*map(escape, cells))
    return table


def _intervals(verdict: Verdict) -> Table:
    table = Table("interval", "judged from")
    for name in ("compared", "incomplete", "differing", "out of reach"):
        table.add_column(name, justify="right")
    for interval, counts in verdict.candles.items():
        figures = (counts.compared, counts.incomplete, counts.differing, verdict.out_of_reach.get(interval))
        cells = ("not counted" if figure is None else f"{figure:,}" for figure in figures)
        table.add_row(interval, _time(verdict.judged_from[interval]), *cells)
    return table


def _time(time: int) -> str:
    return utc(time).isoformat().replace("+00:00", "Z")


def _value(item: Difference, value: str | None) -> str | None:
    return _time(int(value)) if item.column in _TIMES and value is not None else value
