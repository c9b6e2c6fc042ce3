"""Which symbols are followed where: what is wanted against what the venues list. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from market.records import Venue
from market.symbols import Instrument, listed_on_both

Wanted = Sequence[str] | Literal["all"]


class Choice(msgspec.Struct, frozen=True):
    """What is followed at one venue, and which wanted symbols it does not list."""

    followed: list[Instrument]
    unknown: list[str]


def choose(wanted: Sequence[str], instruments: Sequence[Instrument]) -> Choice:
    """Return what of the wanted symbols the venue's list has.

    A pair that is listed but halted is followed too: it may trade again. Where two codes stand for one symbol, the
    one that trades is meant.
    """
    by_symbol: dict[str, Instrument] = {}
    for item in instruments:
        if item.symbol not in by_symbol or (item.trading and not by_symbol[item.symbol].trading):
            by_symbol[item.symbol] = item
    symbols = list(dict.fromkeys(wanted))
    return Choice(
        [by_symbol[symbol] for symbol in symbols if symbol in by_symbol],
        [symbol for symbol in symbols if symbol not in by_symbol],
    )


def resolve(wanted: Wanted, lists: Mapping[Venue, Sequence[Instrument]]) -> list[str]:
    """Return the symbols that `wanted` stands for, given the lists of every venue that can be had.

    `all` are the USDT pairs that trade on both venues; with the list of only one, those that trade there.
    """
    if wanted != "all":
        return list(wanted)
    if len(lists) == 1:
        return sorted(
            {item.symbol for found in lists.values() for item in found if item.trading and item.quote == "USDT"}
        )
    return listed_on_both(item for found in lists.values() for item in found)


def nowhere(wanted: Sequence[str], lists: Mapping[Venue, Sequence[Instrument]]) -> list[str]:
    """Return the wanted symbols that no venue lists."""
    known = {item.symbol for found in lists.values() for item in found}
    return [symbol for symbol in wanted if symbol not in known]


class Change(msgspec.Struct, frozen=True):
    """What became of one code of a venue's list.

    `item` is the pair as it is listed now, and as it was last where it is `delisted`; `was` is the pair before, None
    where it is newly `listed`. `renamed` tells of another name or other assets, `halted` and `resumed` of its trading.
    """

    kind: Literal["listed", "delisted", "renamed", "halted", "resumed"]
    item: Instrument
    was: Instrument | None = None


def changes(before: Sequence[Instrument], after: Sequence[Instrument]) -> list[Change]:
    """Return what has changed in a venue's list, by code; a code that was renamed and halted has two changes.

    They are all that tells the lists apart: every field of an instrument is covered by one kind or another.
    """
    old, new = ({item.code: item for item in items} for items in (before, after))
    found: list[Change] = []
    for code in sorted(old.keys() | new.keys()):
        was, item = old.get(code), new.get(code)
        if was is None or item is None:
            gone = [] if was is None else [Change("delisted", was, was)]
            found += gone if item is None else [Change("listed", item)]
            continue
        if (was.name, was.symbol, was.base, was.quote) != (item.name, item.symbol, item.base, item.quote):
            found.append(Change("renamed", item, was))
        if was.status != item.status:
            found.append(Change("resumed" if item.trading else "halted", item, was))
    return found
