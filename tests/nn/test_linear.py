"""Linear layers of oneDNN: the same products, where they gain, and never an old weight."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from zoo.nn import OneDnnLinear, PackedLinear, pack_linears, together, use_onednn
from zoo.nn.linear import _beside_guest_mkl, _beside_mkl, _made_by_intel, _onednn

pytestmark = pytest.mark.skipif(
    not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()),
    reason="oneDNN has no quick bfloat16 on this CPU",
)

ROWS = [1, 2, 3, 4, 16, 64, 256, 257]

POLICIES = {
    "Intel": _beside_mkl(),
    # Products of a test are small.
    "another": _beside_guest_mkl(bfloat16=True)._replace(large=200 * 24 * 40, heavy=24 * 40),
}


@pytest.fixture(autouse=True, params=POLICIES)
def processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Either policy is right on any processor; they differ in speed."""
    name: str = request.param
    monkeypatch.setattr("zoo.nn.linear._policy", lambda: POLICIES[name])
    return name


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


@pytest.fixture
def onednn_makes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """How many products oneDNN is asked for when a layer sees some rows a number of times."""
    made: list[torch.Tensor] = []

    def count(x: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        made.append(x)
        return _onednn(x, *rest)

    monkeypatch.setattr("zoo.nn.linear._onednn", count)

    def products(linear: nn.Linear, x: torch.Tensor, times: int = 1) -> int:
        made.clear()
        with torch.inference_mode():
            for _ in range(times):
                linear(x)
        return len(made)

    return products


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


def test_a_weight_is_packed_where_that_pays(processor: str) -> None:
    linear = layer()

    def packs(rows: int) -> bool:
        linear(torch.randn(rows, 24))
        return is_packed(linear)

    few = 4 if processor == "Intel" else 2
    with torch.inference_mode():
        assert [packs(rows) for rows in (1, 1, few - 1, 257, 257)] == [False] * 5
        # Once, as a short prompt is read, packing would take longer than it saves.
        assert [packs(rows) for rows in (few, 256)] == [False, True]


def test_what_was_computed_before_decides_nothing(onednn_makes: Callable[..., int]) -> None:
    linear, x = layer(), torch.randn(16, 24)

    first, second = onednn_makes(linear, x), onednn_makes(linear, x)
    pack_linears(linear)

    assert [first, second, onednn_makes(linear, x), onednn_makes(linear, x)] == [0, 1, 0, 1]


def test_single_rows_pack_a_weight_stored_by_columns(processor: str) -> None:
    linear = nn.Linear(24, 40)
    linear.weight = nn.Parameter(torch.randn(24, 40).t())
    pack_linears(linear)

    with torch.inference_mode():
        for _ in range(2):
            linear(torch.randn(1, 24))

    assert is_packed(linear) == (processor == "another")


def test_large_products_are_made_by_onednn_where_mkl_is_slow(
    processor: str, onednn_makes: Callable[..., int]
) -> None:
    linear = nn.Linear(24, 40)
    use_onednn(linear)

    assert onednn_makes(linear, torch.randn(200, 24)) == (processor == "another")
    # Smaller ones would not earn what it takes to prepare them; other formats are its own anyway.
    assert onednn_makes(linear, torch.randn(199, 24), 3) == 0
    assert onednn_makes(linear.bfloat16(), torch.randn(200, 24).bfloat16()) == 0


def test_a_heavy_weight_meets_single_rows_in_onednn_when_decoding(
    processor: str, onednn_makes: Callable[..., int]
) -> None:
    heavy, light = nn.Linear(24, 40), nn.Linear(24, 39)
    encoder = copy.deepcopy(heavy)
    use_onednn(encoder)
    pack_linears(heavy)
    pack_linears(light)
    x = torch.randn(1, 1, 24)

    assert onednn_makes(heavy, x, 3) == 3 * (processor == "another")
    assert onednn_makes(light, x, 3) == 0
    assert onednn_makes(encoder, x, 3) == 0


@pytest.mark.parametrize("rows", [1, 16, 300])
def test_large_products_are_those_of_the_plain_layer(processor: str, rows: int) -> None:
    linear = nn.Linear(24, 40)
    x = torch.randn(2, rows, 24)
    expected = linear(x).detach()

    use_onednn(linear)

    assert isinstance(linear, OneDnnLinear) == (processor == "another")
    with torch.inference_mode():
        torch.testing.assert_close(linear(x), expected)
    linear(x).sum().backward()  # with gradients, too
    assert linear.weight.grad is not None
    torch.testing.assert_close(linear.weight.grad[0], x.sum((0, 1)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("said", "intel"),
    [
        ("processor\t: 0\nvendor_id\t: GenuineIntel\n", True),
        ("processor\t: 0\nvendor_id\t: AuthenticAMD\n", False),
        ("processor\t: 0\n", True),  # nobody says
        (None, True),
    ],
)
def test_the_processor_tells_its_maker(
    said: str | None, intel: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROCESSOR_IDENTIFIER", raising=False)
    told = tmp_path / "cpuinfo"
    if said is not None:
        told.write_text(said)

    assert _made_by_intel(told) == intel


def test_windows_tells_the_maker_in_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "AMD64 Family 25 Model 17 Stepping 1, AuthenticAMD"
    monkeypatch.setenv("PROCESSOR_IDENTIFIER", name)

    assert not _made_by_intel(tmp_path / "none")


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
