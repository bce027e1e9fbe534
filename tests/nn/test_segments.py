from __future__ import annotations

import pytest
import torch

from zoo.nn import Attention, Segments


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("lengths", [[5], [4, 4, 4], [7, 4, 4, 2, 1], [2, 5, 2, 2]], ids=str)
def test_packed_texts_equal_each_alone(lengths: list[int], kv_heads: int, causal: bool) -> None:
    torch.manual_seed(0)
    attention = Attention(width=24, heads=4, kv_heads=kv_heads)
    texts = [torch.randn(1, length, 24) for length in lengths]

    packed = attention(torch.cat(texts, dim=1), mask=Segments(lengths), causal=causal)

    alone = torch.cat([attention(text, causal=causal) for text in texts], dim=1)
    torch.testing.assert_close(packed, alone)


def test_neighbours_of_one_length_are_one_block() -> None:
    row = torch.arange(11)

    blocks = Segments([4, 4, 2, 1]).split(row)

    assert [block.tolist() for block in blocks] == [[[0, 1, 2, 3], [4, 5, 6, 7]], [[8, 9]], [[10]]]


@pytest.mark.parametrize("shape", [(1, 5, 24), (2, 3, 24), (2, 6, 24)])
def test_a_row_of_another_length_is_refused(shape: tuple[int, int, int]) -> None:
    attention = Attention(width=24, heads=4)

    with pytest.raises(ValueError, match=r"expected one row of 6 tokens, got"):
        attention(torch.randn(shape), mask=Segments([4, 2]))
