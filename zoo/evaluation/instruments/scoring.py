"""How probable tokens are to a network: the forward passes behind log-likelihoods.

Shapes: R rows, N tokens of a row, C width, V vocabulary, M places that predict, K tokens scored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.model import Model
from zoo.nn import Forest, KVCache, TokenTree
from zoo.runtime import default_tokens, in_batches

# Logits that are there at once, 64 MB in float32: a vocabulary of 150,000 takes 110 places a time.
_LOGITS = 1 << 24


@dataclass(frozen=True)
class Span:
    """Tokens, of which the last ``scored`` are: what is their probability, given those before?"""

    tokens: Sequence[int]
    scored: int

    @property
    def read(self) -> Sequence[int]:
        """What the network reads: the last token is predicted only."""
        return self.tokens[:-1]


Likelihood = tuple[float, bool]
"""The sum of the scored tokens' log-probabilities, and whether each was the most probable."""


class CausalScorer:
    """Scores by a `zoo.generation.CausalNetwork`.

    Where its state is a `zoo.nn.KVCache`, spans of one group are read as one tree, so that what
    they share is computed once. Other networks read each span for itself. Logits are computed only
    where tokens are scored, and log-probabilities in float32.
    """

    def __init__(self, model: Model) -> None:
        network: Any = model.network  # a CausalNetwork, as its task says
        self._network = network
        self._device = model.device
        self.max_length: int | None = network.max_length

    @torch.inference_mode()
    def score(self, groups: Sequence[Sequence[Span]]) -> list[list[Likelihood]]:
        """The likelihoods of each group's spans, which best begin alike."""
        state = self._network.new_cache(1, 1)
        if isinstance(state, KVCache):
            return self._in_batches(
                groups, lambda trees: self._read_trees(trees, len(state.layers))
            )
        alike = [  # for each group, its spans in runs that are read as one
            [[group[i] for i in run] for _, run in _runs(group)] for group in groups
        ]
        flat = self._in_batches([run for runs in alike for run in runs], self._read_rows)
        done = iter(flat)
        results = []
        for group in groups:
            scores: dict[int, Likelihood] = {}
            for _, run in _runs(group):
                scores |= dict(zip(run, next(done), strict=True))
            results.append([scores[index] for index in range(len(group))])
        return results

    def _in_batches(
        self,
        groups: Sequence[Sequence[Span]],
        read: Callable[[Sequence[TokenTree]], Tensor],
    ) -> list[list[Likelihood]]:
        trees = [TokenTree([span.read for span in group]) for group in groups]

        def run(batch: list[int]) -> list[list[Likelihood]]:
            hidden = read([trees[index] for index in batch])  # (R, N, C)
            return self._score(hidden, [(trees[index], groups[index]) for index in batch])

        return in_batches(
            [len(tree) for tree in trees],
            run,
            tokens=default_tokens(self._device),
            padded=True,
            thing="question",
        )

    def _read_trees(self, trees: Sequence[TokenTree], layers: int) -> Tensor:
        forest = Forest(trees, layers=layers, device=self._device)
        return self._network(forest.tokens, cache=forest)

    def _read_rows(self, chains: Sequence[TokenTree]) -> Tensor:
        """Each chain for itself, from an empty state."""
        T = max(map(len, chains))
        tokens = torch.tensor(
            [[*chain.tokens, *[0] * (T - len(chain))] for chain in chains], device=self._device
        )
        state = self._network.new_cache(len(chains), T)
        state.expect([len(chain) for chain in chains])
        return self._network(tokens, cache=state)

    def _score(
        self, hidden: Tensor, rows: Sequence[tuple[TokenTree, Sequence[Span]]]
    ) -> list[list[Likelihood]]:
        """The likelihoods of rows of spans, from (R, N, C) of their trees."""
        places: dict[tuple[int, int], int] = {}  # (row, node) that predicts a token or more
        asked: list[tuple[int, int]] = []  # for each token scored, its place's number and itself
        for row, (tree, spans) in enumerate(rows):
            for path, span in zip(tree.paths, spans, strict=True):
                for node, token in zip(
                    path[-span.scored :], span.tokens[-span.scored :], strict=True
                ):
                    asked.append((places.setdefault((row, node), len(places)), token))
        row_numbers, nodes = torch.tensor([*places], device=hidden.device).unbind(1)
        scores, greedy = self._predict(
            hidden[row_numbers, nodes], torch.tensor(asked, device=hidden.device)
        )
        results: list[list[Likelihood]] = []
        start = 0
        for _, spans in rows:
            results.append([])
            for span in spans:
                end = start + span.scored
                results[-1].append((sum(scores[start:end]), all(greedy[start:end])))
                start = end
        return results

    def _predict(self, hidden: Tensor, asked: Tensor) -> tuple[list[float], list[bool]]:
        """For (M, C) places and (K, 2) numbers of a place and a token, the token's likelihoods."""
        scores = torch.empty(len(asked), device=hidden.device)
        greedy = torch.empty(len(asked), dtype=torch.bool, device=hidden.device)
        size = max(1, _LOGITS // self._network.predict(hidden[:1]).size(-1))
        for start in range(0, len(hidden), size):
            logits = self._network.predict(hidden[start : start + size])  # (m, V)
            logprobs = F.log_softmax(logits.float(), dim=-1)
            here = ((asked[:, 0] >= start) & (asked[:, 0] < start + size)).nonzero().flatten()
            places, tokens = (asked[here] - asked.new_tensor([start, 0])).unbind(1)
            scores[here] = logprobs[places, tokens]
            greedy[here] = logprobs.argmax(dim=-1)[places] == tokens
        return scores.tolist(), greedy.tolist()


def _runs(group: Sequence[Span]) -> list[tuple[tuple[int, ...], list[int]]]:
    """The numbers of the spans that read the same tokens."""
    reads = [tuple(span.read) for span in group]
    order = sorted(range(len(group)), key=reads.__getitem__)
    return [(read, list(run)) for read, run in groupby(order, key=reads.__getitem__)]


class TargetScorer:
    """Scores what an encoder-decoder writes, by a `zoo.generation.Decoder`.

    A source is read once for all its targets; these are written a token a step.
    """

    def __init__(self, model: Model) -> None:
        decoder: Any = model.network  # a Decoder, as its task says
        self._decoder = decoder
        self._device = model.device
        self.max_length: int | None = decoder.max_length

    @torch.inference_mode()
    def score(
        self, groups: Sequence[Sequence[tuple[Sequence[int], Sequence[int]]]]
    ) -> list[list[Likelihood]]:
        """The likelihoods of each group's targets, after their sources."""
        return in_batches(
            [sum(len(source) + len(target) for source, target in group) for group in groups],
            lambda batch: self._score([groups[index] for index in batch]),
            tokens=default_tokens(self._device),
            padded=True,
            thing="question",
        )

    def _score(
        self, groups: Sequence[Sequence[tuple[Sequence[int], Sequence[int]]]]
    ) -> list[list[Likelihood]]:
        rows = [pair for group in groups for pair in group]
        sources: dict[tuple[int, ...], int] = {}
        prompts = [sources.setdefault(tuple(source), len(sources)) for source, _ in rows]
        T = max(len(target) for _, target in rows)
        targets = torch.tensor(
            [[*target, *[-1] * (T - len(target))] for _, target in rows], device=self._device
        )  # (R, T)
        hidden, state = self._decoder.prefill([*sources], room=T)  # (P, C)
        state.keep(prompts)
        hidden = hidden[torch.tensor(prompts, device=self._device)]  # (R, C)
        totals = torch.zeros(len(rows), dtype=torch.float64, device=self._device)
        greedy = torch.ones(len(rows), dtype=torch.bool, device=self._device)
        for step in range(T):
            written, tokens = targets[:, step] >= 0, targets[:, step].clamp(min=0)
            logits = self._decoder.predict(hidden)  # (R, V)
            logprobs = F.log_softmax(logits.float(), dim=-1)
            chosen = logprobs.gather(1, tokens.unsqueeze(1)).squeeze(1)  # (R,)
            totals += torch.where(written, chosen, 0)
            greedy &= ~written | (logprobs.argmax(dim=-1) == tokens)
            if step + 1 < T:
                hidden = self._decoder.decode(tokens, state)
        scores = iter(zip(totals.tolist(), greedy.tolist(), strict=True))
        return [[next(scores) for _ in group] for group in groups]
