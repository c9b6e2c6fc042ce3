import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from stack import releases
from stack.errors import StackError
from stack.releases import Release, fetch, pinned, this_platform

PLATFORMS = {f"{system}-{machine}" for system in ("linux", "macos") for machine in ("x86_64", "arm64")}


class Handler(SimpleHTTPRequestHandler):
    """Gives files; of one whose name begins with `short`, only the first half of what it promises."""

    def log_message(self, *args: Any) -> None:
        pass

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content = source.read()
        outputfile.write(content[: len(content) // 2] if "short" in self.path else content)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which it is served."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def archive(path: Path, *, version: str = "v3.1.0-build7") -> str:
    """Write an archive as such releases are, all in one folder; return its sum."""
    script = b"#!/bin/sh\necho thing, version 3.1.0\n"
    with tarfile.open(path, "w:gz") as packed:
        entry = tarfile.TarInfo(f"thing-{version}/bin/thing")
        entry.size, entry.mode = len(script), 0o755
        packed.addfile(entry, io.BytesIO(script))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def release(url: str, sha256: str) -> Release:
    return Release("thing", "3.1.0", "bin/thing", url, sha256)


def test_every_pinned_sum_is_one_and_every_address_is_of_its_version() -> None:
    for name, platforms in (("grafana", {"linux-x86_64", "linux-arm64"}), ("prometheus", PLATFORMS)):
        for platform in platforms:
            found = pinned(name, platform)
            assert len(bytes.fromhex(found.sha256)) == 32
            assert urlsplit(found.url).scheme == "https"
            assert f"/{found.version}/" in found.url.replace("/v", "/")
        assert len({pinned(name, platform).sha256 for platform in platforms}) == len(platforms)


def test_this_platform_is_named_as_the_list_names_it() -> None:
    assert this_platform() in PLATFORMS


def test_a_platform_without_a_release_is_told_with_what_to_do() -> None:
    with pytest.raises(StackError, match="no release of it is pinned for linux-riscv64") as refusal:
        pinned("grafana", "linux-riscv64")
    assert "grafana.binary" in refusal.value.remedy
    assert "grafana.enabled = false" in refusal.value.remedy


def test_a_release_is_unpacked_into_its_folder_and_an_older_one_goes(tmp_path: Path, served: tuple[Path, str]) -> None:
    folder, address = served
    wanted = release(f"{address}/thing.tar.gz", archive(folder / "thing.tar.gz"))
    (tmp_path / "programs" / "thing-2.0.0").mkdir(parents=True)
    (tmp_path / "programs" / ".thing-left").mkdir()
    said: list[str] = []
    fetch(wanted, tmp_path / "programs", said.append)
    program = tmp_path / "programs" / "thing-3.1.0" / "bin" / "thing"
    assert program.stat().st_mode & 0o111
    assert [path.name for path in (tmp_path / "programs").iterdir()] == ["thing-3.1.0"]
    assert said[0].startswith(f"{releases.FETCHING}: ")


def test_what_is_not_the_pinned_release_is_refused_and_not_unpacked(tmp_path: Path, served: tuple[Path, str]) -> None:
    folder, address = served
    found = archive(folder / "thing.tar.gz")
    with pytest.raises(StackError, match=f"expected {'0' * 64}, found {found}") as refusal:
        fetch(release(f"{address}/thing.tar.gz", "0" * 64), tmp_path / "programs", lambda _: None)
    assert "Do not trust" in refusal.value.remedy
    assert list((tmp_path / "programs").iterdir()) == []


def test_what_is_cut_off_is_told_and_not_kept(tmp_path: Path, served: tuple[Path, str]) -> None:
    folder, address = served
    wanted = release(f"{address}/short.tar.gz", archive(folder / "short.tar.gz"))
    with pytest.raises(StackError, match=r"thing 3\.1\.0 cannot be fetched from 127\.0\.0\.1") as refusal:
        fetch(wanted, tmp_path / "programs", lambda _: None)
    assert "The next `up` tries again" in refusal.value.remedy
    assert list((tmp_path / "programs").iterdir()) == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://nowhere.invalid"])
def test_a_host_that_cannot_be_reached_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StackError, match="cannot be fetched from"):
        fetch(release(f"{address}/thing.tar.gz", "0" * 64), tmp_path / "programs", lambda _: None)


def test_a_missing_file_is_told(tmp_path: Path, served: tuple[Path, str]) -> None:
    with pytest.raises(StackError, match="404"):
        fetch(release(f"{served[1]}/gone.tar.gz", "0" * 64), tmp_path / "programs", lambda _: None)


def test_it_may_not_take_for_ever(tmp_path: Path, served: tuple[Path, str]) -> None:
    folder, address = served
    wanted = release(f"{address}/thing.tar.gz", archive(folder / "thing.tar.gz"))
    with pytest.raises(StackError, match="it takes too long"):
        fetch(wanted, tmp_path / "programs", lambda _: None, seconds=0.0)


def test_whoever_watches_can_end_it(tmp_path: Path, served: tuple[Path, str]) -> None:
    folder, address = served
    wanted = release(f"{address}/thing.tar.gz", archive(folder / "thing.tar.gz"))

    def stop(_: str) -> None:
        raise StackError("stopped")

    with pytest.raises(StackError, match="stopped"):
        fetch(wanted, tmp_path / "programs", stop)
    assert list((tmp_path / "programs").iterdir()) == []
