from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from zoo.nn import Attention, LayerCache, Rotary, attend


def by_hand(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    """softmax(QKᵀ / √D) V, as the paper writes it."""
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.size(-1))
    if allowed is not None:
        scores = scores.masked_fill(~allowed, float("-inf"))
    return scores.softmax(dim=-1) @ value


def queries_keys_values(T: int, S: int, *, kv_heads: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(2, 4, T, 6), torch.randn(2, kv_heads, S, 6), torch.randn(2, kv_heads, S, 6)


def test_attention_is_the_papers_formula() -> None:
    q, k, v = queries_keys_values(5, 7)

    torch.testing.assert_close(attend(q, k, v), by_hand(q, k, v))


def test_one_key_is_all_the_answer() -> None:
    q, k, v = queries_keys_values(3, 1)

    torch.testing.assert_close(attend(q, k, v), v.expand(2, 4, 3, 6))


def test_a_causal_token_sees_itself_and_what_came_before() -> None:
    q, k, v = queries_keys_values(5, 5)
    allowed = torch.tensor([[s <= t for s in range(5)] for t in range(5)])

    torch.testing.assert_close(attend(q, k, v, causal=True), by_hand(q, k, v, allowed))


def test_the_last_causal_query_stands_at_the_last_key() -> None:
    q, k, v = queries_keys_values(3, 7)
    allowed = torch.tensor([[s <= t + 4 for s in range(7)] for t in range(3)])

    torch.testing.assert_close(attend(q, k, v, causal=True), by_hand(q, k, v, allowed))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("as_numbers", [False, True])
def test_a_mask_and_causality_add_up(causal: bool, as_numbers: bool) -> None:
    q, k, v = queries_keys_values(5, 5)
    real = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])[:, None, None, :]
    allowed = real & torch.ones(5, 5, dtype=torch.bool).tril() if causal else real
    mask = torch.zeros(real.shape).masked_fill(~real, float("-inf")) if as_numbers else real

    torch.testing.assert_close(attend(q, k, v, mask=mask, causal=causal), by_hand(q, k, v, allowed))


def test_numbers_in_a_mask_are_added_to_the_scores() -> None:
    q, k, v = queries_keys_values(5, 7)
    bias = torch.randn(4, 5, 7)
    scores = q @ k.transpose(-1, -2) / math.sqrt(6) + bias

    torch.testing.assert_close(attend(q, k, v, mask=bias), scores.softmax(dim=-1) @ v)


def test_shared_heads_equal_repeated_ones() -> None:
    q, k, v = queries_keys_values(5, 5, kv_heads=2)
    repeated = k.repeat_interleave(2, dim=1), v.repeat_interleave(2, dim=1)

    torch.testing.assert_close(attend(q, k, v, causal=True), attend(q, *repeated, causal=True))


def torch_twin(attention: Attention, width: int, heads: int) -> torch.nn.MultiheadAttention:
    """torch's own attention with the same weights."""
    twin = torch.nn.MultiheadAttention(width, heads, batch_first=True).eval()
    parts = attention.query, attention.key, attention.value
    twin.load_state_dict(
        {
            "in_proj_weight": torch.cat([part.weight for part in parts]),
            "in_proj_bias": torch.cat([part.bias for part in parts]),
            "out_proj.weight": attention.output.weight,
            "out_proj.bias": attention.output.bias,
        }
    )
    return twin


@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("T", [1, 5])
def test_rows_that_share_keys_equal_rows_with_copies_of_them(T: int, kv_heads: int) -> None:
    _, k, v = queries_keys_values(T, 7, kv_heads=kv_heads)
    q = torch.randn(6, 4, T, 6)  # three rows a pair of keys and values
    mask = torch.rand(2, 1, 3 * T, 7) > 0.3
    mask[..., 0] = True
    copies = (each.repeat_interleave(3, 0) for each in (k, v))

    shared = attend(q, k, v, mask=mask)

    torch.testing.assert_close(shared, attend(q, *copies, mask=mask.view(6, 1, T, 7)))


