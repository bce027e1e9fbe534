"""Runs that are killed and go on, and runs that several processes share: the same report."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COUNTING = str(ROOT / "tests" / "evaluation" / "counting.py")
N = 600  # samples: three windows


class Machine:
    """A user's machine with a benchmark, and what was asked there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "asked.txt"
        rows = [
            {"a": f"A man with {n} dogs.", "b": f"{n % 7} dogs and a man.", "score": n % 5}
            for n in range(N)
        ]
        (folder / "pairs.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        (folder / "pairs.yaml").write_text(
            "schema: 1\nname: pairs\ntask: sentence-similarity\nsummary: Pairs\nmetric: spearman\n"
            "data: {test: {beside: pairs.jsonl}}\n"
            "fields: {first: a, second: b, score: score}\n"
            "protocols: {counting: {}, cosine: {}}\n"
        )

    def command(self, *options: str, seconds: float = 0, failing: str = "") -> list[str]:
        command = [COUNTING, str(self.log), str(seconds), failing, "--", "eval", "tiny-bert"]
        return [*command, "--on", "pairs.yaml", "--device", "cpu", *options]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "HF_", "ZOO_"))}
        return {
            **kept,
            "HOME": str(self.folder),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "plugins", ROOT / "cli"))),
            "OMP_NUM_THREADS": "1",
            **more,
        }

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options: str) -> str:
        """What one process prints."""
        process = self.start(*self.command(*options))
        printed, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        return printed

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def result(self, folder: str) -> tuple[dict[str, Any], str]:
        """The one run that is kept there: its numbers, and its samples' file."""
        (run,) = (self.folder / folder).iterdir()
        result = json.loads((run / "result.json").read_text())
        numbers = {k: result[k] for k in ("metrics", "samples", "failed")}
        return numbers | {"data": result["provenance"]["data"]}, (run / "samples.jsonl").read_text()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def two(machine: Machine, *options: str, failing: str = "", **more: str) -> list[Any]:
    """Two processes as torchrun would start them; their exit codes, outputs and errors."""
    port = str(free_port())
    processes = [
        machine.start(
            *machine.command(*options, failing=failing),
            RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2",
            MASTER_ADDR="127.0.0.1", MASTER_PORT=port, **more,
        )
        for rank in range(2)
    ]  # fmt: skip
    outputs = [each.communicate(timeout=60) for each in processes]
    return [(each.returncode, *texts) for each, texts in zip(processes, outputs, strict=True)]


def test_a_killed_run_goes_on_and_asks_only_what_was_missing(machine: Machine) -> None:
    machine.run("--no-cache", "--output", "whole")
    once = len(machine.asked())
    machine.log.unlink()
    # Asked in windows, each of which is kept before the next is asked.
    killed = machine.start(*machine.command("--output", "resumed", seconds=1))
    deadline = time.monotonic() + 60
    while not machine.asked() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)  # in the middle of the second window
    killed.kill()
    killed.communicate()
    before = machine.asked()

    machine.run("--output", "resumed")

    assert 0 < len(before) < once
    assert len(machine.asked()) == len(set(machine.asked()))  # nothing was asked twice
    assert machine.result("resumed") == machine.result("whole")  # to the last bit
    machine.run("--output", "again")
    assert len(machine.asked()) == len(set(machine.asked()))


def test_the_batch_size_changes_no_number_that_is_printed(machine: Machine) -> None:
    options = ("--no-cache", "--no-save", "--limit", "40")

    assert machine.run(*options, "--batch-size", "1") == machine.run(*options, "--batch-size", "64")


def test_two_processes_report_what_one_does(machine: Machine) -> None:
    alone = machine.run("--no-cache", "--output", "alone")
    machine.log.unlink()

    process = machine.start(
        "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        *machine.command("--no-cache", "--output", "shared"),
    )  # fmt: skip
    printed, errors = process.communicate(timeout=120)

    assert process.returncode == 0, errors
    assert printed == alone  # once: only the first prints
    assert errors.count("kept as") == 1
    shared, samples = machine.result("shared")
    one, rows = machine.result("alone")
    assert shared["samples"] == one["samples"] == N
    assert shared["data"] == one["data"]
    asked = {f"A man with {n} dogs." for n in range(N)} | {f"{n} dogs and a man." for n in range(7)}
    assert sorted(machine.asked()) == sorted(asked)  # each once, by whichever process
    for ours, theirs in zip(samples.splitlines(), rows.splitlines(), strict=True):
        a, b = json.loads(ours), json.loads(theirs)
        assert a.pop("cosine") == pytest.approx(b.pop("cosine"), abs=1e-6)
        assert a == b


def test_an_error_in_one_process_ends_all_with_one_line_and_its_code(machine: Machine) -> None:
    (code, printed, errors), (other, silent, nothing) = two(
        machine, "--no-cache", failing="1", HOW="raises"
    )

    assert (code, other) == (5, 5)
    assert errors == "error: out of memory, says the test\n"
    assert (printed, silent, nothing) == ("", "", "")


def test_a_process_that_is_killed_keeps_no_other_waiting(machine: Machine) -> None:
    (code, printed, errors), (other, _, _) = two(machine, "--no-cache", failing="1", HOW="killed")

    assert other == -9
    assert code == 1
    assert printed == ""
    assert "cannot reach the others" in errors
    assert "Traceback" not in errors
