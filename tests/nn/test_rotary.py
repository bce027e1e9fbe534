from __future__ import annotations

import math

import pytest
import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from zoo.nn import Rotary


@pytest.mark.parametrize("theta", [10_000.0, 500_000.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rotary_positions_equal_llamas(theta: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    query, key = torch.randn(2, 3, 9, 8, dtype=dtype), torch.randn(2, 3, 9, 8, dtype=dtype)
    positions = torch.stack([torch.arange(9), torch.arange(100, 109)])
    config = LlamaConfig(
        hidden_size=24,
        num_attention_heads=3,
        rope_parameters={"rope_type": "default", "rope_theta": theta},
    )
    cos, sin = LlamaRotaryEmbedding(config)(query, positions)

    rotary = Rotary(positions, 8, theta=theta)

    for one, other in zip(
        (rotary(query), rotary(key)), apply_rotary_pos_emb(query, key, cos, sin), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_the_first_pair_turns_by_the_position_itself() -> None:
    # Pair 0 of a head of width 4 are numbers 0 and 2; (1, 0) at position 1 turns by 1 radian.
    x = torch.tensor([[[[1.0, 0.0, 0.0, 0.0]]]])

    turned = Rotary(torch.tensor([1]), 4)(x)

    expected = torch.tensor([[[[math.cos(1), 0.0, math.sin(1), 0.0]]]])
    torch.testing.assert_close(turned, expected)


def test_only_the_distance_of_two_tokens_counts() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def score(at: int, other: int) -> torch.Tensor:
        q, k = (Rotary(torch.tensor([place]), 8)(x) for place, x in ((at, query), (other, key)))
        return (q * k).sum()

    torch.testing.assert_close(score(3, 1), score(40, 38))


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(ValueError, match="a head of width 7 has one left"):
        Rotary(torch.arange(3), 7)
