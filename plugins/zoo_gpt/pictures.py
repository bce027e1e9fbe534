"""How ImageGPT wants its pictures: small, and in the colours of its palette."""

from typing import Any

import torch

from zoo.checkpoint import Files
from zoo.errors import CheckpointError
from zoo.image import ImagePreprocessor, PalettePreprocessor, from_transformers
from zoo_gpt.imagegpt import ImageGPTConfig

FILE = "preprocessor_config.json"


def load(files: Files, config: ImageGPTConfig) -> PalettePreprocessor:
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
