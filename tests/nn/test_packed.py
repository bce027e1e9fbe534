"""Packed weights: the same products, and never an old weight."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from zoo.nn import PackedLinear, pack_linears, together
from zoo.nn.packed import _gains

pytestmark = pytest.mark.skipif(not _gains(), reason="this CPU gains nothing by packing")

ROWS = [1, 3, 4, 16, 64, 256, 257]


def layer(dtype: torch.dtype = torch.float32, *, bias: bool = True) -> nn.Linear:
    torch.manual_seed(0)
    linear = nn.Linear(24, 40, bias=bias, dtype=dtype)
    pack_linears(linear)
    assert isinstance(linear, PackedLinear)
    return linear


def packed(dtype: torch.dtype = torch.float32) -> nn.Linear:
    linear = layer(dtype)
    with torch.inference_mode():
        for _ in range(2):
            linear(torch.randn(4, 24, dtype=dtype))
    assert is_packed(linear)
    return linear


def is_packed(linear: nn.Linear) -> bool:
    assert isinstance(linear, PackedLinear)
    return linear._joint is not None and linear._joint._packed is not None


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_products_are_those_of_the_plain_layer(dtype: torch.dtype, bias: bool, rows: int) -> None:
    linear = layer(dtype, bias=bias)
    x = torch.randn(rows, 24, dtype=dtype)

    with torch.inference_mode():
        found = [linear(x) for _ in range(3)]

    for each in found:
        torch.testing.assert_close(each, nn.functional.linear(x, linear.weight, linear.bias))


def test_any_shape_before_the_width_is_kept() -> None:
    linear, x = packed(), torch.randn(3, 2, 5, 24)

    with torch.inference_mode():
        found = linear(x)

    torch.testing.assert_close(found, nn.functional.linear(x, linear.weight, linear.bias))


def test_a_weight_is_packed_where_that_pays() -> None:
    linear = layer()

    def packs(rows: int) -> bool:
        linear(torch.randn(rows, 24))
        return is_packed(linear)

    with torch.inference_mode():
        assert [packs(rows) for rows in (1, 3, 257, 257)] == [False] * 4
        # Once, as a short prompt is read, packing would take longer than it saves.
        assert [packs(rows) for rows in (4, 256)] == [False, True]


def test_a_bfloat16_weight_is_packed_at_once() -> None:
    linear = layer(torch.bfloat16)

    with torch.inference_mode():
        linear(torch.randn(1, 24, dtype=torch.bfloat16))

    assert is_packed(linear)


@pytest.mark.parametrize("change", ["in place", "another", "data", "loaded"])
def test_a_changed_weight_counts(change: str) -> None:
    linear, x = packed(), torch.randn(4, 24)
    other = torch.randn(40, 24)

    if change == "in place":
        with torch.no_grad():
            linear.weight.copy_(other)
    elif change == "another":
        linear.weight = nn.Parameter(other)
    elif change == "data":
        linear.weight.data = other
    else:
        linear.load_state_dict({"weight": other, "bias": linear.bias}, assign=True)

    with torch.inference_mode():
        torch.testing.assert_close(linear(x), nn.functional.linear(x, other, linear.bias))


def test_training_is_as_ever() -> None:
    linear, x = layer(), torch.randn(4, 24)

    linear(x).sum().backward()

    assert linear.weight.grad is not None
    torch.testing.assert_close(linear.weight.grad, x.sum(0).expand(40, 24))


def test_a_copy_packs_its_own() -> None:
    linear, x = packed(), torch.randn(4, 24)
    with torch.inference_mode():
        before = linear(x)

    twin = copy.deepcopy(linear)
    with torch.no_grad():
        twin.weight.zero_()

    with torch.inference_mode():
        torch.testing.assert_close(linear(x), before)
        torch.testing.assert_close(twin(x), twin.bias.expand(4, 40))


def test_another_dtype_is_another_weight() -> None:
    linear, x = packed(), torch.randn(4, 24)

    linear.to(torch.bfloat16)

    with torch.inference_mode():
        assert linear(x.bfloat16()).dtype == torch.bfloat16


def test_names_and_values_of_weights_stay() -> None:
    linear = packed()

    assert list(linear.state_dict()) == ["weight", "bias"]


def test_a_subclass_keeps_its_own_way() -> None:
    class Doubled(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(input)

    network = nn.Sequential(Doubled(4, 4), nn.Linear(4, 4))

    pack_linears(network)

    assert [type(module) for module in network] == [Doubled, PackedLinear]


def adjoining(widths: list[int], *, turned: bool) -> list[nn.Linear]:
    """Layers whose weights lie one after the other in memory, as a fused file has them."""
    torch.manual_seed(0)
    whole = torch.randn(24, sum(widths)).t() if turned else torch.randn(sum(widths), 24)
    layers = [nn.Linear(24, width) for width in widths]
    for each, weight in zip(layers, whole.split(widths), strict=True):
        each.weight = nn.Parameter(weight)
    pack_linears(nn.ModuleList(layers))
    return layers


def separate(widths: list[int]) -> list[nn.Linear]:
    torch.manual_seed(0)
    layers = [nn.Linear(24, width) for width in widths]
    pack_linears(nn.ModuleList(layers))
    return layers


def mixed() -> list[nn.Linear]:
    layers = [nn.Linear(24, 8), nn.Linear(24, 16, bias=False)]
    pack_linears(nn.ModuleList(layers))
    return layers


GROUPS: dict[str, Callable[[], list[nn.Linear]]] = {
    "adjoining": lambda: adjoining([16, 8, 8], turned=False),
    "turned": lambda: adjoining([16, 8, 8], turned=True),
    "separate": lambda: separate([16, 8, 8]),
    "one without a bias": mixed,
    "not made ready": lambda: [nn.Linear(24, 8), nn.Linear(24, 16)],
}


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_layers_together_give_what_each_gives(dtype: torch.dtype, group: str, rows: int) -> None:
    layers = [each.to(dtype) for each in GROUPS[group]()]
    x = torch.randn(2, rows, 24, dtype=dtype)

    with torch.inference_mode():
        found = [together(x, *layers) for _ in range(3)]

    for outputs in found:
        for output, each in zip(outputs, layers, strict=True):
            torch.testing.assert_close(output, nn.functional.linear(x, each.weight, each.bias))


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("what", ["weight", "bias"])
def test_a_change_of_any_of_the_layers_counts(what: str, rows: int) -> None:
    layers = adjoining([16, 8], turned=False)
    x = torch.randn(rows, 24)
    with torch.inference_mode():
        for _ in range(2):
            together(x, *layers)

    with torch.no_grad():
        getattr(layers[1], what).zero_()

    with torch.inference_mode():
        _, found = together(x, *layers)
    torch.testing.assert_close(found, nn.functional.linear(x, layers[1].weight, layers[1].bias))


def test_adjoining_weights_are_not_copied_for_a_single_row() -> None:
    layers = adjoining([16, 8], turned=True)

    with torch.inference_mode():
        together(torch.randn(1, 24), *layers)

    first = layers[0]
    assert isinstance(first, PackedLinear)
    assert first._joint is not None
    assert first._joint.weight is not None
    assert first._joint.weight.data_ptr() == first.weight.data_ptr()
    assert not is_packed(first)
