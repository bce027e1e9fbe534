"""ViT, DeiT, DINOv2 and MAE: Transformers that see.

Imports no torch: the strings below say where each part lives, and zoo imports it when needed.
"""

from collections.abc import Iterable

from zoo.hookspecs import Architecture, hookimpl

# timm's names of what this plugin can build; it runs all its others by timm itself.
TIMM = """
    deit_base_distilled_patch16_224 deit_base_distilled_patch16_384 deit_base_patch16_224
    deit_base_patch16_384 deit_small_distilled_patch16_224 deit_small_patch16_224
    deit_tiny_distilled_patch16_224 deit_tiny_patch16_224
    deit3_base_patch16_224 deit3_base_patch16_384 deit3_huge_patch14_224 deit3_large_patch16_224
    deit3_large_patch16_384 deit3_small_patch16_224 deit3_small_patch16_384
    vit_base_patch14_dinov2 vit_base_patch14_reg4_dinov2 vit_base_patch16_224 vit_base_patch16_384
    vit_base_patch32_224 vit_base_patch32_384 vit_base_patch8_224 vit_giant_patch14_dinov2
    vit_giant_patch14_reg4_dinov2 vit_huge_patch14_224 vit_large_patch14_dinov2
    vit_large_patch14_reg4_dinov2 vit_large_patch16_224 vit_large_patch16_384 vit_large_patch32_224
    vit_large_patch32_384 vit_small_patch14_dinov2 vit_small_patch14_reg4_dinov2
    vit_small_patch16_224 vit_small_patch16_384 vit_small_patch32_224 vit_small_patch32_384
    vit_small_patch8_224 vit_tiny_patch16_224 vit_tiny_patch16_384
""".split()  # noqa: SIM905 (a list of words reads better)

TASKS = ("image-classification", "image-feature-extraction")


@hookimpl
def zoo_architectures() -> Iterable[Architecture]:
    """One network with several published layouts, and the autoencoder on it."""
    yield Architecture(
        name="vit",
        model_types=(
            "vit",
            "deit",
            "dinov2",
            "dinov2_with_registers",
            *(f"timm/{name}" for name in TIMM),
        ),
        tasks=TASKS,
        config="zoo_vit.config:vit",
        build="zoo_vit.model:build",
        weights="zoo_vit.weights:vit",
        preprocessor="zoo_vit.preprocessor:load",
        sample="zoo_vit.sample:vit",
    )
    yield Architecture(
        name="vit-mae",
        model_types=("vit_mae",),
        tasks=("masked-image-modeling", "image-feature-extraction"),
        config="zoo_vit.config:mae",
        build="zoo_vit.mae:build",
        weights="zoo_vit.weights:mae",
        preprocessor="zoo_vit.preprocessor:load",
        sample="zoo_vit.sample:mae",
    )
