"""GPT-2: a Transformer decoder that predicts the next token from all before it.

Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.
https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf
Reference code: openai/gpt-2, src/model.py; transformers, models/gpt2/modeling_gpt2.py.

Shapes: B batch, T tokens, C width, V vocabulary.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.nn import Attention, Cache, FeedForward, KVCache, place


@dataclass(frozen=True)
class GPT2Config:
    """The sizes of one network; ``tied`` says that a file may lack the head's matrix."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    hidden: int
    positions: int
    activation: str
    norm_eps: float
    tied: bool

    @property
    def max_length(self) -> int:
        """The most tokens that have a position."""
        return self.positions


class Block(nn.Module):
    """Attention, then a feed-forward network, each on a normalised copy of the residual stream."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.attention = Attention(config.width, config.heads)
        self.feed_forward_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.feed_forward = FeedForward(config.width, config.hidden, config.activation)

    def forward(self, x: Tensor, mask: Tensor | None, cache: Cache | None) -> Tensor:
        """(B, T, C) -> (B, T, C), pre-norm: the residual stream is never normalised."""
        x = x + self.attention(self.attention_norm(x), mask=mask, causal=True, cache=cache)
        return x + self.feed_forward(self.feed_forward_norm(x))


class GPT2(nn.Module):
    """The decoder with its head."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocabulary, config.width)
        self.position_embedding = nn.Embedding(config.positions, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, eps=config.norm_eps)
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
        return self.config.max_length

    def new_cache(self, rows: int, room: int) -> KVCache:
        """An empty cache for so many rows of so many tokens."""
        head_width = self.config.width // self.config.heads
        shape = (rows, self.config.heads, room, head_width)
        return KVCache(self.config.layers, shape, like=self.norm.weight)


def build(config: GPT2Config) -> GPT2:
    """The network that a config describes."""
    return GPT2(config)
