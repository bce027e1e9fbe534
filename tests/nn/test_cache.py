from __future__ import annotations

import pytest
import torch

from zoo.nn import LayerCache


def test_what_is_appended_is_all_that_comes_back() -> None:
    torch.manual_seed(0)
    keys, values = torch.randn(2, 3, 5, 4), torch.randn(2, 3, 5, 4)
    cache = LayerCache((2, 3, 8, 4), like=keys)

    cache.append(keys[:, :, :2], values[:, :, :2])
    stored_keys, stored_values = cache.append(keys[:, :, 2:], values[:, :, 2:])

    assert torch.equal(stored_keys, keys)
    assert torch.equal(stored_values, values)
    assert cache.length == 5


def test_the_cache_takes_device_and_dtype_of_its_model() -> None:
    cache = LayerCache((1, 1, 2, 4), like=torch.zeros(1, dtype=torch.bfloat16))

    assert cache.keys.dtype == cache.values.dtype == torch.bfloat16


def test_a_full_cache_says_so_and_keeps_what_it_has() -> None:
    cache = LayerCache((1, 1, 4, 2), like=torch.zeros(1))
    cache.append(torch.ones(1, 1, 3, 2), torch.ones(1, 1, 3, 2))

    with pytest.raises(ValueError, match="holds 4 tokens; 3 are stored and 2 more came"):
        cache.append(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))

    keys, _ = cache.append(torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 2))
    assert torch.equal(keys, torch.ones(1, 1, 4, 2))


@pytest.mark.parametrize("shape", [(1, 3, 1, 2), (3, 1, 1, 2), (3, 3, 1, 1), (2, 3, 1, 2)])
def test_tokens_of_another_shape_are_refused(shape: tuple[int, int, int, int]) -> None:
    # Broadcasting must not fill a cache of two rows from one.
    cache = LayerCache((3, 3, 4, 2), like=torch.zeros(1))

    message = r"takes keys and values of shape \(3, 3, 1, 2\), got "
    with pytest.raises(ValueError, match=message):
        cache.append(torch.zeros(shape), torch.zeros(shape))
    with pytest.raises(ValueError, match=message):
        cache.append(torch.zeros(3, 3, 1, 2), torch.zeros(shape))
