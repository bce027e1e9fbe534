"""The command, as a user types it."""

import subprocess
import sys


def zoo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zoo_cli", *arguments], capture_output=True, text=True, check=False
    )


def test_it_prints_tokens_and_their_numbers() -> None:
    done = zoo("tokens", "tiny-bert", "Two dogs run.")

    assert done.returncode == 0, done
    assert [line.split()[1] for line in done.stdout.splitlines()] == [
        "[CLS]",
        "Two",
        "dogs",
        "run",
        ".",
        "[SEP]",
    ]


def test_its_errors_are_zoos() -> None:
    done = zoo("tokens", "tiny-brt", "Two dogs run.")

    assert done.returncode == 2
    assert done.stderr.startswith("error: no model named 'tiny-brt'; did you mean 'tiny-bert'")


def test_help_of_zoo_shows_it_and_its_own_help_is_its_own() -> None:
    assert "tokens Of the plugin zoo-tokens 0.1.0." in " ".join(zoo("--help").stdout.split())
    assert "Usage: zoo tokens [OPTIONS]" in zoo("tokens", "--help").stdout
