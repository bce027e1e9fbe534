"""The tensor names of published Transformers: Marian's as transformers has them, and torch's."""

from zoo.weights import Rule, WeightMap, fused, same
from zoo_transformer.model import TransformerConfig, TranslatorConfig

PARTS = ("query", "key", "value")


def marian(config: TranslatorConfig) -> WeightMap:
    """MarianMTModel. Tied and shared matrices may be stored once, or each."""
    rules = [
        same("model.decoder.embed_tokens.weight", "target.token.weight"),
        same("lm_head.weight", "head.weight"),
        # A row (1, V), added to the logits.
        Rule("final_logits_bias", ("head.bias",), lambda x, _: (x[0],), lambda xs: xs[0][None]),
    ]
    tied = {}
    ignore = {
        f"model.{stack}.embed_positions.weight": "sines and cosines, which the network computes"
        for stack in ("encoder", "decoder")
    }
    if config.shared:
        rules.append(
            same("model.shared.weight", "source.token.weight", also=(_embedding("encoder"),))
        )
        tied["target.token.weight"] = "source.token.weight"
    else:
        rules.append(same(_embedding("encoder"), "source.token.weight"))
        ignore["model.shared.weight"] = "each stack has its own, which transformers uses"
    if config.tied:
        tied["head.weight"] = "source.token.weight" if config.shared else "target.token.weight"
    for stack in ("encoder", "decoder"):
        theirs, ours = f"model.{stack}.layers.{{n}}", f"{stack}.blocks.{{n}}"
        attentions = {"self_attn": "attention"}
        if stack == "decoder":
            attentions["encoder_attn"] = "cross_attention"
        for their_attention, attention in attentions.items():
            rules += [
                same(
                    f"{theirs}.{their_attention}.{part[0]}_proj.{{p}}",
                    f"{ours}.{attention}.{part}.{{p}}",
                )
                for part in PARTS
            ]
            rules += [
                same(
                    f"{theirs}.{their_attention}.out_proj.{{p}}", f"{ours}.{attention}.output.{{p}}"
                ),
                same(
                    f"{theirs}.{their_attention}_layer_norm.{{p}}", f"{ours}.{attention}_norm.{{p}}"
                ),
            ]
        rules += [
            same(f"{theirs}.fc1.{{p}}", f"{ours}.feed_forward.up.{{p}}"),
            same(f"{theirs}.fc2.{{p}}", f"{ours}.feed_forward.down.{{p}}"),
            same(f"{theirs}.final_layer_norm.{{p}}", f"{ours}.feed_forward_norm.{{p}}"),
        ]
    return WeightMap("marian", tuple(rules), tied=tied, ignore=ignore)


def torch(config: TransformerConfig) -> WeightMap:
    """torch.nn.Transformer, whose attention stacks query, key and value in one matrix."""
    rules: list[Rule] = []
    for stack in ("encoder", "decoder"):
        theirs, ours = f"{stack}.layers.{{n}}", f"{stack}.blocks.{{n}}"
        attentions = {"self_attn": "attention"}
        norms = ["attention_norm", "feed_forward_norm"]
        if stack == "decoder":
            attentions["multihead_attn"] = "cross_attention"
            norms.insert(1, "cross_attention_norm")
        for their_attention, attention in attentions.items():
            for kind in ("weight", "bias"):
                parts = (f"{ours}.{attention}.{part}.{kind}" for part in PARTS)
                rules.append(fused(f"{theirs}.{their_attention}.in_proj_{kind}", *parts))
            rules.append(
                same(
                    f"{theirs}.{their_attention}.out_proj.{{p}}", f"{ours}.{attention}.output.{{p}}"
                )
            )
        rules += [
            same(f"{theirs}.linear1.{{p}}", f"{ours}.feed_forward.up.{{p}}"),
            same(f"{theirs}.linear2.{{p}}", f"{ours}.feed_forward.down.{{p}}"),
            same(f"{stack}.norm.{{p}}", f"{stack}.norm.{{p}}"),
        ]
        rules += [
            same(f"{theirs}.norm{number}.{{p}}", f"{ours}.{norm}.{{p}}")
            for number, norm in enumerate(norms, start=1)
        ]
    return WeightMap("torch.nn.Transformer", tuple(rules))


def _embedding(stack: str) -> str:
    return f"model.{stack}.embed_tokens.weight"
