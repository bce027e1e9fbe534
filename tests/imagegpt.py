"""A tiny random ImageGPT, saved by transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers

EDGE = 7
COLORS = 30


def save(folder: Path, **changes: Any) -> Any:  # noqa: ANN401 (transformers' class)
    """Save a random ImageGPT with its palette; return transformers' model."""
    torch.manual_seed(0)
    config = transformers.ImageGPTConfig(
        vocab_size=COLORS + 1,
        n_positions=EDGE * EDGE,
        n_embd=24,
        n_layer=3,
        n_head=4,
        n_inner=40,
        **changes,
    )
    model = transformers.ImageGPTForCausalImageModeling(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder)
    palette = torch.rand(COLORS, 3) * 2 - 1
    write_preprocessor(folder, clusters=palette.tolist())
    return model


def write_preprocessor(folder: Path, **fields: Any) -> None:  # noqa: ANN401 (JSON)
    """Write the file as it was published with OpenAI's checkpoints."""
    published = {
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "ImageGPTFeatureExtractor",
        "resample": 2,
        "size": EDGE,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(published | fields))
