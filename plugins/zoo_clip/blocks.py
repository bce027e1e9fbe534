"""The Transformer blocks that all these towers are stacks of: GPT-2's, for pictures and texts."""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.nn import Attention, FeedForward, Segments


@dataclass(frozen=True)
class Tower:
    """The sizes of one stack of blocks."""

    width: int
    layers: int
    heads: int
    hidden: int
    activation: str
    norm_eps: float


class Block(nn.Module):
    """Attention, then a feed-forward network, each on normalised input and added to it.

    Shapes: B batch, T tokens that ask, S tokens that answer, C width.
    """

    def __init__(self, tower: Tower) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(tower.width, eps=tower.norm_eps)
        self.attention = Attention(tower.width, tower.heads)
        self.feed_forward_norm = nn.LayerNorm(tower.width, eps=tower.norm_eps)
        self.feed_forward = FeedForward(tower.width, tower.hidden, tower.activation)

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        mask: Segments | None = None,
        causal: bool = False,
    ) -> Tensor:
        """(B, T, C) -> (B, T, C), pre-norm: the residual stream is never normalised.

        Args:
            x: Tokens that ask.
            context: All tokens of the layer, (B, S, C), where only some of them ask.
            mask: The segments of a packed row.
            causal: Whether a token sees only itself and those before it.
        """
        asked = None if context is None else self.attention_norm(context)
        x = x + self.attention(self.attention_norm(x), asked, mask=mask, causal=causal)
        return x + self.feed_forward(self.feed_forward_norm(x))
