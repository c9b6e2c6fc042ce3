"""The status as people and programs get it: the contract's JSON, and a table."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from stack import running
from stack.board import Report
from stack.facts import Facts
from stack.state import State

NOTHING: dict[str, Any] = {
    "market": None,
    "parts": {},
    "venues": {},
    "freshness_seconds": None,
    "disk_days_left": None,
    "suspected_clashes": [],
    "verified": None,
}
"""The status where nothing runs."""

_COLOURS = {"healthy": "green", "starting": "cyan", "restarting": "yellow", "failed": "red", "stopped": "dim"}


def part_status(report: Report) -> dict[str, Any]:
    """Return the contract's view of one part: `healthy`, `starting`, `restarting`, `failed` or `stopped`."""
    return {
        "state": "starting" if report.state == "waiting" else report.state,
        "endpoint": report.endpoint,
        "pid": report.pid,
        "restarts": report.restarts,
        "reason": report.reason,
        "remedy": report.remedy or None,
        **report.facts,
    }


def compose(
    market: str, phase: str, doing: str, *, reports: dict[str, Report], steps: set[str], facts: Facts
) -> dict[str, Any]:
    """Return the status: what the contract names, and `phase` (starting, running, stopping), `doing`, `steps`."""
    return {
        "market": market,
        "phase": phase,
        "doing": doing,
        "parts": {name: part_status(report) for name, report in reports.items() if name not in steps},
        "steps": {name: part_status(report)["state"] for name, report in reports.items() if name in steps},
        "venues": facts.venues,
        "freshness_seconds": facts.freshness_seconds,
        "disk_days_left": None if facts.disk_days_left is None else round(facts.disk_days_left, 1),
        "suspected_clashes": list(facts.suspected_clashes),
        "verified": facts.verified,
    }


def read(root: Path) -> dict[str, Any] | None:
    """Return the status of what runs under the state folder, None where nothing runs."""
    found = running.find(root)
    if found is None:
        return None
    state = State.for_settings(found.load_settings())
    try:
        status: dict[str, Any] = msgspec.json.decode(running.status_path(state).read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return {**NOTHING, "market": found.market, "phase": "starting", "doing": ""}
    return status


def _parts_table(status: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    # Where the terminal is narrow, the endpoints give way.
    table.add_column("part", no_wrap=True, min_width=max(map(len, status["parts"]), default=0))
    table.add_column("state", no_wrap=True, min_width=10)
    table.add_column("restarts", justify="right", no_wrap=True, min_width=8)
    table.add_column("endpoint", no_wrap=True, overflow="ellipsis")
    for name, part in status["parts"].items():
        state = part["state"]
        table.add_row(
            name, Text(state, _COLOURS.get(state, "")), str(part.get("restarts") or ""), part.get("endpoint") or ""
        )
    return table


def _notes(status: dict[str, Any]) -> list[str]:
    """Return what is to be known of the parts besides: why one is not healthy, what a job goes on from."""
    notes = []
    for name, part in status["parts"].items():
        reason = (part.get("reason") or "").splitlines()
        if reason:
            notes.append(f"{name}: {reason[0]} {part.get('remedy') or ''}".rstrip())
        if part.get("restored_from"):
            folder = Path(part["restored_from"])
            what = "savepoint" if folder.name.startswith("savepoint") else f"checkpoint {folder.parent.name[:8]}/"
            notes.append(f"{name} resumed from {what}{'' if what == 'savepoint' else folder.name}")
    return notes


def _venues_table(status: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("venue", "connected", "last message", "trades", "open gaps"):
        table.add_column(column, no_wrap=True)
    for name, venue in status["venues"].items():
        age = venue["last_message_age_seconds"]
        table.add_row(
            name,
            Text("yes", "green") if venue["connected"] else Text("no", "red"),
            "never" if age is None else f"{age:.1f} s ago",
            f"{venue['trades']:,}",
            str(venue["gaps_open"]),
        )
    return table


def _ago(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes} min ago" if minutes < 120 else f"{minutes // 60} h ago"


def verified(told: dict[str, Any] | None, now: datetime) -> Text:
    """Return in a line when candles were last verified, and what came of it."""
    if told is None:
        return Text("verified   not yet")
    line = Text("verified   ")
    if told["finished_at"] is None:
        line.append("never")
    else:
        ago = _ago((now - datetime.fromisoformat(told["finished_at"])).total_seconds())
        found = {"not what the trades make": told["differences"], "not the venues'": told["venue_differences"]}
        wrong = [f"{number:,} {what}" for what, number in found.items() if number]
        line.append(f"{ago}, {told['candles']:,} candles: ")
        line.append(" and ".join(wrong) or "no differences", "bold red" if wrong else "green")
    if told["error"]:
        line.append(f"; the last run could not: {told['error'].splitlines()[0]}", "yellow")
    return line


def shown(status: dict[str, Any]) -> Group:
    """Return the status as people read it."""
    fresh, days = status["freshness_seconds"], status["disk_days_left"]
    lines = [
        f"market     {status['market']}",
        f"candles    {'not known yet' if fresh is None else f'{fresh:.2f} s behind the newest trade'}",
        f"disk       {'not measured yet, or not growing' if days is None else f'{days:,.1f} days left at this growth'}",
    ]
    if status.get("phase") not in (None, "running"):
        lines.insert(1, f"phase      {status['phase']} {status.get('doing', '')}".rstrip())
    notes = [Text(note, "dim") for note in _notes(status)]
    if status.get("suspected_clashes"):
        names = ", ".join(status["suspected_clashes"])
        notes.append(Text(f"left out, since prices say that these are two coins of one name: {names}", "red"))
    told = verified(status.get("verified"), datetime.now(UTC))
    return Group("\n".join(lines), told, "", _parts_table(status), *notes, "", _venues_table(status))


def progress(status: dict[str, Any], seconds: float) -> Table:
    """Return how far everything has come up, after so many seconds: what is ready, and what is waited for."""
    table = Table.grid(padding=(0, 2))
    ready = [name for name, part in status["parts"].items() if part["state"] == "healthy"]
    table.add_row(Text(f"{seconds:5.1f} s", "dim"), Text(", ".join(ready), "green"))
    if status.get("doing"):
        table.add_row("", Text(status["doing"], "cyan"))
    for name, part in status["parts"].items():
        if part["state"] != "healthy":
            reason = (part.get("reason") or "").splitlines()
            table.add_row(
                "", Text.assemble((name, _COLOURS.get(part["state"], "")), f"  {reason[0] if reason else ''}")
            )
    return table
