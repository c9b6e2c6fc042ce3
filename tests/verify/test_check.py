"""How often it looks before it accuses: as often as it takes what is found to stand still."""

import pytest

from verify import check
from verify.check import LOOKS, MOST_LOOKS, lasting
from verify.oracle import Differing


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_PAUSE", 0.0)


class Seen:
    """What differs at each look, by number, and how much of it moved; the last one is seen at all further looks."""

    def __init__(self, *looks: tuple[int, int]) -> None:
        self._left = list(looks)
        self.looks = 1
        self.asked: list[bool] = []

    def look(self) -> None:
        self.looks += 1
        if len(self._left) > 1:
            del self._left[0]

    def compare(self, again: bool) -> Differing:
        self.asked.append(again)
        candles, moved = self._left[0]
        return Differing(candles, 0, 1, moved)

    def judged(self) -> int:
        return lasting(self.compare, self.look, lambda _: None).candles


def test_what_is_right_is_looked_at_once() -> None:
    seen = Seen((0, 0))
    assert (seen.judged(), seen.looks, seen.asked) == (0, 1, [False])


def test_what_stands_still_and_differs_is_accused_after_some_looks() -> None:
    seen = Seen((7, 7), (7, 0))
    assert (seen.judged(), seen.looks, seen.asked) == (7, LOOKS, [False, True, True])


def test_what_becomes_right_is_not_accused() -> None:
    seen = Seen((7, 7), (2, 2), (0, 0))
    assert (seen.judged(), seen.looks) == (0, 3)


def test_what_still_changes_is_looked_at_until_it_stands_still() -> None:
    seen = Seen((7, 7), (2, 2), (1, 1), (1, 1), (1, 1), (0, 0))
    assert (seen.judged(), seen.looks) == (0, 6)
    seen = Seen((7, 7), (2, 2), (1, 1), (1, 1), (1, 0))
    assert (seen.judged(), seen.looks) == (1, 5)


def test_what_never_stands_still_is_accused_in_the_end() -> None:
    seen = Seen((3, 3))
    assert (seen.judged(), seen.looks) == (3, MOST_LOOKS)
