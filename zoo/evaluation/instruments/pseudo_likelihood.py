"""How probable a masked language model finds texts.

A token's pseudo-log-likelihood is its log-probability where it is masked and all others are seen;
a text's is the sum over its tokens. Salazar et al., "Masked Language Model Scoring", 2020,
section 2. https://arxiv.org/abs/1910.14659

A word of several tokens is then too probable, since its other tokens tell the masked one. With
``within_word`` the word's tokens after it are masked too: Kauf and Ivanova, "A Better Way to Do
Masked Language Model Scoring", 2023, PLL-word-l2r. https://arxiv.org/abs/2305.10588
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo import runtime
from zoo.errors import TaskError
from zoo.evaluation.instruments.reading import reading
from zoo.evaluation.protocol import Answer, Failure
from zoo.model import Model
from zoo.tasks import require
from zoo.text import TokenBatch
from zoo.text.preprocessor import text_preprocessor

if TYPE_CHECKING:
    import tokenizers

# Numbers of the vocabulary's size that are in memory at once, of logits in float32.
_LOGITS = 2**25


@dataclass(frozen=True)
class _Masked:
    """A text with a gap: its tokens, where the gap is, and the token that stood there."""

    tokens: Sequence[int]
    place: int
    target: int


class _Scorer:
    """Log-probabilities of tokens in the gaps that they leave."""

    def __init__(self, model: Model, *, within_word: bool) -> None:
        self._predict: Any = require(model, "fill-mask")
        preprocessor = text_preprocessor(model.preprocessor)
        if preprocessor.tokenizer.mask_id is None:
            raise TaskError(f"{model.entry.name}: its tokenizer has no mask token")
        self._model = model
        self._tokenizer = preprocessor.tokenizer
        self._mask: int = preprocessor.tokenizer.mask_id
        self.most = preprocessor.max_length
        self._within_word = within_word
        self.facts = (within_word, reading(preprocessor))

    def encode(self, text: str) -> tokenizers.Encoding:
        """The tokens of a text, however many; the special ones around it are among them."""
        self._tokenizer.backend.no_truncation()
        encoding = self._tokenizer.backend.encode(text)
        self._tokenizer.checked(encoding.ids)
        return encoding

    def gaps(
        self, ids: Sequence[int], words: Sequence[int | None], places: Sequence[int]
    ) -> list[_Masked]:
        """A masked copy of a text for each of these places; ``words`` numbers each token's word."""
        copies: list[_Masked] = []
        for place in places:
            tokens = [*ids]
            tokens[place] = self._mask
            after = place + 1
            while (
                self._within_word
                and after < len(tokens)
                and words[place] is not None
                and words[after] == words[place]
            ):
                tokens[after] = self._mask
                after += 1
            copies.append(_Masked(tokens, place, ids[place]))
        return copies

    def score(self, copies: Sequence[_Masked]) -> list[float]:
        """The log-probability of what stood in each gap."""
        model = self._model
        encoder: Any = model.network.encoder
        packed = model.device.type == "cpu" and not model.compiled

        def run(indices: list[int]) -> list[float]:
            chosen = [copies[index] for index in indices]
            batch = TokenBatch([each.tokens for each in chosen], packed=packed, device=model.device)
            hidden = encoder(
                batch.tokens, positions=batch.positions, segments=batch.segments, mask=batch.mask
            )
            rows = zip(batch.rows(hidden), chosen, strict=True)
            # Only the gaps go through the vocabulary.
            gaps = torch.stack([row[each.place] for row, each in rows])  # (n, C)
            return self._log_probabilities(gaps, [each.target for each in chosen])

        with torch.inference_mode():
            return runtime.in_batches(
                [len(each.tokens) for each in copies],
                run,
                tokens=runtime.default_tokens(model.device),
                padded=not packed,
            )

    def _log_probabilities(self, gaps: Tensor, targets: Sequence[int]) -> list[float]:
        """(n, C) and n tokens -> n numbers."""
        wanted = torch.tensor(targets, device=gaps.device).unsqueeze(1)
        size = max(1, _LOGITS // self._tokenizer.backend.get_vocab_size())
        found: list[float] = []
        for start in range(0, len(targets), size):
            logits = self._predict(gaps[start : start + size]).float()  # (n, V)
            target = logits.gather(1, wanted[start : start + size])[:, 0]
            found += (target - logits.logsumexp(dim=1)).tolist()
        return found


class PseudoLikelihood:
    """How probable continuations are after their contexts, whose tokens are seen and not scored.

    Contents and answers are those of `zoo.evaluation.instruments.likelihood`'s
    `ContinuationLikelihoods`, but that nothing is greedy, and nothing cut. Without a context a
    continuation is a text of its own, and loses the space that would part it from one.
    """

    def __init__(self, model: Model, *, within_word: bool = False) -> None:
        self._scorer = _Scorer(model, within_word=within_word)
        self.facts = ("pseudo-log-likelihood", 2, *self._scorer.facts)

    def ask(self, contents: Sequence[Sequence[Sequence[str]]]) -> Sequence[Answer | Failure]:
        """Score all continuations."""
        rows = [[self._gaps(context, after) for context, after in pairs] for pairs in contents]
        good = [gaps for row in rows for gaps in row if not isinstance(gaps, Failure)]
        scores = iter(self._scorer.score([*chain.from_iterable(good)]))
        answers: list[Answer | Failure] = []
        for row in rows:
            sums = [
                gaps
                if isinstance(gaps, Failure)
                else [sum(next(scores) for _ in gaps), None, len(gaps), 0]
                for gaps in row
            ]
            answers.append(next((each for each in sums if isinstance(each, Failure)), sums))
        return answers

    def _gaps(self, context: str, continuation: str) -> list[_Masked] | Failure:
        text = context + continuation if context else continuation.lstrip()
        encoding = self._scorer.encode(text)
        if len(encoding) > self._scorer.most:
            return Failure(
                f"{text!r:.40} has {len(encoding)} tokens, above the model's {self._scorer.most}"
            )
        start = len(context.rstrip()) if context else 0
        places = [
            place
            for place, ((_, end), special) in enumerate(
                zip(encoding.offsets, encoding.special_tokens_mask, strict=True)
            )
            if end > start and not special
        ]
        gaps = self._scorer.gaps(encoding.ids, encoding.word_ids, places)
        return gaps or Failure(f"the continuation {continuation!r:.40} is no token")


class RollingPseudoLikelihood:
    """Scores whole texts: content is a text, the answer ``[sum of log-probabilities, tokens]``.

    A text that is too long for the model is read in windows that do not overlap, of equal length
    but for the last; each is a text of its own.
    """

    def __init__(self, model: Model, *, within_word: bool = False) -> None:
        self._scorer = _Scorer(model, within_word=within_word)
        self.facts = ("rolling pseudo-log-likelihood", 1, *self._scorer.facts)

    def ask(self, contents: Sequence[str]) -> Sequence[Answer | Failure]:
        """Score all texts, one at a time: a page has as many copies as tokens."""
        return [self._score(text) for text in contents]

    def _score(self, text: str) -> Answer | Failure:
        gaps = self._windows(self._scorer.encode(text))
        if not gaps:
            return Failure("the text has no token")
        return [sum(self._scorer.score(gaps)), len(gaps)]

    def _windows(self, encoding: tokenizers.Encoding) -> list[_Masked]:
        ids, words, special = encoding.ids, encoding.word_ids, encoding.special_tokens_mask
        if 0 not in special:
            return []
        first, last = special.index(0), len(special) - special[::-1].index(0)
        before, after = ids[:first], ids[last:]
        room = self._scorer.most - len(before) - len(after)
        copies: list[_Masked] = []
        for start in range(first, last, room):
            end = min(start + room, last)
            window = [*before, *ids[start:end], *after]
            owners = [*[None] * len(before), *words[start:end], *[None] * len(after)]
            copies += self._scorer.gaps(window, owners, range(first, first + end - start))
        return copies
