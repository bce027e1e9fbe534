"""The benchmark, as a user runs it."""

import json
import subprocess
import sys


def zoo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zoo_cli", *arguments], capture_output=True, text=True, check=False
    )


def test_it_is_listed_and_runs_without_a_path() -> None:
    done = zoo("eval", "tiny-gpt", "--on", "haiku", "--json", "--no-save", "--no-cache")

    assert done.returncode == 0, done
    result = json.loads(done.stdout)
    assert (result["samples"], result["failed"]) == (12, [])
    assert "haiku" in zoo("benchmarks", "list").stdout


def test_it_keeps_the_contract() -> None:
    done = zoo("plugins", "check", "zoo-haiku")

    assert done.returncode == 0, done
    assert "ok           benchmarks of zoo-haiku: are valid  (haiku)" in done.stdout
