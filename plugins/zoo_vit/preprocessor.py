"""How a ViT wants its pictures, checked against the network."""

from typing import Protocol

from zoo.checkpoint import Files
from zoo.errors import CheckpointError
from zoo.image import ImagePreprocessor, load_preprocessor


class Config(Protocol):
    """What is asked of the network's config."""

    @property
    def patch(self) -> int:
        """Edge of a patch, pixels."""


def load(files: Files, config: Config) -> ImagePreprocessor:
    """Read the preprocessing of a checkpoint.

    Raises:
        CheckpointError: No file has it, or it makes pictures smaller than a patch.
    """
    preprocessor = load_preprocessor(files, config)
    height, width = preprocessor.transform.height, preprocessor.transform.width
    if min(height, width) < config.patch:
        raise CheckpointError(
            f"{files.source}: pictures are resized to {width}x{height} pixels, less than one patch "
            f"of {config.patch}x{config.patch}; its preprocessor_config.json is another model's"
        )
    return preprocessor
