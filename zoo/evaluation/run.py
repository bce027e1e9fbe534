"""One model on one benchmark, from the data to the numbers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from zoo.errors import CheckpointError, InputError, TaskError, UsageError
from zoo.evaluation.answers import Asking, Known, is_finite
from zoo.evaluation.benchmark import Benchmark
from zoo.evaluation.data import open_rows, origin
from zoo.evaluation.protocol import (
    Advance,
    Answer,
    Failure,
    Measurement,
    Prepared,
    Progress,
    Question,
    Sample,
    Setup,
)
from zoo.evaluation.protocols import PROTOCOLS, Spec
from zoo.evaluation.provenance import benchmark_facts, data_fingerprint, provenance
from zoo.evaluation.result import Failed, Result
from zoo.evaluation.samples import read_samples
from zoo.evaluation.shards import Shards
from zoo.model import Model
from zoo.result_cache import ResultCache
from zoo.tasks import able

# Samples whose answers are asked for, and kept, together: what a run that is killed may lose.
WINDOW = 256

_NO_NUMBER = (
    "the model answers with what is no number (NaN or infinity); its weights are damaged, or too "
    "large for the dtype: try --dtype float32"
)


@contextmanager
def _silent(total: int) -> Iterator[Advance]:
    """No progress bar."""
    yield lambda count: None


def evaluate(
    model: Model,
    benchmark: Benchmark,
    *,
    data: Path | None = None,
    protocol: str | None = None,
    limit: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    cache: bool = True,
    shards: Shards | None = None,
    progress: Progress = _silent,
) -> Result:
    """Measure a model on a benchmark.

    Answers are kept on this disk, so that a run that was interrupted goes on where it was, and
    another one with the same questions asks none of them again. The numbers are the same, however
    many processes share the work.

    Args:
        model: From `zoo.load`.
        benchmark: From `find_benchmark`, or made by hand.
        data: The file or folder with its rows; see `zoo.evaluation.data.open_rows`.
        protocol: How it is measured; by default the first of the benchmark's that suits the model.
        limit: Take only the first so many samples.
        batch_size: Ask at most so many questions at once; the numbers do not depend on it.
        seed: For whatever a protocol draws.
        cache: Whether answers are kept from one run to the next.
        shards: Which of how many processes this is; all of them return the result.
        progress: Opened with the number of samples that this process does; what it gives is called
            with each number that is done.

    Raises:
        TaskError: None of the benchmark's protocols suits the model.
        InputError: The data is not as the benchmark says; the message names file and line.
        CheckpointError: The model answers with what is no number.
        UsageError: There is no such protocol, an option is out of range, or the metric that the
            benchmark reports is none of the protocol's, on this data.
    """
    started = time.monotonic()
    for name, number in (("limit", limit), ("batch_size", batch_size)):
        if number is not None and number < 1:
            raise UsageError(f"{name} is {number}; expected 1 or more")
    shards = shards or Shards()
    with shards.together():
        name, setup, measurement = _made_ready(model, benchmark, protocol, seed)
        spec = PROTOCOLS[name]
        samples = [
            sample
            for split in spec.splits
            for sample in _samples(benchmark, split, data, limit if split == "test" else None)
        ]
        questions = [measurement.questions(sample) for sample in samples]
        with closing(ResultCache()) if cache else nullcontext() as kept:
            asking = Asking(model, measurement.instruments, kept, batch_size=batch_size)
            shared = measurement.shared if isinstance(measurement, Prepared) else ()
            names = [_named(each, benchmark) for each in shared]
            mine = _answers(asking, [[each] for each in shared], names, shards, _silent)
            places = [sample.place for sample in samples]
            mine |= _answers(asking, questions, places, shards, progress)
    known: Known = {}
    for part in shards.gather(mine):
        known |= part

    if isinstance(measurement, Prepared):
        measurement.prepare(_shared(shared, known, benchmark))
    good, answers, failed = _sorted_out(samples, questions, known)
    if not any(sample.split == "test" for sample in good):
        raise InputError(
            f"{benchmark.name}: no sample could be measured; the first: {failed[0].place}: "
            f"{failed[0].reason}"
        )
    findings = measurement.fold(good, answers)
    confusion, metrics = findings.confusion, findings.metrics
    if setup.headline not in {each.name for each in metrics}:
        raise UsageError(
            f"{benchmark.name}: {name} does not measure {setup.headline!r} on this data, but "
            f"{', '.join(each.name for each in metrics)}"
        )
    return Result(
        model=model.entry.name,
        benchmark=benchmark.name,
        protocol=name,
        method=measurement.method,
        metric=setup.headline,
        metrics=tuple(metrics),
        chance=benchmark.chance if setup.headline == benchmark.metric else None,
        samples=len(findings.details),
        failed=tuple(failed),
        details=tuple(_placed(findings.details, good)),
        confusion=None if confusion is None else vars(confusion),
        provenance={
            **provenance(model),
            "benchmark": benchmark_facts(benchmark, benchmark.protocols.get(name, {})),
            "data": data_fingerprint(samples),
            "origin": {split: origin(benchmark, split, data) for split in spec.splits},
            "prompts": measurement.prompts,
            "classes": list(benchmark.classes),
            "instruments": {key: list(each.facts) for key, each in measurement.instruments.items()},
            "limit": limit,
            "batch_size": batch_size,
            "seed": seed,
            "processes": shards.world,
        },
        seconds=time.monotonic() - started,
    )


def _answers(
    asking: Asking,
    questions: Sequence[Sequence[Question]],
    places: Sequence[str],
    shards: Shards,
    progress: Progress,
) -> Known:
    """What the model says to this process's part of the questions, window by window.

    A question that is asked about samples of several windows belongs to the first of them.

    Raises:
        CheckpointError: An answer is no number; the message names the place of its question.
    """
    # So few that each process has one; a window of one process alone never depends on the others.
    size = min(WINDOW, math.ceil(len(questions) / shards.world)) or 1
    windows: list[tuple[int, dict[tuple[str, str], tuple[Question, str]]]] = []
    asked: set[tuple[str, str]] = set()
    for number, start in enumerate(range(0, len(questions), size)):
        rows = questions[start : start + size]
        new: dict[tuple[str, str], tuple[Question, str]] = {}
        for row, place in zip(rows, places[start : start + size], strict=True):
            for each in row:
                new.setdefault((each.instrument, each.sha256), (each, place))
        if shards.mine(number):
            windows.append((len(rows), {key: new[key] for key in new if key not in asked}))
        asked |= new.keys()
    answers: Known = {}
    with progress(sum(count for count, _ in windows)) as advance:
        for count, window in windows:
            try:
                said = asking.ask([each for each, _ in window.values()])
            except CheckpointError as error:  # of some batch, which may hold any of them
                where = [place for _, place in window.values()]
                raise CheckpointError(f"{where[0]} to {where[-1]}: {error}") from error
            for key, (_, place) in window.items():
                if not is_finite(said[key]):
                    raise CheckpointError(f"{place}: {_NO_NUMBER}")
            answers |= said
            advance(count)
    return answers


def _named(question: Question, benchmark: Benchmark) -> str:
    """Of what is asked once for all samples, what it is."""
    return f"{benchmark.name}: {question.content!r:.60}"


def _shared(questions: Sequence[Question], known: Known, benchmark: Benchmark) -> list[Answer]:
    """The answers to what is asked once for all samples.

    Raises:
        InputError: One has none; there is nothing to measure by.
    """
    answers: list[Answer] = []
    for each in questions:
        answer = known[each.instrument, each.sha256]
        if isinstance(answer, Failure):
            raise InputError(f"{_named(each, benchmark)}: {answer.reason}")
        answers.append(answer)
    return answers


def _placed(
    details: Sequence[Mapping[str, Any]], samples: Sequence[Sample]
) -> Iterator[Mapping[str, Any]]:
    """Say of each detail which sample it is of, where each sample of the test has one.

    By it two runs are compared sample by sample, though some failed in one of them.
    """
    measured = [sample for sample in samples if sample.split == "test"]
    if len(measured) != len(details):
        yield from details
        return
    for sample, detail in zip(measured, details, strict=True):
        yield {"sample": sample.number, "sha256": sample.sha256[:16], **detail}


def suits(tasks: Sequence[str], benchmark: Benchmark, wanted: str | None = None) -> list[str]:
    """The benchmark's protocols for a model with these tasks, the customary one first.

    Only the one that is ``wanted``, if one is.
    """
    names = [wanted] if wanted is not None else [*benchmark.protocols]
    return [
        name for name in names if not set(PROTOCOLS[name].needed(benchmark.task)).isdisjoint(tasks)
    ]


def suitable_protocols(
    model: str, tasks: Sequence[str], benchmark: Benchmark, wanted: str | None = None
) -> list[str]:
    """As `suits`, of a model of this name; one at least.

    Raises:
        TaskError: The model can do nothing that the protocol, or any of them, needs.
        UsageError: The benchmark is not measured by ``wanted``.
    """
    if wanted is not None and wanted not in benchmark.protocols:
        raise UsageError(
            f"{benchmark.name} is not measured by {wanted!r}, but by "
            f"{', '.join(benchmark.protocols)}"
        )
    if suitable := suits(tasks, benchmark, wanted):
        return suitable
    names = [wanted] if wanted is not None else [*benchmark.protocols]
    needs = dict.fromkeys(need for name in names for need in PROTOCOLS[name].needed(benchmark.task))
    raise TaskError(
        f"{model} cannot be measured on {benchmark.name}, which takes a model that does "
        f"{' or '.join(needs)}; it can do {', '.join(tasks) or 'nothing'}"
    )


def _made_ready(
    model: Model, benchmark: Benchmark, wanted: str | None, seed: int
) -> tuple[str, Setup, Measurement]:
    """A protocol's name, what it was made ready for, and the protocol.

    Of several that suit what the model does, those give way that find its classes to be others.
    """
    refused: list[TaskError] = []
    for name in suitable_protocols(model.entry.name, able(model), benchmark, wanted):
        setup = Setup(model, benchmark, benchmark.protocols.get(name, {}), seed)
        try:
            return name, setup, _import(PROTOCOLS[name])(setup)
        except TaskError as error:
            refused.append(error)
    raise refused[0]


def _import(spec: Spec) -> Callable[[Setup], Measurement]:
    module, _, attribute = spec.target.partition(":")
    protocol: Callable[[Setup], Measurement] = getattr(import_module(module), attribute)
    return protocol


def _samples(
    benchmark: Benchmark, split: str, data: Path | None, limit: int | None
) -> Iterator[Sample]:
    rows = open_rows(benchmark, split, data)
    count = 0
    for sample in islice(read_samples(benchmark, split, rows), limit):
        count += 1
        yield sample
    if not count:
        where = " ".join(each for each in origin(benchmark, split, data).values() if each)
        raise InputError(
            f"{benchmark.name}: the split {split!r} is empty; there is no sample in {where}"
        )


def _sorted_out(
    samples: Sequence[Sample], questions: Sequence[Sequence[Question]], known: Known
) -> tuple[list[Sample], list[list[Answer]], list[Failed]]:
    """The samples that have all their answers, these, and the samples that have not."""
    good: list[Sample] = []
    answers: list[list[Answer]] = []
    failed: list[Failed] = []
    for sample, asked in zip(samples, questions, strict=True):
        row = [known[each.instrument, each.sha256] for each in asked]
        failures = [each for each in row if isinstance(each, Failure)]
        if failures:
            failed.append(Failed(sample.place, failures[0].reason))
            continue
        good.append(sample)
        answers.append(row)
    return good, answers, failed
