"""Downloads from a real server on this machine: resumed, verified, whole or absent."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from anymask.checkpoints import load
from anymask.checkpoints.download import cache_dir, cached_path, fetch
from anymask.checkpoints.registry import CHECKPOINTS, CheckpointEntry
from anymask.errors import CheckpointError
from anymask.model.sam import Sam

CONTENT = bytes(range(256)) * 12_000  # 3 MB
HALF = 1_500_000


@dataclass
class Server:
    """What the server does, and the requests it got."""

    address: str = ""
    content: bytes = CONTENT
    ranges: bool = True
    status: int = 200
    cuts: list[int] = field(default_factory=list)  # bytes after which connections break, in turn
    requests: list[str | None] = field(default_factory=list)  # their Range headers


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.requests.append(wanted)
            start, total = 0, len(state.content)
            if state.status != 200:
                return self.send_error(state.status)
            if wanted and state.ranges:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= total:
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{total}")
                    self.send_header("Content-Length", "0")
                    return self.end_headers()
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(total - start))
            self.end_headers()
            sent = state.cuts.pop(0) if state.cuts else total
            self.wfile.write(state.content[start : start + sent])
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield state
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own, and no settings or proxies of this machine."""
    for name in list(os.environ):
        if name.startswith("ANYMASK_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ANYMASK_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def entry(server: Server) -> CheckpointEntry:
    return replace(
        CHECKPOINTS["vit_b"],
        url=f"{server.address}/{CHECKPOINTS['vit_b'].file_name}",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
    )


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".lock")


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("ANYMASK_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "anymask"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "anymask"


def test_a_file_is_downloaded_once(server: Server, entry: CheckpointEntry, home: Path):
    assert cached_path(entry) is None
    path = fetch(entry)
    assert path == home / "sam_vit_b_01ec64.pth"
    assert path.read_bytes() == CONTENT
    assert fetch(entry) == path == cached_path(entry)
    assert server.requests == [None]
    assert names(home) == [path.name]


def test_the_progress_bar_is_on_stderr_and_can_be_left_out(
    entry: CheckpointEntry, home: Path, capsys: pytest.CaptureFixture[str]
):
    fetch(entry)
    captured = capsys.readouterr()
    assert "sam_vit_b_01ec64.pth" in captured.err
    assert "3.1" in captured.err  # megabytes
    assert captured.out == ""
    (home / entry.file_name).unlink()
    fetch(entry, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_broken_connection_is_taken_up_where_it_broke(
    server: Server, entry: CheckpointEntry, home: Path
):
    server.cuts = [HALF, 200_000]
    assert fetch(entry).read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={HALF}-", f"bytes={HALF + 200_000}-"]
    assert names(home) == [entry.file_name]


def test_an_interrupted_download_is_resumed_by_the_next_call(
    server: Server, entry: CheckpointEntry, home: Path
):
    server.cuts = [HALF, 0]
    with pytest.raises(CheckpointError, match="at 1,500,000 bytes; load it again to continue"):
        fetch(entry)
    assert names(home) == [f"{entry.file_name}.part"]
    assert cached_path(entry) is None
    assert fetch(entry).read_bytes() == CONTENT
    assert server.requests[-1] == f"bytes={HALF}-"


def test_a_server_that_ignores_ranges_sends_the_file_anew(
    server: Server, entry: CheckpointEntry, home: Path
):
    home.mkdir()
    (home / f"{entry.file_name}.part").write_bytes(b"\0" * HALF)
    server.ranges = False
    assert fetch(entry).read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_and_always_breaks_off_is_given_up(
    server: Server, entry: CheckpointEntry
):
    server.ranges = False
    server.cuts = [HALF] * 9
    with pytest.raises(CheckpointError, match="stopped at"):
        fetch(entry)
    assert len(server.requests) == 2


def test_a_part_that_is_whole_is_not_downloaded_again(
    server: Server, entry: CheckpointEntry, home: Path
):
    home.mkdir()
    (home / f"{entry.file_name}.part").write_bytes(CONTENT)
    assert fetch(entry).read_bytes() == CONTENT
    assert server.requests == [f"bytes={len(CONTENT)}-"]


def test_a_part_longer_than_the_file_is_thrown_away(
    server: Server, entry: CheckpointEntry, home: Path
):
    home.mkdir()
    (home / f"{entry.file_name}.part").write_bytes(CONTENT + b"more")
    assert fetch(entry).read_bytes() == CONTENT
    assert server.requests == [f"bytes={len(CONTENT) + 4}-", None]


def test_a_part_of_another_file_does_not_pass_the_hash(
    server: Server, entry: CheckpointEntry, home: Path
):
    home.mkdir()
    (home / f"{entry.file_name}.part").write_bytes(b"\0" * HALF)
    with pytest.raises(CheckpointError, match="SHA-256"):
        fetch(entry)
    assert fetch(entry).read_bytes() == CONTENT


@pytest.mark.parametrize("length", [64, 6])
def test_a_file_with_another_hash_is_removed_and_refused(
    server: Server, entry: CheckpointEntry, home: Path, length: int
):
    wrong = replace(entry, sha256="0" * length)
    actual = hashlib.sha256(CONTENT).hexdigest()[:12]
    with pytest.raises(
        CheckpointError, match=f"is not the published vit_b .SHA-256 {actual}… instead of 000000"
    ):
        fetch(wrong)
    assert names(home) == []


def test_the_beginning_of_a_hash_is_enough(entry: CheckpointEntry):
    assert fetch(replace(entry, sha256=entry.sha256[:6])).read_bytes() == CONTENT


def test_a_file_of_unknown_hash_is_held_to_its_size(entry: CheckpointEntry, home: Path):
    assert fetch(replace(entry, sha256=None)).read_bytes() == CONTENT
    (home / entry.file_name).unlink()
    with pytest.raises(CheckpointError, match=r"\(3,072,000 bytes instead of 7\) and was removed"):
        fetch(replace(entry, sha256=None, size=7))
    assert names(home) == []
    assert fetch(replace(entry, sha256=None, size=None)).read_bytes() == CONTENT


def test_a_cached_file_of_another_size_is_replaced(entry: CheckpointEntry, home: Path):
    home.mkdir()
    (home / entry.file_name).write_bytes(b"cut short")
    assert fetch(entry).read_bytes() == CONTENT


@pytest.mark.parametrize(("status", "words"), [(404, "404 Not Found"), (503, "503 Service")])
def test_a_server_that_refuses_is_told(
    server: Server, entry: CheckpointEntry, home: Path, status: int, words: str
):
    server.status = status
    with pytest.raises(CheckpointError, match=f"{entry.url} cannot .* the server answers {words}"):
        fetch(entry)
    assert names(home) == []


def test_no_network_is_told(entry: CheckpointEntry):
    unreachable = replace(entry, url="http://127.0.0.1:9/sam_vit_b_01ec64.pth")
    with pytest.raises(CheckpointError, match=r"cannot be reached .*check the network"):
        fetch(unreachable)


def test_offline_nothing_is_asked_of_the_network(
    server: Server, entry: CheckpointEntry, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ANYMASK_OFFLINE", "1")
    with pytest.raises(CheckpointError, match=f"not in the cache .* put {entry.file_name}"):
        fetch(entry)
    assert server.requests == []
    home.mkdir()
    (home / entry.file_name).write_bytes(CONTENT)
    assert fetch(entry) == home / entry.file_name
    monkeypatch.setenv("ANYMASK_OFFLINE", "0")
    (home / entry.file_name).unlink()
    assert fetch(entry).read_bytes() == CONTENT


def test_a_mirror_replaces_the_address(
    server: Server, monkeypatch: pytest.MonkeyPatch, entry: CheckpointEntry, tmp_path: Path
):
    elsewhere = replace(entry, url="http://127.0.0.1:9/elsewhere.pth")
    monkeypatch.setenv("ANYMASK_MIRROR", f"{server.address}/models/")
    path = fetch(elsewhere)
    assert path.read_bytes() == CONTENT
    path.unlink()
    (tmp_path / entry.file_name).write_bytes(CONTENT)
    monkeypatch.setenv("ANYMASK_MIRROR", tmp_path.as_uri())
    assert fetch(elsewhere).read_bytes() == CONTENT
    path.unlink()
    monkeypatch.setenv("ANYMASK_MIRROR", "mirror.example.org")
    with pytest.raises(CheckpointError, match="must be an address that begins with http://"):
        fetch(elsewhere)


def test_a_full_disk_is_told(entry: CheckpointEntry, home: Path):
    home.mkdir()
    (home / f"{entry.file_name}.part").symlink_to("/dev/full")
    with pytest.raises(CheckpointError, match="the disk is full; free some space or set ANYMASK_H"):
        fetch(entry)
    assert not (home / entry.file_name).exists()


def test_a_cache_that_cannot_be_written_is_told(entry: CheckpointEntry, home: Path):
    home.write_text("a file where the folder should be")
    with pytest.raises(CheckpointError, match=r"cannot be saved in .*set ANYMASK_HOME to a"):
        fetch(entry)


def test_what_is_told_of_a_download_may_stop_it(server: Server, entry: CheckpointEntry, home: Path):
    told: list[tuple[int, int | None]] = []

    class Enough(Exception):
        pass

    def tell(done: int, total: int | None) -> None:
        told.append((done, total))
        if done >= HALF:
            raise Enough

    with pytest.raises(Enough):
        fetch(entry, progress=tell)
    assert names(home) == [f"{entry.file_name}.part"]
    kept = (home / f"{entry.file_name}.part").stat().st_size
    assert HALF <= kept < len(CONTENT)
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (kept, len(CONTENT))
    told.clear()
    path = fetch(entry, progress=lambda done, total: told.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={kept}-"]
    assert told[0] == (kept, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_waiting_for_somebody_elses_download_may_be_stopped(
    server: Server, entry: CheckpointEntry, home: Path
):
    home.mkdir()

    def tell(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with FileLock(f"{home / entry.file_name}.lock"), pytest.raises(KeyboardInterrupt):
        fetch(entry, progress=tell)
    assert server.requests == []
    assert fetch(entry, progress=False).read_bytes() == CONTENT


def test_two_threads_download_a_file_once(server: Server, entry: CheckpointEntry, home: Path):
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(fetch(entry, progress=False)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [home / entry.file_name] * 4
    assert server.requests == [None]


def test_a_name_loads_what_its_address_holds(
    server: Server,
    entry: CheckpointEntry,
    state: dict[str, torch.Tensor],
    tiny_sam: Sam,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    torch.save(state, tmp_path / "served.pth")
    server.content = (tmp_path / "served.pth").read_bytes()
    served = replace(
        entry,
        sha256=hashlib.sha256(server.content).hexdigest(),
        size=len(server.content),
    )
    monkeypatch.setitem(CHECKPOINTS, "vit_b", served)
    assert load("vit_b", dtype="float32").config == tiny_sam.config
