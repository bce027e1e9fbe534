"""A tiny checkpoint without weights, for the contract's tests."""

from pathlib import Path

from zoo.testing import write_json


def convnext(folder: Path, task: str) -> None:
    """Write the ConvNeXt that timm tests itself with: no table of its own, and no counts."""
    write_json(
        folder,
        "config.json",
        architecture="test_convnext",
        num_classes=3,
        label_names=["cat", "dog", "remote control"],
        pretrained_cfg={
            "input_size": [3, 64, 64],
            "interpolation": "bicubic",
            "crop_pct": 0.9,
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
            "first_conv": "stem.0",
            "classifier": "head.fc",
        },
    )
