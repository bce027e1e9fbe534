"""Rules that change the scores of the next token, in the order that transformers applies them.

A rule takes scores (R, V) and each row's tokens so far, and returns scores: in the memory of those
it was given, as a copy of a large vocabulary takes longer than the rule. A token that must not come
has minus infinity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from zoo.errors import UsageError
from zoo.generation.settings import Settings
from zoo.runtime import check_numbers

History = Sequence[Sequence[int]]
"""The tokens of each row so far, those of its prompt included."""

Processor = Callable[[Tensor, History], Tensor]

FORBIDDEN = (
    "bad words and no_repeat_ngram together forbid every token that could come next; give fewer of "
    "them, or a smaller max_new_tokens"
)

# Tokens of which `highest` takes the maximum first.
_BLOCK = 128


def processors(settings: Settings) -> list[Processor]:
    """The rules that settings ask for, without those that would change nothing."""
    rules: list[Processor] = []
    if settings.repetition_penalty != 1:
        rules.append(repetition_penalty(settings.repetition_penalty))
    if settings.no_repeat_ngram:
        rules.append(no_repeat_ngram(settings.no_repeat_ngram))
    bad_words = [word for word in settings.bad_words if word not in [(e,) for e in settings.ends]]
    if bad_words:
        rules.append(no_bad_words(bad_words))
    if settings.temperature:
        if settings.temperature != 1:
            rules.append(temperature(settings.temperature))
        if settings.top_k:
            rules.append(top_k(settings.top_k))
        if settings.top_p < 1:
            rules.append(top_p(settings.top_p))
        if settings.min_p:
            rules.append(min_p(settings.min_p))
    if settings.renormalize:
        rules.append(renormalize)
    return rules


def check_choice(best: Tensor) -> None:
    """Refuse to go on where even the best score of a row, (R,), stands for what must not come.

    Raises:
        UsageError: The rules together forbid all tokens.
    """
    if (best == -math.inf).any():
        raise UsageError(FORBIDDEN)


def highest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Find the best ``count`` tokens of each row: (R, V) -> (R, count) scores and tokens.

    What `torch.topk` returns, several times as fast on a CPU. The best are looked for in the
    ``count`` blocks of tokens whose maxima are highest: no other block can hold one of them.
    """
    V = scores.size(-1)
    N = V // _BLOCK
    if count >= N:
        best = scores.topk(count)
        return best.values, best.indices
    blocks = scores[:, : N * _BLOCK].unflatten(1, (N, _BLOCK))
    chosen = blocks.amax(-1).topk(count, sorted=False).indices.unsqueeze(-1)  # (R, count, 1)
    tokens = (chosen * _BLOCK + torch.arange(_BLOCK, device=scores.device)).flatten(1)
    rest = torch.arange(N * _BLOCK, V, device=scores.device).expand(len(scores), -1)
    tokens = torch.cat((tokens, rest), 1)
    best = scores.gather(1, tokens).topk(count)
    return best.values, tokens.gather(1, best.indices)


def draw(scores: Tensor, generators: Sequence[torch.Generator | None]) -> Tensor:
    """Draw a token of each row by its probability: (R, V) scores -> (R,).

    All probabilities of a row are laid end to end, and a number from the row's own generator says
    how far along the token lies: the same on any device, and a tenth of `torch.multinomial`'s time,
    which draws as many numbers as there are tokens.

    Raises:
        CheckpointError: There is NaN among the scores.
    """
    # In float64 also the rarest token keeps its share; Apple's GPUs have none.
    dtype = torch.float32 if scores.device.type == "mps" else torch.float64
    ends = scores.softmax(-1).cumsum(-1, dtype=dtype)  # (R, V)
    total = ends[:, -1:]
    check_numbers(total)
    points = torch.cat([torch.rand(1, generator=g, dtype=torch.float64) for g in generators])
    # Rounding must not reach the end, behind which there is no token.
    places = torch.minimum(points.to(total).unsqueeze(1) * total, total.nextafter(0 * total))
    return torch.searchsorted(ends, places, right=True).squeeze(1)


