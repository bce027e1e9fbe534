"""The cache of rows that need not be equally long."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from zoo.nn import KVCache

ROOM, H, D = 8, 2, 3


def filled(lengths: list[int], seed: int = 0) -> KVCache:
    """Two layers, whose first rows are prompts of these lengths."""
    torch.manual_seed(seed)
    cache = KVCache(2, (len(lengths), H, ROOM, D), like=torch.zeros(1))
    cache.expect(lengths)
    grow(cache, max(lengths))
    return cache


def grow(cache: KVCache, T: int = 1) -> None:
    cache.extend(T)
    for layer in cache.layers:
        layer.append(*torch.randn(2, len(cache.lengths), H, T, D).unbind())


def pasts(cache: KVCache) -> list[Tensor]:
    """What each row holds, over both layers."""
    layers = [torch.stack((layer.keys, layer.values)) for layer in cache.layers]
    return [torch.stack(layers)[:, :, row, :, :n] for row, n in enumerate(cache.lengths)]


def same(ours: list[Tensor], expected: list[Tensor]) -> None:
    assert len(ours) == len(expected)
    assert all(torch.equal(a, b) for a, b in zip(ours, expected, strict=True))


@pytest.mark.parametrize("lengths", [[4, 4, 4], [4, 1, 3]])
def test_a_token_goes_to_its_rows_end_and_leaves_the_past(lengths: list[int]) -> None:
    cache = filled(lengths)
    before = pasts(cache)

    grow(cache)

    assert cache.lengths == [length + 1 for length in lengths]
    same([past[..., :-1, :] for past in pasts(cache)], before)


def test_positions_and_mask_follow_each_row() -> None:
    cache = filled([4, 1, 3])

    positions, mask = cache.extend(1)

    assert positions.tolist() == [[4], [1], [3]]
    assert mask is not None
    assert mask[:, 0, 0].int().tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]]


def test_padding_stands_where_its_row_ends() -> None:
    cache = KVCache(1, (2, H, ROOM, D), like=torch.zeros(1))
    cache.expect([4, 2])

    positions, mask = cache.extend(4)

    assert positions.tolist() == [[0, 1, 2, 3], [0, 1, 1, 1]]
    assert mask is None


def test_rows_that_become_equal_need_no_mask() -> None:
    cache = filled([4, 1, 4])

    cache.keep([0, 2])

    positions, mask = cache.extend(1)
    assert positions.tolist() == [4]
    assert mask is None


def test_copies_stand_next_to_each_other_and_leave_together() -> None:
    cache = filled([4, 1, 3])
    one, two, three = pasts(cache)

    cache.expand(2)
    same(pasts(cache), [one, one, two, two, three, three])

    cache.keep([2, 0])
    same(pasts(cache), [three, three, one, one])


def test_rows_go_on_from_each_others_past() -> None:
    cache = filled([4, 2])
    cache.expand(3)
    grow(cache)
    before = pasts(cache)
    rows = [1, 0, 1, 3, 5, 4]

    cache.reorder(torch.tensor(rows))

    same(pasts(cache), [before[row] for row in rows])


def test_a_row_is_given_to_another_prompt() -> None:
    cache, other = filled([4, 2, 3]), filled([5, 1], seed=1)
    one, _, three = pasts(cache)

    cache.put(1, other, 0)

    same(pasts(cache), [one, pasts(other)[0], three])
