"""ImageGPT: a Transformer decoder that predicts the next pixel from all before it.

A picture is read row by row, from the top left; a pixel is a token, one of 512 colours.

Chen et al., "Generative Pretraining from Pixels", 2020.
https://cdn.openai.com/papers/Generative_Pretraining_from_Pixels_V2.pdf
Reference code: openai/image-gpt, src/model.py; transformers, models/imagegpt/modeling_imagegpt.py.

Shapes: B batch, T tokens, C width, K colours.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.nn import Attention, Cache, FeedForward, KVCache, place


@dataclass(frozen=True)
class ImageGPTConfig:
    """The sizes of one network."""

    colors: int
    width: int
    layers: int
    heads: int
    hidden: int
    positions: int
    activation: str
    norm_eps: float

    @property
    def max_length(self) -> int:
        """The start and all pixels; the last of them is written and never read."""
        return self.positions + 1


class Block(nn.Module):
    """Attention, then a feed-forward network, each on a normalised copy of the residual stream.

    The norms divide by the root mean square: they subtract no mean, and have no bias.
    """

    def __init__(self, config: ImageGPTConfig) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.width, eps=config.norm_eps)
        self.attention = Attention(config.width, config.heads)
        self.feed_forward_norm = nn.RMSNorm(config.width, eps=config.norm_eps)
        self.feed_forward = FeedForward(config.width, config.hidden, config.activation)

    def forward(self, x: Tensor, mask: Tensor | None, cache: Cache | None) -> Tensor:
        """(B, T, C) -> (B, T, C), pre-norm: the residual stream is never normalised."""
        x = x + self.attention(self.attention_norm(x), mask=mask, causal=True, cache=cache)
        return x + self.feed_forward(self.feed_forward_norm(x))


class ImageGPT(nn.Module):
    """The decoder with its head, which knows colours alone: no picture has a start inside."""

    def __init__(self, config: ImageGPTConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.colors + 1, config.width)
        self.position_embedding = nn.Embedding(config.positions, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width, eps=config.norm_eps)
        self.head = nn.Linear(config.width, config.colors, bias=False)

    def forward(self, tokens: Tensor, *, cache: KVCache | None = None) -> Tensor:
        """(B, T) -> (B, T, C): each token after all before it, those in the cache included."""
        positions, mask, caches = place(tokens, cache, layers=len(self.blocks))
        x = self.token_embedding(tokens) + self.position_embedding(positions)
        for block, layer_cache in zip(self.blocks, caches, strict=True):
            x = block(x, mask, layer_cache)
        return self.norm(x)

    def predict(self, hidden: Tensor) -> Tensor:
        """(…, C) -> (…, K): logits of the next pixel's colour."""
        return self.head(hidden)

    @property
    def start(self) -> int:
        """The token that stands before a picture's first pixel."""
        return self.config.colors

    @property
    def max_length(self) -> int:
        """The start and all pixels."""
        return self.config.max_length

    def new_cache(self, rows: int, room: int) -> KVCache:
        """An empty cache for so many rows of so many tokens."""
        head_width = self.config.width // self.config.heads
        shape = (rows, self.config.heads, room, head_width)
        return KVCache(self.config.layers, shape, like=self.norm.weight)


def build(config: ImageGPTConfig) -> ImageGPT:
    """The network that a config describes."""
    return ImageGPT(config)
