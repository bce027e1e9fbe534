"""ImageGPT: a decoder that writes a picture pixel by pixel, as GPT-2 writes a text.

Imports no torch: the strings below say where each part lives, and zoo imports it when needed.
"""

from collections.abc import Iterable

from zoo.hookspecs import Architecture, hookimpl


@hookimpl
def zoo_architectures() -> Iterable[Architecture]:
    """One network; its sizes differ in width and depth alone."""
    yield Architecture(
        name="imagegpt",
        model_types=("imagegpt",),
        tasks=("image-completion",),
        config="zoo_imagegpt.config:imagegpt",
        build="zoo_imagegpt.model:build",
        weights="zoo_imagegpt.weights:imagegpt",
        preprocessor="zoo_imagegpt.preprocessor:load",
        sample="zoo_imagegpt.sample:imagegpt",
    )
