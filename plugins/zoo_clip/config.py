"""Published ``config.json`` files of CLIP, SigLIP and Chinese-CLIP, in transformers' form.

Versions of it from 2023 to 2025 left out of a tower's part whatever is the class's default, so an
absent field means that default.
"""

from collections.abc import Mapping
from typing import Any

from zoo.config import GENERATION, Fields
from zoo.errors import CheckpointError
from zoo_clip.blocks import Tower
from zoo_clip.chinese_clip import ChineseClipConfig
from zoo_clip.clip import ClipConfig
from zoo_clip.siglip import SiglipConfig

# Of the texts that OFA's Chinese-CLIP was trained with: cn_clip/clip/utils.py, tokenize().
CHINESE_LENGTH = 52

# The token that transformers' first CLIP configs call the end of a text, by mistake. It reads such
# a model off at the largest token, as OpenAI does; so every checkpoint with it means that.
_LARGEST = 2

# The defaults of transformers' classes.
_TEXT = Tower(512, 12, 8, 2048, "quick_gelu", 1e-5)
_VISION = Tower(768, 12, 12, 3072, "quick_gelu", 1e-5)
_SIGLIP = Tower(768, 12, 12, 3072, "gelu_pytorch_tanh", 1e-6)
_BERT = Tower(768, 12, 12, 3072, "gelu", 1e-12)

# What transformers 4 wrote into each tower's part for every model, and what changes no number.
_UNUSED = (
    *GENERATION,
    "attention_dropout",
    "attention_probs_dropout_prob",
    "cross_attention_hidden_size",
    "dropout",
    "hidden_dropout_prob",
    "initializer_factor",
    "initializer_range",
    "pad_token_id",
    "prefix",
    "projection_dim",  # of the whole model, outside, is what counts
    "pruned_heads",
    "sep_token_id",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "typical_p",
    "use_cache",
)


def clip(published: Mapping[str, Any]) -> ClipConfig:
    """Read a config of ``model_type`` clip.

    Raises:
        CheckpointError: A field is unknown, missing, or contradicts another.
    """
    fields, text, vision = _parts(published, "clip")
    end: int | None = text.size("eos_token_id", default=_LARGEST, least=0)
    if end == _LARGEST:
        end = None
    config = ClipConfig(
        image_size=vision.size("image_size", default=224),
        patch=vision.size("patch_size", default=32),
        vision=_tower(vision, _VISION),
        vocabulary=text.size("vocab_size", default=49_408),
        max_length=text.size("max_position_embeddings", default=77),
        text=_tower(text, _TEXT),
        embedding=fields.size("projection_dim", default=512),
        end=end,
        unstated=() if text.has("hidden_act") or vision.has("hidden_act") else ("activation",),
    )
    # MetaCLIP's texts have these twice.
    text.must_be("heads", config.text.heads)
    text.must_be("layers", config.text.layers)
    if config.vision.activation != config.text.activation:
        raise CheckpointError(
            f"config.json: pictures have the activation {config.vision.activation!r}, texts "
            f"{config.text.activation!r}; a CLIP has one for both: the file has been changed"
        )
    _finish(fields, text, vision)
    return config


def siglip(published: Mapping[str, Any]) -> SiglipConfig:
    """Read a config of ``model_type`` siglip, which SigLIP 2 of a fixed size has too.

    Raises:
        CheckpointError: A field is unknown, missing, or contradicts another.
    """
    fields, text, vision = _parts(published, "siglip")
    vision.must_be("vision_use_head", True)
    config = SiglipConfig(
        image_size=vision.size("image_size", default=224),
        patch=vision.size("patch_size", default=16),
        vision=_tower(vision, _SIGLIP),
        vocabulary=text.size("vocab_size", default=32_000),
        max_length=text.size("max_position_embeddings", default=64),
        text=_tower(text, _SIGLIP),
    )
    text.must_be("projection_size", config.vision.width)
    if not text.has("projection_size") and config.text.width != config.vision.width:
        raise CheckpointError(
            f"config.json: texts end {config.text.width} wide, pictures {config.vision.width}; "
            "'projection_size' in text_config should say the latter"
        )
    _finish(fields, text, vision)
    return config


def chinese_clip(published: Mapping[str, Any]) -> ChineseClipConfig:
    """Read a config of ``model_type`` chinese_clip.

    Raises:
        CheckpointError: A field is unknown, missing, or contradicts another.
    """
    fields, text, vision = _parts(published, "chinese-clip")
    text.must_be("position_embedding_type", "absolute")
    text.must_be("is_decoder", False)
    text.unused("classifier_dropout", "directionality", "pooler_type", "pooler_size_per_head")
    text.unused(*(f"pooler_{x}" for x in ("fc_size", "num_attention_heads", "num_fc_layers")))
    positions = text.size("max_position_embeddings", default=512)
    config = ChineseClipConfig(
        image_size=vision.size("image_size", default=224),
        patch=vision.size("patch_size", default=32),
        vision=_tower(vision, _VISION),
        vocabulary=text.size("vocab_size", default=30_522),
        positions=positions,
        segments=text.size("type_vocab_size", default=2),
        max_length=min(CHINESE_LENGTH, positions),
        text=_tower(text, _BERT),
        embedding=fields.size("projection_dim", default=512),
    )
    _finish(fields, text, vision)
    return config


def _parts(published: Mapping[str, Any], name: str) -> tuple[Fields, Fields, Fields]:
    """The fields of a whole model, of its texts and of its pictures.

    Old files say some twice, in ``text_config`` and ``text_config_dict``, of which transformers
    takes the second.
    """
    fields = Fields(published, name)
    fields.unused("initializer_factor", "initializer_range", "logit_scale_init_value", *GENERATION)
    parts = []
    for part in ("text_config", "vision_config"):
        if fields.table(part) is None:
            raise CheckpointError(f"config.json: {part!r} is missing; {name} needs both towers")
        stated, again = published[part], published.get(f"{part}_dict") or {}
        fields.unused(f"{part}_dict")
        for key in sorted(stated.keys() & again.keys()):
            if stated[key] != again[key] and key not in _UNUSED:
                raise CheckpointError(
                    f"config.json: {part} says {key} is {stated[key]!r:.40}, {part}_dict says "
                    f"{again[key]!r:.40}; remove the wrong one"
                )
        parts.append(Fields({**again, **stated}, name))
    text, vision = parts
    text.unused(*_UNUSED)
    vision.unused(*_UNUSED)
    vision.must_be("num_channels", 3)
    for tower in (text, vision):
        for switch in ("add_cross_attention", "is_decoder", "is_encoder_decoder"):
            tower.must_be(switch, False)
    return fields, text, vision


def _finish(*parts: Fields) -> None:
    for part in parts:
        part.finish()


def _tower(fields: Fields, default: Tower) -> Tower:
    return Tower(
        width=fields.size("hidden_size", default=default.width),
        layers=fields.size("num_hidden_layers", default=default.layers, most=1000),
        heads=fields.size("num_attention_heads", default=default.heads),
        hidden=fields.size("intermediate_size", default=default.hidden),
        activation=fields.text("hidden_act", default=default.activation),
        norm_eps=fields.number("layer_norm_eps", default=default.norm_eps),
    )
