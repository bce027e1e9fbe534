from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Zoo
from tests.evaluation.test_results import result
from zoo.evaluation.store import save


@pytest.fixture
def runs(zoo: Zoo) -> Path:
    folder = zoo.folder / "runs"
    save(result([1, 0, 1], model="first"), folder)
    save(result([1, 1, 1], model="second"), folder)
    (folder / "damaged").mkdir()
    (folder / "damaged" / "result.json").write_text("{")
    return folder


def test_runs_are_listed_filtered_and_shown(zoo: Zoo, runs: Path) -> None:
    done = zoo("results", "list", "--in", str(runs))
    (only,) = json.loads(
        zoo.works("results", "list", "--in", str(runs), "--model", "sec*", "--json")
    )["results"]
    shown = zoo.works("results", "show", "second", "--in", str(runs))

    assert done.returncode == 0
    assert done.stdout.count("sst2") == 4  # in two rows: the run's name, and the benchmark
    assert "damaged/result.json: cannot be read" in done.stderr
    assert only["model"] == "second"
    assert shown.startswith("second on sst2, zero-shot: by the label's probability\n")


def test_runs_are_compared(zoo: Zoo, runs: Path) -> None:
    found = json.loads(
        zoo.works("results", "compare", "first", "second", "--in", str(runs), "--json")
    )["comparison"]
    table = zoo.works("results", "compare", "first", "second", "--in", str(runs))

    assert found["difference"] == pytest.approx(1 / 3)
    assert "difference +0.3333, 95 % interval +0.0000 to +1.0000" in table
    assert "no run 'third'" in zoo.fails(
        2, "results", "compare", "first", "third", "--in", str(runs)
    )


def test_a_page_is_written_once(zoo: Zoo, runs: Path) -> None:
    command = ("results", "html", "first", "second", "--in", str(runs), "--output", "page.html")

    assert zoo.works(*command) == "page.html\n"
    assert "--overwrite replaces it" in zoo.fails(2, *command)
    zoo.works(*command, "--overwrite")
    assert (zoo.folder / "page.html").read_text().startswith("<!doctype html>")
