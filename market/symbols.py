"""Canonical symbols: `BASE-QUOTE` in upper case, the same at both venues for the same pair of assets."""

from collections.abc import Iterable

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


class Instrument(msgspec.Struct, frozen=True):
    """A pair that a venue lists: the venue's own code for requests, and the canonical symbol.

    `base` and `quote` are canonical asset names. `trading` is false where the venue lists the pair but halts it.
    """

    venue: Venue
    code: str
    symbol: str
    base: str
    quote: str
    trading: bool


def canonical_asset(venue: Venue, asset: str) -> str:
    """Return the name under which the venue's asset is known across venues, upper case."""
    name = asset.upper()
    return _ASSET_NAMES[venue].get(name, name)


def instrument(venue: Venue, code: str, base: str, quote: str, *, trading: bool) -> Instrument:
    """Return the instrument for a venue's code and the assets that the venue's own list gives for it."""
    base, quote = canonical_asset(venue, base), canonical_asset(venue, quote)
    return Instrument(venue, code, f"{base}-{quote}", base, quote, trading)


def listed_on_both(instruments: Iterable[Instrument], quote: str = "USDT") -> list[str]:
    """Return the canonical symbols, sorted, that trade on every venue against `quote`."""
    venues: dict[str, set[Venue]] = {}
    for item in instruments:
        if item.trading and item.quote == quote:
            venues.setdefault(item.symbol, set()).add(item.venue)
    return sorted(symbol for symbol, seen in venues.items() if len(seen) > 1)
