"""The tensor names of published decoders (transformers' layout)."""

from zoo.weights import WeightMap, fused, same, transposed
from zoo_gpt.gpt2 import GPT2Config

CAUSAL_MASK = "the causal mask, which attention computes"


def gpt2(config: GPT2Config) -> WeightMap:
    """GPT2LMHeadModel and GPT2Model; their matrices are stored (in, out)."""
    block, ours = "{base}h.{n}", "blocks.{n}"
    qkv = ("query", "key", "value")
    rules = [
        same("{base}wte.weight", "token_embedding.weight"),
        same("{base}wpe.weight", "position_embedding.weight"),
        same(f"{block}.ln_1.{{p}}", f"{ours}.attention_norm.{{p}}"),
        same(f"{block}.ln_2.{{p}}", f"{ours}.feed_forward_norm.{{p}}"),
        transposed(f"{block}.attn.c_attn.weight", *(f"{ours}.attention.{x}.weight" for x in qkv)),
        fused(f"{block}.attn.c_attn.bias", *(f"{ours}.attention.{x}.bias" for x in qkv)),
        same("{base}ln_f.{p}", "norm.{p}"),
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
        "gpt2",
        rules=tuple(rules),
        base=("transformer.", ""),
        ignore={
            f"{block}.attn.bias": CAUSAL_MASK,
            f"{block}.attn.masked_bias": "what the mask fills in",
        },
        tied={"head.weight": "token_embedding.weight"} if config.tied else {},
    )
