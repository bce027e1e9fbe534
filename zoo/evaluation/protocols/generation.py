"""Translation: how near do a model's translations come to people's?

BLEU (Papineni et al., 2002) and chrF (Popović, 2015) over all sentences, by sacrebleu, whose
signatures say how. Post, "A Call for Clarity in Reporting BLEU Scores", 2018.
https://arxiv.org/abs/1804.08771
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from zoo.errors import InputError, PluginError, RegistryError, TaskError
from zoo.evaluation.benchmark import Benchmark, Placed
from zoo.evaluation.instruments.generation import FirstLines, Translations
from zoo.evaluation.protocol import Answer, Findings, Instrument, Question, Sample, Setup
from zoo.evaluation.resampling import interval
from zoo.evaluation.result import Metric
from zoo.evaluation.samples import Template, text_of
from zoo.tasks import able

_DRAWS = 1000  # of sacrebleu's bootstrap
_TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
_MECAB = {"ja-mecab": ("MeCab", "ja"), "ko-mecab": ("mecab_ko", "ko")}
_OPTIONS = {
    "to": (str,),
    "num_beams": (int,),
    "length_penalty": (int, float),
    "max_new_tokens": (int,),
}


class Translation:
    """Translations by the model, compared with one reference or several.

    A model that translates does so as its authors do, but for the benchmark's ``num_beams`` and its
    kin; any other that writes continues the benchmark's ``template`` up to the end of the line.
    The references' language, the second of the benchmark's, decides how BLEU splits words, unless
    the setting ``tokenize`` does.
    """

    def __init__(self, setup: Setup) -> None:
        settings = setup.settings
        self._tokenize = str(settings.get("tokenize", _tokenizer(setup.benchmark.languages)))
        _require_sacrebleu(self._tokenize)
        options = {
            name: _option(setup.benchmark, name, settings[name], kinds)
            for name, kinds in _OPTIONS.items()
            if name in settings
        }
        self._template: Template | None = None
        self.prompts: dict[str, Any] = {}
        instrument: Instrument
        if "translation" in able(setup.model):
            instrument = Translations(setup.model, options)
            chosen = ", ".join(f"{name} {value}" for name, value in options.items())
            self._way = f"translations by {chosen or 'the settings of the model'}"
        else:
            template = settings.get("template")
            if not isinstance(template, Placed):
                raise TaskError(
                    f"{setup.model.entry.name} does not translate by itself, and "
                    f"{setup.benchmark.name} has no template of a prompt for it"
                )
            self._template = Template(template)
            most = options.get("max_new_tokens", 256)
            instrument = FirstLines(setup.model, max_new_tokens=most)
            self.prompts = {"template": str(template)}
            self._way = "what follows the prompt up to the end of the line, greedily"
        self.instruments = {"translation": instrument}
        self.method = self._way

    def questions(self, sample: Sample) -> Sequence[Question]:
        """The source, or a prompt with it."""
        source = text_of(sample, "source")
        _references(sample)
        if self._template is not None:
            source = self._template.fill({**sample.fields, "source": source}, sample.place)
        return [Question("translation", source)]

    def fold(self, samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Findings:
        """BLEU and chrF over all sentences, each sentence's chrF, and what the scores are made of.

        A sentence's statistics are sacrebleu's: lengths, and counts of n-grams.
        """
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF

        said = [text for (text,) in answers]
        references = [_references(sample) for sample in samples]
        # The nth of all sentences' references; None where a sentence has fewer.
        streams = [
            [each[n] if n < len(each) else None for each in references]
            for n in range(max(map(len, references)))
        ]
        bleu, how_bleu, bleu_statistics = _scored(
            "bleu", lambda: BLEU(tokenize=self._tokenize, force=True), said, streams
        )
        chrf, how_chrf, chrf_statistics = _scored("chrf", CHRF, said, streams)
        self.method = f"{self._way}; BLEU {how_bleu}; chrF {how_chrf}"
        each = CHRF()
        details = [
            {
                "source": sample.fields["source"],
                "references": list(wanted),
                "translation": text,
                "chrf": each.sentence_score(text, wanted).score,
                "bleu_statistics": ngrams,
                "chrf_statistics": characters,
            }
            for sample, wanted, text, ngrams, characters in zip(
                samples, references, said, bleu_statistics, chrf_statistics, strict=True
            )
        ]
        return Findings([_bounded(bleu, details), _bounded(chrf, details)], details)


def _scored(
    name: str,
    make: Callable[[], Any],  # sacrebleu's metrics ship no types
    said: Sequence[str],
    streams: Sequence[Sequence[str | None]],
) -> tuple[Metric, str, list[list[int]]]:
    """A score over all sentences with sacrebleu's interval, its signature, and its statistics."""
    scorer = make()
    statistics = [[*map(int, each)] for each in scorer._extract_corpus_statistics(said, streams)]
    if len(said) > 1:
        try:
            score = scorer.corpus_score(said, streams, n_bootstrap=_DRAWS)
        except TypeError:
            # sacrebleu 2.6 cannot take the mean of draws some of which match nothing at all
            scorer = make()
        else:
            mean, half = float(score._mean), float(score._ci)
            metric = Metric(name, float(score.score), None, mean - half, mean + half)
            return metric, str(scorer.get_signature()), statistics
    score = scorer.corpus_score(said, streams)
    return Metric(name, float(score.score)), str(scorer.get_signature()), statistics


