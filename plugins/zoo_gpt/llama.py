"""Llama, and Qwen after it: the decoder that most open language models share.

What is new since GPT-2: positions turn queries and keys (RoPE) instead of being added to tokens,
norms scale and do not shift (RMSNorm), the feed-forward network has a gate (SwiGLU), several query
heads share one key and value (grouped-query attention), and few layers have a bias.

Touvron et al., "LLaMA", 2023. https://arxiv.org/abs/2302.13971
Grattafiori et al., "The Llama 3 Herd of Models", 2024. https://arxiv.org/abs/2407.21783
Yang et al., "Qwen2.5 Technical Report", 2024. https://arxiv.org/abs/2412.15115
Yang et al., "Qwen3 Technical Report", 2025. https://arxiv.org/abs/2505.09388
Reference code: meta-llama/llama, model.py; transformers, models/llama/modeling_llama.py.

TinyLlama and SmolLM2 are Llamas. Qwen2 gives queries, keys and values a bias; Qwen3 normalises
queries and keys instead.

Shapes: B batch, T tokens, C width, H heads, G key-value heads, D width of a head, V vocabulary.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.nn import Cache, GatedFeedForward, KVCache, Rotary, attend, place, together
from zoo.nn.rotary import Scaling


@dataclass(frozen=True)
class LlamaConfig:
    """The sizes of one network, and what its family adds.

    ``theta`` and ``scaling`` are those of `zoo.nn.Rotary`. ``qkv_bias``, ``output_bias`` and
    ``feed_forward_bias`` say which layers have a bias, ``head_norm`` whether queries and keys are
    normalised; ``tied`` says that a file may lack the head's matrix.
    """

    vocabulary: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    hidden: int
    positions: int
    activation: str
    norm_eps: float
    theta: float
    scaling: Scaling | None
    qkv_bias: bool
    output_bias: bool
    feed_forward_bias: bool
    head_norm: bool
    tied: bool

    @property
    def max_length(self) -> int:
        """The most tokens that the model was made for."""
        return self.positions


class GroupedAttention(nn.Module):
    """Attention in which H / G query heads share a key-value head, turned by their positions."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        C, D = config.width, config.head_width
        self.query = nn.Linear(C, config.heads * D, bias=config.qkv_bias)
        self.key = nn.Linear(C, config.kv_heads * D, bias=config.qkv_bias)
        self.value = nn.Linear(C, config.kv_heads * D, bias=config.qkv_bias)
        self.output = nn.Linear(config.heads * D, C, bias=config.output_bias)
        self.query_norm: nn.Module = nn.Identity()
        self.key_norm: nn.Module = nn.Identity()
        if config.head_norm:
            self.query_norm = nn.RMSNorm(D, eps=config.norm_eps)
            self.key_norm = nn.RMSNorm(D, eps=config.norm_eps)
        self.head_width = D

    def forward(
        self, x: Tensor, rotary: Rotary, mask: Tensor | None, cache: Cache | None
    ) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        query, key, value = (
            projected.unflatten(-1, (-1, self.head_width))  # (B, T, H or G, D)
            for projected in together(x, self.query, self.key, self.value)
        )
        query = rotary(self.query_norm(query).transpose(1, 2))  # (B, H, T, D)
        key = rotary(self.key_norm(key).transpose(1, 2))  # (B, G, T, D)
        value = value.transpose(1, 2)
        if cache is not None:
            key, value = cache.append(key, value)  # (B, G, S, D)
        attended = attend(query, key, value, mask=mask, causal=True)  # (B, H, T, D)
        return self.output(attended.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then a gated feed-forward network, each on a normalised copy of the stream."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.width, eps=config.norm_eps)
        self.attention = GroupedAttention(config)
        self.feed_forward_norm = nn.RMSNorm(config.width, eps=config.norm_eps)
        self.feed_forward = GatedFeedForward(
            config.width, config.hidden, config.activation, bias=config.feed_forward_bias
        )

    def forward(
        self, x: Tensor, rotary: Rotary, mask: Tensor | None, cache: Cache | None
    ) -> Tensor:
        """(B, T, C) -> (B, T, C), pre-norm."""
        x = x + self.attention(self.attention_norm(x), rotary, mask, cache)
        return x + self.feed_forward(self.feed_forward_norm(x))


class Llama(nn.Module):
    """The decoder with its head."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocabulary, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width, eps=config.norm_eps)
        self.head = nn.Linear(config.width, config.vocabulary, bias=False)

    def forward(self, tokens: Tensor, *, cache: KVCache | None = None) -> Tensor:
        """(B, T) -> (B, T, C): each token after all before it, those in the cache included."""
        positions, mask, caches = place(tokens, cache, layers=len(self.blocks))
        config = self.config
        rotary = Rotary(positions, config.head_width, theta=config.theta, scaling=config.scaling)
        x = self.token_embedding(tokens)
        for block, layer_cache in zip(self.blocks, caches, strict=True):
            x = block(x, rotary, mask, layer_cache)
        return self.norm(x)

    def predict(self, hidden: Tensor) -> Tensor:
        """(…, C) -> (…, V): logits of the next token."""
        return self.head(hidden)

    @property
    def max_length(self) -> int:
        """The most tokens that the model was made for."""
        return self.config.max_length

    def new_cache(self, rows: int, room: int) -> KVCache:
        """An empty cache for so many rows of so many tokens."""
        shape = (rows, self.config.kv_heads, room, self.config.head_width)
        return KVCache(self.config.layers, shape, like=self.norm.weight)


def build(config: LlamaConfig) -> Llama:
    """The network that a config describes."""
    return Llama(config)
