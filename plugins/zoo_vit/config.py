"""Published configs of ViT, DeiT, DINOv2 and MAE, read into a `ViTConfig` or an `MAEConfig`."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zoo.config import Fields
from zoo.errors import CheckpointError
from zoo.image import timm_fields
from zoo.image.labels import timm_labels
from zoo_vit.mae import MAEConfig
from zoo_vit.model import Pooling, ViTConfig

# transformers' class names by what stands on the encoder.
_HEADS: dict[str, Pooling | None] = {
    "ViTModel": None,
    "ViTForImageClassification": "token",
    "DeiTModel": None,
    "DeiTForImageClassification": "token",
    "DeiTForImageClassificationWithTeacher": "token or distilled",
    "Dinov2Model": None,
    "Dinov2ForImageClassification": "token and average",
    "Dinov2WithRegistersModel": None,
    "Dinov2WithRegistersForImageClassification": "token and average",
    "ViTMAEModel": None,
}

# Width, layers and heads, by the word that timm's names have for them.
_SIZES = {
    "tiny": (192, 12, 3),
    "small": (384, 12, 6),
    "base": (768, 12, 12),
    "large": (1024, 24, 16),
    "huge": (1280, 32, 16),
    "giant": (1536, 40, 24),
}


def vit(published: Mapping[str, Any]) -> ViTConfig:
    """Read the config of an encoder, with a classification head or without."""
    if "model_type" not in published:
        return _timm(published)
    layout = str(published["model_type"])
    fields = Fields(published, layout)
    config = _transformers(fields, layout, _head(fields))
    fields.finish()
    return config


def mae(published: Mapping[str, Any]) -> MAEConfig | ViTConfig:
    """Read a config of ``model_type`` vit_mae: the autoencoder, or its encoder alone."""
    fields = Fields(published, "vit-mae")
    whole = fields.architecture({"ViTMAEForPreTraining": True, "ViTMAEModel": False})
    encoder = _transformers(fields, "vit_mae", None)
    decoder = replace(
        encoder,
        width=fields.size("decoder_hidden_size", default=512),
        layers=fields.size("decoder_num_hidden_layers", default=8, most=1000),
        heads=fields.size("decoder_num_attention_heads", default=16),
        hidden=fields.size("decoder_intermediate_size", default=2048),
    )
    ratio = fields.number("mask_ratio", default=0.75)
    normalized = fields.flag("norm_pix_loss", default=False)
    fields.finish()
    if not whole:
        return encoder
    if not 0 < ratio < 1:
        raise CheckpointError(f"config.json: 'mask_ratio' is {ratio}; expected less than 1")
    return MAEConfig(encoder, decoder, mask_ratio=ratio, normalized_targets=normalized)


def _transformers(fields: Fields, layout: str, head: Pooling | None) -> ViTConfig:
    """What all of transformers' families write alike, and where they differ."""
    fields.must_be("num_channels", 3)
    fields.must_be("qkv_bias", True)
    fields.must_be("pruned_heads", {})
    fields.must_be("is_decoder", False)
    fields.must_be("is_encoder_decoder", False)
    fields.must_be("add_cross_attention", False)
    fields.unused("hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range")
    fields.unused("encoder_stride", "pooler_act", "pooler_output_size", "drop_path_rate")
    dino = layout.startswith("dinov2")
    if dino:
        fields.unused("layerscale_value", "use_mask_token", "apply_layernorm")
        fields.unused("reshape_hidden_states", "out_features", "out_indices", "stage_names")
    width = fields.size("hidden_size", default=768)
    gated = dino and fields.flag("use_swiglu_ffn", default=False)
    hidden = (
        int(width * fields.number("mlp_ratio", default=4))
        if dino
        else fields.size("intermediate_size", default=3072)
    )
    if gated:  # two thirds, rounded up to a multiple of 8
        hidden = (hidden * 2 // 3 + 7) // 8 * 8
    labels, multi_label = fields.labels() if head else ((), False)
    height, image_width = _square(fields, "image_size", 224)
    patch, patch_width = _square(fields, "patch_size", 14 if layout == "dinov2" else 16)
    if patch != patch_width:
        raise CheckpointError(f"config.json: patches of {patch}x{patch_width}; expected squares")
    distillation = layout == "deit"
    activation = fields.text("hidden_act", default="gelu")
    return ViTConfig(
        layout=layout,
        image_height=height,
        image_width=image_width,
        patch=patch,
        width=width,
        layers=fields.size("num_hidden_layers", default=12, most=1000),
        heads=fields.size("num_attention_heads", default=12),
        hidden=hidden,
        activation="silu" if gated else activation,
        gated=gated,
        norm_eps=fields.number("layer_norm_eps", default=1e-6 if dino else 1e-12),
        class_token=True,
        distillation_token=distillation,
        registers=_registers(fields, layout),
        prefix_positions=2 if distillation else 1,
        layer_scale=dino,
        antialias=layout == "dinov2_with_registers",
        pooling=head or "token",
        norm_after_pooling=False,
        labels=labels,
        multi_label=multi_label,
    )


def _head(fields: Fields) -> Pooling | None:
    """What the head that ``architectures`` names is read off; None if there is no head."""
    return fields.architecture(_HEADS)


def _registers(fields: Fields, layout: str) -> int:
    if layout != "dinov2_with_registers":
        return 0
    fields.must_be("interpolate_antialias", True)  # how a grid of positions shrinks
    fields.must_be("interpolate_offset", 0.0)
    return fields.size("num_register_tokens", default=4, least=0)


def _square(fields: Fields, name: str, default: int) -> tuple[int, int]:
    """A height and a width, which may be written as one number."""
    if not fields.is_list(name):
        edge = fields.size(name, default=default)
        return edge, edge
    values = fields.numbers(name)
    if len(values) != 2 or not all(value >= 1 and value.is_integer() for value in values):
        raise CheckpointError(f"config.json: {name!r} is {list(values)}; expected two numbers")
    return int(values[0]), int(values[1])


def _timm(published: Mapping[str, Any]) -> ViTConfig:
    """Read timm's config: its name says the sizes, unless ``model_args`` do."""
    name = str(published.get("architecture"))
    match = re.fullmatch(
        r"(vit|deit3?)_([a-z]+)(_distilled)?_patch(\d+)(?:_(reg4))?_(dinov2|\d+)", name
    )
    if match is None or match[2] not in _SIZES:
        raise CheckpointError(
            f"config.json: architecture {name!r} is not one that 'vit' knows; timm:{name} runs it "
            "by timm itself"
        )
    family, size, distilled, patch, registers, variant = match.groups()
    width, layers, heads = _SIZES[size]
    top = timm_fields(published, "vit")
    top.unused("architecture", "num_classes")
    top.finish()
    fields = Fields(published.get("model_args") or {}, f"timm's {name}", file="model_args")
    fields.must_be("in_chans", 3)
    fields.must_be("qkv_bias", True)
    fields.unused("num_classes", "global_pool", "img_size", "drop_rate", "drop_path_rate")
    fields.must_be("dynamic_img_size", False, True)  # pictures of other sizes are taken anyway
    image = published.get("pretrained_cfg", {}).get("input_size") or (3, 224, 224)
    width = fields.size("embed_dim", default=width)
    dino = variant == "dinov2"
    gated = dino and size == "giant"
    registers_count = fields.size("reg_tokens", default=4 if registers else 0, least=0)
    # Where registers came, or DeiT III, only patches have positions.
    bare = fields.flag("no_embed_class", default=family == "deit3" or bool(registers))
    token = fields.flag("class_token", default=True)
    pool = published.get("global_pool") or "token"
    if pool not in ("token", "avg"):
        raise CheckpointError(f"config.json: 'global_pool' is {pool!r}; expected token or avg")
    labels = timm_labels(published)
    pooling: Pooling = "average" if pool == "avg" else "token"
    config = ViTConfig(
        layout="timm",
        image_height=int(image[1]),
        image_width=int(image[2]),
        patch=fields.size("patch_size", default=int(patch)),
        width=width,
        layers=fields.size("depth", default=layers, most=1000),
        heads=fields.size("num_heads", default=heads),
        # timm packs gate and value into one matrix of 2.67 times 2 the width
        hidden=int(width * fields.number("mlp_ratio", default=2.66667 * 2)) // 2
        if gated
        else int(width * fields.number("mlp_ratio", default=4)),
        activation="silu" if gated else "gelu",
        gated=gated,
        norm_eps=1e-6,
        class_token=token,
        distillation_token=bool(distilled),
        registers=registers_count,
        prefix_positions=0 if bare else int(token) + bool(distilled) + registers_count,
        layer_scale=fields.has("init_values") or dino or family == "deit3",
        antialias=True,
        pooling="token or distilled" if distilled and labels else pooling,
        norm_after_pooling=fields.flag("fc_norm", default=pool == "avg"),
        labels=labels,
        multi_label=False,
    )
    fields.unused("init_values")
    fields.finish()
    if registers_count and not bare:
        raise CheckpointError("model_args: registers with positions are not known to 'vit'")
    return config
