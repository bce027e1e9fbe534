"""``feature-extraction``: vectors for texts or for their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import torch
from torch import Tensor

from zoo.errors import TaskError, UsageError
from zoo.loading import Loaded
from zoo.runtime import check_numbers
from zoo.tasks import require
from zoo.tasks.encoding import encode
from zoo.tasks.two_towers import embed_texts, is_two_towers
from zoo.text import TokenBatch
from zoo.text.pooling import Mode
from zoo.text.preprocessor import check_texts, text_preprocessor

TASK = "feature-extraction"


def embed(
    loaded: Loaded,
    texts: Sequence[str],
    *,
    pooling: Mode | None = None,
    normalize: bool | None = None,
    prompt: str | None = None,
    batch_tokens: int | None = None,
) -> Tensor:
    """Embed each text as one vector of C numbers.

    Args:
        loaded: Its network has an ``encoder``.
        texts: n of them.
        pooling: ``mean``, ``cls`` or ``max`` over a text's tokens; by default what the checkpoint
            was trained with, the mean if it does not say.
        normalize: Whether vectors have length 1; by default as the checkpoint says.
        prompt: Put before each text, such as E5's ``"query: "``; by default the checkpoint's own.
        batch_tokens: At most so many tokens a batch.

    Returns:
        (n, C) in float32 on the CPU.

    Raises:
        InputError: A text is empty.
        TaskError: The model has no encoder of texts.
        UsageError: There is no such pooling.
    """
    require(loaded, TASK)
    if is_two_towers(loaded):
        if pooling is not None:
            raise UsageError(f"{loaded.entry.name} has one vector for a text, and takes no pooling")
        check_texts(texts)  # behind a prompt it would not show
        return embed_texts(
            loaded,
            [f"{prompt or ''}{text}" for text in texts],
            normalize=bool(normalize),
            batch_tokens=batch_tokens,
        )
    if pooling is not None and pooling not in get_args(Mode):
        raise UsageError(f"no pooling {pooling!r}; expected one of {', '.join(get_args(Mode))}")
    published = text_preprocessor(loaded.preprocessor).pooling
    pool = replace(
        published,
        mode=pooling or published.mode,
        normalize=published.normalize if normalize is None else normalize,
    )
    prompted = _prompted(loaded, texts, prompt)

    def read(hidden: Tensor, batch: TokenBatch) -> Sequence[Tensor]:
        vectors = pool(hidden, batch).cpu()  # (k, C)
        check_numbers(vectors)
        return vectors.unbind()

    # Without a text, one shows how wide vectors are.
    vectors = encode(loaded, prompted or ["a"], read, batch_tokens=batch_tokens)
    return torch.stack(vectors)[: len(texts)]


def embed_tokens(
    loaded: Loaded,
    texts: Sequence[str],
    *,
    prompt: str | None = None,
    batch_tokens: int | None = None,
) -> list[Tensor]:
    """Embed each token of each text: for a text of L tokens (L, C), float32 on the CPU.

    Special tokens are tokens too: the first vector is that of ``[CLS]``. Arguments and errors are
    those of `embed`.
    """
    require(loaded, TASK)
    if is_two_towers(loaded):
        raise TaskError(f"{loaded.entry.name} has one vector for a text, and none for its tokens")

    def read(hidden: Tensor, batch: TokenBatch) -> list[Tensor]:
        check_numbers(hidden)
        return [row.float().cpu() for row in batch.rows(hidden)]

    return encode(loaded, _prompted(loaded, texts, prompt), read, batch_tokens=batch_tokens)


def _prompted(loaded: Loaded, texts: Sequence[str], prompt: str | None) -> Sequence[str]:
    """The texts after a prompt, by default the checkpoint's own."""
    if prompt is None:
        prompt = text_preprocessor(loaded.preprocessor).pooling.prompt
    check_texts(texts)  # behind a prompt it would not show
    return [prompt + text for text in texts] if prompt else texts
