"""What tasks on pictures ask of a checkpoint: pictures in, the network's numbers out."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.checkpoint import Files
from zoo.errors import InputError
from zoo.image.decoding import Picture, decode
from zoo.image.published import published_transform
from zoo.image.transforms import Transform

# More threads than this only fight for memory bandwidth with the network.
_MOST_THREADS = 16


@dataclass(frozen=True)
class PictureBatch:
    """Some pictures as numbers, and those among them that cannot be.

    ``pixels`` is (n, 3, H, W); ``indices`` says which picture each of the n is. ``errors`` has the
    rest of the batch: which picture, and what is wrong with it.
    """

    indices: list[int]
    pixels: Tensor
    errors: dict[int, InputError]


@dataclass(frozen=True)
class ImagePreprocessor:
    """How a checkpoint wants its pictures.

    Shapes: N pictures, H and W what the network gets.
    """

    transform: Transform

    @property
    def facts(self) -> dict[str, str | int | bool]:
        """What a registry's entry may state of these files, beside the network's config."""
        transform = self.transform
        return {
            "image_height": transform.height,
            "image_width": transform.width,
            "resize": transform.resize,
            "resize_height": transform.resize_height,
            "resize_width": transform.resize_width,
            "interpolation": transform.interpolation,
            "mean": " ".join(f"{value:.8g}" for value in transform.mean),
            "std": " ".join(f"{value:.8g}" for value in transform.std),
        }

    def __call__(self, pictures: Sequence[Picture]) -> Tensor:
        """Prepare pictures: (N, 3, H, W) in float32 on the CPU.

        Raises:
            InputError: One cannot be decoded; the message names it.
        """
        H, W = self.transform.height, self.transform.width
        for batch in self.batches(pictures, size=max(1, len(pictures))):
            for error in batch.errors.values():
                raise error
            return batch.pixels
        return torch.empty(0, 3, H, W)

    def pixels(self, picture: Picture, *, name: str | None = None) -> Tensor:
        """One picture as (H, W, 3), 0 to 255.

        Args:
            picture: See `zoo.image.decode`.
            name: What messages call it; a path names itself.

        Raises:
            InputError: It cannot be decoded, or its shape makes no sense to this network.
        """
        name = name or picture_name(picture)
        image = decode(picture, name=name)
        try:
            return self.transform.pixels(image)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error

    def batches(
        self,
        pictures: Iterable[Picture],
        *,
        size: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Generator[PictureBatch, None, None]:
        """Prepare pictures in batches, in order; a picture that fails stops no other.

        Threads decode what comes next while the device computes; Pillow leaves Python alone while
        it does. Bytes travel to the device, and become numbers there. Closing the generator stops
        them.

        Args:
            pictures: Read no further than the decoders are ahead.
            size: Pictures a batch, those that fail included.
            device: Where ``pixels`` of a batch lie.
            dtype: What they are cast to, after normalising in float32.
        """
        with closing(self.decoded(pictures, ahead=2 * size)) as decoded:
            while some := list(islice(decoded, size)):
                errors = {i: each for i, each in some if isinstance(each, InputError)}
                good = {i: each for i, each in some if not isinstance(each, InputError)}
                yield PictureBatch([*good], self.numbers([*good.values()], device, dtype), errors)

    def decoded(
        self, pictures: Iterable[Picture], *, ahead: int
    ) -> Generator[tuple[int, Tensor | InputError], None, None]:
        """Decode pictures in threads; yield the number and the pixels of each, in order.

        Args:
            pictures: Read no further than ``ahead``.
            ahead: How many are decoded before they are asked for.

        Yields:
            A picture's number from 0, and (H, W, 3), 0 to 255; or what is wrong with it.
        """
        numbered = enumerate(pictures)
        waiting: deque[tuple[int, Future[Tensor]]] = deque()
        with ThreadPoolExecutor(_threads(), thread_name_prefix="decode") as pool:
            try:
                while True:
                    for index, picture in islice(numbered, max(0, ahead + 1 - len(waiting))):
                        name = picture_name(picture, index)
                        waiting.append((index, pool.submit(self.pixels, picture, name=name)))
                    if not waiting:
                        return
                    index, future = waiting.popleft()
                    try:
                        result: Tensor | InputError = future.result()
                    except InputError as error:
                        result = error
                    yield index, result
            finally:
                pool.shutdown(cancel_futures=True)

    def numbers(
        self, pixels: Sequence[Tensor], device: torch.device | str, dtype: torch.dtype
    ) -> Tensor:
        """Move n pictures' (H, W, 3) to a device and normalise them there: (n, 3, H, W)."""
        H, W = self.transform.height, self.transform.width
        together = torch.stack([*pixels]) if pixels else torch.empty(0, H, W, 3).byte()
        if torch.device(device).type == "cuda":
            together = together.pin_memory()
        return self.transform.normalize(together.to(device, non_blocking=True)).to(dtype)


def picture_name(picture: Picture, index: int = 0) -> str:
    """What messages call a picture: its path, else its number."""
    return str(picture) if isinstance(picture, str | Path) else f"picture {index + 1}"


def load_preprocessor(files: Files, config: object) -> ImagePreprocessor:
    """Read how a checkpoint wants its pictures; see `zoo.image.published_transform`.

    Raises:
        CheckpointError: No file says so, or one says what zoo cannot do.
    """
    return ImagePreprocessor(published_transform(files))


def image_preprocessor(preprocessor: Any) -> ImagePreprocessor:  # noqa: ANN401 (a plugin made it)
    """The preprocessor as one for pictures: itself, or its ``image`` beside one for texts.

    Raises:
        TypeError: The architecture claims a task on pictures, but brings another preprocessor.
    """
    preprocessor = getattr(preprocessor, "image", preprocessor)
    if not isinstance(preprocessor, ImagePreprocessor):
        raise TypeError(
            f"tasks on pictures need an ImagePreprocessor, not {type(preprocessor).__name__}"
        )
    return preprocessor


def _threads() -> int:
    return min(_MOST_THREADS, os.cpu_count() or 1)
