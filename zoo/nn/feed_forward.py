"""The two layers that follow attention and look at each token alone."""

from torch import Tensor, nn

from zoo.nn.activation import activation


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
