"""Binance frames for load: aggregate trades of many symbols, as the combined stream sends them."""

import time

import msgspec

from market.symbols import Instrument, instrument


def instruments(symbols: int) -> list[Instrument]:
    """Return so many made-up pairs against USDT."""
    return [instrument("binance", f"B{i:03d}USDT", f"B{i:03d}", "USDT", trading=True) for i in range(symbols)]


def exchange_info(symbols: int) -> str:
    """Return what `/api/v3/exchangeInfo` answers for them."""
    listed = [
        {"symbol": item.code, "status": "TRADING", "baseAsset": item.base, "quoteAsset": item.quote}
        for item in instruments(symbols)
    ]
    return msgspec.json.encode({"timezone": "UTC", "symbols": listed}).decode()


def frames(first: int, count: int, symbols: int) -> list[bytes]:
    """Return the frames numbered `first` to `first + count - 1`: in turn over the symbols, ids consecutive in each.

    Each stands for three trades. Times are now, a tenth of a millisecond apart.
    """
    codes = [item.code for item in instruments(symbols)]
    now = time.time_ns() // 1_000_000
    made = []
    for number in range(first, first + count):
        code = codes[number % symbols]
        aggregate = number // symbols
        at = now + (number - first) // 10_000
        maker = "true" if number % 2 else "false"
        text = (
            f'{{"stream":"{code.lower()}@aggTrade","data":{{"e":"aggTrade","E":{at},"s":"{code}","a":{aggregate},'
            f'"p":"{60_000 + number % 977}.{number % 89:02d}000000","q":"0.{number % 9973 + 1:05d}000",'
            f'"f":{3 * aggregate},"l":{3 * aggregate + 2},"T":{at},"m":{maker},"M":true}}}}'
        )
        made.append(text.encode())
    return made


def framed(texts: list[bytes]) -> bytes:
    """Return the texts as WebSocket messages of a server, one after the other, ready to be written (RFC 6455, 5.2)."""
    parts = []
    for text in texts:
        assert 125 < len(text) < 65_536
        parts.append(b"\x81\x7e" + len(text).to_bytes(2, "big"))
        parts.append(text)
    return b"".join(parts)
