"""What the bench prints of a storm: text for a terminal, and Markdown as the README shows it. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from bench._storm.contest import Run
from bench._storm.figures import Counts, Recovery
from bench._storm.weather import Outcome
from replay.faults import KINDS, VENUES_OF

OURS = "Pricebraid"
VENUE_NAMES = {"binance": "Binance", "kucoin": "KuCoin"}
WORDS = {
    "close": "closed by the venue",
    "reset": "connection reset",
    "half_open": "half-open socket",
    "mute": "mute socket",
    "token_expired": "expired token",
    "shutdown": "shutdown notice",
    "skipped": "trades skipped",
    "repeated": "trades repeated",
    "reordered": "trades out of order",
    "late": "trades late",
    "malformed": "malformed frames",
    "rest_429": "reset while REST answers 429",
    "rest_418": "reset while REST answers 418",
    "rest_429000": "reset while REST answers 429000",
    "rest_429000_bare": "reset while REST answers 429000, no headers",
    "halt": "venue halted (from its end)",
}
_NOTHING = "–"


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first column is text and whose others are numbers."""
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _back(recovery: Recovery | None) -> str:
    return _NOTHING if recovery is None else str(recovery)


def _lost(counts: Counts) -> str:
    return "0" if not counts.lost else f"{counts.lost_percent:.2f} %"


def _a_fault(number: int, faults: float) -> str:
    return "0" if not number else f"{number / max(1.0, faults):,.1f}"


def trades(counts: Mapping[str, Counts]) -> str:
    """Return the trades of a storm over our own system, a row a venue."""
    names = list(Counts.__struct_fields__)
    rows = [[VENUE_NAMES[venue], *(f"{getattr(counts[venue], name):,}" for name in names)] for venue in sorted(counts)]
    return markdown(["trades", *names], rows)


def recovered(runs: Mapping[str, Mapping[str, Mapping[str, Recovery]]]) -> str:
    """Return seconds until trades come again, median / most, a row a kind of fault and venue, a column a client."""
    rows = [
        [f"{WORDS[kind]}, {VENUE_NAMES[venue]}", *(_back(found.get(kind, {}).get(venue)) for found in runs.values())]
        for kind in KINDS
        for venue in VENUES_OF[kind]
        if any(venue in found.get(kind, {}) for found in runs.values())
    ]
    return markdown(["seconds until trades come again: median / most", *runs], rows)


def compared(runs: Mapping[str, Run]) -> str:
    """Return what clients made of the same storm, a row a client and venue."""
    heads = ["the same storm", "faults", "trades sent", "seen", "lost", "doubled"]
    rows = [
        [
            f"{name}, {VENUE_NAMES[venue]}", f"{sum(run.faults.values())}", f"{counts.sent:,}",
            f"{counts.sent - counts.lost:,}", _lost(counts), f"{counts.doubled:,}",
        ]
        for name, run in runs.items()
        for venue, counts in sorted(run.counts.items())
    ]  # fmt: skip
    return markdown(heads, rows)


def by_kind(runs: Mapping[str, Mapping[str, Run]]) -> str:
    """Return a kind of fault at a time: of each client the seconds until it is back, and trades lost and doubled."""
    heads = ["a kind of fault at a time"]
    for name in runs:
        heads += [f"{name}: back after, s", "lost a fault", "doubled a fault"]
    rows = []
    for kind in KINDS:
        for venue in VENUES_OF[kind]:
            found = [run[kind] for run in runs.values() if kind in run]
            if len(found) == len(runs):
                row = [f"{WORDS[kind]}, {VENUE_NAMES[venue]}"]
                for run in found:
                    counts = run.counts[venue]
                    # A trial hits every venue that knows the kind as often.
                    faults = run.faults.get(kind, 0) / len(VENUES_OF[kind])
                    row.append(_back(run.recoveries.get(kind, {}).get(venue)))
                    row += [_a_fault(number, faults) for number in (counts.lost, counts.doubled)]
                rows.append(row)
    return markdown(heads, rows)


def summary(outcome: Outcome) -> str:
    """Return what a storm left of our own system, in lines."""
    kinds = ", ".join(f"{kind} {number}" for kind, number in outcome.faults.items())
    lines = [
        f"{sum(outcome.faults.values())} faults took place, {outcome.disconnects} of them disconnects: {kinds}.",
        f"{outcome.candles:,} closed candles: {outcome.candles - outcome.unequal:,} are what the market says, "
        f"{outcome.unequal} are not.",
        f"{outcome.gaps} gaps, {outcome.gaps_open} of them still open.",
        f"Trades that were passed on more than once: {sum(outcome.passed_twice.values())}.",
    ]
    return "\n".join(lines)


def findings(outcome: Outcome) -> str:
    """Return everything that is unexplained, a line each."""
    return "\n".join(
        f"{found.rule}: {' '.join(part for part in (found.venue, found.symbol) if part)} {found.text}"
        for found in sorted(outcome.findings)
    )
