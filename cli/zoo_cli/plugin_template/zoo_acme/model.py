"""Acme: a Transformer decoder that predicts the next byte.

Say here which paper and which reference code this follows.

Shapes: B batch, T tokens, C width, V vocabulary.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from zoo.config import Fields
from zoo.nn import Attention, Cache, FeedForward, KVCache, place


@dataclass(frozen=True)
class AcmeConfig:
    """The sizes of one network."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    positions: int


def read_config(published: Mapping[str, Any]) -> AcmeConfig:
    """Read ``config.json``: each field is read, named as unused, or refused."""
    fields = Fields(published, "acme")
    config = AcmeConfig(
        vocabulary=fields.size("vocab_size"),
        width=fields.size("hidden_size"),
        layers=fields.size("num_hidden_layers", most=1000),
        heads=fields.size("num_attention_heads"),
        positions=fields.size("max_position_embeddings"),
    )
    fields.finish()
    return config


class Block(nn.Module):
    """Attention, then a feed-forward network, each on a normalised copy of the residual stream."""

    def __init__(self, config: AcmeConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width)
        self.attention = Attention(config.width, config.heads)
        self.feed_forward_norm = nn.LayerNorm(config.width)
        self.feed_forward = FeedForward(config.width, 4 * config.width, "gelu")

    def forward(self, x: Tensor, mask: Tensor | None, cache: Cache | None) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        x = x + self.attention(self.attention_norm(x), mask=mask, causal=True, cache=cache)
        return x + self.feed_forward(self.feed_forward_norm(x))


class Acme(nn.Module):
    """The blocks between an embedding and a head: a `zoo.generation.CausalNetwork`."""

    def __init__(self, config: AcmeConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocabulary, config.width)
        self.position_embedding = nn.Embedding(config.positions, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.vocabulary, bias=False)

    def forward(self, tokens: Tensor, *, cache: KVCache | None = None) -> Tensor:
        """(B, T) -> (B, T, C): each token after all before it, those in the cache included."""
        positions, mask, caches = place(tokens, cache, layers=len(self.blocks))
        x = self.token_embedding(tokens) + self.position_embedding(positions)
        for block, layer_cache in zip(self.blocks, caches, strict=True):
            x = block(x, mask, layer_cache)
        return self.norm(x)

    def predict(self, hidden: Tensor) -> Tensor:
        """(…, C) -> (…, V): logits of the next token."""
        return self.head(hidden)

    @property
    def max_length(self) -> int:
        """The most tokens that have a position."""
        return self.config.positions

    def new_cache(self, rows: int, room: int) -> KVCache:
        """An empty cache for so many rows of so many tokens."""
        heads = self.config.heads
        shape = (rows, heads, room, self.config.width // heads)
        return KVCache(self.config.layers, shape, like=self.norm.weight)
