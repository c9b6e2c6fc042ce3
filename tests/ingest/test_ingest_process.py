"""`python -m ingest` as it is started: from a scripted market to a broker, until SIGTERM."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.ingest.kafka import eventually, read
from tests.ingest.scripted import Market, Peer, binance_trade, kucoin_trade
from tests.mock_kafka import mock_kafka
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
TRADES = 200


async def busy(peer: Peer) -> None:
    """Send trades and a ticker, and stay."""
    if "token" in peer.query:
        await peer.send({"id": "x", "type": "welcome"})
        await peer.acknowledge()
        await peer.acknowledge()
        for number in range(TRADES):
            await peer.send(kucoin_trade(number))
    else:
        await peer.acknowledge()
        for number in range(TRADES):
            await peer.send(binance_trade(number))
    await peer.linger()


@asynccontextmanager
async def started(
    market: Market, bootstrap: str, **environment: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    port = free_port()
    address = f"http://127.0.0.1:{market.port}"
    variables = {
        "PRICEBRAID_BINANCE__REST_URL": address,
        "PRICEBRAID_BINANCE__WS_URL": f"ws://127.0.0.1:{market.port}",
        "PRICEBRAID_KUCOIN__REST_URL": address,
        "PRICEBRAID_KAFKA__BOOTSTRAP": bootstrap,
        "PRICEBRAID_PORTS__INGEST": str(port),
        "PRICEBRAID_SYMBOLS": "BTC-USDT",
        "PRICEBRAID_LOG_FORMAT": "json",
        "PYTHONPATH": str(ROOT),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ingest", cwd=ROOT, env=os.environ | variables | environment,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process, port
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, list[dict[str, Any]]]:
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, [json.loads(line) for line in errors.decode().splitlines() if line.startswith("{")]


async def health(port: int) -> dict[str, Any]:
    def get() -> dict[str, Any]:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except OSError:
            return {}

    return await asyncio.to_thread(get)


async def test_sigterm_flushes_everything_and_says_so() -> None:
    market = Market()
    market.script = busy
    await market.start()
    with mock_kafka() as bootstrap:
        async with started(market, bootstrap, PRICEBRAID_INGEST__RAW_BATCH_SECONDS="3600") as (process, port):
            seen: dict[str, Any] = {}
            wanted = {"binance": TRADES, "kucoin": TRADES}
            # The clocks are compared meanwhile, sooner or later than the trades come.
            while seen.get("trades") != wanted or seen["clock"] is None:
                assert process.returncode is None
                venues = (await health(port)).get("venues", {})
                seen["trades"] = {name: venue["trades"] for name, venue in venues.items()}
                seen["clock"] = venues.get("binance", {}).get("clock_offset_seconds")
                await asyncio.sleep(0.05)
            state = await health(port)
            process.send_signal(signal.SIGTERM)
            code, lines = await ended(process)
        trades = [json.loads(message.value() or b"") for message in read(bootstrap, "trades_in", 2 * TRADES)]
        raw = read(bootstrap, "kucoin_raw_data", 1)
        events = [json.loads(message.value() or b"") for message in read(bootstrap, "feed_events", 8)]
        tickers = read(bootstrap, "tickers", 1)
        marks = [json.loads(message.value() or b"") for message in read(bootstrap, "feed_marks", 4)]
    await market.stop()
    assert code == 0
    (flushed,) = (line for line in lines if line["message"] == "flushed everything")
    assert flushed["unsent"] == 0
    assert sorted((trade["venue"], trade["first_id"]) for trade in trades) == sorted(
        (venue, number) for venue in ("binance", "kucoin") for number in range(TRADES)
    )
    # The batch was far from full, and was sent nevertheless: welcome, two acknowledgements, and the trades.
    frames = [json.loads(text)["type"] for _, text in json.loads(raw[0].value() or b"")]
    assert [kind for kind in frames if kind != "pong"] == ["welcome", "ack", "ack", *["message"] * TRADES]
    assert [event["kind"] for event in events].count("disconnected") == 2
    newest = {venue: max(t["event_time"] for t in trades if t["venue"] == venue) for venue in ("binance", "kucoin")}
    assert sorted((mark["venue"], mark["kind"], mark["instance"]) for mark in marks) == [
        (venue, kind, "1") for venue in ("binance", "kucoin") for kind in ("lost", "regained")
    ]
    assert {mark["venue"]: mark["time"] for mark in marks if mark["kind"] == "lost"} == newest
    # One venue gives the day's figures over REST, the other none.
    assert "6" in {json.loads(message.value() or b"")["open_24h"] for message in tickers}
    assert state["venues"]["kucoin"]["connected"]
    assert state["venues"]["binance"]["lag_seconds"] is not None
    assert state["delivery_errors"] == 0


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"PRICEBRAID_SYMBOLS": "NO-SUCH"}, "no venue lists NO-SUCH"),
        ({"PRICEBRAID_SYMBOLS": "nonsense"}, "is not of the form BASE-QUOTE"),
        ({"PRICEBRAID_INGEST__TICKER_SECONDS": "-1"}, "ingest.ticker_seconds"),
    ],
)
async def test_what_cannot_work_ends_with_a_clear_error(environment: dict[str, str], told: str) -> None:
    market = Market()
    await market.start()
    async with started(market, "127.0.0.1:1", PRICEBRAID_INGEST__FLUSH_SECONDS="0.1", **environment) as (process, _):
        _, errors = await asyncio.wait_for(process.communicate(), 30)
    await market.stop()
    assert process.returncode == 1
    assert told in errors.decode()


async def test_a_taken_port_is_a_clear_error() -> None:
    market = Market()
    await market.start()
    variables = {"PRICEBRAID_PORTS__INGEST": str(market.port), "PRICEBRAID_INGEST__FLUSH_SECONDS": "0.1"}
    async with started(market, "127.0.0.1:1", **variables) as (process, _):
        code, lines = await ended(process)
    await market.stop()
    assert code == 1
    assert any("ports.ingest" in line["message"] for line in lines)


async def test_stopping_without_a_broker_ends_in_time_and_counts_what_is_lost() -> None:
    market = Market()
    market.script = busy
    await market.start()
    async with started(market, "127.0.0.1:1", PRICEBRAID_INGEST__FLUSH_SECONDS="0.5") as (process, _):
        await eventually(lambda: bool(market.peers))
        process.send_signal(signal.SIGTERM)
        code, lines = await ended(process)
    await market.stop()
    assert code == 1
    (line,) = (line for line in lines if line["message"] == "stopped with records unsent")
    assert line["unsent"] > 0
