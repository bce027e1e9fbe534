"""The cache of rows that need not be equally long."""

from __future__ import annotations

import copy

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
    """What each row may attend to, over both layers: a copy of the cache takes another token."""
    cache = copy.deepcopy(cache)
    _, mask = cache.extend(1)
    new = torch.zeros(len(cache.lengths), H, 1, D)
    kept = torch.stack([torch.stack(layer.append(new, new)) for layer in cache.layers])
    P, S = kept.size(2), kept.size(4)
    seen = torch.ones(P, 1, S, dtype=torch.bool) if mask is None else mask[:, 0]  # (P, n, S)
    rows = [kept[:, :, p, :, row] for p, prompt in enumerate(seen) for row in prompt]
    assert [row.size(-2) for row in rows] == cache.lengths
    return [row[..., :-1, :] for row in rows]  # without that token


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


@pytest.mark.parametrize("lengths", [[3, 3], [4, 2]])
def test_rows_go_on_from_each_others_past(lengths: list[int]) -> None:
    cache = filled(lengths)
    cache.expand(3)
    for rows in ([1, 0, 1, 3, 5, 4], [0, 0, 0, 5, 5, 3], [2, 1, 0, 3, 3, 3]):
        grow(cache)
        before = pasts(cache)

        cache.reorder(torch.tensor(rows))

        same(pasts(cache), [before[row] for row in rows])


@pytest.mark.parametrize("lengths", [[3, 3], [4, 2]])
def test_rows_of_a_prompt_share_its_memory(lengths: list[int]) -> None:
    cache = filled(lengths)
    cache.expand(3)
    places = [layer.keys.data_ptr() for layer in cache.layers]

    for _ in range(ROOM - 4):
        positions, mask = cache.extend(1)
        for layer in cache.layers:
            keys, _ = layer.append(*torch.randn(2, 6, H, 1, D).unbind())
        cache.reorder(torch.tensor([1, 1, 0, 3, 5, 4]))

    steps = 3 * (ROOM - 4)  # places after the longest prompt, which is there once
    assert keys.shape == (2, H, max(lengths) + steps, D)
    assert mask is not None
    assert mask.shape == (2, 1, 3, keys.size(2))
    assert [layer.keys.data_ptr() for layer in cache.layers] == places
    stand = cache.key_positions.expand(2, -1)
    own = positions.expand(6, 1)[::3, 0] if positions.dim() == 2 else positions.expand(2)
    for prompt, (length, last) in enumerate(zip(lengths, own.tolist(), strict=True)):
        assert last == length + ROOM - 4 - 1
        for row in mask[prompt, 0]:  # a row sees each position once
            assert stand[prompt, row].tolist() == list(range(last + 1))


def test_rows_side_by_side_are_those_that_come_apart() -> None:
    one, two = filled([2, 2]), filled([2, 2])
    keys, values = torch.randn(2, 6, H, 1, D).unbind()
    beside = [each.view(2, 3, H, D).transpose(1, 2) for each in (keys, values)]
    for cache in (one, two):
        cache.expand(3)
        cache.extend(1)

    for apart, together in zip(one.layers, two.layers, strict=True):
        for a, b in zip(apart.append(keys, values), together.append(*beside), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_prompts_are_copied_once_and_then_grow_by_one_token() -> None:
    cache = filled([2, 2])
    cache.expand(2)

    with pytest.raises(ValueError, match="have been copied already"):
        cache.expand(2)
    with pytest.raises(ValueError, match="grow by 1 token a step, not 2"):
        cache.extend(2)


def test_a_row_is_given_to_another_prompt() -> None:
    cache, other = filled([4, 2, 3]), filled([5, 1], seed=1)
    one, _, three = pasts(cache)

    cache.put(1, other, 0)

    same(pasts(cache), [one, pasts(other)[0], three])
