from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from transformers.activations import ACT2FN

from zoo.nn import FeedForward, GatedFeedForward, activation


def test_two_layers_with_the_activation_between() -> None:
    torch.manual_seed(0)
    layer = FeedForward(width=6, hidden=10, act="gelu")
    x = torch.randn(2, 3, 6)

    expected = F.gelu(x @ layer.up.weight.T + layer.up.bias) @ layer.down.weight.T + layer.down.bias

    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize(
    "name",
    [
        "gelu",
        "gelu_fast",
        "gelu_new",
        "gelu_pytorch_tanh",
        "quick_gelu",
        "relu",
        "silu",
        "swish",
        "tanh",
    ],
)
def test_a_name_means_what_transformers_means(name: str) -> None:
    x = torch.linspace(-6, 6, 101)

    # The tanh forms are written out there and fused here.
    torch.testing.assert_close(activation(name)(x), ACT2FN[name](x), atol=1e-6, rtol=1e-5)


def test_the_two_gelus_differ() -> None:
    x = torch.linspace(-3, 3, 7)

    assert not torch.allclose(activation("gelu")(x), activation("gelu_new")(x), atol=1e-5)


def test_an_unknown_activation_lists_the_known() -> None:
    with pytest.raises(ValueError, match=r"no activation 'mish'; known are gelu, .*tanh"):
        activation("mish")


@pytest.mark.parametrize("bias", [False, True])
def test_a_gate_opens_or_closes_what_was_widened(bias: bool) -> None:
    torch.manual_seed(0)
    layer = GatedFeedForward(6, 10, "silu", bias=bias)
    x = torch.randn(2, 3, 6)

    opened = F.silu(F.linear(x, layer.gate.weight, layer.gate.bias))
    widened = F.linear(x, layer.up.weight, layer.up.bias)
    expected = F.linear(opened * widened, layer.down.weight, layer.down.bias)

    torch.testing.assert_close(layer(x), expected)
    assert (layer.gate.bias is not None) is bias
