"""Rotary positions: a token's place turns its queries and keys by an angle."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Scaling(Protocol):
    """How the angles of a model were changed for texts longer than it was first trained on.

    `zoo.nn.rotary_scaling` has the published ones.
    """

    @property
    def amplitude(self) -> float:
        """What queries and keys are multiplied by as they turn."""

    def frequencies(self, width: int, theta: float, length: Tensor) -> Tensor:
        """Radians a token, for each pair: (D/2,), or (…, D/2) where they depend on the length.

        Args:
            width: D.
            theta: Base of the geometric progression.
            length: Tokens of the text so far, (…, 1).
        """


def frequencies(width: int, theta: float, device: torch.device) -> Tensor:
    """theta^(-2i/D), radians a token for each pair i: (D/2,) in float32."""
    exponents = torch.arange(0, width, 2, device=device, dtype=torch.float32) / width
    return 1.0 / theta**exponents


class Rotary:
    """Turn each pair of numbers in a head by an angle that grows with the position.

    Numbers i and i + D/2 form a pair (the "rotate half" form of the published checkpoints); pair i
    turns by position · theta^(-2i/D). Angles are computed in float32 whatever the input's dtype.
    Of a head wider than D, the numbers after the first D stay as they are.

    Shapes: B batch, H heads, T tokens, D width of a head.
    Su et al., "RoFormer", 2021, section 3.4. https://arxiv.org/abs/2104.09864

    Args:
        positions: (B, T), or (T,) when all rows have the same.
        width: D, even.
        theta: Base of the angles' geometric progression.
        scaling: How the model was stretched to longer texts, if it was.

    Raises:
        ValueError: ``width`` is odd.
    """

    def __init__(
        self,
        positions: Tensor,
        width: int,
        *,
        theta: float = 10_000.0,
        scaling: Scaling | None = None,
    ) -> None:
        if width % 2:
            raise ValueError(f"rotary positions turn pairs; a head of width {width} has one left")
        if scaling is None:
            speeds, amplitude = frequencies(width, theta, positions.device), 1.0
        else:
            length = positions.amax(-1, keepdim=True) + 1
            speeds, amplitude = scaling.frequencies(width, theta, length), scaling.amplitude
        if speeds.dim() == 2:
            speeds = speeds.unsqueeze(1)  # (B, 1, D/2)
        angles = positions.float().unsqueeze(-1) * speeds  # (B, T, D/2)
        cos, sin = angles.cos() * amplitude, angles.sin() * amplitude
        self.width = width
        self.cos = torch.cat((cos, cos), dim=-1).unsqueeze(-3)  # (B, 1, T, D): over all heads
        self.sin = torch.cat((-sin, sin), dim=-1).unsqueeze(-3)

    def __call__(self, x: Tensor) -> Tensor:
        """(B, H, T, D or more) -> the same."""
        if x.size(-1) > self.width:
            x, rest = x[..., : self.width], x[..., self.width :]
            return torch.cat((self(x), rest), dim=-1)
        other = x.roll(self.width // 2, dims=-1)  # each number's partner in its pair
        return x * self.cos.to(x.dtype) + other * self.sin.to(x.dtype)
