"""Every model of timm, the library of image networks, run by timm itself.

``models.tsv`` lists them; zoo reads it without importing this package. recipes/timm_models.py
writes it anew from the installed version.

Imports no timm: the strings below say where each part lives, and zoo imports it when needed.
"""

from collections.abc import Iterable

from zoo.hookspecs import Architecture, hookimpl


@hookimpl
def zoo_architectures() -> Iterable[Architecture]:
    """One architecture for all: a checkpoint's own config says which network it is."""
    yield Architecture(
        name="timm",
        model_types=("timm",),
        tasks=("image-classification", "image-feature-extraction"),
        config="zoo_timm.model:config",
        build="zoo_timm.model:build",
        weights="zoo_timm.model:weights",
        preprocessor="zoo.image:load_preprocessor",
        sample="zoo_timm.sample:convnext",
    )
