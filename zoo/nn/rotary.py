"""Rotary positions: a token's place turns its queries and keys by an angle."""

import torch
from torch import Tensor


class Rotary:
    """Turn each pair of numbers in a head by an angle that grows with the position.

    Numbers i and i + D/2 form a pair (the "rotate half" form of the published checkpoints); pair i
    turns by position · theta^(-2i/D). Angles are computed in float32 whatever the input's dtype.

    Shapes: B batch, H heads, T tokens, D width of a head.
    Su et al., "RoFormer", 2021, section 3.4. https://arxiv.org/abs/2104.09864

    Args:
        positions: (B, T), or (T,) when all rows have the same.
        width: D, even.
        theta: Base of the angles' geometric progression.

    Raises:
        ValueError: ``width`` is odd.
    """

    def __init__(self, positions: Tensor, width: int, *, theta: float = 10_000.0) -> None:
        if width % 2:
            raise ValueError(f"rotary positions turn pairs; a head of width {width} has one left")
        exponents = torch.arange(0, width, 2, device=positions.device, dtype=torch.float32) / width
        angles = positions.float().unsqueeze(-1) * theta**-exponents  # (B, T, D/2)
        angles = torch.cat((angles, angles), dim=-1).unsqueeze(-3)  # (B, 1, T, D): over all heads
        self.cos = angles.cos()
        self.sin = angles.sin()

    def __call__(self, x: Tensor) -> Tensor:
        """(B, H, T, D) -> (B, H, T, D)."""
        first, second = x.chunk(2, dim=-1)
        turned = torch.cat((-second, first), dim=-1)
        return x * self.cos.to(x.dtype) + turned * self.sin.to(x.dtype)
