"""Running an encoder over texts: the step that all tasks on text share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from zoo import runtime
from zoo.errors import UsageError
from zoo.loading import Loaded
from zoo.text import TokenBatch
from zoo.text.preprocessor import text_preprocessor

Result = TypeVar("Result")


def encode(
    loaded: Loaded,
    texts: Sequence[str] | Sequence[tuple[str, str]],
    read: Callable[[Tensor, TokenBatch], Sequence[Result]],
    *,
    batch_tokens: int | None = None,
) -> list[Result]:
    """Encode texts in batches of like length, and read a result for each off its tokens.

    Args:
        loaded: Its network has an ``encoder``.
        texts: Or pairs of texts.
        read: Takes the encoded tokens (B, T, C) and their batch; returns a result for each text.
        batch_tokens: At most so many tokens a batch.
    """
    preprocessor = text_preprocessor(loaded.preprocessor)
    encoder: Any = loaded.network.encoder
    encodings = preprocessor.encode(texts)
    # A compiled network would be compiled anew for each set of lengths in a packed row.
    packed = loaded.device.type == "cpu" and not loaded.compiled

    def run(indices: list[int]) -> Sequence[Result]:
        batch = TokenBatch(
            [encodings[index] for index in indices], packed=packed, device=loaded.device
        )
        hidden = encoder(
            batch.tokens, positions=batch.positions, segments=batch.segments, mask=batch.mask
        )
        return read(hidden, batch)

    with torch.inference_mode():
        return runtime.in_batches(
            [len(encoding) for encoding in encodings],
            run,
            tokens=batch_tokens or runtime.default_tokens(loaded.device),
            padded=not packed,
        )


def check_top_k(top_k: int) -> None:
    """Refuse to show fewer than one answer.

    Raises:
        UsageError: The number is below 1.
    """
    if top_k < 1:
        raise UsageError(f"top_k is {top_k}; expected 1 or more")


def shortened(text: str, width: int = 40) -> str:
    """The beginning of a text, for messages."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
