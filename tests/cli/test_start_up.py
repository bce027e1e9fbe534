from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.cli.conftest import Zoo

# Runs a command in this process, then prints which of the modules named were imported.
WATCH = """
import sys
from zoo_cli.main import main
watched, sys.argv = sys.argv[1].split(","), ["zoo", *sys.argv[2:]]
try:
    main()
except SystemExit:
    print("imported:", [name for name in watched if name in sys.modules])
"""
HEAVY = "torch,numpy,pydantic,rich,transformers,timm,tqdm,jinja2,PIL"


def imported(zoo: Zoo, watched: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", WATCH, watched, *arguments],
        env=zoo.environment,
        cwd=zoo.folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("command", ["--help", "--version", "list", "list --json", "list --bogus"])
def test_listing_imports_nothing_heavy_and_no_plugin(zoo: Zoo, command: str) -> None:
    watched = f"{HEAVY},huggingface_hub,zoo_bert,pluggy"

    assert imported(zoo, watched, *command.split()) == "imported: []"


@pytest.mark.parametrize(
    "command",
    [
        "show tiny-bert",
        "plugins list",
        "cache ls",
        "registry schema",
        "run --help",
        "run no-such-model text",
        "run tiny-bert",
        "run tiny-bert [MASK] --device tpu",
        "run tiny-bert [MASK] --device cuda:99",
        "run tiny-bert [MASK] --dtype int8",
        "run tiny-bert [MASK] --task translation",
        "run tiny-bert [MASK] --labels a,b",
        "run tiny-bert --input missing.txt",
        "run tiny-bert [MASK] --output results.xml",
    ],
)
def test_what_needs_no_network_imports_no_torch(zoo: Zoo, command: str) -> None:
    if "cuda" in command and has_nvidia_driver():
        pytest.skip("a driver is there, so only torch can tell how many devices")

    assert imported(zoo, HEAVY, *command.split()) == "imported: []"


def test_plugins_cannot_break_or_slow_listing(zoo: Zoo, install: Callable[..., None]) -> None:
    before = zoo.works("list")
    install(
        "slow",
        "[zoo.plugins]\nslow = slow_plugin\n",
        slow_plugin="import time; time.sleep(1000)",
    )
    install(
        "broken",
        "[zoo.plugins]\nbroken = broken_plugin\n"
        "[zoo.registries]\nbroken = broken_plugin:models.yaml\n",
        broken_plugin="raise RuntimeError('it is broken')",
    )

    done = zoo("list")

    assert done.returncode == 0
    assert done.stdout == before
    assert done.stderr.startswith("note: plugin 'broken 1.0': ")
    assert done.stderr.count("\n") == 1


def test_a_broken_plugin_is_listed_with_its_error(zoo: Zoo, install: Callable[..., None]) -> None:
    install(
        "broken",
        "[zoo.plugins]\nbroken = broken_plugin\n",
        broken_plugin="raise RuntimeError('it is broken')",
    )

    listing = zoo.works("plugins", "list")
    error = zoo.fails(4, "plugins", "check", ZOO_DISABLE_PLUGINS="zoo_bert")

    assert "RuntimeError: it is broken" in next(
        line for line in listing.splitlines() if line.split()[:2] == ["broken_plugin", "broken"]
    )
    assert re.fullmatch(r"1 check failed of \d+; see above", error)


def has_nvidia_driver() -> bool:
    import ctypes

    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True
