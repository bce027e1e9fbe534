"""The tensor names of published T5 checkpoints (transformers' layout)."""

from zoo.weights import Rule, WeightMap, same
from zoo_t5.model import T5Config

PROJECTIONS = {"q": "query", "k": "key", "v": "value", "o": "output"}


def t5(config: T5Config) -> WeightMap:
    """T5ForConditionalGeneration. A tied head is absent, or a tensor of its own if it differs."""
    rules = [
        same(
            "shared.weight",
            "token.weight",
            also=("encoder.embed_tokens.weight", "decoder.embed_tokens.weight"),
        ),
        same("lm_head.weight", "head.weight"),
    ]
    for stack in ("encoder", "decoder"):
        theirs, ours = f"{stack}.block.{{n}}.layer", f"{stack}.blocks.{{n}}"
        rules += [
            same(
                f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
                f"{stack}.bias.table.weight",
            ),
            same(f"{stack}.final_layer_norm.weight", f"{stack}.norm.weight"),
            *_attention(f"{theirs}.0", "SelfAttention", f"{ours}.attention"),
        ]
        if stack == "decoder":
            rules += _attention(f"{theirs}.1", "EncDecAttention", f"{ours}.cross_attention")
        last = 2 if stack == "decoder" else 1
        up = {"wi_0": "gate", "wi_1": "up"} if config.gated else {"wi": "up"}
        rules += [
            same(f"{theirs}.{last}.DenseReluDense.{x}.weight", f"{ours}.feed_forward.{y}.weight")
            for x, y in (up | {"wo": "down"}).items()
        ]
        rules.append(same(f"{theirs}.{last}.layer_norm.weight", f"{ours}.feed_forward_norm.weight"))
    return WeightMap(
        "t5",
        tuple(rules),
        tied={"head.weight": "token.weight"} if config.tied else {},
        ignore={
            "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight": (
                "left over in the first T5 files; attention to the source knows no positions"
            )
        },
    )


def _attention(layer: str, theirs: str, ours: str) -> list[Rule]:
    rules = [
        same(f"{layer}.{theirs}.{x}.weight", f"{ours}.{y}.weight") for x, y in PROJECTIONS.items()
    ]
    return [*rules, same(f"{layer}.layer_norm.weight", f"{ours}_norm.weight")]
