"""How probable texts are to a language model.

Requests are encoded as lm-evaluation-harness encodes them, and numbers are equal to its own: see
its lm_eval/api/model.py (`_encode_pair`) and lm_eval/models/huggingface.py.
https://github.com/EleutherAI/lm-evaluation-harness
"""

from __future__ import annotations

from collections.abc import Sequence

from zoo.errors import InputError, TaskError
from zoo.evaluation.instruments.reading import reading
from zoo.evaluation.instruments.scoring import CausalScorer, Span, TargetScorer
from zoo.evaluation.protocol import Answer, Failure, Instrument
from zoo.model import Model
from zoo.tasks import able
from zoo.text import PromptPreprocessor
from zoo.text.preprocessor import check_unicode

# Tokens of a window for a network that has no limit, as lm-evaluation-harness has it.
_WINDOW = 2048

Pair = Sequence[str]
"""A context and its continuation."""


def continuation_likelihoods(model: Model) -> Instrument:
    """What says how probable continuations are to a model: of the decoder's kind, or the other.

    Raises:
        TaskError: The model is an encoder-decoder that splits no texts of its target.
    """
    if "text-generation" in able(model):
        return ContinuationLikelihoods(model)
    if not hasattr(model.preprocessor, "encode_targets"):
        raise TaskError(
            f"{model.entry.name} cannot score texts: its preprocessor, "
            f"{type(model.preprocessor).__name__}, has no encode_targets"
        )
    return TargetLikelihoods(model)


class ContinuationLikelihoods:
    """How probable continuations are after their contexts.

    The content of a question is a list of pairs; all that they have in common at their beginning
    is computed once. The answer is a list with, for each pair, the sum of the log-probabilities of
    the continuation's tokens (nats), whether each of them was the most probable, how many they
    are, and how many tokens of the context were cut off for the model's limit.
    """

    def __init__(self, model: Model) -> None:
        self._reader = _Reader(model.preprocessor)
        self._scorer = CausalScorer(model)
        self.facts = ("continuations", 1, reading(model.preprocessor))

    def ask(self, contents: Sequence[Sequence[Pair]]) -> Sequence[Answer | Failure]:
        """Likelihoods of each content's continuations."""
        encoded = [self._spans(pairs) for pairs in self._reader.pairs(contents)]
        good = [spans for spans in encoded if not isinstance(spans, Failure)]
        scored = iter(self._scorer.score([[span for span, _ in spans] for spans in good]))
        return [
            spans
            if isinstance(spans, Failure)
            else [
                [total, greedy, span.scored, cut]
                for (span, cut), (total, greedy) in zip(spans, next(scored), strict=True)
            ]
            for spans in encoded
        ]

    def _spans(self, pairs: list[_Encoded] | Failure) -> list[tuple[Span, int]] | Failure:
        """What the network sees of pairs of tokens, and how much it does not."""
        if isinstance(pairs, Failure):
            return pairs
        limit = self._scorer.max_length
        spans = []
        for context, continuation in pairs:
            tokens = [*context, *continuation]
            if limit is not None and len(continuation) > limit:
                return Failure(
                    f"a continuation of {len(continuation)} tokens; the model takes {limit}"
                )
            kept = tokens if limit is None else tokens[-(limit + 1) :]
            spans.append((Span(kept, len(continuation)), len(tokens) - len(kept)))
        return spans


class TargetLikelihoods:
    """How probable an encoder-decoder's targets are after their sources.

    Contents and answers are those of `ContinuationLikelihoods`: a context is the source, and its
    continuation the beginning of a target, whose end is not scored.
    """

    def __init__(self, model: Model) -> None:
        self._preprocessor = model.preprocessor
        self._scorer = TargetScorer(model)
        self.facts = ("targets", 1, reading(model.preprocessor))

    def ask(self, contents: Sequence[Sequence[Pair]]) -> Sequence[Answer | Failure]:
        """Likelihoods of each content's continuations."""
        encoded = [self._encode(pairs) for pairs in contents]
        good = [pairs for pairs in encoded if not isinstance(pairs, Failure)]
        scored = iter(self._scorer.score(good))
        return [
            pairs
            if isinstance(pairs, Failure)
            else [
                [total, greedy, len(target), 0]
                for (_, target), (total, greedy) in zip(pairs, next(scored), strict=True)
            ]
            for pairs in encoded
        ]

    def _encode(self, pairs: Sequence[Pair]) -> list[_Encoded] | Failure:
        moved = [_without_trailing_spaces(*pair) for pair in pairs]
        try:
            for _, continuation in moved:
                check_unicode(continuation, "the continuation")
            sources = self._preprocessor.encode([context for context, _ in moved])
        except InputError as error:
            return Failure(str(error))
        targets = self._preprocessor.encode_targets([each for _, each in moved])
        limit = self._scorer.max_length
        for (_, text), target in zip(moved, targets, strict=True):
            if not target:
                return Failure(f"the continuation {text!r:.40} has no token of its own")
            if limit is not None and len(target) > limit:
                return Failure(f"a continuation of {len(target)} tokens; the model takes {limit}")
        return list(zip(sources, targets, strict=True))


