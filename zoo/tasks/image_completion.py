"""``image-completion``: show a model the upper part of a picture, and have it write the rest."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypedDict

import torch
from PIL import Image
from torch import Tensor

from zoo.errors import UsageError
from zoo.generation import CausalDecoder, Settings
from zoo.generation.engine import SLOTS, generate
from zoo.image import PalettePreprocessor, Picture, picture_name
from zoo.loading import Loaded
from zoo.nn import pack_linears
from zoo.tasks import require
from zoo.tasks.painting import GRAY, side_by_side
from zoo.tasks.seeing import OnError

TASK = "image-completion"


class Options(TypedDict, total=False):
    """What callers choose; see `complete`."""

    keep: float
    temperature: float
    top_k: int
    seed: int | None
    first_row: int
    sequences: int
    batch_size: int | None
    on_error: OnError | None


@dataclass(frozen=True)
class Completion:
    """A picture as the model gets it, what it sees of that, and what it makes of it."""

    picture: str
    original: Image.Image
    kept: Image.Image
    completed: tuple[Image.Image, ...]

    def side_by_side(self) -> Image.Image:
        """Original, the part that was kept, and all completions, in one picture."""
        return side_by_side([self.original, self.kept, *self.completed])


def complete(
    loaded: Loaded,
    pictures: Sequence[Picture],
    *,
    keep: float = 0.5,
    temperature: float = 1.0,
    top_k: int = 0,
    seed: int | None = None,
    first_row: int = 0,
    sequences: int = 1,
    batch_size: int | None = None,
    on_error: OnError | None = None,
) -> list[Completion | None]:
    """Keep the upper rows of each picture, and write the others pixel by pixel.

    Without top_k and at temperature 1, as the authors draw.

    Args:
        loaded: Its network is a `zoo.generation.CausalNetwork` with a ``start`` token; its
            preprocessor a `PalettePreprocessor`.
        pictures: n of them.
        keep: Share of the rows that the model sees, 0 to below 1; of 0, it has to invent all.
        temperature: As of `zoo.generation.Settings`, like ``top_k``, ``seed``, ``first_row`` and
            ``sequences``: so many completions of each picture.
        top_k: Draw among the so many most probable colours; 0 for all.
        seed: Of the draws.
        first_row: The place of the first picture where the list is a part of a longer one.
        sequences: Completions of each picture.
        batch_size: At most so many pictures at once.
        on_error: What to do with a picture that cannot be decoded, whose result is then None; raise
            its error unless given.

    Raises:
        InputError: A picture cannot be decoded.
        TaskError: The model does not complete pictures.
        UsageError: An option is out of range.
    """
    require(loaded, TASK)
    network: Any = loaded.network
    preprocessor = loaded.preprocessor
    if not isinstance(preprocessor, PalettePreprocessor):
        raise TypeError(f"{TASK} needs a PalettePreprocessor, not {type(preprocessor).__name__}")
    if not 0 <= keep < 1:
        raise UsageError(f"keep is {keep}; expected a share of the rows, 0 to below 1")
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"batch_size is {batch_size}; expected 1 or more")
    transform = preprocessor.image.transform
    H, W = transform.height, transform.width
    seen = min(round(keep * H), H - 1) * W  # pixels
    settings = Settings(
        max_new_tokens=H * W - seen,
        temperature=temperature,
        top_k=top_k,
        seed=seed,
        first_row=first_row,
        sequences=sequences,
    )
    tokens = _tokens(preprocessor, pictures, on_error)
    pack_linears(network)
    written = generate(
        CausalDecoder(network, loaded.device),
        [[network.start, *row[:seen].tolist()] for row in tokens.values()],
        settings,
        slots=batch_size or SLOTS,
    )
    results: list[Completion | None] = [None] * len(pictures)
    for (number, row), completions in zip(tokens.items(), written, strict=True):
        whole = [[*row[:seen].tolist(), *each.tokens] for each in completions]
        shown = preprocessor.pixels(torch.stack([row, *map(torch.tensor, whole)]))
        kept = shown[0].clone()
        kept.view(H * W, 3)[seen:] = GRAY
        original, *completed = (Image.fromarray(each.numpy()) for each in shown)
        results[number] = Completion(
            picture_name(pictures[number], number),
            original,
            Image.fromarray(kept.numpy()),
            tuple(completed),
        )
    return results


def _tokens(
    preprocessor: PalettePreprocessor, pictures: Sequence[Picture], on_error: OnError | None
) -> dict[int, Tensor]:
    """The tokens of each picture that can be decoded, (H * W,), by its number."""
    tokens = {}
    with closing(preprocessor.image.decoded(pictures, ahead=SLOTS)) as decoded:
        for number, pixels in decoded:
            if isinstance(pixels, Tensor):
                # in float32 whatever the network computes in: a pixel has one nearest colour
                numbers = preprocessor.image.numbers([pixels], "cpu", torch.float32)
                tokens[number] = preprocessor.tokens(numbers)[0]
            elif on_error is None:
                raise pixels
            else:
                on_error(number, pixels)
    return tokens
