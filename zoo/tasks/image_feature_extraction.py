"""``image-feature-extraction``: a vector for each picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.image import Picture
from zoo.loading import Loaded
from zoo.runtime import check_numbers
from zoo.tasks import require
from zoo.tasks.seeing import OnError, see

TASK = "image-feature-extraction"


def embed_pictures(
    loaded: Loaded,
    pictures: Sequence[Picture],
    *,
    normalize: bool = False,
    batch_size: int | None = None,
    on_error: OnError | None = None,
) -> Tensor:
    """Embed each picture as one vector of C numbers: what a classifier would read.

    Args:
        loaded: Its network has ``embed_images``.
        pictures: n of them.
        normalize: Whether vectors have length 1.
        batch_size: At most so many pictures a batch.
        on_error: What to do with a picture that cannot be decoded, whose vector is then NaN; raise
            its error unless given.

    Returns:
        (n, C) in float32 on the CPU.

    Raises:
        InputError: A picture cannot be decoded.
        TaskError: The model does not embed pictures.
        UsageError: ``batch_size`` is below 1.
    """
    embed = require(loaded, TASK)

    def read(pixels: Tensor) -> Sequence[Tensor]:
        vectors = embed(pixels).float()  # (k, C)
        check_numbers(vectors)
        return (F.normalize(vectors, dim=-1) if normalize else vectors).cpu().unbind()

    vectors = see(loaded, pictures, read, batch_size=batch_size, on_error=on_error)
    width = next((vector.size(0) for vector in vectors if vector is not None), 0)
    missing = torch.full((width,), float("nan"))
    if not vectors:
        return torch.empty(0, 0)
    return torch.stack([missing if vector is None else vector for vector in vectors])
