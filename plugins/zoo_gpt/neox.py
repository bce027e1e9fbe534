"""GPT-NeoX and Pythia: a decoder whose two halves of a block work side by side.

Black et al., "GPT-NeoX-20B", 2022. https://arxiv.org/abs/2204.06745
Biderman et al., "Pythia", 2023. https://arxiv.org/abs/2304.01373
Reference code: EleutherAI/gpt-neox; transformers, models/gpt_neox/modeling_gpt_neox.py.

Shapes: B batch, T tokens, C width, V vocabulary.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.nn import Attention, Cache, FeedForward, KVCache, Rotary, place
from zoo.nn.rotary import Scaling


@dataclass(frozen=True)
class NeoXConfig:
    """The sizes of one network.

    Of each head, the first ``rotated`` numbers are turned by the position. ``parallel`` says that
    attention and feed-forward read the same input; ``tied`` that a file may lack the head's matrix.
    """

    vocabulary: int
    width: int
    layers: int
    heads: int
    hidden: int
    positions: int
    activation: str
    norm_eps: float
    rotated: int
    theta: float
    scaling: Scaling | None
    parallel: bool
    tied: bool

    @property
    def max_length(self) -> int:
        """The most tokens that the model was made for."""
        return self.positions


class Block(nn.Module):
    """Attention and a feed-forward network, each with a norm of its own."""

    def __init__(self, config: NeoXConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.attention = Attention(config.width, config.heads)
        self.feed_forward_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.feed_forward = FeedForward(config.width, config.hidden, config.activation)
        self.parallel = config.parallel

    def forward(
        self, x: Tensor, rotary: Rotary, mask: Tensor | None, cache: Cache | None
    ) -> Tensor:
        """(B, T, C) -> (B, T, C), pre-norm."""
        attended = self.attention(
            self.attention_norm(x), mask=mask, causal=True, rotary=rotary, cache=cache
        )
        if self.parallel:
            return x + attended + self.feed_forward(self.feed_forward_norm(x))
        x = x + attended
        return x + self.feed_forward(self.feed_forward_norm(x))


class NeoX(nn.Module):
    """The decoder with its head."""

    def __init__(self, config: NeoXConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocabulary, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.head = nn.Linear(config.width, config.vocabulary, bias=False)

    def forward(self, tokens: Tensor, *, cache: KVCache | None = None) -> Tensor:
        """(B, T) -> (B, T, C): each token after all before it, those in the cache included."""
        positions, mask, caches = place(tokens, cache, layers=len(self.blocks))
        config = self.config
        rotary = Rotary(positions, config.rotated, theta=config.theta, scaling=config.scaling)
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
        head_width = self.config.width // self.config.heads
        shape = (rows, self.config.heads, room, head_width)
        return KVCache(self.config.layers, shape, like=self.norm.weight)


def build(config: NeoXConfig) -> NeoX:
    """The network that a config describes."""
    return NeoX(config)
