"""Linear layers on a CPU: which library multiplies, packed weights, several layers at once.

torch leaves products of float32 to a BLAS library: to MKL in its own builds for x86. oneDNN, which
it brings for other formats, can make them too, and arrange a weight once for many products.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _Packing(NamedTuple):
    """When products have weights packed for them; at the price of a second copy."""

    #: How many rows the product must have.
    rows: range
    #: Which such product of a layer is the first: packing takes as long as it saves, so a prompt
    #: that is read once does without.
    first: int
    #: Whether one row is enough for a weight stored by columns, as those of GPT-2 are.
    by_columns: bool = False


class _Policy(NamedTuple):
    """Which products oneDNN makes on a CPU; all others are torch's choice."""

    packed: Mapping[torch.dtype, _Packing]
    #: From how many multiplications on it makes float32 with the weight as it is.
    large: float = float("inf")
    #: From how many numbers on it does so for a weight that meets single rows again and again.
    heavy: float = float("inf")


# bfloat16 is packed anew in each product otherwise, however many rows.
_ALWAYS = _Packing(range(1, sys.maxsize), 1)
_NEVER = _Packing(range(0), 0)

# The library may arrange a weight for so many rows; it then serves all numbers of rows alike.
_TYPICAL_ROWS = 16


@cache
def _policy() -> _Policy:
    """As measured on a Xeon and an EPYC with AVX-512, on the EPYC with AVX2 as well."""
    mkldnn = torch.backends.mkldnn.is_available()
    if not (mkldnn and torch.backends.cpu.get_cpu_capability().startswith("AVX")):
        return _Policy({})
    bfloat16 = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    if torch.backends.mkl.is_available() and not _made_by_intel():
        return _beside_guest_mkl(bfloat16)
    return _beside_mkl() if bfloat16 else _Policy({})


def _beside_mkl() -> _Policy:
    """Where torch's own library does well: one row of float32 is as fast, and so are 512."""
    return _Policy({torch.float32: _Packing(range(4, 257), 2), torch.bfloat16: _ALWAYS})


def _beside_guest_mkl(bfloat16: bool) -> _Policy:
    """Where that is MKL, on a processor that it was not made for.

    oneDNN is ahead for any number of rows: at a single one it takes half the time, at hundreds
    nine tenths. But it needs a millisecond to get ready for a new shape, and 20 µs a product.
    """
    packed = {torch.float32: _Packing(range(2, 257), 2, by_columns=True)}
    if bfloat16:
        packed[torch.bfloat16] = _ALWAYS
    return _Policy(packed, large=2**26, heavy=2**18)


def _made_by_intel(told: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor says so, or nobody says who made it."""
    maker = os.environ.get("PROCESSOR_IDENTIFIER", "")  # Windows: "Intel64 Family 6 …"
    with suppress(OSError), told.open(encoding="utf-8") as lines:
        maker = next((line for line in lines if line.startswith("vendor_id")), maker)
    return not maker or "Intel" in maker


class OneDnnLinear(nn.Linear):
    """A linear layer that has oneDNN make its products where it is faster than BLAS.

    What comes out differs from `torch.nn.Linear` by the order of the sums alone.

    Shapes: C and D, the widths of what goes in and comes out.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) -> (…, D)."""
        return self._multiply(x, self.weight, self.bias)

    def _multiply(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if x.dtype == torch.float32 and _takes(x, weight) and self._gains(x, weight):
            return _onednn(x, weight, bias)
        return F.linear(x, weight, bias)

    def _gains(self, x: Tensor, weight: Tensor) -> bool:
        return x.numel() * len(weight) >= _policy().large


class PackedLinear(OneDnnLinear):
    """One that packs its weight, too, when it is used again on few rows, as decoding does.

    The library would otherwise arrange the weight anew in every product, which takes longer than
    the product of a few rows. The weight itself stays as it is; a changed one is packed again.
    """

    _joint: _Joint | None = None  # with the layers that it is used together with, if any
    _products = 0  # of few rows

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) -> (…, D)."""
        y = self.product(x, (self,))
        return super().forward(x) if y is None else y

    def product(self, x: Tensor, layers: Sequence[nn.Linear]) -> Tensor | None:
        """What layers make of x, side by side in one product: (…, C) -> (…, sum of all D).

        The first of them is this one. None if they are better, or can only be, made one by one.
        """
        if not _takes(x, self.weight):
            return None
        packing = _policy().packed.get(x.dtype, _NEVER)
        rows = x.numel() // self.in_features
        by_columns = rows == 1 and packing.by_columns and not self.weight.is_contiguous()
        few = rows in packing.rows or by_columns
        self._products += few
        if few and self._products >= packing.first:
            joint = self._join(layers)
            return _onednn(x, joint.packed(), joint.bias)
        if len(layers) == 1 or (self._joint is not None and self._joint.weight is None):
            return None
        joint = self._join(layers)
        return None if joint.weight is None else self._multiply(x, joint.weight, joint.bias)

    def _gains(self, x: Tensor, weight: Tensor) -> bool:
        single = x.numel() == self.in_features
        return (single and weight.numel() >= _policy().heavy) or super()._gains(x, weight)

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


def use_onednn(network: nn.Module) -> None:
    """Have oneDNN make the large products of a network's linear layers, on a CPU that gains."""
    for module in network.modules() if _policy().large < float("inf") else ():
        if type(module) is nn.Linear:
            module.__class__ = OneDnnLinear


def pack_linears(network: nn.Module) -> None:
    """Make the linear layers of a network ready for products of few rows, on a CPU that gains.

    Nothing is packed yet: each layer does that when it meets such products. It counts them anew
    from each call of this on, so that no result depends on what was computed before.
    """
    for module in network.modules() if _policy().packed else ():
        if type(module) in (nn.Linear, OneDnnLinear):
            module.__class__ = PackedLinear
        if type(module) is PackedLinear:
            module._products = 0


def _takes(x: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN may be asked directly: it knows no gradients, nor does the compiler it."""
    return (
        x.dtype == weight.dtype
        and x.device.type == "cpu"
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
    )


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A product with a weight, packed or not."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


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
