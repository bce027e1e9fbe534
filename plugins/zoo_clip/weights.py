"""The tensor names of CLIP, SigLIP and Chinese-CLIP as transformers publishes them."""

from zoo.weights import Rule, WeightMap, fused, same
from zoo_clip.chinese_clip import ChineseClipConfig
from zoo_clip.clip import ClipConfig
from zoo_clip.siglip import SiglipConfig

_POSITION_IDS = {
    f"{tower}.embeddings.position_ids": "the numbers 0, 1, 2, …, which the network counts itself"
    for tower in ("text_model", "vision_model")
}


def clip(config: ClipConfig) -> WeightMap:
    """CLIPModel."""
    return WeightMap(
        "clip",
        (
            *_clip_vision(),
            *_text_embeddings(),
            *_blocks("text_model", "text"),
            same("text_model.final_layer_norm.{p}", "text.norm.{p}"),
            same("text_projection.weight", "text.projection.weight"),
            same("logit_scale", "logit_scale"),
        ),
        ignore=_POSITION_IDS,
    )


def siglip(config: SiglipConfig) -> WeightMap:
    """SiglipModel."""
    vision, head = "vision_model.embeddings", "vision_model.head"
    return WeightMap(
        "siglip",
        (
            same(f"{vision}.patch_embedding.{{p}}", "vision.patches.projection.{p}"),
            same(f"{vision}.position_embedding.weight", "vision.positions"),
            *_blocks("vision_model", "vision"),
            same("vision_model.post_layernorm.{p}", "vision.norm.{p}"),
            same(f"{head}.probe", "vision.pool.probe"),
            *(
                fused(
                    f"{head}.attention.in_proj_{p}",
                    *(f"vision.pool.attention.{x}.{p}" for x in ("query", "key", "value")),
                )
                for p in ("weight", "bias")
            ),
            same(f"{head}.attention.out_proj.{{p}}", "vision.pool.attention.output.{p}"),
            same(f"{head}.layernorm.{{p}}", "vision.pool.norm.{p}"),
            same(f"{head}.mlp.fc1.{{p}}", "vision.pool.feed_forward.up.{p}"),
            same(f"{head}.mlp.fc2.{{p}}", "vision.pool.feed_forward.down.{p}"),
            *_text_embeddings(),
            *_blocks("text_model", "text"),
            same("text_model.final_layer_norm.{p}", "text.norm.{p}"),
            same("text_model.head.{p}", "text.projection.{p}"),
            number("logit_scale"),
            number("logit_bias"),
        ),
        ignore=_POSITION_IDS,
    )


def chinese_clip(config: ChineseClipConfig) -> WeightMap:
    """ChineseCLIPModel."""
    embeddings, layer = "text_model.embeddings", "text_model.encoder.layer.{n}"
    block = "text.blocks.{n}"
    return WeightMap(
        "chinese-clip",
        (
            *_clip_vision(),
            same(f"{embeddings}.word_embeddings.weight", "text.token_embedding.weight"),
            same(f"{embeddings}.position_embeddings.weight", "text.position_embedding.weight"),
            same(f"{embeddings}.token_type_embeddings.weight", "text.segment_embedding.weight"),
            same(f"{embeddings}.LayerNorm.{{p}}", "text.embedding_norm.{p}"),
            *(
                same(f"{layer}.attention.self.{x}.{{p}}", f"{block}.attention.{x}.{{p}}")
                for x in ("query", "key", "value")
            ),
            same(f"{layer}.attention.output.dense.{{p}}", f"{block}.attention.output.{{p}}"),
            same(f"{layer}.attention.output.LayerNorm.{{p}}", f"{block}.attention_norm.{{p}}"),
            same(f"{layer}.intermediate.dense.{{p}}", f"{block}.feed_forward.up.{{p}}"),
            same(f"{layer}.output.dense.{{p}}", f"{block}.feed_forward.down.{{p}}"),
            same(f"{layer}.output.LayerNorm.{{p}}", f"{block}.feed_forward_norm.{{p}}"),
            same("text_projection.weight", "text.projection.weight"),
            same("logit_scale", "logit_scale"),
        ),
        ignore=_POSITION_IDS
        | {"text_model.pooler.dense.{p}": "BERT's; an embedding is read off [CLS] itself"},
    )


def number(name: str) -> Rule:
    """One number, which some publish as a vector of it, and we do not."""
    return Rule(
        name,
        (name,),
        lambda x, _: (x.reshape(()) if x.numel() == 1 else x,),
        lambda xs: xs[0].reshape(1),
    )


def _clip_vision() -> tuple[Rule, ...]:
    """CLIP's pictures, which Chinese-CLIP has too."""
    embeddings = "vision_model.embeddings"
    return (
        same(f"{embeddings}.class_embedding", "vision.class_token"),
        same(f"{embeddings}.patch_embedding.weight", "vision.patches.projection.weight"),
        same(f"{embeddings}.position_embedding.weight", "vision.positions"),
        same("vision_model.pre_layrnorm.{p}", "vision.pre_norm.{p}"),  # sic
        *_blocks("vision_model", "vision"),
        same("vision_model.post_layernorm.{p}", "vision.norm.{p}"),
        same("visual_projection.weight", "vision.projection.weight"),
    )


def _text_embeddings() -> tuple[Rule, ...]:
    embeddings = "text_model.embeddings"
    return (
        same(f"{embeddings}.token_embedding.weight", "text.token_embedding.weight"),
        same(f"{embeddings}.position_embedding.weight", "text.positions"),
    )


def _blocks(theirs: str, ours: str) -> tuple[Rule, ...]:
    layer, block = f"{theirs}.encoder.layers.{{n}}", f"{ours}.blocks.{{n}}"
    return (
        same(f"{layer}.layer_norm1.{{p}}", f"{block}.attention_norm.{{p}}"),
        same(f"{layer}.self_attn.q_proj.{{p}}", f"{block}.attention.query.{{p}}"),
        same(f"{layer}.self_attn.k_proj.{{p}}", f"{block}.attention.key.{{p}}"),
        same(f"{layer}.self_attn.v_proj.{{p}}", f"{block}.attention.value.{{p}}"),
        same(f"{layer}.self_attn.out_proj.{{p}}", f"{block}.attention.output.{{p}}"),
        same(f"{layer}.layer_norm2.{{p}}", f"{block}.feed_forward_norm.{{p}}"),
        same(f"{layer}.mlp.fc1.{{p}}", f"{block}.feed_forward.up.{{p}}"),
        same(f"{layer}.mlp.fc2.{{p}}", f"{block}.feed_forward.down.{{p}}"),
    )
