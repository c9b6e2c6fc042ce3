"""Codes, frames and files that several tests of ingest share."""

import re
from pathlib import Path

from ingest.venues import Codes
from market.symbols import Instrument, instrument

RECEIVED = 1_723_161_254_087_896_568


def binance(*pairs: str) -> list[Instrument]:
    return [instrument("binance", pair.replace("-", ""), *pair.split("-"), trading=True) for pair in pairs]


def kucoin(*pairs: str) -> list[Instrument]:
    return [instrument("kucoin", pair, *pair.split("-"), trading=True) for pair in pairs]


def codes(instruments: list[Instrument], listed: list[Instrument] | None = None) -> Codes:
    return Codes.of(instruments + (listed or []), instruments)


def socket_messages(path: Path) -> tuple[list[str], str]:
    """Return the replies and the pushed message of a file of shapes (`>` sent, `<` received, `=` pushed)."""
    text = path.read_text()
    replies = [re.sub(r"\|(\d+)\|", r"\1", line[1:]).strip() for line in text.splitlines() if line.startswith("<")]
    return replies, text.partition("\n=")[2].strip()


def rest_body(path: Path) -> bytes:
    """Return the answer of a file of shapes: method, path and whether it is signed come before it."""
    return path.read_text().split("\n", 3)[3].encode()