def repetition_penalty(penalty: float) -> Processor:
    """Divide positive scores of tokens that came already, multiply negative ones.

    Keskar et al., "CTRL", 2019, section 4.1. https://arxiv.org/abs/1909.05858
    """

    def apply(scores: Tensor, history: History) -> Tensor:
        for row, tokens in zip(scores, history, strict=True):
            came = torch.tensor(sorted(set(tokens)), device=scores.device)
            score = row[came]
            row[came] = torch.where(score < 0, score * penalty, score / penalty)
        return scores

    return apply


def no_repeat_ngram(size: int) -> Processor:
    """Forbid what would complete a run of ``size`` tokens that came already."""

    def banned(tokens: Sequence[int]) -> list[int]:
        start = len(tokens) - size + 1
        if start < 0:
            return []
        last = list(tokens[start:])
        return [
            tokens[i + size - 1] for i in range(start) if list(tokens[i : i + size - 1]) == last
        ]

    return lambda scores, history: _forbid(scores, [banned(tokens) for tokens in history])


def no_bad_words(words: Sequence[Sequence[int]]) -> Processor:
    """Forbid the last token of each run of tokens where the ones before it just came."""

    def banned(tokens: Sequence[int]) -> list[int]:
        return [
            last
            for *before, last in words
            if not before or list(tokens[len(tokens) - len(before) :]) == before
        ]

    return lambda scores, history: _forbid(scores, [banned(tokens) for tokens in history])


def temperature(value: float) -> Processor:
    """Divide scores: below 1 sharpens, above 1 flattens."""
    return lambda scores, _: scores.div_(value)


def top_k(count: int) -> Processor:
    """Keep the ``count`` best tokens, and those that equal the last of them.

    Fan et al., "Hierarchical Neural Story Generation", 2018. https://arxiv.org/abs/1805.04833
    """

    def apply(scores: Tensor, _: History) -> Tensor:
        least = highest(scores, min(count, scores.size(-1)))[0][:, -1:]
        return scores.masked_fill_(scores < least, -math.inf)

    return apply


def top_p(share: float) -> Processor:
    """Keep the best tokens that together have the probability ``share``; at least one.

    Holtzman et al., "The Curious Case of Neural Text Degeneration", 2019.
    https://arxiv.org/abs/1904.09751
    """

    def apply(scores: Tensor, _: History) -> Tensor:
        ascending, order = scores.sort()
        removed = ascending.softmax(-1).cumsum(-1) <= 1 - share
        removed[:, -1] = False
        return scores.masked_fill_(removed.scatter(1, order, removed), -math.inf)

    return apply


def min_p(share: float) -> Processor:
    """Keep tokens at least ``share`` times as probable as the best.

    Nguyen et al., "Min-p Sampling", 2024. https://arxiv.org/abs/2407.01082
    """

    def apply(scores: Tensor, _: History) -> Tensor:
        probabilities = scores.softmax(-1)
        least = share * probabilities.amax(-1, keepdim=True)
        return scores.masked_fill_(probabilities < least, -math.inf)

    return apply


def force(scores: Tensor, token: int, rows: Sequence[int]) -> Tensor:
    """Leave these rows but one token, with score 0; in place."""
    for row in rows:
        scores[row] = -math.inf
        scores[row, token] = 0
    return scores


def renormalize(scores: Tensor, _: History) -> Tensor:
    """Make the probabilities sum to 1 again; where no token is left, none comes back."""
    logprobs = scores.log_softmax(-1)
    none = logprobs[:, 0].isnan()  # as all of the row's then are
    if none.any():
        none &= scores.amax(-1) == -math.inf  # NaN that the network computed stays
        logprobs[none] = -math.inf
    return logprobs


def _forbid(scores: Tensor, banned: Sequence[Sequence[int]]) -> Tensor:
    pairs = [(row, token) for row, tokens in enumerate(banned) for token in tokens]
    if not pairs:
        return scores
    rows, tokens = torch.tensor(pairs, device=scores.device).unbind(1)
    scores[rows, tokens] = -math.inf
    return scores
