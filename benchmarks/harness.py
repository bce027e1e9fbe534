"""Timing that two programs can be compared by: interleaved rounds, medians, ratios.

The machine is rarely quiet, so absolute times say little. Every round runs each contender once, in
turn; the ratio of a round is taken within it, and the median of those ratios is reported.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Timing:
    """Seconds of one contender, a number each round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of all rounds."""
        return statistics.median(self.seconds)

    def times_faster(self, other: Timing) -> float:
        """The median over rounds of other ÷ self: above 1 where self is faster."""
        return statistics.median(b / a for a, b in zip(self.seconds, other.seconds, strict=True))


def interleaved(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    """Time each contender once a round, after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return {name: Timing(tuple(each)) for name, each in seconds.items()}


def in_process(code: str, *arguments: str) -> dict[str, float]:
    """Run Python code in a process of its own; it prints one JSON object, which is returned."""
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"},
    )
    figures: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return figures


@contextmanager
def program(code: str, *arguments: str) -> Iterator[Callable[[], Any]]:
    """Python code that defines ``run``, in a process of its own: what calls that there, and waits.

    What ``run`` returns comes back as JSON. So no contender works with what another has set for its
    process, such as how memory is freed.
    """
    loop = f"import json, sys\n{code}\nfor _ in sys.stdin: print(json.dumps(run()), flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", loop, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:

        def run() -> Any:  # noqa: ANN401 (what JSON holds)
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            answer = process.stdout.readline()
            if not answer:
                raise RuntimeError("a contender's process has ended")
            return json.loads(answer)

        yield run


def machine() -> str:
    """What a reader needs to judge the figures: processor, threads, versions."""
    import torch

    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    packages = ("torch", "transformers", "sentence-transformers", "tokenizers", "safetensors")
    return ", ".join(
        [
            names[0] if names else platform.processor() or platform.machine(),
            f"{torch.get_num_threads()} threads",
            f"Python {platform.python_version()}",
            *(f"{package} {version(package)}" for package in packages),
        ]
    )


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
