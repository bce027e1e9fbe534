"""The two layers that follow attention and look at each token alone."""

from torch import Tensor, nn

from zoo.nn.activation import activation
from zoo.nn.linear import together


class FeedForward(nn.Module):
    """Widen each token, apply an activation, narrow it again.

    Shapes: C width, any shape before it.
    Vaswani et al., "Attention Is All You Need", 2017, section 3.3. https://arxiv.org/abs/1706.03762

    Args:
        width: C.
        hidden: Width in between.
        act: Name of the activation, as published configs give it.
    """

    def __init__(self, width: int, hidden: int, act: str) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.activation = activation(act)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) -> (…, C)."""
        return self.down(self.activation(self.up(x)))


class GatedFeedForward(nn.Module):
    """Widen each token twice, let one half open or close the other, narrow it again.

    With SiLU it is SwiGLU, with GELU it is GeGLU.

    Shapes: C width, any shape before it.
    Shazeer, "GLU Variants Improve Transformer", 2020. https://arxiv.org/abs/2002.05202

    Args:
        width: C.
        hidden: Width in between.
        act: Name of the gate's activation, as published configs give it.
        bias: Whether the three projections add a bias.
    """

    def __init__(self, width: int, hidden: int, act: str, *, bias: bool = False) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=bias)
        self.up = nn.Linear(width, hidden, bias=bias)
        self.activation = activation(act)
        self.down = nn.Linear(hidden, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) -> (…, C)."""
        gate, up = together(x, self.gate, self.up)
        return self.down(self.activation(gate) * up)
