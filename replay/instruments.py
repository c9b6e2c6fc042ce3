"""The instruments of the simulated market: twenty majors with their usual prices and decimals, then coined names."""

import math
from dataclasses import dataclass

from market.records import Venue
from market.symbols import MAJORS
from replay import noise
from replay.source import Listing

# Price, price decimals and size decimals at Binance, then the decimals at KuCoin.
_MAJORS: dict[str, tuple[float, int, int, int, int]] = {
    "BTC": (80_000.0, 2, 5, 1, 8), "ETH": (2_900.0, 2, 4, 2, 7), "SOL": (140.0, 2, 3, 3, 4),
    "XRP": (2.1, 4, 1, 5, 4), "BNB": (850.0, 2, 3, 3, 4), "DOGE": (0.15, 5, 0, 5, 4),
    "ADA": (0.42, 4, 1, 5, 4), "TRX": (0.28, 5, 1, 5, 4), "LINK": (13.0, 3, 2, 4, 4),
    "AVAX": (13.5, 3, 2, 4, 4), "DOT": (2.3, 4, 2, 4, 4), "LTC": (84.0, 2, 3, 3, 4),
    "BCH": (540.0, 1, 3, 2, 4), "UNI": (6.2, 3, 2, 4, 4), "ATOM": (2.5, 4, 2, 4, 4),
    "XLM": (0.25, 5, 0, 6, 4), "NEAR": (1.9, 4, 1, 4, 4), "AAVE": (175.0, 2, 3, 3, 4),
    "FIL": (1.6, 4, 2, 4, 4), "ETC": (13.8, 3, 2, 4, 4),
}  # fmt: skip

_STARTS = ("b", "c", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "qu", "tr", "st")
_VOWELS = ("a", "e", "i", "o", "u", "y")
_ENDS = ("", "x", "n", "r", "s", "k", "l")
_BINANCE_DECIMALS = 8
_KUCOIN_PRICE_DECIMALS = 10
# Price and size decimals together, so that sums of quote volume over a minute stay within 64 bits.
_KUCOIN_DECIMALS = 12


@dataclass(frozen=True, slots=True)
class Asset:
    """A coin of the simulated market, the same at both venues.

    `price` is its price in USDT around which the path moves, `daily_move` the standard deviation of a day's
    logarithmic return, and `spread_bps` how far the venues usually are apart.
    """

    base: str
    price: float
    daily_move: float
    spread_bps: float
    decimals: dict[Venue, tuple[int, int]]

    @property
    def symbol(self) -> str:
        """The canonical symbol."""
        return f"{self.base}-USDT"

    def listing(self, venue: Venue) -> Listing:
        """Return how the venue lists the pair."""
        price_decimals, size_decimals = self.decimals[venue]
        code = f"{self.base}USDT" if venue == "binance" else self.symbol
        return Listing(venue, code, self.symbol, self.base, "USDT", price_decimals, size_decimals)


def _coin(number: int, taken: set[str]) -> str:
    """Return a name that is not taken yet, three to eight letters."""
    attempt = 0
    while True:
        pick = noise.key("asset", number, attempt)
        name = ""
        for _ in range(2):
            pick, start = divmod(pick, len(_STARTS))
            pick, vowel = divmod(pick, len(_VOWELS))
            name += _STARTS[start] + _VOWELS[vowel]
        name = (name + _ENDS[pick % len(_ENDS)]).upper()
        if name not in taken:
            return name
        attempt += 1


def _coined(number: int, taken: set[str]) -> Asset:
    base = _coin(number, taken)
    position = noise.key("price", number) / 2**64
    price = 10.0 ** (-4.6 + 6.9 * position)
    # Five significant digits, as far as the venues' decimals go.
    digits = 4 - math.floor(math.log10(price))
    price_decimals = min(_BINANCE_DECIMALS, max(2, digits))
    size_decimals = min(_BINANCE_DECIMALS - price_decimals, max(0, math.ceil(math.log10(price)) + 1))
    kucoin_price = min(_KUCOIN_PRICE_DECIMALS, max(2, digits + number % 2))
    kucoin_size = min(_KUCOIN_DECIMALS - kucoin_price, 4)
    move = 0.035 + 0.03 * (noise.key("move", number) / 2**64)
    return Asset(
        base, price, move, 3.2, {"binance": (price_decimals, size_decimals), "kucoin": (kucoin_price, kucoin_size)}
    )


def assets(count: int) -> list[Asset]:
    """Return the first `count` assets (1 to 1,000), the busiest first; the first ones do not depend on `count`."""
    taken = {symbol.partition("-")[0] for symbol in MAJORS} | {"USDT", "USDC", "EUR", "TRY"}
    found = []
    for number in range(count):
        if number < len(MAJORS):
            base = MAJORS[number].partition("-")[0]
            price, *decimals = _MAJORS[base]
            binance, kucoin = (decimals[0], decimals[1]), (decimals[2], decimals[3])
            move = 0.022 if number == 0 else 0.03
            found.append(Asset(base, price, move, 1.9 + 0.05 * number, {"binance": binance, "kucoin": kucoin}))
        else:
            asset = _coined(number, taken)
            taken.add(asset.base)
            found.append(asset)
    return found
