"""The benchmarks that come with zoo."""

from __future__ import annotations

from pathlib import Path

import pytest

import zoo
from zoo.evaluation import Benchmark, benchmarks
from zoo.evaluation.protocols import PROTOCOLS

OURS = benchmarks()


@pytest.mark.parametrize("benchmark", OURS.values(), ids=OURS)
def test_each_is_read_and_can_be_had_somewhere(benchmark: Benchmark) -> None:
    assert all(benchmark.task in PROTOCOLS[name].tasks for name in benchmark.protocols)
    for source in benchmark.data.values():
        assert source.files or source.hub
        assert not source.hub or source.split


@pytest.mark.parametrize(
    "benchmark",
    [each for each in OURS.values() if each.task == "text-classification"],
    ids=lambda each: each.name,
)
def test_classes_have_as_many_words_as_there_are(benchmark: Benchmark) -> None:
    assert len(set(benchmark.classes)) == len(benchmark.classes)
    words = benchmark.protocols.get("cloze", {}).get("words", benchmark.classes)
    assert len(words) == len(benchmark.classes)


def test_the_documentation_has_a_row_for_each_protocol() -> None:
    page = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")

    for name, spec in PROTOCOLS.items():
        tasks, needs = ", ".join(sorted(spec.tasks)), " or ".join(spec.needs) or "the same"
        assert f"| `{name}` | {tasks} | {needs} | {spec.about} |" in page


def test_what_our_registry_reports_on_imagenet_is_held_against_it() -> None:
    reported = {row.benchmark for entry in zoo.list_models() for row in entry.reported}
    for name in ("imagenet-1k", "pets"):
        names = benchmarks()[name].reported_as
        assert names
        assert {*names} <= reported
