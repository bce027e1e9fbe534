"""Multiple choice: the choice that the model finds most probable is its answer.

As lm-evaluation-harness's ``multiple_choice`` (lm_eval/api/task.py): ``acc`` compares sums of
log-probabilities, ``acc_norm`` divides them by the choice's characters, ``acc_bytes`` by its bytes;
of equal ones the first counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import InputError
from zoo.evaluation.instruments.likelihood import LogLikelihood
from zoo.evaluation.protocol import Answer, Findings, Instrument, Question, Sample, Setup
from zoo.evaluation.result import Metric
from zoo.evaluation.samples import index_of
from zoo.evaluation.statistics import mean, proportion


class MultipleChoice:
    """Sums of log-probabilities of choices after their context.

    A sample has a ``context`` and ``choices``; or, as WinoGrande has it, several ``contexts`` and
    what follows each. The benchmark may set the ``delimiter`` between them, by default a space.
    With a ``group`` each group's accuracy is reported too, and the headline is over all samples.
    """

    method = "log-likelihood of each choice after its context"

    def __init__(self, setup: Setup) -> None:
        self.instruments: dict[str, Instrument] = {"log-likelihood": self.instrument(setup)}
        self._delimiter = str(setup.settings.get("delimiter", " "))
        self.prompts: dict[str, Any] = {"delimiter": self._delimiter}

    @staticmethod
    def instrument(setup: Setup) -> Instrument:
        """What says how probable texts are after a context."""
        return LogLikelihood(setup.model)

    def questions(self, sample: Sample) -> Sequence[Question]:
        """The log-likelihood of all choices."""
        pairs = _pairs(sample)
        index_of(sample, "answer", len(_choices(sample)))
        return [
            Question("log-likelihood", [context, [self._delimiter + each for each in after]])
            for context, after in pairs
        ]

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """Accuracies."""
        details = [_judged(*both) for both in zip(samples, answers, strict=True)]
        hits = {
            name: [detail[key] == detail["answer"] for detail in details]
            for name, key in (
                ("acc", "best"),
                ("acc_norm", "best_norm"),
                ("acc_bytes", "best_bytes"),
            )
        }
        if any("contexts" in sample.fields for sample in samples):
            hits = {"acc": hits["acc"]}  # what follows is the same, so that no length tells choices
        for detail, hit in zip(details, hits["acc"], strict=True):
            detail["score"] = float(hit)
        metrics = [proportion(name, values) for name, values in hits.items()]
        return Findings([*metrics, *_groups(samples, hits["acc"])], details)


def _groups(samples: Sequence[Sample], hits: Sequence[bool]) -> list[Metric]:
    """Each group's accuracy, by the group's name; none where there are no groups."""
    by_group: dict[str, list[bool]] = {}
    for sample, hit in zip(samples, hits, strict=True):
        if "group" in sample.fields:
            by_group.setdefault(str(sample.fields["group"]), []).append(hit)
    metrics = [proportion(f"acc[{name}]", values) for name, values in sorted(by_group.items())]
    return [mean("acc_groups", [each.value for each in metrics]), *metrics] if metrics else []


def _pairs(sample: Sample) -> list[tuple[str, list[str]]]:
    """Contexts, and what may follow each.

    Raises:
        InputError: There are no two choices, or one is no text.
    """
    fields = sample.fields
    choices = _choices(sample)
    if len(choices) < 2:
        raise InputError(f"{sample.place}: expected two choices or more, came {len(choices)}")
    for number, choice in enumerate(choices, 1):
        if not isinstance(choice, str) or not choice.strip():
            raise InputError(f"{sample.place}: choice {number} is {choice!r:.40}; expected a text")
    if "contexts" in fields:
        return [(context, [str(fields.get("continuation", ""))]) for context in choices]
    context = fields.get("context", "")
    if not isinstance(context, str):
        raise InputError(f"{sample.place}: context is {context!r:.40}; expected a text")
    return [(context, list(choices))]


def _choices(sample: Sample) -> Sequence[Any]:
    name = "contexts" if "contexts" in sample.fields else "choices"
    choices = sample.fields.get(name)
    if not isinstance(choices, list | tuple):
        raise InputError(f"{sample.place}: {name} is {choices!r:.40}; expected a list of texts")
    return choices


def _judged(sample: Sample, answers: Sequence[Answer]) -> dict[str, Any]:
    """What the model chose."""
    choices = _choices(sample)
    sums = [each[0] for answer in answers for each in answer]
    by_characters = [x / len(choice) for x, choice in zip(sums, choices, strict=True)]
    by_bytes = [x / len(choice.encode()) for x, choice in zip(sums, choices, strict=True)]
    shown = {
        name: sample.fields[name]
        for name in ("context", "continuation", "group")
        if name in sample.fields
    }
    return {
        **shown,
        "choices": list(choices),
        "answer": index_of(sample, "answer", len(choices)),
        "log_likelihoods": sums,
        "best": sums.index(max(sums)),
        "best_norm": by_characters.index(max(by_characters)),
        "best_bytes": by_bytes.index(max(by_bytes)),
    }
