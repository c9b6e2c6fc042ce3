"""The simulated market's trades and tickers, written as each venue writes them.

Shapes: Binance `web-socket-streams.md`; KuCoin `openapi-spot-public.json` and frames captured live in 2026. Binance
prints eight decimals everywhere; KuCoin drops trailing zeros.
"""

from decimal import Decimal

from replay.pairs import Level, Pair
from replay.source import DayFigures, Listing
from replay.wire import Message, binance

_WIDTH = 8


def fixed(units: int, decimals: int, width: int) -> str:
    """Return `units * 10 ** -decimals` with `width` decimals (at least `decimals`)."""
    if not decimals:
        return f"{units}.{'0' * width}"
    whole, part = divmod(units, 10**decimals)
    return f"{whole}.{part:0{decimals}d}{'0' * (width - decimals)}"


def short(units: int, decimals: int) -> str:
    """Return `units * 10 ** -decimals` without trailing zeros."""
    if not decimals:
        return str(units)
    return fixed(units, decimals, decimals).rstrip("0").rstrip(".")


class BinanceEvents:
    """Events of one pair at Binance. `sent` is the time of sending in milliseconds."""

    def __init__(self, listing: Listing) -> None:
        self._code = listing.code
        self._price = listing.price_decimals
        self._size = listing.size_decimals
        name = listing.code.lower()
        self.agg_trade_stream = f"{name}@aggTrade"
        self.trade_stream = f"{name}@trade"
        self.book_stream = f"{name}@bookTicker"
        self.mini_stream = f"{name}@miniTicker"

    def agg_trade(self, sent: int, level: Level) -> Message:
        """Return the `aggTrade` event of a level."""
        return binance(
            self.agg_trade_stream,
            f'{{"e":"aggTrade","E":{sent},"s":"{self._code}","a":{level.number + 1}'
            f',"p":"{fixed(level.price, self._price, _WIDTH)}","q":"{fixed(sum(level.sizes), self._size, _WIDTH)}"'
            f',"f":{level.ids[0]},"l":{level.ids[-1]},"T":{level.time_ms}'
            f',"m":{"false" if level.buy else "true"},"M":true}}'.encode(),
        )

    def trade(self, sent: int, number: int, size: int, level: Level) -> Message:
        """Return the `trade` event of one fill of a level."""
        return binance(
            self.trade_stream,
            f'{{"e":"trade","E":{sent},"s":"{self._code}","t":{number}'
            f',"p":"{fixed(level.price, self._price, _WIDTH)}","q":"{fixed(size, self._size, _WIDTH)}"'
            f',"T":{level.time_ms},"m":{"false" if level.buy else "true"},"M":true}}'.encode(),
        )

    def book(self, pair: Pair) -> Message:
        """Return the `bookTicker` event (it has no time and no `e`) after the pair's last trade."""
        return binance(
            self.book_stream,
            f'{{"u":{4 * pair.sequence},"s":"{self._code}"'
            f',"b":"{fixed(pair.bid, self._price, _WIDTH)}","B":"{fixed(pair.bid_size, self._size, _WIDTH)}"'
            f',"a":"{fixed(pair.ask, self._price, _WIDTH)}"'
            f',"A":"{fixed(pair.ask_size, self._size, _WIDTH)}"}}'.encode(),
        )

    def mini(self, sent: int, day: DayFigures) -> bytes:
        """Return a `24hrMiniTicker` event of a pair that has traded."""
        return (
            f'{{"e":"24hrMiniTicker","E":{sent},"s":"{self._code}","c":"{day.last or 0:.8f}"'
            f',"o":"{day.open or 0:.8f}","h":"{day.high or 0:.8f}","l":"{day.low or 0:.8f}"'
            f',"v":"{day.base_volume:.8f}","q":"{day.quote_volume:.8f}"}}'
        ).encode()


class KucoinEvents:
    """Events of one pair at KuCoin."""

    def __init__(self, listing: Listing) -> None:
        self._code = listing.code
        self._price = listing.price_decimals
        self._size = listing.size_decimals
        self.match_topic = f"/market/match:{listing.code}"
        self.ticker_topic = f"/market/ticker:{listing.code}"

    def match(self, sequence: int, size: int, level: Level, taker: str, maker: str) -> Message:
        """Return the match of one fill of a level; its time is nanoseconds, zero-padded milliseconds."""
        return Message(
            self.match_topic,
            f'{{"topic":"{self.match_topic}","type":"message","subject":"trade.l3match","data":{{'
            f'"symbol":"{self._code}","type":"match","side":"{"buy" if level.buy else "sell"}"'
            f',"price":"{short(level.price, self._price)}","size":"{short(size, self._size)}"'
            f',"tradeId":"{sequence}","sequence":"{sequence}","takerOrderId":"{taker}","makerOrderId":"{maker}"'
            f',"time":"{level.time_ms}000000"}}}}'.encode(),
        )

    def ticker_data(self, pair: Pair) -> str:
        """Return the `data` of a ticker; price, size and time (milliseconds) are the last trade's."""
        rolling, price, size = pair.rolling, self._price, self._size
        return (
            f'{{"sequence":"{pair.sequence}","price":"{short(rolling.last, price)}"'
            f',"size":"{short(rolling.last_size, size)}"'
            f',"bestAsk":"{short(pair.ask, price)}","bestAskSize":"{short(pair.ask_size, size)}"'
            f',"bestBid":"{short(pair.bid, price)}","bestBidSize":"{short(pair.bid_size, size)}"'
            f',"time":{rolling.last_time // 1000}}}'
        )

    def ticker(self, data: str) -> Message:
        """Return a push of the pair's own ticker topic."""
        return Message(
            self.ticker_topic,
            f'{{"topic":"{self.ticker_topic}","type":"message","subject":"trade.ticker","data":{data}}}'.encode(),
        )

    def ticker_of_all(self, data: str) -> Message:
        """Return a push of the topic of all pairs, where the subject is the symbol."""
        return Message(
            ALL_TICKERS,
            f'{{"topic":"{ALL_TICKERS}","type":"message","subject":"{self._code}","data":{data}}}'.encode(),
        )


ALL_TICKERS = "/market/ticker:all"
ALL_MINI_TICKERS = "!miniTicker@arr"


def plain(number: Decimal | None) -> str | None:
    """Return a number as KuCoin prints it, without exponent and trailing zeros; null stays null."""
    if number is None:
        return None
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
