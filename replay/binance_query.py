"""How Binance's REST reads parameters, and what it says of wrong ones (`errors.md`)."""

import re

import msgspec
from aiohttp import web

from replay.source import Listing, Lists

_SYMBOL = re.compile(r"[A-Z0-9_.]{1,20}")
_NUMBER = re.compile(r"[0-9]{1,20}")
# A time beyond this is in microseconds: as milliseconds it would be in the year 5138.
_MILLISECONDS = 10**14


class RestError(Exception):
    """A refused request: the venue's negative code and its text."""

    def __init__(self, code: int, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.code = code
        self.status = status


def parameters(request: web.Request, *allowed: str) -> dict[str, str]:
    """Return the request's parameters.

    Raises:
        RestError: one is empty (-1105) or not among the allowed ones (-1104).
    """
    given = dict(request.query)
    for name, value in given.items():
        if name in allowed and not value:
            raise RestError(-1105, f"Parameter '{name}' was empty.")
    read = len(allowed & given.keys())
    if read < len(given):
        raise RestError(
            -1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(given)}'."
        )
    return given


def mandatory(given: dict[str, str], name: str) -> str:
    """Return a parameter that has to be there.

    Raises:
        RestError: it is not (-1102).
    """
    if name not in given:
        raise RestError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return given[name]


def number(given: dict[str, str], name: str) -> int | None:
    """Return a whole number, null where it was not given.

    Raises:
        RestError: it is none (-1100).
    """
    text = given.get(name)
    if text is not None and not _NUMBER.fullmatch(text):
        raise RestError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return None if text is None else int(text)


def time_ms(given: dict[str, str], name: str, *, up: bool = False) -> int | None:
    """Return a time that was given in milliseconds or microseconds, in milliseconds, rounded down (or else up)."""
    found = number(given, name)
    if found is None or found < _MILLISECONDS:
        return found
    return -(-found // 1000) if up else found // 1000


def limit(given: dict[str, str], usual: int = 500, most: int = 1000) -> int:
    """Return how many items are asked for; more than the most is the most.

    Raises:
        RestError: it is no number (-1100), or zero (-1130).
    """
    found = number(given, "limit")
    if found == 0:
        raise RestError(-1130, "Data sent for parameter 'limit' is not valid.")
    return usual if found is None else min(found, most)


def array(text: str, name: str) -> list[str]:
    """Return the texts of a JSON array, or the one text that is no array.

    Raises:
        RestError: it is neither (-1100).
    """
    if not text.startswith("["):
        return [text]
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError:
        raise RestError(-1100, f"Illegal characters found in parameter '{name}'.") from None


def listed(lists: Lists, names: list[str], parameter: str) -> list[Listing]:
    """Return the listings of the names.

    Raises:
        RestError: a name is no symbol (-1100) or none that is listed (-1121): one fails the whole request.
    """
    listings = {listing.code: listing for listing in lists.listings("binance")}
    for name in names:
        if not _SYMBOL.fullmatch(name):
            raise RestError(
                -1100,
                f"Illegal characters found in parameter '{parameter}'; legal range is '^[A-Z0-9_.]{{1,20}}$'.",
            )
        if name not in listings:
            raise RestError(-1121, "Invalid symbol.")
    return [listings[name] for name in names]


def in_microseconds(request: web.Request) -> bool:
    """Say whether times are to be shown in microseconds."""
    return request.headers.get("X-MBX-TIME-UNIT", "").upper() == "MICROSECOND"
