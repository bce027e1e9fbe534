"""OPT: Meta's open repetition of GPT-3.

Zhang et al., "OPT", 2022. https://arxiv.org/abs/2205.01068
Reference code: facebookresearch/metaseq; transformers, models/opt/modeling_opt.py.

The first two rows of the position table belong to no position: fairseq counted from padding + 1.
OPT-350M alone normalises after each sum, as BERT does, and has token embeddings narrower than the
stream.

Shapes: B batch, T tokens, C width, E width of token embeddings, V vocabulary.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.nn import Attention, Cache, FeedForward, KVCache, place

FIRST_POSITION = 2


@dataclass(frozen=True)
class OPTConfig:
    """The sizes of one network.

    ``pre_norm`` says that the input of each layer is normalised rather than its sum with the
    output, ``final_norm`` that the last layer is followed by a norm; ``tied`` that a file may lack
    the head's matrix.
    """

    vocabulary: int
    embedding_width: int
    width: int
    layers: int
    heads: int
    hidden: int
    positions: int
    activation: str
    norm_eps: float
    pre_norm: bool
    final_norm: bool
    tied: bool

    @property
    def max_length(self) -> int:
        """The most tokens that have a position."""
        return self.positions


class Block(nn.Module):
    """Attention, then a feed-forward network, each added to its input."""

    def __init__(self, config: OPTConfig) -> None:
        super().__init__()
        self.attention = Attention(config.width, config.heads)
        self.attention_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.feed_forward = FeedForward(config.width, config.hidden, config.activation)
        self.feed_forward_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.pre_norm = config.pre_norm

    def forward(self, x: Tensor, mask: Tensor | None, cache: Cache | None) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        if self.pre_norm:
            x = x + self.attention(self.attention_norm(x), mask=mask, causal=True, cache=cache)
            return x + self.feed_forward(self.feed_forward_norm(x))
        x = self.attention_norm(x + self.attention(x, mask=mask, causal=True, cache=cache))
        return self.feed_forward_norm(x + self.feed_forward(x))


class OPT(nn.Module):
    """The decoder with its head."""

    def __init__(self, config: OPTConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocabulary, config.embedding_width)
        self.position_embedding = nn.Embedding(config.positions + FIRST_POSITION, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.widen: nn.Module = nn.Identity()
        self.narrow: nn.Module = nn.Identity()
        if config.embedding_width != config.width:
            self.widen = nn.Linear(config.embedding_width, config.width, bias=False)
            self.narrow = nn.Linear(config.width, config.embedding_width, bias=False)
        self.norm: nn.Module = nn.Identity()
        if config.final_norm:
            self.norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.head = nn.Linear(config.embedding_width, config.vocabulary, bias=False)

    def forward(self, tokens: Tensor, *, cache: KVCache | None = None) -> Tensor:
        """(B, T) -> (B, T, E): each token after all before it, those in the cache included."""
        positions, mask, caches = place(tokens, cache, layers=len(self.blocks))
        x = self.widen(self.token_embedding(tokens))  # (B, T, C)
        x = x + self.position_embedding(positions + FIRST_POSITION)
        for block, layer_cache in zip(self.blocks, caches, strict=True):
            x = block(x, mask, layer_cache)
        return self.narrow(self.norm(x))

    def predict(self, hidden: Tensor) -> Tensor:
        """(…, E) -> (…, V): logits of the next token."""
        return self.head(hidden)

    @property
    def max_length(self) -> int:
        """The most tokens that have a position."""
        return self.config.max_length

    def new_cache(self, rows: int, room: int) -> KVCache:
        """An empty cache for so many rows of so many tokens."""
        head_width = self.config.width // self.config.heads
        shape = (rows, self.config.heads, room, head_width)
        return KVCache(self.config.layers, shape, like=self.head.weight)


def build(config: OPTConfig) -> OPT:
    """The network that a config describes."""
    return OPT(config)
