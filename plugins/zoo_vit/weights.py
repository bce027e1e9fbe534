"""The tensor names of published ViT checkpoints: transformers' layouts, and timm's."""

from dataclasses import replace

from zoo.weights import Rule, WeightMap, fused, same
from zoo_vit.mae import MAEConfig
from zoo_vit.model import ViTConfig

POOLER = {"{base}pooler.dense.{p}": "a head of transformers that no published checkpoint trained"}
MASK_TOKEN = {"{base}embeddings.mask_token": "stood for hidden patches in pretraining"}

# transformers' prefix of the encoder under a head, where it is not the layout's own name.
_PREFIX = {"vit_mae": "vit"}


def vit(config: ViTConfig) -> WeightMap:
    """An encoder with a classification head or without."""
    if config.layout == "timm":
        return _timm(config)
    prefix = _PREFIX.get(config.layout, config.layout)
    ours = "encoder." if config.labels else ""
    head: tuple[Rule, ...] = ()
    if config.labels:
        head = (same("classifier.{p}", "classifier.{p}"),)
    if config.pooling == "token or distilled":
        head = (
            same("cls_classifier.{p}", "classifier.{p}"),
            same("distillation_classifier.{p}", "distilled_classifier.{p}"),
        )
    return WeightMap(
        config.layout,
        (*_transformers(config, ours), *head),
        base=(f"{prefix}.", "") if config.labels else ("", f"{prefix}."),
        ignore=POOLER | MASK_TOKEN,
    )


def mae(config: MAEConfig | ViTConfig) -> WeightMap:
    """ViTMAEForPreTraining, or ViTMAEModel. Newer files call the decoder's layers otherwise."""
    if isinstance(config, ViTConfig):
        return vit(config)
    decoder = (
        same("decoder.decoder_embed.{p}", "decoder.narrow.{p}"),
        same("decoder.mask_token", "decoder.mask_token"),
        same("decoder.decoder_pos_embed", "decoder.positions"),
        *(
            replace(rule, also=(rule.theirs.replace("_layers", "_encoder.layer"),))
            for rule in _block("decoder.decoder_layers.{n}", "decoder.blocks.{n}")
        ),
        same("decoder.decoder_norm.{p}", "decoder.norm.{p}"),
        same("decoder.decoder_pred.{p}", "decoder.pixels.{p}"),
    )
    return WeightMap(
        "vit-mae",
        (*_transformers(config.encoder, "encoder."), *decoder),
        base=("vit.",),
    )


def _transformers(config: ViTConfig, ours: str) -> tuple[Rule, ...]:
    """The encoder: ViT, DeiT and MAE name their blocks alike, DINOv2 has its own names."""
    embeddings = "{base}embeddings"
    block = _dino_block if config.layout.startswith("dinov2") else _block
    return (
        same(f"{embeddings}.patch_embeddings.projection.{{p}}", f"{ours}{PATCHES}.{{p}}"),
        same(f"{embeddings}.position_embeddings", f"{ours}embeddings.positions"),
        same(f"{embeddings}.cls_token", f"{ours}embeddings.class_token"),
        same(f"{embeddings}.distillation_token", f"{ours}embeddings.distillation_token"),
        same(f"{embeddings}.register_tokens", f"{ours}embeddings.registers"),
        *block("{base}encoder.layer.{n}", f"{ours}blocks.{{n}}", gated=config.gated),
        same("{base}layernorm.{p}", f"{ours}norm.{{p}}"),
    )


PATCHES = "embeddings.patches.projection"
PROJECTIONS = ("query", "key", "value")


def _block(theirs: str, ours: str, *, gated: bool = False) -> tuple[Rule, ...]:
    """ViT's names of a block."""
    assert not gated
    return (
        *(_both(f"{theirs}.attention.attention.{x}", f"{ours}.attention.{x}") for x in PROJECTIONS),
        _both(f"{theirs}.attention.output.dense", f"{ours}.attention.output"),
        _both(f"{theirs}.intermediate.dense", f"{ours}.feed_forward.up"),
        _both(f"{theirs}.output.dense", f"{ours}.feed_forward.down"),
        _both(f"{theirs}.layernorm_before", f"{ours}.attention_norm"),
        _both(f"{theirs}.layernorm_after", f"{ours}.feed_forward_norm"),
    )


def _dino_block(theirs: str, ours: str, *, gated: bool) -> tuple[Rule, ...]:
    """DINOv2's names of a block."""
    feed_forward = (
        (
            fused(
                f"{theirs}.mlp.weights_in.{{p}}",
                f"{ours}.feed_forward.gate.{{p}}",
                f"{ours}.feed_forward.up.{{p}}",
            ),
            _both(f"{theirs}.mlp.weights_out", f"{ours}.feed_forward.down"),
        )
        if gated
        else (
            _both(f"{theirs}.mlp.fc1", f"{ours}.feed_forward.up"),
            _both(f"{theirs}.mlp.fc2", f"{ours}.feed_forward.down"),
        )
    )
    return (
        *(_both(f"{theirs}.attention.attention.{x}", f"{ours}.attention.{x}") for x in PROJECTIONS),
        _both(f"{theirs}.attention.output.dense", f"{ours}.attention.output"),
        same(f"{theirs}.layer_scale1.lambda1", f"{ours}.attention_scale"),
        same(f"{theirs}.layer_scale2.lambda1", f"{ours}.feed_forward_scale"),
        _both(f"{theirs}.norm1", f"{ours}.attention_norm"),
        _both(f"{theirs}.norm2", f"{ours}.feed_forward_norm"),
        *feed_forward,
    )


def _timm(config: ViTConfig) -> WeightMap:
    """The layout of timm, in which query, key and value are one matrix."""
    ours = "encoder." if config.labels else ""
    embeddings, theirs, block = f"{ours}embeddings", "blocks.{n}", f"{ours}blocks.{{n}}"
    up = (
        fused(f"{theirs}.mlp.fc1.{{p}}", f"{block}.feed_forward.gate.{{p}}",
              f"{block}.feed_forward.up.{{p}}")
        if config.gated
        else _both(f"{theirs}.mlp.fc1", f"{block}.feed_forward.up")
    )  # fmt: skip
    return WeightMap(
        "timm",
        (
            same("patch_embed.proj.{p}", f"{ours}{PATCHES}.{{p}}"),
            same("pos_embed", f"{embeddings}.positions"),
            same("cls_token", f"{embeddings}.class_token"),
            same("dist_token", f"{embeddings}.distillation_token"),
            same("reg_token", f"{embeddings}.registers"),
            fused(
                f"{theirs}.attn.qkv.{{p}}", *(f"{block}.attention.{x}.{{p}}" for x in PROJECTIONS)
            ),
            _both(f"{theirs}.attn.proj", f"{block}.attention.output"),
            up,
            _both(f"{theirs}.mlp.fc2", f"{block}.feed_forward.down"),
            _both(f"{theirs}.norm1", f"{block}.attention_norm"),
            _both(f"{theirs}.norm2", f"{block}.feed_forward_norm"),
            same(f"{theirs}.ls1.gamma", f"{block}.attention_scale"),
            same(f"{theirs}.ls2.gamma", f"{block}.feed_forward_scale"),
            _both("fc_norm" if config.norm_after_pooling else "norm", f"{ours}norm"),
            _both("head", "classifier"),
            _both("head_dist", "distilled_classifier"),
        ),
    )


def _both(theirs: str, ours: str) -> Rule:
    """Weight and bias of a layer."""
    return same(f"{theirs}.{{p}}", f"{ours}.{{p}}")
