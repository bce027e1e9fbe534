"""What is kept of files: by content, found again without reading, safe beside other writers."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from zoo.errors import InputError, ZooWarning
from zoo.result_cache import ResultCache, vector_from_bytes, vector_to_bytes

OLD = time.time_ns() - 3_600_000_000_000


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


class Opened:
    """Which files Python has opened below a folder: what reads a picture, opens it."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.on = False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.on and event == "open":
            self.paths.append(str(arguments[0]))


@pytest.fixture(scope="module")
def opened() -> Opened:
    return Opened()


def settle(*paths: Path) -> None:
    """Wait until files are old enough to be known by their times."""
    newest = max(max(p.stat().st_mtime_ns, p.stat().st_ctime_ns) for p in paths)
    time.sleep(max(0, (newest + 2_100_000_000 - time.time_ns()) / 1e9))


def test_a_file_that_nobody_touched_is_not_read_again(tmp_path: Path, opened: Opened) -> None:
    file = written(tmp_path / "a.jpg", b"bytes")
    settle(file)
    cache = ResultCache(tmp_path / "cache.sqlite")
    first = cache.content(file)
    cache.close()
    again = ResultCache(tmp_path / "cache.sqlite")
    opened.paths.clear()
    opened.on = True
    try:
        assert again.content(file) == first
    finally:
        opened.on = False
        again.close()

    assert str(file) not in opened.paths


def test_a_file_that_was_written_again_is_read_again(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jpg", b"bytes")
    settle(file)
    cache = ResultCache(tmp_path / "cache.sqlite")
    first = cache.content(file)
    stat = file.stat()

    file.write_bytes(b"other")  # of the same size, and with the old time put back
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert cache.content(file).sha256 != first.sha256
    assert not first.still_there()
    cache.close()


def test_a_file_that_is_younger_than_its_times_can_tell_is_read_again(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jpg", b"bytes")
    cache = ResultCache(tmp_path / "cache.sqlite")
    cache.content(file)
    cache.close()

    with sqlite3.connect(tmp_path / "cache.sqlite") as database:
        assert database.execute("SELECT count(*) FROM contents").fetchone() == (0,)
    database.close()


def test_a_vector_comes_back_to_the_last_bit() -> None:
    vector = torch.tensor([1.0, -2.5, 1e-30])

    assert torch.equal(vector_from_bytes(vector_to_bytes(vector)), vector)


def test_results_are_kept_for_one_model_and_one_content(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    vectors = {"aa": b"\x00\xff", "bb": b""}
    cache = ResultCache(path)
    cache.put("model", vectors)
    cache.close()

    again = ResultCache(path)
    found = again.get("model", ["aa", "bb", "cc"])

    assert found == vectors
    assert again.get("another", ["aa"]) == {}
    again.close()


def test_a_file_that_is_no_database_is_replaced(tmp_path: Path) -> None:
    path = written(tmp_path / "cache.sqlite", b"half of something" * 100)

    cache = ResultCache(path)
    cache.put("model", {"aa": b"12"})

    assert cache.get("model", ["aa"]).keys() == {"aa"}
    cache.close()


def test_a_writer_that_is_killed_leaves_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    cache = ResultCache(path)
    cache.put("model", {"before": b"12"})
    code = f"""
import os, sqlite3
database = sqlite3.connect({str(path)!r}, isolation_level=None)
database.execute("PRAGMA cache_size = 1")  # so that half of it goes to the disk at once
database.execute("BEGIN IMMEDIATE")
for number in range(2000):
    row = ("model", f"half{{number}}", b"0" * 4000)
    database.execute("INSERT INTO results VALUES (?, ?, ?)", row)
os._exit(9)
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False)

    assert killed.returncode == 9
    assert cache.get("model", ["before", "half0", "half1999"]).keys() == {"before"}
    cache.put("model", {"after": b"12"})
    assert cache.get("model", ["after"]).keys() == {"after"}
    cache.close()


def test_many_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    code = f"""
import sys
from pathlib import Path
from zoo.result_cache import ResultCache
cache = ResultCache(Path({str(path)!r}))
for number in range(50):
    cache.put("model", {{f"{{sys.argv[1]}}-{{number}}": b"4" * number}})
"""
    writers = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", code, str(number)])
        for number in range(3)
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]

    cache = ResultCache(path)
    keys = [f"{writer}-{number}" for writer in range(3) for number in range(50)]
    assert cache.get("model", keys).keys() == set(keys)
    cache.close()


def test_without_a_place_to_write_it_warns_once_and_keeps_nothing(tmp_path: Path) -> None:
    blocked = written(tmp_path / "file", b"") / "cache.sqlite"

    with pytest.warns(ZooWarning, match=r"cannot use the cache .*; going on without it") as said:
        cache = ResultCache(blocked)
    cache.put("model", {"aa": b"12"})

    assert len(said) == 1
    assert cache.get("model", ["aa"]) == {}
    assert cache.content(written(tmp_path / "a.jpg", b"")).sha256.startswith("e3b0c442")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path / "cache.sqlite")

    with pytest.raises(InputError, match=r"gone\.jpg: cannot be read: No such file"):
        cache.content(tmp_path / "gone.jpg")
    cache.close()
