"""CLIP, SigLIP and Chinese-CLIP: pictures and texts as vectors in one space.

Imports no torch: the strings below say where each part lives, and zoo imports it when needed.
"""

from collections.abc import Iterable

from zoo.hookspecs import Architecture, hookimpl

TASKS = ("zero-shot-image-classification", "feature-extraction", "image-feature-extraction")


@hookimpl
def zoo_architectures() -> Iterable[Architecture]:
    """Three networks as transformers publishes them, and two of them as open_clip does."""
    for name, model_type, build in (
        ("clip", "clip", "zoo_clip.clip:build"),
        ("siglip", "siglip", "zoo_clip.siglip:Siglip"),
        ("chinese-clip", "chinese_clip", "zoo_clip.chinese_clip:build"),
    ):
        yield Architecture(
            name=name,
            model_types=(model_type,),
            tasks=TASKS,
            config=f"zoo_clip.config:{model_type}",
            build=build,
            weights=f"zoo_clip.weights:{model_type}",
            preprocessor=f"zoo_clip.preprocessor:{model_type}",
            sample=f"zoo_clip.sample:{model_type}",
        )
    yield Architecture(
        name="open-clip",
        model_types=("open_clip",),
        tasks=TASKS,
        config="zoo_clip.open_clip:config",
        build="zoo_clip.open_clip:build",
        weights="zoo_clip.open_clip:weights",
        preprocessor="zoo_clip.open_clip:preprocessor",
        sample="zoo_clip.sample:open_clip",
    )
