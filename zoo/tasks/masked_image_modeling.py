"""``masked-image-modeling``: hide most of a picture, and have the model paint it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from zoo.image import Picture, image_preprocessor, picture_name
from zoo.loading import Loaded
from zoo.tasks import require
from zoo.tasks.painting import GRAY, side_by_side
from zoo.tasks.seeing import OnError, see

TASK = "masked-image-modeling"


@dataclass(frozen=True)
class Reconstruction:
    """A picture as the model gets it, what it sees of that, and what it makes of it."""

    picture: str
    original: Image.Image
    masked: Image.Image
    reconstructed: Image.Image

    def side_by_side(self) -> Image.Image:
        """Original, masked, reconstructed, in one picture."""
        return side_by_side([self.original, self.masked, self.reconstructed])


def reconstruct(
    loaded: Loaded,
    pictures: Sequence[Picture],
    *,
    seed: int = 0,
    batch_size: int | None = None,
    on_error: OnError | None = None,
) -> list[Reconstruction | None]:
    """Hide as much of each picture as the checkpoint was trained with, and paint it.

    Args:
        loaded: Its network has ``reconstruct`` and ``patches``.
        pictures: n of them.
        seed: Of what is hidden; the same for a picture in any batch.
        batch_size: At most so many pictures a batch.
        on_error: What to do with a picture that cannot be decoded, whose result is then None; raise
            its error unless given.

    Raises:
        InputError: A picture cannot be decoded.
        TaskError: The model does not paint.
        UsageError: ``batch_size`` is below 1.
    """
    paint = require(loaded, TASK)
    network: Any = loaded.network
    noise = torch.rand(1, network.patches, generator=torch.Generator().manual_seed(seed))
    noise = noise.to(loaded.device)

    def read(pixels: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        painted, mask = paint(pixels, noise.expand(pixels.size(0), -1))
        return [(a.cpu(), b.cpu(), c.cpu()) for a, b, c in zip(pixels, painted, mask, strict=True)]

    transform = image_preprocessor(loaded.preprocessor).transform

    def image(values: Tensor, mask: Tensor | None = None) -> Image.Image:
        shown = transform.denormalize(values.unsqueeze(0))[0]  # (H, W, 3)
        if mask is not None:
            shown = torch.where(mask.permute(1, 2, 0) > 0, GRAY, shown)
        return Image.fromarray(shown.numpy())

    results = see(loaded, pictures, read, batch_size=batch_size, on_error=on_error)
    return [
        None
        if result is None
        else Reconstruction(
            picture_name(picture, number),
            original=image(result[0]),
            masked=image(result[0], result[2]),
            reconstructed=image(result[1]),
        )
        for number, (picture, result) in enumerate(zip(pictures, results, strict=True))
    ]
