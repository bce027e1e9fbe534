"""Beam search, step by step as transformers does it, so that published results can be repeated.

Several texts of a prompt are followed at once. In each step all their continuations are ranked; the
best that end enter a pool, the best that do not are followed further.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor

from zoo.errors import UsageError
from zoo.generation.processors import FORBIDDEN, Processor, force, highest, processors
from zoo.generation.protocol import Decoder, State
from zoo.generation.result import Finish, Generated, Stop, allowed, ending
from zoo.generation.settings import Settings
from zoo.runtime import check_numbers

S = TypeVar("S", bound=State)

# The score of what must not be chosen, yet can be compared; and one that no text falls below.
_NEVER = -1e9
_LEAST = _NEVER / 2

# Rows whose logits a CPU makes at once, enough for the product's full speed; and rows that are then
# ranked at once, so few that their scores stay in its cache. A vocabulary is long: for 256 beams of
# 58,101 tokens fresh memory takes a third of the product's time.
_PREDICTED, _RANKED = 128, 16


class _Search:
    """The beams of one prompt, and the pool of its finished texts.

    Args:
        begun: The tokens that all beams begin with.
        limit: At most so many new ones.
        settings: Of the search.
        stop: Asked for each candidate.
    """

    def __init__(
        self, begun: Sequence[int], limit: int, settings: Settings, stop: Stop | None
    ) -> None:
        self.beams = [list(begun)] * settings.num_beams
        # Only the first counts at first: all are the same text.
        self.scores = [0.0] + [_NEVER] * (settings.num_beams - 1)
        self.pool: list[Generated] = []
        self.done = False
        self.limit = limit
        self._begun = len(begun)
        self.settings = settings
        self._stop = stop

    @property
    def length(self) -> int:
        """New tokens of each beam."""
        return len(self.beams[0]) - self._begun

    def advance(
        self, scores: Sequence[float], parents: Sequence[int], tokens: Sequence[int]
    ) -> list[int]:
        """Take the best candidates, best first; return the beam that each new beam goes on from.

        Args:
            scores: Sums of log-probabilities.
            parents: The beam that each candidate continues.
            tokens: What it continues it with.

        Raises:
            UsageError: The rules forbid all that could come next, before any text has ended.
        """
        count = self.settings.num_beams
        full = len(self.pool) == count
        length = self.length + 1
        going: list[tuple[float, int, int]] = []
        ended: list[tuple[float, int, int]] = []
        for rank, (score, parent, token) in enumerate(zip(scores, parents, tokens, strict=True)):
            new = [*self.beams[parent][self._begun :], token]
            finish = ending(new, self.limit, self.settings, self._stop)
            if finish is None:
                going.append((score, parent, token))
                continue
            ended.append((score + _NEVER, parent, token))
            # What ranks below the first could-be beams is only there to keep the search going, as
            # are copies of the beginning and what goes on from an end.
            possible = rank < count and score > _LEAST
            if possible and not (full and self.settings.early_stopping is True):
                self._add(new, score / length**self.settings.length_penalty, finish)
        nexts = (going + ended)[:count]
        self.beams = [[*self.beams[parent], token] for _, parent, token in nexts]
        self.scores = [score for score, _, _ in nexts]
        self.done = not going or going[0][0] < _LEAST or self._finished()
        if self.done and not self.pool:
            raise UsageError(FORBIDDEN)
        return [parent for _, parent, _ in nexts]

    def _add(self, tokens: list[int], score: float, finish: Finish) -> None:
        self.pool.append(Generated(tokens, finish, score))
        self.pool.sort(key=lambda each: -(each.score or 0.0))
        del self.pool[self.settings.num_beams :]

    def _finished(self) -> bool:
        """Whether no beam can, or shall, give a better text than the worst of a full pool."""
        settings = self.settings
        if len(self.pool) < settings.num_beams:
            return False
        if settings.early_stopping is True:
            return True
        # A guess of the score that the best beam may reach.
        never = settings.early_stopping == "never" and settings.length_penalty > 0
        length = self.limit if never else self.length
        worst = self.pool[-1].score
        return worst is not None and self.scores[0] / length**settings.length_penalty <= worst


@torch.inference_mode()
def search(
    decoder: Decoder[S],
    prompts: Sequence[Sequence[int]],
    settings: Settings,
    *,
    stop: Stop | None = None,
) -> list[list[Generated]]:
    """Find the best ``settings.sequences`` texts for each prompt, best first.

    All prompts are searched at once; a prompt leaves the batch when its search is done. It has
    fewer texts where the rules and the allowed length leave no more.

    Raises:
        InputError: A prompt fills the context.
        UsageError: The rules forbid all that a prompt could go on with.
    """
    count = settings.num_beams
    limits = [allowed(decoder, prompt, settings) for prompt in prompts]
    begun = [decoder.begin(prompt) for prompt in prompts]
    everyone = [
        _Search(tokens, limit, settings, stop) for tokens, limit in zip(begun, limits, strict=True)
    ]
    active = list(everyone)
    room = max((len(t) + limit for t, limit in zip(begun, limits, strict=True)), default=0)
    rules = processors(settings)
    if not prompts:
        return []
    hidden, state = decoder.prefill(prompts, room=room)  # (P, C)
    state.expand(count)
    hidden = hidden.repeat_interleave(count, 0)  # (P · beams, C)
    while True:
        best = (each.tolist() for each in _best(decoder, hidden, active, rules))
        parents = [each.advance(*its) for each, *its in zip(active, *best, strict=True)]
        going = [number for number, each in enumerate(active) if not each.done]
        if not going:
            return [each.pool[: settings.sequences] for each in everyone]
        if len(going) < len(active):
            state.keep(going)
            active = [active[number] for number in going]
        rows = [
            place * count + parent
            for place, number in enumerate(going)
            for parent in parents[number]
        ]
        state.reorder(torch.tensor(rows, device=hidden.device))
        last_tokens = [beam[-1] for each in active for beam in each.beams]
        hidden = decoder.decode(torch.tensor(last_tokens, device=hidden.device), state)


def _best(
    decoder: Decoder[S], hidden: Tensor, searches: Sequence[_Search], rules: Sequence[Processor]
) -> tuple[Tensor, ...]:
    """Find the best continuations of each prompt, best first.

    Shapes: P prompts, C width, V vocabulary, K continuations.

    Args:
        decoder: Predicts.
        hidden: The vectors of all beams, (P · beams, C).
        searches: The prompts'.
        rules: Applied to the log-probabilities.

    Returns:
        Sums of log-probabilities, the beam that each continues, and the token: (P, K) each.
    """
    count = searches[0].settings.num_beams
    predicted, ranked = (
        max(1, rows // count) * count if hidden.device.type == "cpu" else len(hidden)
        for rows in (_PREDICTED, _RANKED)
    )
    remaining, parts = iter(searches), []
    for some in hidden.split(predicted):
        logits = decoder.predict(some)
        scratch = torch.empty_like(logits[:ranked], dtype=torch.float32)
        for part in logits.split(ranked):
            its = list(islice(remaining, len(part) // count))
            parts.append(_rank(part, its, rules, scratch[: len(part)]))
    return tuple(torch.cat(each) for each in zip(*parts, strict=True))


def _rank(
    logits: Tensor, searches: Sequence[_Search], rules: Sequence[Processor], scratch: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """`_best` of some prompts, by the logits of all their beams, (P · beams, V).

    ``scratch`` is memory for their log-probabilities, (P · beams, V).
    """
    settings = searches[0].settings
    count, V = settings.num_beams, logits.size(-1)
    scores = torch.log_softmax(logits, -1, dtype=torch.float32, out=scratch)
    history = [beam for each in searches for beam in each.beams]
    for rule in rules:
        scores = rule(scores, history)
    if settings.forced_end is not None:
        last = [
            number * count + beam
            for number, each in enumerate(searches)
            for beam in range(count)
            if each.length + 1 == each.limit
        ]
        scores = force(scores, settings.forced_end, last)
    kept = max(2, 1 + len(settings.ends)) * count
    # The best of a prompt are among the best of its beams.
    values, tokens = highest(scores, min(kept, V))  # (P · beams, K)
    check_numbers(values)  # NaN is larger than any number
    running = torch.tensor([each.scores for each in searches], device=scores.device)
    sums = values.unflatten(0, (-1, count)) + running.unsqueeze(-1)  # (P, beams, K)
    best, places = sums.flatten(1).topk(min(kept, count * V))  # (P, K)
    tokens = tokens.unflatten(0, (-1, count)).flatten(1).gather(1, places)
    return best, places // sums.size(-1), tokens