def _option(benchmark: Benchmark, name: str, value: Any, kinds: tuple[type, ...]) -> Any:  # noqa: ANN401 (a setting)
    """A setting of the search, if it is what it must be.

    Raises:
        RegistryError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, kinds):
        expected = "a text" if str in kinds else "a number"
        place = getattr(value, "place", benchmark.file)
        raise RegistryError(f"{place}: {name} is {value!r:.40}; expected {expected}")
    return str(value) if isinstance(value, str) else value


def _bounded(metric: Metric, details: Sequence[Mapping[str, Any]]) -> Metric:
    """With an interval, where sacrebleu has given none."""
    if metric.low is not None:
        return metric
    low, high = interval(metric.name, details)
    return replace(metric, low=low, high=high)


def _references(sample: Sample) -> list[str]:
    """People's translations of a sample.

    Raises:
        InputError: There is none, or one is no text.
    """
    target = sample.fields["target"]
    if isinstance(target, str):
        return [text_of(sample, "target")]
    if not isinstance(target, list | tuple) or not target:
        raise InputError(
            f"{sample.place}: target is {target!r:.40}; expected a text, or a list of texts"
        )
    for each in target:
        if not isinstance(each, str) or not each.strip():
            raise InputError(f"{sample.place}: a target is {each!r:.40}; expected a text")
    return list(target)


def _tokenizer(languages: Sequence[str]) -> str:
    """How sacrebleu splits the words of the second language, the target's, by default."""
    return _TOKENIZERS.get(languages[1], "13a") if len(languages) > 1 else "13a"


def _require_sacrebleu(tokenize: str) -> None:
    """Refuse to measure without what counts.

    Raises:
        PluginError: A package is not installed.
        RegistryError: sacrebleu has no such tokenizer.
    """
    if find_spec("sacrebleu") is None:
        raise PluginError("translation is measured by sacrebleu: pip install 'zoo[eval]'")
    module, extra = _MECAB.get(tokenize, ("", ""))
    if module and find_spec(module) is None:
        raise PluginError(
            f"BLEU of this language splits words by {module}: pip install 'sacrebleu[{extra}]'"
        )
    from sacrebleu.metrics.bleu import BLEU

    if tokenize not in BLEU.TOKENIZERS:
        raise RegistryError(
            f"tokenize is {tokenize!r}; sacrebleu has {', '.join(sorted(BLEU.TOKENIZERS))}"
        )
