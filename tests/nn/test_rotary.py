from __future__ import annotations

import math

import pytest
import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from zoo.nn import Rotary
from zoo.nn.rotary import Scaling
from zoo.nn.rotary_scaling import Dynamic, LongRope


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


def test_of_a_wider_head_the_rest_stays() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 10)
    rotary = Rotary(torch.arange(5), 4)

    turned = rotary(x)

    torch.testing.assert_close(turned[..., :4], rotary(x[..., :4]))
    assert torch.equal(turned[..., 4:], x[..., 4:])


@pytest.mark.parametrize(
    "scaling",
    [
        Dynamic(factor=2.0, original_length=16),
        LongRope(short=(1.0, 1.5), long=(2.0, 4.0), original_length=16, amplitude=1.3),
    ],
)
def test_each_row_is_scaled_by_its_own_length(scaling: Scaling) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 1, 30, 4)
    positions = torch.stack([torch.arange(30), torch.arange(30).clamp(max=9)])

    both = Rotary(positions, 4, scaling=scaling)(x)

    for row in range(2):
        alone = Rotary(positions[row : row + 1], 4, scaling=scaling)(x[row : row + 1])
        torch.testing.assert_close(both[row : row + 1], alone)
    assert not torch.allclose(
        both[0, :, :10], Rotary(positions[1:], 4, scaling=scaling)(x[:1])[0, :, :10]
    )
