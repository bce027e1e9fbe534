"""The tensor names of published ImageGPT checkpoints (transformers' layout, which is GPT-2's)."""

from zoo.weights import WeightMap, fused, same, transposed
from zoo_imagegpt.model import ImageGPTConfig


def imagegpt(config: ImageGPTConfig) -> WeightMap:
    """ImageGPTForCausalImageModeling; its matrices are stored (in, out)."""
    block, ours = "{base}h.{n}", "blocks.{n}"
    qkv = ("query", "key", "value")
    rules = [
        same("{base}wte.weight", "token_embedding.weight"),
        same("{base}wpe.weight", "position_embedding.weight"),
        same(f"{block}.ln_1.weight", f"{ours}.attention_norm.weight"),
        same(f"{block}.ln_2.weight", f"{ours}.feed_forward_norm.weight"),
        transposed(f"{block}.attn.c_attn.weight", *(f"{ours}.attention.{x}.weight" for x in qkv)),
        fused(f"{block}.attn.c_attn.bias", *(f"{ours}.attention.{x}.bias" for x in qkv)),
        same("{base}ln_f.weight", "norm.weight"),
        same("lm_head.weight", "head.weight"),
    ]
    for theirs, part in (
        ("attn.c_proj", "attention.output"),
        ("mlp.c_fc", "feed_forward.up"),
        ("mlp.c_proj", "feed_forward.down"),
    ):
        rules.append(transposed(f"{block}.{theirs}.weight", f"{ours}.{part}.weight"))
        rules.append(same(f"{block}.{theirs}.bias", f"{ours}.{part}.bias"))
    return WeightMap(
        "imagegpt",
        rules=tuple(rules),
        base=("transformer.", ""),
        ignore={
            f"{block}.attn.bias": "the causal mask, which attention computes",
            f"{block}.attn.masked_bias": "what the mask fills in",
        },
    )
