import fcntl
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from market.sections import Ports
from market.settings import Settings, load
from stack import preflight, running
from stack.errors import StackError
from stack.process import Recorded, Register, create_time
from tests.ports import free_port

NAMES = list(Ports.model_fields)


def with_ports(kind: str = "simulated", **changed: int) -> Settings:
    return load(market=kind, ports={name: free_port() for name in NAMES} | changed)


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_free_ports_pass() -> None:
    preflight.check_ports(with_ports())


def test_a_taken_port_is_told_with_its_setting_and_its_owner(listener: int) -> None:
    with pytest.raises(StackError) as error:
        preflight.check_ports(with_ports(kafka=listener))
    assert f"port {listener} (setting ports.kafka) is taken" in error.value.message
    assert f"(process {os.getpid()})" in error.value.message
    assert f"PRICEBRAID_PORTS__KAFKA={listener + 1000}" in error.value.remedy


def test_the_markets_port_does_not_matter_when_the_market_is_live(listener: int) -> None:
    preflight.check_ports(with_ports("live", market=listener))
    with pytest.raises(StackError, match=r"ports\.market"):
        preflight.check_ports(with_ports("simulated", market=listener))


def test_two_settings_of_one_port_are_refused() -> None:
    port = free_port()
    with pytest.raises(StackError, match=rf"ports\.postgres and ports\.kafka are both {port}"):
        preflight.check_ports(with_ports(postgres=port, kafka=port))


def test_a_port_whose_connections_are_being_put_away_is_free(listener: int) -> None:
    with socket.create_connection(("127.0.0.1", listener)):
        pass
    assert preflight.taken(listener)


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_nearly_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 << 30, 99 << 30, 1 << 30))
    with pytest.raises(StackError, match=r"1\.0 GB free; 2 GB are needed") as error:
        preflight.check_disk(tmp_path)
    assert "state_dir" in error.value.remedy


def test_one_supervisor_holds_the_state_folder_and_the_second_hears_how_to_stop_it(tmp_path: Path) -> None:
    settings = load(market="simulated", state_dir=tmp_path)
    lock = running.claim(tmp_path, settings, time.time())
    try:
        with pytest.raises(StackError, match=r"runs already, market simulated") as error:
            running.claim(tmp_path, settings, time.time())
        assert "./pricebraid down" in error.value.remedy
        with pytest.raises(StackError, match=r"runs already"):
            running.refuse_second(tmp_path)
    finally:
        os.close(lock)


def test_what_runs_is_described_with_the_settings_it_runs_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = load(market="simulated", state_dir=tmp_path, ports={"kafka": 23399}, symbols=["BTC-USDT", "ETH-USDT"])
    lock = running.claim(tmp_path, started, time.time())
    os.close(lock)
    monkeypatch.setenv("PRICEBRAID_PORTS__KAFKA", "1111")
    found = running.find(tmp_path)
    assert found is not None
    assert found.load_settings() == started


def test_nothing_runs_where_nothing_was_started_or_the_supervisor_was_killed(tmp_path: Path) -> None:
    assert running.find(tmp_path) is None
    os.close(running.claim(tmp_path, load(market="simulated", state_dir=tmp_path), time.time()))
    described = (tmp_path / "running.json").read_text()
    (tmp_path / "running.json").write_text(re.sub(r'"create_time":[\d.]+', '"create_time":1.0', described))
    assert running.find(tmp_path) is None
    assert running.last(tmp_path) is not None
    running.refuse_second(tmp_path)


def test_a_lock_that_is_held_by_nobody_known_is_told(tmp_path: Path) -> None:
    with (tmp_path / "supervisor.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StackError, match="Another process"):
            running.claim(tmp_path, load(market="simulated", state_dir=tmp_path), time.time())


def test_a_state_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match="cannot be used"):
        running.claim(tmp_path / "file" / "state", load(market="simulated"), time.time())


def test_parts_of_a_killed_supervisor_are_known(tmp_path: Path) -> None:
    register = Register(running.register_path(tmp_path))
    register.add("kafka", Recorded(os.getpid(), create_time(os.getpid()) or 0, "x/kafka"))
    register.add("ingest", Recorded(os.getpid(), 1.0, "x/ingest"))
    assert running.leftovers(tmp_path) == ["kafka"]
