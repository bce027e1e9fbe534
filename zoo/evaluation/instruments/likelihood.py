"""How probable a causal language model finds texts, as lm-evaluation-harness measures it.

Its ``loglikelihood`` and ``loglikelihood_rolling`` (EleutherAI/lm-evaluation-harness,
lm_eval/api/model.py and lm_eval/models/huggingface.py), with two differences that change no number:
what several continuations follow is computed once, and only tokens that are scored are predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from zoo import runtime
from zoo.errors import CheckpointError
from zoo.evaluation.protocol import Answer, Failure
from zoo.model import Model
from zoo.nn import KVCache, TokenTree
from zoo.result_cache import key_of
from zoo.tasks import require
from zoo.text import PromptPreprocessor

# Numbers of the vocabulary's size that are in memory at once, of logits in float32.
_LOGITS = 2**25

Row = tuple[Sequence[int], list[Sequence[int]]]
"""The tokens of a text, and those of what may follow it; none of them empty."""


class _Scorer:
    """Log-probabilities of tokens after tokens."""

    def __init__(self, model: Model) -> None:
        require(model, "text-generation")
        network: Any = model.network
        self.network = network
        self.preprocessor: PromptPreprocessor = model.preprocessor
        self.device = model.device
        cache = network.new_cache(1, 1)
        # A network of another kind, such as a recurrent one, reads each continuation for itself.
        self._layers = len(cache.layers) if isinstance(cache, KVCache) else None

    @property
    def facts(self) -> tuple[object, ...]:
        """What changes tokens: the tokenizer, and what stands before a text without context."""
        return (key_of(self.preprocessor.tokenizer.backend.to_str()), self.start)

    @property
    def start(self) -> int:
        """What a text without context begins with: the token that begins texts, or ends them.

        Raises:
            CheckpointError: There is neither.
        """
        if self.preprocessor.start is not None:
            return self.preprocessor.start
        if self.preprocessor.ends:
            return self.preprocessor.ends[0]
        raise CheckpointError(
            "config.json names neither bos_token_id nor eos_token_id, so nothing says what the "
            "first token of a text follows"
        )

    def encode(self, text: str, *, special: bool = True) -> list[int]:
        """The tokens of a text; with the special ones that the tokenizer adds by default."""
        backend = self.preprocessor.tokenizer.backend
        ids = backend.encode(text, add_special_tokens=special).ids
        return self.preprocessor.tokenizer.checked(ids)

    def score(self, rows: Sequence[Row]) -> list[list[tuple[float, bool]]]:
        """For each continuation the sum of its log-probabilities, and whether each was the best."""
        rows = rows if self._layers is not None else [(t, [b]) for t, bs in rows for b in bs]
        lengths = [len(text) + sum(len(each) - 1 for each in after) for text, after in rows]

        def run(indices: list[int]) -> list[list[tuple[float, bool]]]:
            return self._run([rows[index] for index in indices])

        with torch.inference_mode():
            return runtime.in_batches(
                lengths, run, tokens=runtime.default_tokens(self.device), padded=True
            )

    def _run(self, rows: Sequence[Row]) -> list[list[tuple[float, bool]]]:
        # The last token of a continuation predicts nothing that is scored, so it is not read.
        read = [[*text, *(t for each in after for t in each[:-1])] for text, after in rows]
        T = max(map(len, read))
        tokens = torch.tensor([[*row, *[0] * (T - len(row))] for row in read], device=self.device)
        if self._layers is None:
            hidden = self.network(tokens)  # (B, T, C); causality hides the padding
        else:
            shape = [(len(text), [len(each) - 1 for each in after]) for text, after in rows]
            tree = TokenTree(shape, layers=self._layers, device=self.device)
            hidden = self.network(tokens, cache=tree)
        places = [place for number, row in enumerate(rows) for place in _places(row, number * T)]
        targets = [token for _, after in rows for each in after for token in each]
        chosen, best = self._predict(hidden.flatten(0, 1), places, targets)
        return _summed(rows, chosen, best)

    def _predict(
        self, hidden: Tensor, places: Sequence[int], targets: Sequence[int]
    ) -> tuple[list[float], list[bool]]:
        """Each target's log-probability, and whether no other token has a higher one."""
        index = torch.tensor(places, device=self.device)
        wanted = torch.tensor(targets, device=self.device)
        size = max(1, _LOGITS // self.preprocessor.tokenizer.backend.get_vocab_size())
        chosen: list[float] = []
        best: list[bool] = []
        for start in range(0, len(places), size):
            logits = self.network.predict(hidden[index[start : start + size]]).float()  # (n, V)
            target = wanted[start : start + size, None]
            scores = logits.gather(1, target)[:, 0] - logits.logsumexp(1)
            chosen += scores.tolist()
            best += (logits.argmax(1) == target[:, 0]).tolist()
        return chosen, best


class LogLikelihood:
    """Scores continuations of a context: content is ``[context, [continuation, …]]``.

    The answer is a list of ``[sum of log-probabilities, 1 if each token was the best else 0]``.
    """

    def __init__(self, model: Model) -> None:
        self._scorer = _Scorer(model)
        self._most: int | None = self._scorer.network.max_length
        self.facts = ("log-likelihood", 1, *self._scorer.facts)

    def ask(self, contents: Sequence[tuple[str, Sequence[str]]]) -> Sequence[Answer | Failure]:
        """Score all continuations."""
        rows: list[Row] = []
        owners: list[list[tuple[int, int]]] = []  # of each content's continuations: row, place
        failures: dict[int, Failure] = {}
        for number, (context, continuations) in enumerate(contents):
            # What is too long loses its beginning, so that choices may follow different texts.
            texts: dict[tuple[int, ...], int] = {}
            owners.append([])
            for continuation in continuations:
                text, after = self._pair(context, continuation)
                if not after:
                    failures[number] = Failure(f"the continuation {continuation!r:.40} is no token")
                    continue
                if self._most is not None and len(after) > self._most:
                    failures[number] = Failure(
                        f"a continuation has {len(after)} tokens, the model's context {self._most}"
                    )
                    continue
                if self._most is not None:
                    text = text[-(self._most + 1 - len(after)) :]
                if tuple(text) not in texts:
                    texts[tuple(text)] = len(rows)
                    rows.append((text, []))
                row = texts[tuple(text)]
                owners[number].append((row, len(rows[row][1])))
                rows[row][1].append(after)
        scored = self._score(rows)
        return [
            failures.get(number) or [list(scored[row][place]) for row, place in places]
            for number, places in enumerate(owners)
        ]

    def _score(self, rows: Sequence[Row]) -> list[list[tuple[float, bool]]]:
        good = [row for row in rows if row[1]]
        scores = iter(self._scorer.score(good))
        return [next(scores) if row[1] else [] for row in rows]

    def _pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """Tokens of a context, and those that a continuation adds to them.

        Spaces at the context's end belong to what follows, as tokenizers have it.
        """
        if not context:
            after = self._scorer.encode(continuation, special=False)
            if after[:1] == [self._scorer.start]:
                return after[:1], after[1:]
            return [self._scorer.start], after
        stripped = context.rstrip()
        whole = self._scorer.encode(context + continuation)
        text = self._scorer.encode(stripped) if stripped else []
        return (text or [self._scorer.start]), whole[len(text) :]


class RollingLikelihood:
    """Scores whole texts: content is a text, the answer ``[sum of log-probabilities, tokens]``.

    A text longer than the context is read in windows that do not overlap, each of which sees one
    token before it; the first sees the token that begins texts.
    """

    def __init__(self, model: Model) -> None:
        self._scorer = _Scorer(model)
        self.facts = ("rolling log-likelihood", 1, *self._scorer.facts)

    def ask(self, contents: Sequence[str]) -> Sequence[Answer | Failure]:
        """Score all texts."""
        rows: list[Row] = []
        counts: list[int] = []
        tokens = [self._scorer.encode(text) for text in contents]
        for each in tokens:
            windows = _windows(each, self._scorer.start, self._scorer.network.max_length)
            rows += [(before, [after]) for before, after in windows]
            counts.append(len(windows))
        scored = iter(self._scorer.score(rows))
        sums = [sum(next(scored)[0][0] for _ in range(count)) for count in counts]
        return [[total, len(each)] for total, each in zip(sums, tokens, strict=True)]


def _places(row: Row, start: int) -> list[int]:
    """Where each scored token of a row is predicted from, in a tensor where the row has a start."""
    text, after = row
    places: list[int] = []
    end = len(text)
    for each in after:
        places += [start + len(text) - 1, *range(start + end, start + end + len(each) - 1)]
        end += len(each) - 1
    return places


def _summed(
    rows: Sequence[Row], chosen: Sequence[float], best: Sequence[bool]
) -> list[list[tuple[float, bool]]]:
    """For each row and continuation the sum over its tokens, and whether all were the best."""
    results: list[list[tuple[float, bool]]] = []
    start = 0
    for _, after in rows:
        results.append([])
        for each in after:
            end = start + len(each)
            results[-1].append((sum(chosen[start:end]), all(best[start:end])))
            start = end
    return results


def _windows(
    tokens: Sequence[int], start: int, most: int | None
) -> list[tuple[Sequence[int], Sequence[int]]]:
    """Split a text: what is seen before each window, and the window.

    lm_eval/utils.py, ``get_rolling_token_windows`` with a context of 1, and
    ``make_disjoint_window``: a window that would be short sees more of what is before it.
    """
    if most is None or len(tokens) <= most:
        return [([start], tokens)] if tokens else []
    windows: list[tuple[Sequence[int], Sequence[int]]] = [([start], tokens[:most])]
    done = most
    while done < len(tokens):
        end = min(done + most, len(tokens))
        windows.append((tokens[max(0, end - most - 1) : done], tokens[done:end]))
        done = end
    return windows