def test_rows_that_share_keys_ask_one_token_at_a_time_if_causal() -> None:
    q, k, v = queries_keys_values(5, 7)

    with pytest.raises(ValueError, match="ask 1 token at a time, not 5, to be causal"):
        attend(q.repeat(3, 1, 1, 1), k, v, causal=True)
    torch.testing.assert_close(
        attend(q.repeat_interleave(3, 0)[:, :, :1], k, v, causal=True)[::3],
        attend(q[:, :, :1], k, v),
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("masked", ["no", "by truth", "by numbers"])
def test_a_single_query_of_few_bits_is_only_rounded_at_the_end(
    dtype: torch.dtype, kv_heads: int, masked: str
) -> None:
    torch.manual_seed(0)
    query = torch.randn(2, 4, 1, 8, dtype=dtype)
    key, value = torch.randn(2, 2, kv_heads, 5, 8, dtype=dtype)
    mask = None if masked == "no" else torch.tensor([[True, False, True, True, False]])
    if masked == "by numbers":
        mask = torch.randn(4, 1, 5, dtype=dtype)
    exact = mask.double() if mask is not None and mask.is_floating_point() else mask

    found = attend(query, key, value, mask=mask)

    expected = attend(query.double(), key.double(), value.double(), mask=exact)
    assert found.dtype == dtype
    unit = torch.finfo(dtype).eps
    torch.testing.assert_close(found.double(), expected, rtol=unit / 2 * 1.01, atol=1e-6)


def test_self_attention_equals_torchs() -> None:
    torch.manual_seed(0)
    attention = Attention(width=24, heads=4)
    twin = torch_twin(attention, 24, 4)
    x = torch.randn(2, 7, 24)

    torch.testing.assert_close(attention(x), twin(x, x, x)[0])


def test_padded_self_attention_equals_torchs() -> None:
    torch.manual_seed(0)
    attention = Attention(width=24, heads=4)
    twin = torch_twin(attention, 24, 4)
    x = torch.randn(2, 7, 24)
    real = torch.arange(7) < torch.tensor([[7], [4]])

    torch.testing.assert_close(
        attention(x, mask=real[:, None, None, :]), twin(x, x, x, key_padding_mask=~real)[0]
    )


def test_cross_attention_equals_torchs() -> None:
    torch.manual_seed(0)
    attention = Attention(width=24, heads=4)
    twin = torch_twin(attention, 24, 4)
    x, context = torch.randn(2, 7, 24), torch.randn(2, 5, 24)

    torch.testing.assert_close(attention(x, context), twin(x, context, context)[0])


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    attention = Attention(width=24, heads=4)
    x = torch.randn(1, 4, 24)
    padded = torch.cat([x, torch.randn(1, 3, 24)], dim=1)
    real = (torch.arange(7) < 4)[None, None, None, :]

    torch.testing.assert_close(attention(padded, mask=real)[:, :4], attention(x))


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("chunks", [[1] * 7, [4, 1, 1, 1], [3, 4], [2, 3, 2], [7]], ids=str)
def test_cached_decoding_equals_one_pass(chunks: list[int], kv_heads: int) -> None:
    torch.manual_seed(0)
    attention = Attention(width=24, heads=4, kv_heads=kv_heads)
    x = torch.randn(2, 7, 24)
    cache = LayerCache((2, kv_heads, 7, 6), like=x)

    whole = attention(x, causal=True)
    steps = [attention(chunk, causal=True, cache=cache) for chunk in x.split(chunks, dim=1)]

    torch.testing.assert_close(torch.cat(steps, dim=1), whole)


def test_cached_decoding_with_rotary_positions_equals_one_pass() -> None:
    torch.manual_seed(0)
    attention = Attention(width=24, heads=4)
    x = torch.randn(2, 7, 24)
    cache = LayerCache((2, 4, 7, 6), like=x)

    whole = attention(x, causal=True, rotary=Rotary(torch.arange(7), 6))
    steps = [
        attention(part, causal=True, rotary=Rotary(places, 6), cache=cache)
        for part, places in zip(
            x.split([4, 1, 2], 1), torch.arange(7).split([4, 1, 2]), strict=True
        )
    ]

    torch.testing.assert_close(torch.cat(steps, dim=1), whole)


def test_cached_decoding_of_padded_rows_equals_one_pass() -> None:
    # The second row's prompt is shorter, and padded on the left so that both end together.
    torch.manual_seed(0)
    attention = Attention(width=24, heads=4)
    x = torch.randn(2, 7, 24)
    real = torch.arange(7) >= torch.tensor([[0], [2]])
    mask = real[:, None, None, :]
    cache = LayerCache((2, 4, 7, 6), like=x)

    whole = attention(x, causal=True, mask=mask)
    prefill = attention(x[:, :4], causal=True, mask=mask[..., :4], cache=cache)
    rest = attention(x[:, 4:], causal=True, mask=mask, cache=cache)

    steps = torch.cat([prefill, rest], dim=1)
    torch.testing.assert_close(steps[real], whole[real])


def test_heads_may_be_wider_than_their_share() -> None:
    torch.manual_seed(0)
    attention = Attention(width=24, heads=4, kv_heads=2, head_width=10, bias=False)
    x = torch.randn(2, 7, 24)
    q = attention.query(x).view(2, 7, 4, 10).transpose(1, 2)
    k, v = (
        part(x).view(2, 7, 2, 10).transpose(1, 2).repeat_interleave(2, dim=1)
        for part in (attention.key, attention.value)
    )

    expected = attention.output(by_hand(q, k, v).transpose(1, 2).reshape(2, 7, 40))

    torch.testing.assert_close(attention(x), expected)
    assert all(not name.endswith("bias") for name, _ in attention.named_parameters())


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="5 heads do not divide a width of 24"):
        Attention(width=24, heads=5)
    with pytest.raises(ValueError, match="3 key-value heads do not divide 4 heads"):
        Attention(width=24, heads=4, kv_heads=3)


def test_a_context_may_be_asked_many_times_for_the_keys_and_values_of_once() -> None:
    torch.manual_seed(0)
    attention = Attention(width=24, heads=4, kv_heads=2)
    context = torch.randn(2, 5, 24)
    once = attention.keys_values(context)

    for _ in range(2):
        x = torch.randn(2, 3, 24)
        torch.testing.assert_close(attention(x, once), attention(x, context))
