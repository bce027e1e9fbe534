"""Linear layers as decoding uses them, on few rows: packed weights, and several layers at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# How many rows a product must have for packed weights to be worth a second copy of them, and which
# such product of a layer is the first to have it; measured on an AVX-512 machine. A single row of
# float32 is as fast without, and so are 512; packing takes as long as it saves, so a prompt that is
# read once does without. bfloat16 is packed anew in each product otherwise, however many rows.
_WORTH = {
    torch.float32: (range(4, 257), 2),
    torch.bfloat16: (range(1, sys.maxsize), 1),
}
_NEVER = (range(0), 0)

# The library may arrange a weight for so many rows; it then serves all numbers of rows alike.
_TYPICAL_ROWS = 16


class PackedLinear(nn.Linear):
    """A linear layer that packs its weight when it is used again on few rows, as decoding does.

    The library would otherwise arrange the weight anew in every product, which takes longer than
    the product of a few rows. The weight itself stays as it is; a changed one is packed again. What
    comes out differs from `torch.nn.Linear` by the order of the sums alone.

    Shapes: C and D, the widths of what goes in and comes out.
    """

    _joint: _Joint | None = None  # with the layers that it is used together with, if any
    _products = 0  # of few rows

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) -> (…, D)."""
        y = self.product(x, (self,))
        return F.linear(x, self.weight, self.bias) if y is None else y

    def product(self, x: Tensor, layers: Sequence[nn.Linear]) -> Tensor | None:
        """What layers make of x, side by side in one product: (…, C) -> (…, sum of all D).

        The first of them is this one. None if they are better, or can only be, made one by one.
        """
        if (
            x.dtype != self.weight.dtype
            or x.device.type != "cpu"
            or torch.is_grad_enabled()
            or torch.compiler.is_compiling()
        ):
            return None
        rows, first = _WORTH.get(x.dtype, _NEVER)
        few = x.numel() // self.in_features in rows
        self._products += few
        if few and self._products >= first:
            joint = self._join(layers)
            return torch.ops.mkldnn._linear_pointwise(x, joint.packed(), joint.bias, "none", [], "")
        if len(layers) == 1 or (self._joint is not None and self._joint.weight is None):
            return None
        joint = self._join(layers)
        return None if joint.weight is None else F.linear(x, joint.weight, joint.bias)

    def _join(self, layers: Sequence[nn.Linear]) -> _Joint:
        if self._joint is None or not self._joint.holds(layers):
            self._joint = _Joint(layers)
        return self._joint

    def __getstate__(self) -> dict[str, Any]:
        """All but the packed weight, which is opaque: copies pack their own."""
        return {name: value for name, value in self.__dict__.items() if name != "_joint"}


class _Joint:
    """Several linear layers of one input as a single one, or one alone.

    Args:
        layers: All take vectors of the same width.
    """

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        self._weights = [layer.weight.detach() for layer in layers]
        self._marks = _marks(layers)
        # As long as they are held, no others can take their addresses.
        self._held = [tensor.detach() for tensor in _tensors(layers)]
        self._packed: Tensor | None = None
        #: All weights as one, (sum of all D, C), where they lie one after the other in memory.
        self.weight = _adjoining(self._weights)
        self.bias: Tensor | None = layers[0].bias
        if len(layers) > 1 and any(layer.bias is not None for layer in layers):
            self.bias = torch.cat(
                [x.weight.new_zeros(len(x.weight)) if x.bias is None else x.bias for x in layers]
            )

    def holds(self, layers: Sequence[nn.Linear]) -> bool:
        """Whether it was made of these layers, as they are now."""
        return _marks(layers) == self._marks

    def packed(self) -> Tensor:
        """All weights as one, packed; the same as long as it is held."""
        if self._packed is None:
            weights = self._weights
            weight = weights[0] if len(weights) == 1 else torch.cat(weights)
            self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, _TYPICAL_ROWS)
        return self._packed


def together(x: Tensor, *layers: nn.Linear) -> Sequence[Tensor]:
    """What linear layers make of the same vectors: (…, C) -> (…, D) each.

    After `pack_linears` they are a single product where that is faster.
    """
    first = layers[0]
    y = first.product(x, layers) if isinstance(first, PackedLinear) else None
    if y is None:
        return [layer(x) for layer in layers]
    return y.split([layer.out_features for layer in layers], dim=-1)


def pack_linears(network: nn.Module) -> None:
    """Make the linear layers of a network ready for products of few rows, on a CPU that gains.

    Nothing is packed yet: each layer does that when it meets such products.
    """
    if not _gains():
        return
    for module in network.modules():
        if type(module) is nn.Linear:
            module.__class__ = PackedLinear


def _gains() -> bool:
    """Whether this is an x86 CPU with torch's own matrix library, where it was measured."""
    return (
        torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability().startswith("AVX")
        and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


def _tensors(layers: Sequence[nn.Linear]) -> list[Tensor]:
    # Asked for by name, each would be looked for among a module's attributes first.
    return [x for layer in layers for x in layer._parameters.values() if x is not None]


def _marks(layers: Sequence[nn.Linear]) -> list[tuple[int, int]]:
    """What changes with a weight or bias: its address, and how often it was changed in place."""
    # Tensors made for inference do not count that.
    return [(x.data_ptr(), 0 if x.is_inference() else x._version) for x in _tensors(layers)]


def _adjoining(weights: Sequence[Tensor]) -> Tensor | None:
    """Matrices as one, below each other, if that is how they lie in memory: a view of all."""
    first, end = weights[0], weights[0].storage_offset()
    for weight in weights:
        if (
            weight.untyped_storage().data_ptr() != first.untyped_storage().data_ptr()
            or weight.storage_offset() != end
            or weight.stride() != first.stride()
            or weight.dtype != first.dtype
        ):
            return None
        end += len(weight) * weight.stride(0)
    return first.as_strided((sum(map(len, weights)), first.size(1)), first.stride())
