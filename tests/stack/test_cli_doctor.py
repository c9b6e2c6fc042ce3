import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from market.sections import Ports
from market.settings import load
from stack import doctor, jars, running
from stack.asking import NoAnswer
from tests.ports import free_port


def test_pythons_that_pyflink_takes() -> None:
    assert doctor.check_python((3, 11)).level == "ok"
    assert doctor.check_python((3, 12)).level == "ok"
    assert doctor.check_python((3, 14)).level == "fail"
    assert doctor.check_python(sys.version_info[:2]).level == "ok"


def test_a_folder_that_can_be_written_to(tmp_path: Path) -> None:
    assert doctor.check_folder(tmp_path / "not" / "yet").level == "ok"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that even root cannot write to")
def test_a_folder_that_cannot_be_written_to() -> None:
    check = doctor.check_folder(Path("/proc/pricebraid"))
    assert check.level == "fail"
    assert "state_dir" in check.remedy


def test_jars_that_are_not_here_yet_are_no_fault(tmp_path: Path) -> None:
    assert doctor.check_jars(tmp_path).level == "warn"


def test_a_damaged_jar_is_one(tmp_path: Path) -> None:
    jar = jars.locked()[0].path(tmp_path)
    jar.parent.mkdir(parents=True)
    jar.write_bytes(b"damaged")
    check = doctor.check_jars(tmp_path)
    assert check.level == "fail"
    assert check.remedy


def test_a_port_is_free_or_ours_or_taken(tmp_path: Path) -> None:
    ports = {name: free_port() for name in Ports.model_fields}
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        settings = load(market="simulated", state_dir=tmp_path, ports={**ports, "kafka": server.getsockname()[1]})
        taken = {check.name: check for check in doctor.check_ports(settings, None)}
        assert taken[f"port {settings.ports.kafka}"].level == "fail"
        assert "PRICEBRAID_PORTS__KAFKA" in taken[f"port {settings.ports.kafka}"].remedy
        assert "12 of 13" in taken["ports"].found
        os.close(running.claim(tmp_path, settings, time.time()))
        ours = {check.name: check for check in doctor.check_ports(settings, running.find(tmp_path))}
        assert ours[f"port {settings.ports.kafka}"].level == "ok"


@pytest.mark.parametrize(("free", "level"), [(1 << 30, "fail"), (10 << 30, "warn"), (100 << 30, "ok")])
def test_disk(free: int, level: str) -> None:
    assert doctor.check_disk(free, Path("/")).level == level


@pytest.mark.parametrize(
    ("total", "available", "runs", "level"),
    [(2, 2, False, "fail"), (8, 3, False, "warn"), (8, 3, True, "ok"), (16, 12, False, "ok")],
)
def test_memory(total: int, available: int, *, runs: bool, level: str) -> None:
    assert doctor.check_memory(total << 30, available << 30, runs=runs).level == level


@pytest.mark.parametrize(("offset", "level"), [(0.1, "ok"), (-0.19, "ok"), (0.24, "ok"), (0.3, "warn"), (-2.0, "warn")])
def test_a_clock_is_off_when_that_is_certain(offset: float, level: str) -> None:
    assert doctor.check_clock("binance", offset, 0.05).level == level


def test_the_offset_is_taken_from_the_middle_of_the_question() -> None:
    ticks = iter([100.0, 100.2, 200.0, 200.2])

    def asked(url: str, _seconds: float) -> Any:
        return {"serverTime": 100_100} if "api/v3/time" in url else {"code": "200000", "data": 201_100}

    binance, kucoin = doctor.check_exchanges(load(), asked, lambda: next(ticks))
    assert binance.level == "ok"
    assert "+0 ms" in binance.found
    assert kucoin.level == "warn"
    assert "+1000 ms" in kucoin.found


@pytest.mark.parametrize(("market", "level"), [("auto", "warn"), ("live", "fail")])
def test_exchanges_out_of_reach_are_a_fault_only_for_the_live_market(market: str, level: str) -> None:
    def asked(url: str, _seconds: float) -> Any:
        raise NoAnswer("no route")

    assert {check.level for check in doctor.check_exchanges(load(market=market), asked)} == {level}


def test_a_line_has_the_level_and_the_remedy_below() -> None:
    line = doctor.shown(doctor.Check("disk", "fail", "full", "Make room.")).plain
    assert line == "fail  disk: full\n      Make room."
