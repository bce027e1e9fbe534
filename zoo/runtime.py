"""Where and how a network runs: device, number format, batches."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from zoo.errors import CheckpointError, DeviceError, UsageError, ZooWarning

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Result = TypeVar("Result")

DTYPES = ("auto", "float32", "bfloat16", "float16")

# Pictures a batch, by default. On a CPU the widest arrays of a ViT-B, 197 tokens a picture by 3072
# numbers, are just small enough for `keep_freed_memory`: of 16, each picture takes 4 % longer.
CPU_PICTURES = 12
GPU_PICTURES = 256

# Tokens a batch, by default. On a CPU more than this makes products no faster, and the arrays of a
# wide layer outgrow what `keep_freed_memory` can keep; a GPU wants enough work to fill it.
CPU_TOKENS = 2048
GPU_TOKENS = 32_768


def check_device_name(name: str) -> None:
    """Refuse what is no device, and a GPU without a driver, before torch is imported.

    Raises:
        UsageError: The name is none of auto, cpu, cuda, cuda:N, mps.
        DeviceError: It is a CUDA device, and this machine has no NVIDIA driver.
    """
    kind, _, number = name.partition(":")
    if name not in ("auto", "cpu", "mps") and (
        kind != "cuda" or (":" in name and not number.isdecimal())
    ):
        raise UsageError(f"no device {name!r}; expected auto, cpu, cuda, cuda:N or mps")
    if kind == "cuda":
        import ctypes
        import sys

        try:
            ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        except OSError as error:
            raise DeviceError(
                f"no device {name!r}: this machine has no NVIDIA driver; use --device cpu"
            ) from error


def check_dtype_name(name: str) -> None:
    """Refuse what is no number format, before torch is imported.

    Raises:
        UsageError: It is none of `DTYPES`.
    """
    if name not in DTYPES:
        raise UsageError(f"no dtype {name!r}; expected one of {', '.join(DTYPES)}")


def resolve_device(name: str) -> torch.device:
    """``auto`` is the first GPU there is, else the CPU.

    Raises:
        UsageError: The name is no device's.
        DeviceError: This machine does not have it.
    """
    import torch

    check_device_name(name)
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            f"no device {name!r}: the driver is there, but torch sees no CUDA device; "
            "check nvidia-smi and that torch is a CUDA build, or use --device cpu"
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(f"no device {name!r}: this machine has {torch.cuda.device_count()}")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("no device 'mps': it takes an Apple GPU; use --device cpu")
    return device


def keep_freed_memory() -> None:
    """Let glibc keep up to 256 MB of what a forward pass frees, for the next layer to reuse.

    By default it returns large arrays to the system at once and pays for each again, page by page:
    of a BERT-base's time, a tenth (docs/benchmarks.md). Other C libraries are left as they are, and
    so is a program that has set glibc's own variables. Source: mallopt(3).
    """
    import ctypes
    import os

    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
    settings = {M_TRIM_THRESHOLD: 256 << 20, M_MMAP_THRESHOLD: 32 << 20}  # 32 MB: glibc's most
    if not hasattr(os, "confstr") or "CS_GNU_LIBC_VERSION" not in os.confstr_names:
        return
    if any(name.startswith("MALLOC_") for name in os.environ):
        return
    mallopt = ctypes.CDLL(None).mallopt
    for setting, value in settings.items():
        mallopt(setting, value)


def resolve_dtype(name: str, device: torch.device) -> torch.dtype:
    """``auto`` is bfloat16 on a GPU that computes in it, else float32.

    Raises:
        UsageError: The name is no dtype's.
    """
    import torch

    check_dtype_name(name)
    if name == "auto":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if fast else torch.float32
    dtype = getattr(torch, name)
    assert isinstance(dtype, torch.dtype)
    return dtype


def default_tokens(device: torch.device) -> int:
    """How many tokens a batch holds unless the user says."""
    return CPU_TOKENS if device.type == "cpu" else GPU_TOKENS


def default_pictures(device: torch.device) -> int:
    """How many pictures a batch holds unless the user says."""
    return CPU_PICTURES if device.type == "cpu" else GPU_PICTURES


def in_batches(
    lengths: Sequence[int],
    run: Callable[[list[int]], Sequence[Result]],
    *,
    tokens: int,
    padded: bool,
    thing: str = "text",
    option: str = "--batch-tokens",
) -> list[Result]:
    """Run items of different lengths in batches of like length; results in the items' order.

    Longest first, so that memory runs out at the start if it does. A batch that does not fit is
    halved, and so are all that follow.

    Args:
        lengths: Of each item, in tokens.
        run: Takes the indices of a batch's items, longest first; returns a result for each.
        tokens: At most so many a batch, unless a single item has more.
        padded: Whether each item counts as long as its batch's longest.
        thing: What an item is called in messages.
        option: Of the command line, that says ``tokens``.

    Raises:
        DeviceError: Not even one item fits into the device's memory.
    """
    import torch

    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    results: dict[int, Result] = {}
    start = 0
    while start < len(order):
        batch = _next_batch(order, start, lengths, tokens, padded=padded)
        try:
            results.update(zip(batch, run(batch), strict=True))
        except torch.OutOfMemoryError as error:
            # Freed after the except clause, whose traceback still holds the batch's tensors.
            failed = str(error).split(". ")[0]
        else:
            start += len(batch)
            continue
        torch.cuda.empty_cache()
        if len(batch) == 1:
            raise DeviceError(
                f"a single {thing}{_of(lengths[batch[0]])} does not fit into the device's "
                f"memory: {failed}; use --device cpu or a smaller --dtype"
            )
        cost = len(batch) * lengths[batch[0]] if padded else sum(lengths[i] for i in batch)
        tokens = max(1, cost // 2)
        warnings.warn(
            f"out of memory with {len(batch)} {thing}s a batch; going on with half of it "
            f"({option} {tokens})",
            ZooWarning,
            stacklevel=2,
        )
    return [results[index] for index in range(len(lengths))]


def _of(tokens: int) -> str:
    return f" of {tokens} tokens" if tokens > 1 else ""


def _next_batch(
    order: Sequence[int], start: int, lengths: Sequence[int], tokens: int, *, padded: bool
) -> list[int]:
    """As many of the next items, longest first, as fit into so many tokens; at least one."""
    end, cost = start, 0
    while end < len(order):
        cost += lengths[order[start if padded else end]]
        if cost > tokens and end > start:
            break
        end += 1
    return list(order[start:end])


def check_numbers(scores: Tensor) -> None:
    """Refuse to go on with NaN, of which some token or class would be chosen all the same.

    Args:
        scores: Those of what was chosen, or any others that NaN would reach.

    Raises:
        CheckpointError: There is one.
    """
    if scores.isnan().any():
        raise CheckpointError(
            "the model computes what is no number (NaN); its weights are damaged, or too large for "
            "the dtype: try --dtype float32"
        )
