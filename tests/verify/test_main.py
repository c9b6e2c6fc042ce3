"""How the command ends when it is ended: whatever a library makes of the exception that meets it inside."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

import verify.__main__ as command
from verify.reading import CannotCheck, NothingToCheck


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """Give back the handlers that were there before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Told:
    """A ledger that remembers what is noted."""

    def __init__(self, _settings: object) -> None:
        self.noted: list[str] = []
        ledgers.append(self)

    def failed(self, _scope: object, _began: object, reason: str) -> None:
        self.noted.append(reason)

    compared = failed

    def nothing_closed(self, _scope: object, _began: object) -> None:
        self.noted.append("nothing closed")


ledgers: list[Told] = []


def ends_itself(number: int) -> None:
    """Be ended inside a library that lets nothing out."""
    with suppress(SystemExit):
        os.kill(os.getpid(), number)


def interrupted(number: int) -> None:
    ends_itself(number)
    raise RuntimeError("Query interrupted")


def not_found(number: int) -> None:
    ends_itself(number)
    raise CannotCheck("A module was not found.")


def nothing_read(number: int) -> None:
    ends_itself(number)
    raise NothingToCheck("No candle is closed.")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("library", [interrupted, not_found, nothing_read, ends_itself])
def test_a_run_that_is_ended_says_nothing_of_the_candles(
    library: Callable[[int], None],
    number: int,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def check(*_: object, progress: Callable[[str], None], **__: object) -> None:
        library(number)
        progress("goes on")
        pytest.fail("it goes on")

    monkeypatch.setenv("PRICEBRAID_STATE_DIR", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["verify", "--json"])
    monkeypatch.setattr(command, "Ledger", Told)
    monkeypatch.setattr(command, "check", check)
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    assert ledgers.pop().noted == []
    assert capsys.readouterr().out == ""
    assert list(tmp_path.glob("verify-*")) == []
