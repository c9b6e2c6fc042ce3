import hashlib
from pathlib import Path

import pytest

from stack import jars
from stack.errors import StackError
from stack.jars import Jar

CONTENT = b"not really a jar"
JAR = Jar("flink", "org.example:thing:1.0", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty local Maven repository, and a remote one that nobody answers for."""
    settings = tmp_path / "jgo.conf"
    settings.write_text("[repositories]\nnowhere = http://127.0.0.1:9/maven\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    return tmp_path / "m2"


def put(repository: Path, content: bytes) -> None:
    place = repository / "org" / "example" / "thing" / "1.0" / "thing-1.0.jar"
    place.parent.mkdir(parents=True)
    place.write_bytes(content)


def test_the_lock_holds_what_the_parts_need() -> None:
    locked = jars.locked()
    names = {(jar.group, jar.file_name) for jar in locked}
    assert {("flink", "postgresql-42.7.14.jar"), ("kafka", "kafka_2.13-4.1.2.jar")} <= names
    assert ("kafka", "log4j-slf4j-impl-2.25.3.jar") in names, "without it the broker logs nothing"
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in locked)
    assert len({(jar.group, jar.file_name) for jar in locked}) == len(locked)


def test_every_root_is_in_the_lock() -> None:
    locked = {(jar.group, jar.coordinate) for jar in jars.locked()}
    assert {(group, root) for group, roots in jars.ROOTS.items() for root in roots} <= locked


def test_all_of_kafka_is_of_one_version() -> None:
    versions = {jar.coordinate.split(":")[2] for jar in jars.locked() if ":kafka" in jar.coordinate}
    assert versions == {"4.1.2"}


def test_a_jar_with_a_classifier_has_it_in_its_name() -> None:
    assert Jar("flink", "org.example:thing:1.0:linux", "").file_name == "thing-1.0-linux.jar"


def test_a_jar_of_the_local_repository_is_taken_without_a_network(tmp_path: Path, repository: Path) -> None:
    put(repository, CONTENT)
    seen: list[tuple[int, int, str]] = []
    jars.ensure(tmp_path / "jars", lambda *step: seen.append(step), [JAR])
    assert JAR.path(tmp_path / "jars").read_bytes() == CONTENT
    assert seen == [(1, 1, "thing-1.0.jar")]


def test_what_is_there_needs_neither_network_nor_repository(tmp_path: Path, repository: Path) -> None:
    place = JAR.path(tmp_path)
    place.parent.mkdir()
    place.write_bytes(CONTENT)
    jars.ensure(tmp_path, jars=[JAR])


def test_a_damaged_jar_is_refused_with_both_sums_and_a_remedy(tmp_path: Path, repository: Path) -> None:
    place = JAR.path(tmp_path)
    place.parent.mkdir()
    place.write_bytes(b"cut off")
    with pytest.raises(StackError) as refusal:
        jars.ensure(tmp_path, jars=[JAR])
    found = hashlib.sha256(b"cut off").hexdigest()
    assert all(part in refusal.value.message for part in ("thing-1.0.jar", JAR.sha256, found))
    assert str(place) in refusal.value.remedy


def test_another_jar_in_the_local_repository_is_not_taken(tmp_path: Path, repository: Path) -> None:
    put(repository, b"another build")
    with pytest.raises(StackError, match=r"org\.example:thing:1\.0 cannot be fetched") as refusal:
        jars.ensure(tmp_path / "jars", jars=[JAR])
    assert "mirror" in refusal.value.remedy
    assert not JAR.path(tmp_path / "jars").exists()
    assert list((tmp_path / "jars").glob(".fetching-*")) == []


def test_jars_that_are_no_longer_pinned_are_removed(tmp_path: Path, repository: Path) -> None:
    place = JAR.path(tmp_path)
    place.parent.mkdir()
    place.write_bytes(CONTENT)
    (place.parent / "thing-0.9.jar").write_bytes(b"of an earlier version")
    jars.ensure(tmp_path, jars=[JAR])
    assert [path.name for path in place.parent.iterdir()] == ["thing-1.0.jar"]


def test_a_broken_lock_is_told(tmp_path: Path) -> None:
    (tmp_path / "jars.lock").write_text("[flink\n")
    with pytest.raises(StackError, match="list of jars"):
        jars.locked(tmp_path / "jars.lock")
