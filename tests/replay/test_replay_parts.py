import asyncio
import json
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.settings import ROOT
from replay.events import fixed, short
from replay.limits import Pool, Rules, Sliding
from replay.rolling import Rolling
from replay.wire import Message, in_microseconds, text_frame
from tests.ports import free_port
from tests.replay_helpers import rest, socket, still, until

DAY = 86_400_000_000


@given(st.lists(st.floats(0, 100), max_size=60), st.integers(1, 5), st.floats(0.5, 20))
def test_a_sliding_limit_never_lets_more_through_in_any_window(times: list[float], limit: int, seconds: float) -> None:
    counter = Sliding(limit, seconds)
    passed = [time for time in sorted(times) if counter.hit(time)]
    for later in range(limit, len(passed)):
        assert passed[later - limit] <= passed[later] - seconds


def test_a_pool_fills_again_at_the_period() -> None:
    pool = Pool(10, 60.0, 100.0)
    assert pool.take(8, 110.0)
    assert not pool.take(3, 159.0)
    assert (pool.used, pool.reset(159.0)) == (8, 1.0)
    assert pool.take(3, 160.0)
    assert (pool.used, pool.reset(160.0)) == (3, 60.0)


@given(st.integers(0, 10**15), st.integers(0, 10))
def test_numbers_are_written_exactly(units: int, decimals: int) -> None:
    number = Decimal(units).scaleb(-decimals)
    assert Decimal(fixed(units, decimals, max(8, decimals))) == number
    assert Decimal(short(units, decimals)) == number
    assert len(fixed(units, decimals, max(8, decimals)).partition(".")[2]) == max(8, decimals)
    assert not short(units, decimals).endswith(".")
    assert "." not in short(units, decimals) or short(units, decimals)[-1] != "0"


@given(
    st.lists(st.tuples(st.integers(0, 3 * DAY), st.integers(1, 1000), st.integers(1, 1000)), min_size=1, max_size=80),
    st.integers(0, DAY),
)
def test_rolling_figures_are_those_of_the_trades_in_the_window(trades: list[tuple[int, int, int]], after: int) -> None:
    rolling = Rolling(2, 3)
    ordered = sorted(trades, key=lambda trade: trade[0])
    for number, (time, price, size) in enumerate(ordered):
        rolling.add(time, price, size, number, number)
    now = ordered[-1][0] + after
    slot = 300_000_000
    inside = [
        (number, price, size)
        for number, (time, price, size) in enumerate(ordered)
        if time - time % slot + slot > now - DAY
    ]
    day = rolling.figures(now)
    assert day.last == Decimal(ordered[-1][1]).scaleb(-2)
    assert day.count == len(inside)
    assert day.base_volume == Decimal(sum(size for _, _, size in inside)).scaleb(-3)
    assert day.quote_volume == Decimal(sum(price * size for _, price, size in inside)).scaleb(-5)
    if inside:
        assert (day.open, day.high, day.low) == tuple(
            Decimal(price).scaleb(-2)
            for price in (inside[0][1], max(each[1] for each in inside), min(each[1] for each in inside))
        )
        assert (day.first_id, day.last_id) == (inside[0][0], inside[-1][0])


def test_only_millisecond_times_become_microseconds() -> None:
    event = b'{"e":"kline","E":1700000000001,"k":{"t":1700000000000,"T":1700000059999,"f":5,"p":"1700000000000"}}'
    assert json.loads(in_microseconds(event)) == {
        "e": "kline",
        "E": 1_700_000_000_001_000,
        "k": {"t": 1_700_000_000_000_000, "T": 1_700_000_059_999_000, "f": 5, "p": "1700000000000"},
    }


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 200_000])
async def test_frames_of_any_size_are_understood(size: int) -> None:
    async with still() as (server, _), socket(f"{server.ws_url}/ws/a@trade") as opened:
        await until(lambda: server.hub.subscribed == 1)
        server.hub.publish(Message("a@trade", b"x" * size))
        server.hub.flush()
        assert await opened.recv() == "x" * size


def test_a_frame_is_made_once_for_all_clients_of_a_form() -> None:
    message = Message("a@trade", b"whole", b"data")
    assert message.frame(0) is message.frame(0)
    assert (message.frame(0), message.frame(1)) == (text_frame(b"whole"), text_frame(b"data"))


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    async with still(Rules(buffer_bytes=1 << 20)) as (server, _):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        writer.write(
            f"GET /ws/a@trade HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n".encode()
        )
        await until(lambda: server.hub.subscribed == 1)
        message = Message("a@trade", b"x" * 100_000)
        for _ in range(1000):
            server.hub.publish(message)
            server.hub.flush()
            server.hub.cut_slow()
            await asyncio.sleep(0)
            if not server.hub.clients:
                break
        assert not server.hub.clients
        assert server.hub.subscribed == 0
        writer.close()


async def command(port: int, market: str, **more: str) -> asyncio.subprocess.Process:
    environment = {**os.environ, "PRICEBRAID_MARKET": market, "PRICEBRAID_PORTS__MARKET": str(port), **more}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "replay", cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE
    )


async def test_the_command_serves_until_sigterm_and_ends_in_order() -> None:
    port = free_port()
    process = await command(port, "simulated")
    assert process.stderr is not None
    async with asyncio.timeout(30):
        assert b"serving" in await process.stderr.readline()
        async with socket(f"ws://127.0.0.1:{port}/ws/btcusdt@aggTrade") as opened:
            await opened.recv()
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
            await opened.wait_closed()
            assert opened.close_code == 1001


async def test_what_cannot_be_served_is_a_clear_error(tmp_path: Path) -> None:
    async with still() as (server, _), rest(server) as client:
        assert (await client.get("/api/v3/ping")).status_code == 200
        for port, market, speed, text in (
            (server.port, "simulated", "1", "cannot serve on port"),
            (free_port(), str(tmp_path / "nothing"), "1", "no such file or folder"),
            (free_port(), "live", "1", "needs no server"),
            (free_port(), str(tmp_path), "0", "above zero"),
            (free_port(), "simulated", "fast", "wrong settings"),
        ):
            process = await command(port, market, PRICEBRAID_SPEED=speed)
            _, errors = await process.communicate()
            assert process.returncode == 1
            assert text in errors.decode()
            assert "Traceback" not in errors.decode()
