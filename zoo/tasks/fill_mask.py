"""``fill-mask``: which tokens would stand in the gaps of a text."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError, TaskError, UsageError, ZooWarning
from zoo.loading import Loaded
from zoo.runtime import check_numbers
from zoo.tasks import require
from zoo.tasks.encoding import check_top_k, encode, shortened
from zoo.text import TokenBatch, Tokenizer
from zoo.text.preprocessor import check_unicode, text_preprocessor

TASK = "fill-mask"


@dataclass(frozen=True)
class Fill:
    """One token for one gap; ``score`` is its probability, 0 to 1, ``text`` the text with it."""

    token: str
    token_id: int
    score: float
    text: str


@dataclass(frozen=True)
class FilledText:
    """A text, and for each of its gaps the best tokens, best first.

    Several gaps are filled independently: in ``Fill.text`` the others stay open.
    """

    text: str
    gaps: tuple[tuple[Fill, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain lists, dicts and numbers."""
        return asdict(self)


def fill_mask(
    loaded: Loaded,
    texts: Sequence[str],
    *,
    top_k: int = 5,
    targets: Sequence[str] | None = None,
    batch_tokens: int | None = None,
) -> list[FilledText]:
    """Fill the gaps of each text.

    Scores are probabilities over the whole vocabulary, also when only targets are shown.

    Args:
        loaded: Its network has ``encoder`` and ``predict``.
        texts: Each with at least one mask token, such as ``[MASK]``.
        top_k: How many tokens a gap.
        targets: Only these words; one of several tokens is stood for by its first.
        batch_tokens: At most so many tokens a batch.

    Raises:
        InputError: A text is empty or has no gap, or lost all its gaps when it was cut.
        TaskError: The model has no masked-language-model head.
        UsageError: No targets, or ``top_k`` below 1.
        TypeError: ``targets`` is one string, whose letters would be taken for words.
    """
    if isinstance(targets, str):
        raise TypeError(f"targets are a list of words, not the text {targets!r}")
    if not isinstance(targets, Sequence | None):
        raise TypeError(f"targets are a list of words, not {type(targets).__name__}")
    check_top_k(top_k)
    if targets is not None and not targets:
        raise UsageError("targets are empty; expected one or more words, or None for all")
    predict = require(loaded, TASK)
    tokenizer = text_preprocessor(loaded.preprocessor).tokenizer
    mask_token, mask_id = tokenizer.mask_token, tokenizer.mask_id
    if mask_token is None:
        raise TaskError(f"{loaded.entry.name} cannot do {TASK}: its tokenizer has no mask token")
    for text in texts:
        if mask_token not in text:
            raise InputError(
                f"no gap in {shortened(text)!r}; write {mask_token} where a word is to be filled in"
            )
    allowed = None if targets is None else _target_ids(tokenizer, targets)

    def read(hidden: Tensor, batch: TokenBatch) -> list[list[list[tuple[int, float]]]]:
        """For each text and gap: tokens and their probabilities, best first."""
        gaps = [
            row[tokens == mask_id]  # (gaps of this text, C)
            for row, tokens in zip(batch.rows(hidden), batch.rows(batch.tokens), strict=True)
        ]
        # Only the gaps go through the vocabulary, which is most of the work for short texts.
        scores = predict(torch.cat(gaps)).float().softmax(dim=-1)  # (all gaps, V)
        ids = torch.arange(scores.size(1)) if allowed is None else torch.tensor(allowed)
        best, places = scores[:, ids.to(scores.device)].topk(min(top_k, len(ids)))
        check_numbers(best)  # NaN is larger than any number
        pairs = [
            list(zip(row_ids, row, strict=True))
            for row_ids, row in zip(ids[places.cpu()].tolist(), best.tolist(), strict=True)
        ]
        ends = torch.tensor([len(each) for each in gaps]).cumsum(0).tolist()
        return [pairs[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    filled = []
    for text, found in zip(
        texts, encode(loaded, texts, read, batch_tokens=batch_tokens), strict=True
    ):
        if not found:
            raise InputError(
                f"the gap in {shortened(text)!r} lies beyond what fits into the model; shorten the "
                "text before it"
            )
        gaps = tuple(
            tuple(
                Fill(
                    token=tokenizer.word(token),
                    token_id=token,
                    score=score,
                    text=tokenizer.fill(text, gap, token),
                )
                for token, score in pairs
            )
            for gap, pairs in enumerate(found)
        )
        filled.append(FilledText(text, gaps))
    return filled


def _target_ids(tokenizer: Tokenizer, targets: Sequence[str]) -> list[int]:
    """A token for each target word, without repeats.

    Raises:
        InputError: A word has no token at all.
    """
    ids: dict[int, None] = {}
    for target in targets:
        check_unicode(target, f"target {target!r}")
        pieces = tokenizer.word_ids(target)
        if not pieces:
            raise InputError(f"target {target!r} is empty; expected a word")
        if pieces == [tokenizer.unknown_id]:
            warnings.warn(
                f"target {target!r} is not in the vocabulary; scoring {tokenizer.word(pieces[0])!r}"
                ", which stands for all such words",
                ZooWarning,
                stacklevel=3,
            )
        if len(pieces) > 1:
            warnings.warn(
                f"target {target!r} is no single token; scoring its first piece, "
                f"{tokenizer.word(pieces[0])!r}",
                ZooWarning,
                stacklevel=3,
            )
        ids[pieces[0]] = None
    return list(ids)