class TextLikelihoods:
    """How probable whole texts are, read in windows.

    Every token is scored once. A window's first token is predicted from the last one of the window
    before, and the text's first from the token that texts begin with; the last window begins
    earlier, so that it is as long as the others, and scores what they have not. The answer is the
    sum of log-probabilities (nats) and the number of tokens.
    """

    def __init__(self, model: Model) -> None:
        self._reader = _Reader(model.preprocessor)
        self._scorer = CausalScorer(model)
        self.facts = ("rolling", 1, reading(model.preprocessor))

    def ask(self, contents: Sequence[str]) -> Sequence[Answer | Failure]:
        """Likelihoods of texts."""
        encoded = [self._reader.whole(text) for text in contents]
        windows = [
            [] if isinstance(tokens, Failure) else self._windows(tokens) for tokens in encoded
        ]
        scored = iter(self._scorer.score([[span] for spans in windows for span in spans]))
        answers: list[Answer | Failure] = []
        for tokens, spans in zip(encoded, windows, strict=True):
            if isinstance(tokens, Failure):
                answers.append(tokens)
            else:
                totals = [next(scored)[0][0] for _ in spans]
                answers.append([sum(totals), sum(span.scored for span in spans)])
        return answers

    def _windows(self, tokens: Sequence[int]) -> list[Span]:
        """The tokens after the first, all of them scored, in spans that the network can read."""
        size = self._scorer.max_length or _WINDOW
        spans = []
        for start in range(0, len(tokens) - 1, size):
            stop = min(start + size + 1, len(tokens))
            spans.append(Span(tokens[max(0, stop - size - 1) : stop], stop - start - 1))
        return spans


_Encoded = tuple[Sequence[int], Sequence[int]]
"""The tokens of a context, one or more, and of its continuation."""


class _Reader:
    """Texts to tokens, as lm-evaluation-harness splits them."""

    def __init__(self, preprocessor: PromptPreprocessor) -> None:
        self._tokenizer = preprocessor.tokenizer
        starts = (preprocessor.start, *preprocessor.ends)
        self._prefix = next((each for each in starts if each is not None), None)
        self._prefix_text = (
            None
            if self._prefix is None
            else self._tokenizer.backend.decode([self._prefix], skip_special_tokens=False)
        )

    def pairs(self, contents: Sequence[Sequence[Pair]]) -> list[list[_Encoded] | Failure]:
        """Each content's pairs; all texts are tokenized at once."""
        moved = [[_without_trailing_spaces(*pair) for pair in pairs] for pairs in contents]
        try:
            return self._encoded(moved)
        except InputError:  # one of them is no Unicode: find out which
            return [self._one(pairs) for pairs in moved]

    def whole(self, text: str) -> list[int] | Failure:
        """A text's tokens after the one that texts begin with."""
        if self._prefix is None:
            return _NO_PREFIX
        try:
            tokens = self._encode([text])[0]
        except InputError as error:
            return Failure(str(error))
        return [self._prefix, *tokens] if tokens else Failure("the text has no token")

    def _one(self, pairs: Sequence[Pair]) -> list[_Encoded] | Failure:
        try:
            return self._encoded([pairs])[0]
        except InputError as error:
            return Failure(str(error))

    def _encoded(self, contents: Sequence[Sequence[Pair]]) -> list[list[_Encoded] | Failure]:
        texts: dict[str, int] = {}
        for pairs in contents:
            for context, continuation in pairs:
                texts.setdefault(context, len(texts))
                texts.setdefault(context + continuation, len(texts))
        rows = self._encode([*texts])
        bare = {
            continuation: self._encode([continuation], special=False)[0]
            for pairs in contents
            for context, continuation in pairs
            if not context
        }
        results: list[list[_Encoded] | Failure] = []
        for pairs in contents:
            encoded: list[_Encoded] = []
            for context, continuation in pairs:
                if context:
                    before = rows[texts[context]]
                    after = rows[texts[context + continuation]][len(before) :]
                elif self._prefix is None:
                    results.append(_NO_PREFIX)
                    break
                else:
                    before, after = [self._prefix], bare[continuation]
                    if after[:1] == before:  # as if the text's own first token were the prefix
                        after = after[1:]
                if not before or not after:
                    which, text = ("continuation", continuation) if before else ("context", context)
                    results.append(Failure(f"the {which} {text!r:.40} has no token of its own"))
                    break
                encoded.append((before, after))
            else:
                results.append(encoded)
        return results

    def _encode(self, texts: Sequence[str], *, special: bool = True) -> list[list[int]]:
        """The tokens of texts; none is added to one that begins with the prefix as it is written.

        Raises:
            InputError: One is no Unicode.
        """
        for text in texts:
            check_unicode(text, "the text")
        written = [
            not special or bool(self._prefix_text and text.startswith(self._prefix_text))
            for text in texts
        ]
        rows: list[list[int]] = [[]] * len(texts)
        for as_is in (False, True):
            chosen = [number for number, each in enumerate(written) if each == as_is]
            encodings = self._tokenizer.backend.encode_batch(
                [texts[number] for number in chosen], add_special_tokens=not as_is
            )
            for number, encoding in zip(chosen, encodings, strict=True):
                rows[number] = self._tokenizer.checked(encoding.ids)
        return rows


_NO_PREFIX = Failure("the context is empty, and the model has no token that texts begin with")


def _without_trailing_spaces(context: str, continuation: str) -> Pair:
    """Spaces at a context's end belong to the word that follows."""
    kept = context.rstrip()
    return kept, context[len(kept) :] + continuation
