"""Benchmarks and data made for a test."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.evaluation import Benchmark
from zoo.evaluation.benchmark import read_benchmark
from zoo.evaluation.protocols import TASKS


def benchmark(folder: Path, **document: object) -> Benchmark:
    """A benchmark of this document; by default it reads ``rows.jsonl``, in the usual metric."""
    whole: dict[str, object] = {
        "schema": 1,
        "name": "made",
        "summary": "Made for a test",
        "metric": TASKS[str(document["task"])].metrics[0],
        "data": {"test": {"files": ["rows.jsonl"]}},
        **document,
    }
    path = folder / "made.yaml"
    path.write_text(json.dumps(whole, indent=1, ensure_ascii=False), encoding="utf-8")  # is YAML
    return read_benchmark(path)


def rows(folder: Path, values: Sequence[Mapping[str, Any]]) -> Path:
    """Write ``rows.jsonl`` into a folder; return the folder, for ``data``."""
    text = "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in values)
    (folder / "rows.jsonl").write_text(text, encoding="utf-8")
    return folder
