"""Running a network over pictures: the step that all tasks on pictures share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TypeVar

import torch
from torch import Tensor

from zoo import runtime
from zoo.errors import InputError, UsageError
from zoo.image import Picture, image_preprocessor
from zoo.loading import Loaded

Result = TypeVar("Result")

OnError = Callable[[int, InputError], None]
"""Called with the number of a picture that cannot be decoded, and what is wrong with it."""


def see(
    loaded: Loaded,
    pictures: Sequence[Picture],
    read: Callable[[Tensor], Sequence[Result]],
    *,
    batch_size: int | None = None,
    on_error: OnError | None = None,
) -> list[Result | None]:
    """Show pictures to a network in batches, while threads decode the next ones.

    Args:
        loaded: Its preprocessor is for pictures.
        pictures: n of them.
        read: Takes the numbers of k pictures, (k, 3, H, W) on the device; returns k results.
        batch_size: At most so many pictures a batch.
        on_error: What to do with a picture that cannot be decoded; raise its error unless given.

    Returns:
        A result for each picture, in order; None for those that ``on_error`` took.

    Raises:
        InputError: A picture cannot be decoded, and nobody takes the error.
        UsageError: ``batch_size`` is below 1.
        DeviceError: Not even one picture fits into the device's memory.
    """
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"batch_size is {batch_size}; expected 1 or more")
    size = batch_size or runtime.default_pictures(loaded.device)
    preprocessor = image_preprocessor(loaded.preprocessor)
    with closing(preprocessor.decoded(pictures, ahead=2 * size)) as decoded:
        waiting: dict[int, Tensor] = {}
        seen = -1

        def run(indices: list[int]) -> list[Result | None]:
            nonlocal seen
            while seen < max(indices):
                seen, picture = next(decoded)
                if not isinstance(picture, InputError):
                    waiting[seen] = picture
                elif on_error is None:
                    raise picture
                else:
                    on_error(seen, picture)
            good = [index for index in indices if index in waiting]
            if not good:
                return [None] * len(indices)
            pixels = [waiting[index] for index in good]
            results = read(preprocessor.numbers(pixels, loaded.device, loaded.dtype))
            for index in good:  # not before: a batch that does not fit comes again, as two
                del waiting[index]
            by_index = dict(zip(good, results, strict=True))
            return [by_index.get(index) for index in indices]

        with torch.inference_mode():
            return runtime.in_batches(
                [1] * len(pictures),
                run,
                tokens=size,
                padded=False,
                thing="picture",
                option="--batch-size",
            )
