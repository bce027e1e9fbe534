"""A tiny checkpoint without weights, for the contract's tests."""

from pathlib import Path

from zoo.testing import write_json

_EDGE = 6  # pixels
_SHADES = (-0.8, 0.0, 0.9)


def imagegpt(folder: Path, task: str) -> None:
    """Write an ImageGPT of 27 colours."""
    palette = [[red, green, blue] for red in _SHADES for green in _SHADES for blue in _SHADES]
    write_json(
        folder,
        "config.json",
        model_type="imagegpt",
        architectures=["ImageGPTForCausalImageModeling"],
        vocab_size=len(palette) + 1,
        n_positions=_EDGE * _EDGE,
        n_embd=24,
        n_layer=2,
        n_head=4,
        n_inner=40,
    )
    write_json(
        folder,
        "preprocessor_config.json",
        image_processor_type="ImageGPTImageProcessor",
        size={"height": _EDGE, "width": _EDGE},
        clusters=palette,
    )
