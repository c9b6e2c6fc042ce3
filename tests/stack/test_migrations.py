from pathlib import Path

import pytest

from stack.errors import StackError
from stack.migrations import FOLDER, Migration, pending, read

ONE, TWO, THREE = (Migration(number, name, f"sum of {name}") for number, name in enumerate(("one", "two", "three"), 1))


def test_what_was_not_applied_yet_is_pending_in_order() -> None:
    assert pending([ONE, TWO, THREE], [ONE]) == [TWO, THREE]
    assert pending([ONE, TWO], [ONE, TWO]) == []


@pytest.mark.parametrize(
    ("available", "fault"),
    [
        ([Migration(1, "one", "another sum"), TWO], r"001_one\.sql .* was changed since"),
        ([Migration(1, "uno", ONE.sha256), TWO], r"001_one\.sql .* is now 001_uno\.sql"),
        ([Migration(1, "zero", "sum"), Migration(2, "one", ONE.sha256)], r"001_one\.sql .* is now 002_one\.sql"),
        ([Migration(1, "zero", "sum"), TWO], r"001_one\.sql .* was replaced by 001_zero\.sql"),
        ([], r"001_one\.sql .* is missing"),
    ],
)
def test_history_that_does_not_fit_is_refused(available: list[Migration], fault: str) -> None:
    with pytest.raises(StackError, match=fault) as refusal:
        pending(available, [ONE])
    assert "new migration" in refusal.value.remedy


def test_migrations_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "002_two.sql").write_text("SELECT 2")
    (tmp_path / "001_one.sql").write_text("SELECT 1")
    assert [(item.number, item.name, item.text) for item in read(tmp_path)] == [
        (1, "one", "SELECT 1"),
        (2, "two", "SELECT 2"),
    ]


@pytest.mark.parametrize("names", [("001_a.sql", "003_c.sql"), ("001_a.sql", "001_b.sql"), ("002_b.sql",)])
def test_numbers_must_be_whole(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(StackError, match="not numbered"):
        read(tmp_path)


def test_a_file_of_another_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1-Schema.sql").write_text("SELECT 1")
    with pytest.raises(StackError, match="not named as a migration"):
        read(tmp_path)


def test_the_projects_own_migrations_can_be_read() -> None:
    assert read(FOLDER)[0].number == 1
