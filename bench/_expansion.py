"""What Grafana makes of a query before it is asked: variables put in by the browser, then macros by the server.

Rules as documented for the PostgreSQL and the Prometheus data source of Grafana 12. Times are UTC.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

Value = str | Sequence[str]
"""What is chosen of a variable; several where it allows that."""

_VARIABLE = re.compile(r"\$\{(?P<braced>\w+)(?::(?P<format>\w+))?\}|\$(?P<plain>\w+)(?!\w|\()")
# An argument ends at the first closing parenthesis, so none may have one in it.
_MACRO = re.compile(r"\$(?P<name>\w+)\((?P<arguments>[^)]*)\)")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


class ExpansionError(Exception):
    """Grafana would send this as it stands, or refuse it."""


@dataclass(frozen=True)
class Shown:
    """The range that a dashboard shows, and the least distance of its points: `$__interval`."""

    from_time: datetime
    to_time: datetime
    interval: timedelta = timedelta(minutes=1)


def quoted(value: str) -> str:
    """Return a value as a literal of SQL."""
    return "'" + value.replace("'", "''") + "'"


def variables(text: str) -> set[str]:
    """Return the names of all variables that a text uses, Grafana's own (`__…`) left out."""
    names = {found["braced"] or found["plain"] for found in _VARIABLE.finditer(text)}
    return {name for name in names if not name.startswith("__")}


def expand(query: str, values: Mapping[str, Value], shown: Shown) -> str:
    """Return the SQL that Postgres gets.

    Raises:
        ExpansionError: a variable, its format or a macro is unknown, or a macro lacks an argument.
    """
    return _with_macros(_with_variables(query, values, shown), shown)


def _with_variables(query: str, values: Mapping[str, Value], shown: Shown) -> str:
    milliseconds = round(shown.interval.total_seconds() * 1000)
    known = {
        **values,
        "__interval": f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s",
        "__interval_ms": str(milliseconds),
    }

    def put(found: re.Match[str]) -> str:
        name = found["braced"] or found["plain"]
        if name not in known:
            raise ExpansionError(f"no variable {name}")
        return _formatted(known[name], found["format"])

    return _VARIABLE.sub(put, query)


def _formatted(value: Value, form: str | None) -> str:
    several = [value] if isinstance(value, str) else list(value)
    if form == "sqlstring":
        return ",".join(map(quoted, several))
    if form == "raw":
        return ",".join(several)
    if form is not None:
        raise ExpansionError(f"no format {form}")
    # The data source's own way: one value stands bare with its quotes doubled, several are literals.
    return value.replace("'", "''") if isinstance(value, str) else ",".join(map(quoted, several))


def seconds(text: str) -> float:
    """Return the length of an interval as Grafana writes it, such as `'5m'`.

    Raises:
        ExpansionError: it is none.
    """
    found = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text.strip("'"))
    if found is None:
        raise ExpansionError(f"no interval {text}")
    return int(found[1]) * _UNITS[found[2]]


def _with_macros(query: str, shown: Shown) -> str:
    from_time, to_time = (f"'{time:%Y-%m-%dT%H:%M:%S.%fZ}'" for time in (shown.from_time, shown.to_time))

    def group(column: str, interval: str) -> str:
        length = f"{seconds(interval):g}"
        return f"floor(extract(epoch from {column})/{length})*{length}"

    macros: dict[str, Callable[..., str]] = {
        "__time": lambda column: f'{column} AS "time"',
        "__timeEpoch": lambda column: f'extract(epoch from {column}) as "time"',
        "__timeFilter": lambda column: f"{column} BETWEEN {from_time} AND {to_time}",
        "__timeFrom": lambda: from_time,
        "__timeTo": lambda: to_time,
        "__timeGroup": group,
        "__timeGroupAlias": lambda column, interval: group(column, interval) + ' AS "time"',
    }

    def put(found: re.Match[str]) -> str:
        macro = macros.get(found["name"])
        if macro is None:
            raise ExpansionError(f"no macro {found['name']}")
        arguments = [argument.strip() for argument in found["arguments"].split(",")]
        try:
            return macro(*(argument for argument in arguments if argument))
        except TypeError as error:
            raise ExpansionError(f"{found[0]}: {error}") from error

    return _MACRO.sub(put, query)


def expand_promql(query: str, shown: Shown, scraped: timedelta) -> str:
    """Return what Prometheus gets, where it reads its targets every `scraped`.

    Raises:
        ExpansionError: a variable is unknown; dashboards have none of their own here.
    """
    length = shown.to_time - shown.from_time
    known = {
        "__interval": _duration(shown.interval),
        # So long that it always holds two scrapes, even where one is missed.
        "__rate_interval": _duration(max(shown.interval + scraped, 4 * scraped)),
        "__range": _duration(length),
    }

    def put(found: re.Match[str]) -> str:
        name = found["braced"] or found["plain"]
        if name not in known:
            raise ExpansionError(f"no variable {name}")
        return known[name]

    return _VARIABLE.sub(put, query)


def _duration(length: timedelta) -> str:
    return f"{round(length.total_seconds())}s"
