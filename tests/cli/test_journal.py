from __future__ import annotations

from pathlib import Path

import pytest

from zoo.errors import UsageError
from zoo_cli.journal import Journal

RUN = {"model": "m", "task": "t"}


def opened(output: Path, *, total: int) -> int:
    with Journal(output).open(RUN, window=2, total=total) as done:
        return done


def test_whole_windows_are_kept_and_a_torn_line_is_not(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    with Journal(output).open(RUN, window=2, total=9) as done:
        assert done == 0
    partial = tmp_path / "out.jsonl.partial"
    with partial.open("a") as file:
        file.write('1\n2\n3\n4\n5\n"to')

    with (journal := Journal(output)).open(RUN, window=2, total=9) as done:
        assert done == 4
        journal.append(["five", "模型\n"])
        assert list(journal.results()) == [1, 2, 3, 4, "five", "模型\n"]


def test_a_last_window_that_is_short_is_whole(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    with (journal := Journal(output)).open(RUN, window=2, total=3):
        journal.append([1, 2])
        journal.append([3])

    assert opened(output, total=3) == 3


def test_a_torn_first_line_is_a_new_start(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl.partial").write_text('{"model": ')

    Journal(tmp_path / "out.jsonl").check(RUN)

    assert opened(tmp_path / "out.jsonl", total=3) == 0
    assert opened(tmp_path / "out.jsonl", total=3) == 0


def test_another_run_is_told_apart(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "out.jsonl")
    opened(tmp_path / "out.jsonl", total=3)

    with pytest.raises(
        UsageError,
        match=r"was begun with another model \(model: 'm', now 'n'\); delete it, or pass --restart",
    ):
        journal.check({"model": "n"})
    journal.check({"model": "m"})
    journal.delete()
    journal.check({"model": "n"})


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl.partial"
    path.write_text("my own notes\n")

    with pytest.raises(UsageError, match="is in the way"):
        opened(tmp_path / "out.jsonl", total=3)

    assert path.read_text() == "my own notes\n"


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"

    with (
        Journal(output).open(RUN, window=2, total=3),
        pytest.raises(UsageError, match="another zoo is writing"),
    ):
        opened(output, total=3)
