"""Multiple choice: the answer that a language model finds most probable.

As lm-evaluation-harness measures it: ``acc`` compares the log-probabilities of whole answers,
``acc_norm`` those for each character, ``acc_bytes`` for each byte of UTF-8; of equal ones the first
counts. https://github.com/EleutherAI/lm-evaluation-harness, lm_eval/api/task.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import compress
from typing import Any

from zoo.errors import InputError, RegistryError
from zoo.evaluation.benchmark import Placed
from zoo.evaluation.classification import words_of
from zoo.evaluation.instruments.likelihood import continuation_likelihoods
from zoo.evaluation.protocol import Answer, Findings, Instrument, Question, Sample, Setup
from zoo.evaluation.result import Metric
from zoo.evaluation.samples import Template, label_of
from zoo.evaluation.statistics import mean_of_groups, proportion
from zoo.model import Model

DELIMITER = " "
"""What stands between a context and its continuation."""


class LogLikelihood:
    """Each choice's log-likelihood after the context; or that of a text after each choice.

    A sample of ``multiple-choice`` has ``choices`` and the number of the right one, ``answer``.
    The choices follow its ``context``, if there is one; with a ``continuation`` they are contexts
    themselves, and the same text follows each. With a ``group`` the metrics are means over groups.

    Of ``text-classification``, the setting ``context`` is a template, and ``words`` are what may
    follow it, one a class; the classes' names unless given. A setting ``delimiter`` replaces the
    space between context and continuation.
    """

    method = "log-likelihood of each choice"

    def __init__(self, setup: Setup) -> None:
        self.instruments: Mapping[str, Instrument] = {"choices": self.instrument(setup.model)}
        self._benchmark, self._headline = setup.benchmark, setup.headline
        settings = setup.settings
        delimiter = settings.get("delimiter", DELIMITER)
        if not isinstance(delimiter, str):
            raise RegistryError(
                f"{setup.benchmark.file}: the delimiter is {delimiter!r:.40}; expected a text"
            )
        self._delimiter = str(delimiter)
        self._template: Template | None = None
        self._words: list[str] = []
        self.prompts: Mapping[str, Any] = {"delimiter": self._delimiter}
        if setup.benchmark.task == "text-classification":
            context = settings.get("context")
            if not isinstance(context, Placed):
                raise RegistryError(
                    f"{setup.benchmark.file}: protocols.log-likelihood lacks 'context', a template "
                    "for what the classes' words follow"
                )
            self._template = Template(context)
            self._words = [str(word) for word in words_of(setup)]
            self.prompts = {**self.prompts, "context": str(context), "words": self._words}

    def instrument(self, model: Model) -> Instrument:
        """What says how probable continuations are, as `continuation_likelihoods` do."""
        return continuation_likelihoods(model)

    def questions(self, sample: Sample) -> Sequence[Question]:
        """All choices of a sample at once."""
        self._gold(sample)
        context = _text(sample, "context", self._context(sample))
        choices = self._choices(sample)
        if "continuation" in sample.fields:
            continuation = self._delimiter + _text(
                sample, "continuation", sample.fields["continuation"]
            )
            return [Question("choices", [[context + each, continuation] for each in choices])]
        return [Question("choices", [[context, self._delimiter + each] for each in choices])]

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """The shares of samples whose right choice is the most probable."""
        hits: dict[str, list[bool]] = {"acc": [], "acc_norm": [], "acc_bytes": []}
        details: list[dict[str, Any]] = []
        for sample, (answer,) in zip(samples, answers, strict=True):
            gold, choices = self._gold(sample), self._choices(sample)
            totals = [total for total, *_ in answer]
            chosen = {
                "acc": _largest(totals, [1] * len(choices)),
                "acc_norm": _largest(totals, [len(each) for each in choices]),
                "acc_bytes": _largest(totals, [len(each.encode()) for each in choices]),
            }
            for name, choice in chosen.items():
                hits[name].append(choice == gold)
            detail = {
                "context": self._context(sample),
                "choices": choices,
                "gold": gold,
                "predicted": chosen[self._headline],
                "score": float(chosen[self._headline] == gold),
                "log_likelihoods": totals,
                "tokens": [tokens for _, _, tokens, _ in answer],
                "cut": max(cut for *_, cut in answer),
            }
            if "group" in sample.fields:
                detail["group"] = str(sample.fields["group"])
            details.append(detail)
        return Findings(_metrics(hits, details), details)

    def _context(self, sample: Sample) -> Any:  # noqa: ANN401 (what the sample holds)
        if self._template is not None:
            return self._template.fill(sample.fields, sample.place)
        return sample.fields.get("context", "")

    def _choices(self, sample: Sample) -> list[str]:
        choices = self._words if self._template is not None else sample.fields["choices"]
        if not isinstance(choices, list) or not all(isinstance(each, str) for each in choices):
            raise InputError(
                f"{sample.place}: choices is {choices!r:.60}; expected a list of texts"
            )
        if len(choices) < 2:
            raise InputError(f"{sample.place}: expected two choices or more, came {len(choices)}")
        if not all(choices):
            raise InputError(f"{sample.place}: choice {choices.index('')} is empty")
        return choices

    def _gold(self, sample: Sample) -> int:
        """The number of the right choice."""
        if self._template is not None:
            return label_of(sample, self._benchmark, self._benchmark.classes)
        answer, count = sample.fields["answer"], len(self._choices(sample))
        if answer is None or answer == "":
            raise InputError(f"{sample.place}: no answer is given; take a split that has answers")
        if isinstance(answer, str) and answer.strip().isdecimal():
            answer = int(answer)
        if isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer < count:
            raise InputError(
                f"{sample.place}: the answer is {answer!r:.40}; expected the number of one of the "
                f"{count} choices, 0 to {count - 1}"
            )
        return answer


def _metrics(
    hits: Mapping[str, Sequence[bool]], details: Sequence[Mapping[str, Any]]
) -> list[Metric]:
    """Over all samples; or the mean over groups, and each group's own."""
    groups = [detail.get("group") for detail in details]
    if None in groups:
        metrics = [proportion(name, each) for name, each in hits.items()]
    else:
        by_group = {
            name: [
                _of_group(f"{name}/{group}", compress(each, [g == group for g in groups]))
                for group in dict.fromkeys(groups)
            ]
            for name, each in hits.items()
        }
        metrics = [mean_of_groups(name, each) for name, each in by_group.items()]
        metrics += by_group["acc"]
    return metrics + truncated(details)


def _of_group(name: str, hits: Iterable[bool]) -> Metric:
    members = [*hits]
    return replace(proportion(name, members), samples=len(members))


def truncated(details: Sequence[Mapping[str, Any]]) -> list[Metric]:
    """The share of samples whose context was too long for the model, if there are any."""
    cut = [detail["cut"] > 0 for detail in details]
    return [proportion("truncated", cut)] if any(cut) else []


def _largest(totals: Sequence[float], lengths: Sequence[int]) -> int:
    """The number of the choice that is most probable for its length; of equal ones the first."""
    values = [total / length for total, length in zip(totals, lengths, strict=True)]
    return max(range(len(values)), key=values.__getitem__)


def _text(sample: Sample, name: str, value: Any) -> str:  # noqa: ANN401 (what the sample holds)
    if not isinstance(value, str):
        raise InputError(f"{sample.place}: {name} is {value!r:.40}; expected a text")
    return value
