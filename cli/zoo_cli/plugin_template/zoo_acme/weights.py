"""The tensor names of published checkpoints, and ours: one rule each, used in both directions."""

from zoo.weights import WeightMap, fused, same
from zoo_acme.model import AcmeConfig


def weights(config: AcmeConfig) -> WeightMap:
    """{n} is a layer's number, {p} weight or bias. There are also transposed and interleaved."""
    return WeightMap(
        "acme",
        rules=(
            same("embed.weight", "token_embedding.weight"),
            same("positions.weight", "position_embedding.weight"),
            same("layers.{n}.norm1.{p}", "blocks.{n}.attention_norm.{p}"),
            fused(
                "layers.{n}.qkv.{p}",
                *(f"blocks.{{n}}.attention.{x}.{{p}}" for x in ("query", "key", "value")),
            ),
            same("layers.{n}.out.{p}", "blocks.{n}.attention.output.{p}"),
            same("layers.{n}.norm2.{p}", "blocks.{n}.feed_forward_norm.{p}"),
            same("layers.{n}.up.{p}", "blocks.{n}.feed_forward.up.{p}"),
            same("layers.{n}.down.{p}", "blocks.{n}.feed_forward.down.{p}"),
            same("norm.{p}", "norm.{p}"),
            same("head.weight", "head.weight"),
        ),
    )
