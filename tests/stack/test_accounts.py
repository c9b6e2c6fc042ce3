import os
from pathlib import Path

import pytest

from market.settings import load
from stack.accounts import as_user, reachable
from stack.errors import StackError
from stack.passwords import dsn, make_secrets, read_secrets, superuser_dsn
from stack.state import State


def test_a_folder_that_only_its_owner_walks_through_is_not_reachable(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0o700)
    assert not reachable(closed / "inner" / "file")
    assert not reachable(closed / "not there yet")


def test_what_lies_in_open_folders_is_reachable_unless_it_cannot_be_read() -> None:
    assert reachable(Path(os.path.realpath("/usr/bin/env")))
    assert reachable(Path("/usr/lib"))


def test_a_link_counts_by_where_it_leads(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").write_text("")
    (tmp_path / "link").symlink_to(closed / "file")
    assert not reachable(tmp_path / "link")


def test_nobody_else_is_asked_for_where_no_user_is_named() -> None:
    assert as_user(None) == {}


def test_secrets_are_for_their_owner_only_and_new_each_time(tmp_path: Path) -> None:
    state = State(tmp_path, "live")
    state.create()
    first = make_secrets(state)
    assert state.secrets.stat().st_mode & 0o777 == 0o600
    assert read_secrets(state) == first
    assert len(set(first.values())) == len(first)
    assert make_secrets(state).keys() == first.keys()
    assert read_secrets(state) != first


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"postgres": "x"}'])
def test_broken_secrets_are_told_with_a_way_out(tmp_path: Path, content: str) -> None:
    state = State(tmp_path, "live")
    state.create()
    state.secrets.write_text(content)
    with pytest.raises(StackError, match=r"secrets\.json") as refusal:
        read_secrets(state)
    assert str(state.folder) in refusal.value.remedy


def test_each_role_has_its_address(tmp_path: Path) -> None:
    settings = load(market="live", state_dir=tmp_path, ports={"postgres": 1234})
    state = State.for_settings(settings)
    state.create()
    words = make_secrets(state)
    assert dsn(settings, state, "reader") == "postgresql://pricebraid_reader@127.0.0.1:1234/pricebraid"
    assert dsn(settings, state) == f"postgresql://pricebraid:{words['pricebraid']}@127.0.0.1:1234/pricebraid"
    assert superuser_dsn(settings, state).endswith("/postgres")
