"""Networks whose first numbers nobody will see, because a checkpoint brings others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

_DRAWS = {Tensor.uniform_, Tensor.normal_}
_AFTER_DRAWS = {Tensor.erfinv_, Tensor.mul_, Tensor.add_, Tensor.clamp_}  # what makes them normal


class NoInitialisation(TorchFunctionMode):
    """Within it, layers do not initialise themselves: by `torch.nn.init`, or by drawing numbers.

    Drawing, and only touching the memory, takes seconds for hundreds of millions of numbers. On the
    meta device it computes nothing, yet the first call imports torch's whole symbolic machinery.
    """

    def __init__(self) -> None:
        super().__init__()
        self._skipped: dict[int, Tensor] = {}  # by id; held, so that no other gets it

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 (as the function)
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init" or func in _DRAWS:
            tensor = kwargs["tensor"] if "tensor" in kwargs else args[0]
            self._skipped[id(tensor)] = tensor
            return tensor
        if func in _AFTER_DRAWS and id(args[0]) in self._skipped:
            return args[0]
        return func(*args, **kwargs)
