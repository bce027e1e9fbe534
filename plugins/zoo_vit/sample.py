"""Tiny checkpoints without weights, for the contract's tests."""

from pathlib import Path

from zoo.testing import write_json

# No two alike, so that a swapped dimension cannot hide.
_SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "image_size": 32,
    "patch_size": 8,
}
_LABELS = {"0": "cat", "1": "dog", "2": "remote control"}


def vit(folder: Path, task: str) -> None:
    """Write a ViT with a head, which embeds pictures too."""
    write_json(
        folder,
        "config.json",
        model_type="vit",
        architectures=["ViTForImageClassification"],
        hidden_act="gelu",
        layer_norm_eps=1e-12,
        id2label=_LABELS,
        **_SIZES,
    )
    _write_preprocessor(folder)


def mae(folder: Path, task: str) -> None:
    """Write a masked autoencoder, whose encoder embeds pictures."""
    write_json(
        folder,
        "config.json",
        model_type="vit_mae",
        architectures=["ViTMAEForPreTraining"],
        decoder_hidden_size=20,
        decoder_num_hidden_layers=2,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=44,
        mask_ratio=0.75,
        norm_pix_loss=False,
        **_SIZES,
    )
    _write_preprocessor(folder)


def _write_preprocessor(folder: Path) -> None:
    edge = _SIZES["image_size"]
    write_json(
        folder,
        "preprocessor_config.json",
        image_processor_type="ViTImageProcessor",
        size={"height": edge, "width": edge},
        resample=2,
    )
