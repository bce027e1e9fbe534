"""Tiny random checkpoints of networks that see, saved by the libraries that zoo reads from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch
import transformers
from timm.models import save_for_hf
from torch import nn

# Widths that no two dimensions share, so that a swapped one cannot hide.
_SIZES: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "image_size": 32,
    "patch_size": 8,
}
_DINO: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "mlp_ratio": 3,
    "image_size": 28,
    "patch_size": 7,
}
_MAE: dict[str, Any] = {
    **_SIZES,
    "decoder_hidden_size": 20,
    "decoder_num_hidden_layers": 2,
    "decoder_num_attention_heads": 2,
    "decoder_intermediate_size": 44,
}

CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "ViTModel": ("ViTConfig", _SIZES),
    "ViTForImageClassification": ("ViTConfig", _SIZES),
    "DeiTModel": ("DeiTConfig", _SIZES),
    "DeiTForImageClassification": ("DeiTConfig", _SIZES),
    "DeiTForImageClassificationWithTeacher": ("DeiTConfig", _SIZES),
    "Dinov2Model": ("Dinov2Config", _DINO),
    "Dinov2ForImageClassification": ("Dinov2Config", _DINO),
    "Dinov2WithRegistersModel": ("Dinov2WithRegistersConfig", _DINO),
    "Dinov2WithRegistersForImageClassification": ("Dinov2WithRegistersConfig", _DINO),
    "ViTMAEModel": ("ViTMAEConfig", _SIZES),
    "ViTMAEForPreTraining": ("ViTMAEConfig", _MAE),
}

TIMM_SIZES: dict[str, Any] = {"embed_dim": 24, "depth": 3, "num_heads": 4}


def save_vision(folder: Path, class_name: str, **changes: object) -> Any:  # noqa: ANN401 (untyped)
    """Save a network of a transformers class with its preprocessing; return it."""
    config_name, sizes = CONFIGS[class_name]
    config = getattr(transformers, config_name)(**{**sizes, **changes})
    model = getattr(transformers, class_name)(config).eval()
    randomize(model)
    model.save_pretrained(folder)
    size = config.image_size
    transformers.ViTImageProcessor(size={"height": size, "width": size}).save_pretrained(folder)
    return model


def save_timm(folder: Path, name: str, **arguments: object) -> Any:  # noqa: ANN401 (untyped)
    """Save a timm network as its models on the hub are; return it."""
    model = timm.create_model(name, pretrained=False, **arguments).eval()
    randomize(model)
    size = arguments.get("img_size")
    if size is not None:
        model.pretrained_cfg = {**model.pretrained_cfg, "input_size": (3, size, size)}
    save_for_hf(model, folder, model_config={"model_args": arguments}, safe_serialization=True)
    return model


def randomize(model: nn.Module) -> None:
    """Give every weight a value that shows: tokens, biases and scales begin as zeros and ones."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.is_floating_point():
                noise = torch.randn(tensor.shape)
                # Larger matrices would saturate every softmax, and hide what differs.
                tensor.copy_(noise / tensor[0].numel() ** 0.5 if tensor.ndim > 1 else noise * 0.5)
