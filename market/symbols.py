"""Canonical symbols: `BASE-QUOTE` in upper case, the same at both venues for the same pair of assets."""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from market.records import Venue

MAJORS: tuple[str, ...] = tuple(
    f"{base}-USDT"
    for base in (
        "BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "TRX", "LINK", "AVAX",
        "DOT", "LTC", "BCH", "UNI", "ATOM", "XLM", "NEAR", "AAVE", "FIL", "ETC",
    )
)  # fmt: skip
"""The symbols that are followed where no setting says otherwise: majors that both venues list."""

# One ticker, two coins. The venue's asset code on the left is the coin that is known elsewhere as the right one.
# From ccxt's table of common currencies, read 2026-11.
_ASSET_NAMES: dict[Venue, dict[str, str]] = {
    "binance": {"YOYO": "YOYOW"},
    "kucoin": {"ALT": "APTOSLAUNCHTOKEN", "KALT": "ALT", "BIFI": "BIFIF", "VAI": "VAIOT", "WAX": "WAXP"},
}


Status = Literal["trading", "halted"]


class Instrument(msgspec.Struct, frozen=True):
    """A pair that a venue lists: the venue's own code for requests, what it shows people, and the canonical symbol.

    At KuCoin the code stays when a pair is renamed, and the name changes; at Binance the two are the same. `base` and
    `quote` are canonical asset names. `halted` is what the venue lists but does not let trade.
    """

    venue: Venue
    code: str
    name: str
    symbol: str
    base: str
    quote: str
    status: Status

    @property
    def trading(self) -> bool:
        """Whether it trades."""
        return self.status == "trading"


class InstrumentList(msgspec.Struct, frozen=True):
    """All that a venue listed when its list was read: the records of `instruments`.

    A record is the whole list, so whatever it lacks is delisted: nothing has to be remembered from one list to the
    next, by whom ever they are read. `seen_time` is when it was read, by the local clock; microseconds, UTC.
    """

    venue: Venue
    seen_time: int
    instruments: Sequence[Instrument]


def canonical_asset(venue: Venue, asset: str) -> str:
    """Return the name under which the venue's asset is known across venues, upper case."""
    name = asset.upper()
    return _ASSET_NAMES[venue].get(name, name)


def instrument(venue: Venue, code: str, base: str, quote: str, *, trading: bool, name: str | None = None) -> Instrument:
    """Return the instrument for a venue's code and the assets that the venue's own list gives for it.

    The assets are what counts: a code may still name what the asset was once called. `name` is the code where the venue
    has none.
    """
    base, quote = canonical_asset(venue, base), canonical_asset(venue, quote)
    status: Status = "trading" if trading else "halted"
    return Instrument(venue, code, name or code, f"{base}-{quote}", base, quote, status)


def encode_list(found: InstrumentList) -> bytes:
    """Return the list as one JSON object in UTF-8."""
    return msgspec.json.encode(found)


def listed_on_both(instruments: Iterable[Instrument], quote: str = "USDT") -> list[str]:
    """Return the canonical symbols, sorted, that trade on every venue against `quote`."""
    venues: dict[str, set[Venue]] = {}
    for item in instruments:
        if item.trading and item.quote == quote:
            venues.setdefault(item.symbol, set()).add(item.venue)
    return sorted(symbol for symbol, seen in venues.items() if len(seen) > 1)
