"""Weights in the order in which the CPU's matrix library reads them, for products of few rows."""

from __future__ import annotations

import sys
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

    _packed: tuple[Tensor, int, Tensor] | None = None  # the weight, its version, itself packed
    _products = 0  # of few rows, until it is packed

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) -> (…, D)."""
        weight = self.weight
        few, first = _WORTH.get(weight.dtype, _NEVER)
        if (
            x.numel() // self.in_features not in few
            or x.dtype != weight.dtype
            or x.device.type != "cpu"
            or torch.is_grad_enabled()
            or torch.compiler.is_compiling()
        ):
            return F.linear(x, weight, self.bias)
        if self._packed is None:
            self._products += 1
            if self._products < first:
                return F.linear(x, weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise(x, self._pack(), self.bias, "none", [], "")

    def _pack(self) -> Tensor:
        weight = self.weight.detach()
        version = 0 if weight.is_inference() else self.weight._version
        if self._packed is not None:
            # As long as the one that was packed is held, no other can take its address.
            held, its_version, packed = self._packed
            same = held.data_ptr() == weight.data_ptr() and held.dtype == weight.dtype
            if same and its_version == version:
                return packed
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, _TYPICAL_ROWS)
        self._packed = weight, version, packed
        return packed

    def __getstate__(self) -> dict[str, Any]:
        """All but the packed weight, which is opaque: copies pack their own."""
        return {name: value for name, value in self.__dict__.items() if name != "_packed"}


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
