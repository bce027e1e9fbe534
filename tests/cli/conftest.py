from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.checkpoints import Save

ROOT = Path(__file__).parent.parent.parent
LABELS = ("entailment", "neutral", "contradiction")


@pytest.fixture(scope="session")
def masked(save: Save) -> str:
    """The folder of a random masked language model: width 24, at most 66 tokens."""
    return str(save("BertForMaskedLM")[0])


@pytest.fixture(scope="session")
def classifier(save: Save) -> str:
    """The folder of a random classifier with `LABELS`."""
    labels = {"id2label": dict(enumerate(LABELS)), "label2id": {k: n for n, k in enumerate(LABELS)}}
    return str(save("BertForSequenceClassification", **labels)[0])


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a user who has never run zoo, on a machine of their own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "ZOO_", "XDG_", "NO_COLOR", "COLUMNS", "PYTHON"))
    }
    return {
        **kept,
        "HOME": str(tmp_path / "home"),
        "HF_HOME": str(tmp_path / "huggingface"),
        "HF_ENDPOINT": "http://127.0.0.1:9",  # nothing listens there
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "plugins", ROOT / "cli"))),
        "OMP_NUM_THREADS": "1",
    }


class Zoo:
    """The real command, in a process of its own."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment = environment
        self.folder = folder

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "zoo_cli", *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(
        self, *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "zoo_cli", *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def fails(self, code: int, *arguments: str, stdin: str = "", **environment: str) -> str:
        """Run what must end with this exit code; return its one line of error."""
        done = self(*arguments, stdin=stdin, **environment)
        assert done.returncode == code, done
        line = done.stderr.splitlines()[-1]
        assert line.startswith("error: "), done
        assert "Traceback" not in done.stderr
        return line.removeprefix("error: ")

    def works(self, *arguments: str, stdin: str = "", **environment: str) -> str:
        """Run what must succeed; return its standard output."""
        done = self(*arguments, stdin=stdin, **environment)
        assert done.returncode == 0, done
        return done.stdout


@pytest.fixture
def zoo(environment: dict[str, str], tmp_path: Path) -> Zoo:
    return Zoo(environment, tmp_path)


@pytest.fixture
def install(environment: dict[str, str], tmp_path: Path) -> Callable[..., None]:
    """Install a distribution, as pip would: modules and entry points on the path."""
    site = tmp_path / "site"
    site.mkdir()
    environment["PYTHONPATH"] += os.pathsep + str(site)

    def install(name: str, entry_points: str, **files: str) -> None:
        metadata = site / f"{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(entry_points)
        for file, text in files.items():
            (site / f"{file}.py").write_text(text)

    return install
