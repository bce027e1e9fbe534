"""Models with a tower for pictures and one for texts, whose vectors lie in one space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo import runtime
from zoo.errors import TaskError
from zoo.image import ImagePreprocessor, Picture
from zoo.loading import Loaded
from zoo.tasks import able
from zoo.tasks.image_feature_extraction import embed_pictures
from zoo.tasks.seeing import OnError
from zoo.text import TokenBatch


class TwoTowers(Protocol):
    """What tasks ask of such a network.

    ``exclusive`` says that the texts share a picture's probability, so that one alone gets all.

    Shapes: B pictures, n or K texts, E width of a vector.
    """

    exclusive: bool

    def embed_images(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, E), of any length."""

    def embed_texts(self, texts: TokenBatch) -> Tensor:
        """Texts, n of them -> (n, E), of any length."""

    def probabilities(self, similarity: Tensor) -> Tensor:
        """Cosines, (B, K) -> probabilities of each picture's texts."""


class TwoTowersPreprocessor(Protocol):
    """What tasks ask of its preprocessor."""

    @property
    def image(self) -> ImagePreprocessor:
        """For pictures."""

    @property
    def template(self) -> str:
        """A sentence with ``{}`` for a label."""

    def text(self, texts: Sequence[str]) -> Sequence[Sequence[int]]:
        """The tokens of texts; an InputError says which of them has none."""


def embed_texts(
    loaded: Loaded,
    texts: Sequence[str],
    *,
    normalize: bool = False,
    batch_tokens: int | None = None,
) -> Tensor:
    """Embed texts as (n, E), float32 on the CPU.

    Args:
        loaded: Its network is one of `TwoTowers`.
        texts: n of them.
        normalize: Whether vectors have length 1.
        batch_tokens: At most so many tokens a batch.

    Raises:
        InputError: A text is empty.
        DeviceError: Not even one text fits into the device's memory.
    """
    network: Any = loaded.network
    encodings = loaded.preprocessor.text(texts)
    packed = loaded.device.type == "cpu" and not loaded.compiled

    def run(indices: list[int]) -> Sequence[Tensor]:
        chosen = [encodings[index] for index in indices]
        batch = TokenBatch(chosen, packed=packed, device=loaded.device)
        vectors = network.embed_texts(batch).float()  # (k, E)
        runtime.check_numbers(vectors)
        return (F.normalize(vectors, dim=-1) if normalize else vectors).cpu().unbind()

    with torch.inference_mode():
        vectors = runtime.in_batches(
            [len(encoding) for encoding in encodings],
            run,
            tokens=batch_tokens or runtime.default_tokens(loaded.device),
            padded=not packed,
        )
    return torch.stack(vectors) if vectors else torch.empty(0, 0)


def mean_vector(vectors: Tensor) -> Tensor:
    """The mean of vectors, (…, n, E) -> (…, E), float32; each, and the mean, scaled to length 1.

    So a class's vector is made of its sentences': Radford et al., "Learning Transferable Visual
    Models From Natural Language Supervision", 2021, section 3.1.4; as OpenAI, open_clip and
    CLIP_benchmark do.
    """
    # In float64: scaled twice in float32, a single sentence's vector would be another.
    return F.normalize(F.normalize(vectors.double(), dim=-1).mean(dim=-2), dim=-1).float()


def embed(
    loaded: Loaded,
    inputs: Sequence[Picture],
    *,
    normalize: bool = False,
    batch_tokens: int | None = None,
    batch_size: int | None = None,
    on_error: OnError | None = None,
) -> Tensor:
    """Embed texts and pictures as (n, E), float32 on the CPU; a string is a text.

    Arguments and errors are those of `embed_texts` and `embed_pictures`.
    """
    read = [number for number, each in enumerate(inputs) if isinstance(each, str)]
    seen = [number for number, each in enumerate(inputs) if not isinstance(each, str)]
    texts = [each for each in inputs if isinstance(each, str)]
    vectors: dict[int, Tensor] = {}
    if read:
        rows = embed_texts(loaded, texts, normalize=normalize, batch_tokens=batch_tokens)
        vectors |= dict(zip(read, rows, strict=True))
    if seen:
        rows = embed_pictures(
            loaded,
            [inputs[number] for number in seen],
            normalize=normalize,
            batch_size=batch_size,
            on_error=None if on_error is None else lambda n, error: on_error(seen[n], error),
        )
        vectors |= dict(zip(seen, rows, strict=True))
    return torch.stack([vectors[n] for n in range(len(inputs))]) if inputs else torch.empty(0, 0)


def is_two_towers(loaded: Loaded) -> bool:
    """Whether the model has a tower for pictures and one for texts."""
    return "zero-shot-image-classification" in able(loaded)


def require_two_towers(loaded: Loaded, what: str) -> None:
    """Refuse a model of another kind.

    Raises:
        TaskError: It has not both towers.
    """
    if not is_two_towers(loaded):
        raise TaskError(
            f"{loaded.entry.name} cannot {what}: that takes a model that sees and reads, such as "
            f"a CLIP; it can do {', '.join(able(loaded)) or 'nothing'}"
        )
