"""How ImageGPT wants its pictures: small, and in the colours of its palette."""

from typing import Any, Protocol

import torch

from zoo.checkpoint import Files
from zoo.errors import CheckpointError
from zoo.image import ImagePreprocessor, PalettePreprocessor, from_transformers

FILE = "preprocessor_config.json"


class Config(Protocol):
    """What is asked of the network's config."""

    @property
    def colors(self) -> int:
        """Of how many colours a pixel is one."""

    @property
    def positions(self) -> int:
        """The most pixels of a picture."""


def load(files: Files, config: Config) -> PalettePreprocessor:
    """Read the transform and the palette of a checkpoint.

    Raises:
        CheckpointError: They are missing, or not for this network.
    """
    published: dict[str, Any] = dict(files.json(FILE))
    clusters = published.pop("clusters", None)
    if published.pop("do_color_quantize", True) is not True:
        raise CheckpointError(f"{files.source}: {FILE}: do_color_quantize is false; expected true")
    transform = from_transformers(published, "imagegpt")
    height, width = transform.height, transform.width
    if height * width > config.positions:
        raise CheckpointError(
            f"{files.source}: pictures of {width}x{height} pixels, but the network has positions "
            f"for {config.positions}; its {FILE} is another model's"
        )
    try:
        palette = torch.tensor(clusters, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError):
        palette = torch.empty(0)
    if palette.shape != (config.colors, 3) or not palette.isfinite().all():
        raise CheckpointError(
            f"{files.source}: {FILE}: expected 'clusters', a list of the {config.colors} colours "
            "that the network knows, each three numbers from -1 to 1"
        )
    return PalettePreprocessor(ImagePreprocessor(transform), palette)
