import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from stack import status
from stack.attach import Rate, live_line
from stack.board import Report
from stack.facts import Facts, Growth, folder_size, freshness, newest_event_time, venues

HEALTH: dict[str, Any] = {
    "venues": {
        "binance": {
            "connected": True,
            "last_message_age_seconds": 0.12,
            "trades": 1234,
            "newest_event_time": 1_700_000_001_500_000,
        },
        "kucoin": {"connected": False, "last_message_age_seconds": None, "trades": 0, "newest_event_time": None},
    }
}


def now() -> dict[str, Any]:
    return status.compose(
        "simulated",
        "running",
        "",
        reports={
            "postgres": Report("healthy", "postgresql://x", 7),
            "kafka": Report("waiting", "127.0.0.1:1", reason="waits for nothing"),
            "topics": Report("healthy"),
            "jobs": Report("healthy"),
            "job-candles": Report("restarting", restarts=2, reason="gone", facts={"restored_from": "/c/chk-3"}),
        },
        steps={"topics", "jobs"},
        facts=Facts(venues([HEALTH], {"kucoin": 2}), 1, 0.25, 12.345),
    )


def test_the_status_has_what_the_contract_names() -> None:
    told = now()
    assert told["market"] == "simulated"
    assert told["parts"]["postgres"] == {
        "state": "healthy",
        "endpoint": "postgresql://x",
        "pid": 7,
        "restarts": 0,
        "reason": None,
        "remedy": None,
    }
    assert set(told["parts"]) == {"postgres", "kafka", "job-candles"}
    assert told["parts"]["kafka"]["state"] == "starting"
    assert told["parts"]["job-candles"]["restored_from"] == "/c/chk-3"
    assert told["venues"]["binance"] == {
        "connected": True,
        "last_message_age_seconds": 0.12,
        "trades": 1234,
        "gaps_open": 0,
    }
    assert told["freshness_seconds"] == 0.25
    assert told["disk_days_left"] == 12.3
    assert set(status.NOTHING) <= set(told)


def test_people_see_all_of_it() -> None:
    text = shown(status.shown(now()))
    for word in (
        "simulated",
        "0.25 s behind",
        "12.3 days",
        "postgresql://x",
        "chk-3",
        "1,234",
        "never",
    ):
        assert word in text


VERIFIED = {
    "finished_at": "2026-01-02T03:04:05Z",
    "from_time": "2026-01-02T01:00:00Z",
    "to_time": "2026-01-02T03:00:00Z",
    "candles": 28_312,
    "venue_compared": 40,
    "differences": 0,
    "venue_differences": 0,
    "error": None,
}


@pytest.mark.parametrize(
    ("told", "line", "red"),
    [
        (None, "not yet", False),
        (VERIFIED, "12 min ago, 28,312 candles: no differences", False),
        (VERIFIED | {"differences": 3}, "12 min ago, 28,312 candles: 3 not what the trades make", True),
        (
            VERIFIED | {"differences": 3, "venue_differences": 1, "error": "The broker is away.\nSo."},
            "12 min ago, 28,312 candles: 3 not what the trades make and 1 not the venues'"
            "; the last run could not: The broker is away.",
            True,
        ),
        (
            dict.fromkeys(VERIFIED) | {"differences": 0, "venue_differences": 0, "error": "The broker is away."},
            "never; the last run could not: The broker is away.",
            False,
        ),
    ],
)
def test_a_line_says_when_candles_were_verified_and_what_came_of_it(
    told: dict[str, Any] | None, line: str, red: bool
) -> None:
    text = status.verified(told, datetime(2026, 1, 2, 3, 16, 59, tzinfo=UTC))
    assert text.plain == f"verified   {line}"
    assert any("red" in str(span.style) for span in text.spans) == red


def test_the_line_stands_in_the_status() -> None:
    assert "verified   not yet" in shown(status.shown(now()))
    assert "3 h ago" in status.verified(VERIFIED, datetime(2026, 1, 2, 6, 30, tzinfo=UTC)).plain


def test_progress_says_what_is_ready_and_what_is_waited_for() -> None:
    text = shown(status.progress(now(), 3.25))
    assert "postgres" in text
    assert "kafka  waits for nothing" in text


def shown(what: Any) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_live_line_holds_market_rate_freshness_venues_and_what_is_not_healthy() -> None:
    line = live_line(now(), 1999.6).plain
    assert line.startswith(
        "simulated · 2,000 trades/s · candles 0.25 s behind · binance connected · kucoin NOT CONNECTED"
    )
    assert "job-candles restarting" in line


def test_the_rate_is_taken_over_the_last_seconds() -> None:
    rate = Rate()

    def at(second: float, trades: int) -> float | None:
        return rate.of(second, {"venues": {"binance": {"trades": trades}, "kucoin": {"trades": 0}}})

    assert at(0.0, 1000) is None
    assert at(2.0, 1200) is None, "too short to tell"
    assert at(4.0, 1400) == 100.0
    assert at(7.0, 2200) == 200.0
    assert at(8.0, 5) is None, "ingest was restarted"
    assert at(12.0, 45) == 10.0


def test_of_two_ingest_processes_the_one_that_is_better_off_counts() -> None:
    other = {
        "venues": {
            "kucoin": {"connected": True, "last_message_age_seconds": 3.0, "trades": 7, "newest_event_time": 1},
            "binance": {"connected": False, "last_message_age_seconds": 9.0, "trades": 5, "newest_event_time": None},
        }
    }
    told = venues([HEALTH, other], {"binance": 1})
    assert told["binance"] == {
        "connected": True,
        "last_message_age_seconds": 0.12,
        "trades": 1234,
        "gaps_open": 1,
    }
    assert told["kucoin"] == {"connected": True, "last_message_age_seconds": 3.0, "trades": 7, "gaps_open": 0}
    assert newest_event_time([other, HEALTH]) == 1_700_000_001_500_000


def test_freshness_is_how_far_the_candles_are_behind_and_never_negative() -> None:
    seen = newest_event_time([HEALTH])
    assert seen == 1_700_000_001_500_000
    assert freshness(seen, datetime.fromtimestamp(1_700_000_001, UTC)) == 0.5
    assert freshness(seen, datetime.fromtimestamp(1_700_000_009, UTC)) == 0.0
    assert freshness(seen, None) is None
    assert freshness(None, datetime.now(UTC)) is None
    assert newest_event_time([{}]) is None


def test_the_disk_lasts_as_long_as_the_growth_of_the_last_hour_says() -> None:
    growth = Growth()
    assert growth.days_left(1000) is None
    growth.add(0.0, 1000)
    growth.add(299.0, 2000)
    assert growth.days_left(1000) is None, "too little is measured"
    growth.add(400.0, 1400)
    assert growth.days_left(86_400) == pytest.approx(1.0)
    growth.add(3900.0, 2000)
    assert growth.days_left(86_400 * 2) == pytest.approx(2 * 3500 / 600), "the first samples are too old by now"
    growth.add(4000.0, 300)
    assert growth.days_left(1000) is None, "nothing grows"


def test_a_folders_size_is_what_it_takes_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "full").write_bytes(b"x" * 100_000)
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    (tmp_path / "link").symlink_to(tmp_path / "a" / "full")
    assert 100_000 <= folder_size(tmp_path) < 1_000_000
    assert folder_size(tmp_path / "absent") == 0
