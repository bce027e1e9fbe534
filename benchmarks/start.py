"""How long the command takes to start, in multiples of ``python -c pass``; and to a first answer.

``zoo`` is built as a wheel and installed into an environment of its own, since an editable install
slows every start of Python down. ``python -m benchmarks.start``
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from benchmarks.checkpoints import masked_model
from benchmarks.harness import interleaved, machine, table

ROOT = Path(__file__).parent.parent

_PIPELINE = """
import sys
from transformers import pipeline
print(pipeline("fill-mask", sys.argv[1])(sys.argv[2])[0])
"""


def install_wheel(folder: Path) -> Path:
    """Build and install zoo's wheel in ``folder``; return the environment's scripts folder.

    Its dependencies are taken from the running environment, by a path file.
    """
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment, "--without-pip"], check=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", str(environment / "bin" / "python")]
    subprocess.run([*pip, "install", "--no-deps", str(ROOT)], check=True)
    site = next((environment / "lib").glob("python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return environment / "bin"


def main(rounds: int = 15, answers: int = 5) -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scripts = install_wheel(folder)
        time.sleep(3)  # a registry file that changed a moment ago is not kept in zoo's cache
        caches = {"HF_HUB_OFFLINE": "1", "XDG_CACHE_HOME": str(folder / "cache")}
        environment = {**os.environ, **caches}

        def command(*arguments: str) -> None:
            subprocess.run(arguments, check=True, capture_output=True, env=environment)

        python, zoo = str(scripts / "python"), str(scripts / "zoo")
        starts = interleaved(
            {
                "python -c pass": lambda: command(python, "-c", "pass"),
                "zoo --help": lambda: command(zoo, "--help"),
                "zoo list": lambda: command(zoo, "list"),
                "zoo show bert-base-uncased": lambda: command(zoo, "show", "bert-base-uncased"),
            },
            rounds,
        )
        model = str(masked_model(folder))
        text = "ba be [MASK]"
        first = interleaved(
            {
                "transformers pipeline": lambda: command(python, "-c", _PIPELINE, model, text),
                "zoo run": lambda: command(zoo, "run", model, text, "--device", "cpu"),
            },
            answers,
        )
    print(machine())
    floor = starts["python -c pass"]
    rows = [
        (name, f"{timing.median * 1000:.0f}", f"{1 / timing.times_faster(floor):.1f}")
        for name, timing in starts.items()
    ]
    print(table(("command", "ms", "x python -c pass"), rows))
    peer = first["transformers pipeline"]
    rows = [
        (name, f"{timing.median:.2f}", f"{1 / timing.times_faster(peer):.2f}")
        for name, timing in first.items()
    ]
    print(table(("start to first answer, BERT-base", "s", "x transformers"), rows))


if __name__ == "__main__":
    main()
