from __future__ import annotations

import platform
import subprocess
import sys
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import DeviceError, UsageError, ZooWarning
from zoo.runtime import (
    check_device_name,
    check_dtype_name,
    default_tokens,
    in_batches,
    resolve_device,
    resolve_dtype,
)

CPU = torch.device("cpu")


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 20), max_size=30),
    tokens=st.integers(1, 60),
    padded=st.booleans(),
)
def test_every_item_runs_once_in_budget_and_comes_back_in_place(
    lengths: list[int], tokens: int, padded: bool
) -> None:
    batches: list[list[int]] = []

    def run(batch: list[int]) -> list[str]:
        batches.append(batch)
        return [f"item {index}" for index in batch]

    results = in_batches(lengths, run, tokens=tokens, padded=padded)

    assert results == [f"item {index}" for index in range(len(lengths))]
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        sizes = [lengths[index] for index in batch]
        cost = len(batch) * max(sizes) if padded else sum(sizes)
        assert cost <= tokens or len(batch) == 1
        assert sizes == sorted(sizes, reverse=True)


def test_the_longest_run_first() -> None:
    batches: list[list[int]] = []

    def run(batch: list[int]) -> list[int]:
        batches.append(batch)
        return batch

    in_batches([1, 5, 3, 5, 2], run, tokens=10, padded=True)

    assert batches == [[1, 3], [2, 4, 0]]


def test_packed_batches_count_what_is_there_and_padded_ones_what_is_laid_out() -> None:
    def sizes(*, padded: bool) -> list[int]:
        found: list[int] = []

        def run(batch: list[int]) -> list[int]:
            found.append(len(batch))
            return batch

        in_batches([8, 1, 1, 1, 1], run, tokens=12, padded=padded)
        return found

    assert sizes(padded=False) == [5]
    assert sizes(padded=True) == [1, 4]


class Memory:
    """A device with room for so many tokens at once."""

    def __init__(self, lengths: list[int], room: int) -> None:
        self.lengths = lengths
        self.room = room
        self.failed: list[int] = []
        self.ran: list[int] = []

    def run(self, batch: list[int]) -> list[int]:
        cost = sum(self.lengths[index] for index in batch)
        if cost > self.room:
            self.failed.append(cost)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0")
        self.ran.append(cost)
        return [-index for index in batch]


def test_a_batch_that_does_not_fit_is_halved_and_said_so() -> None:
    memory = Memory([4] * 16, room=20)

    with pytest.warns(ZooWarning) as warned:
        results = in_batches(memory.lengths, memory.run, tokens=64, padded=False)

    assert results == [-index for index in range(16)]
    assert memory.failed == [64, 32]  # and none after the size that fits was found
    assert memory.ran == [16] * 4
    assert [str(each.message) for each in warned] == [
        "out of memory with 16 texts a batch; going on with half of it (--batch-tokens 32)",
        "out of memory with 8 texts a batch; going on with half of it (--batch-tokens 16)",
    ]


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=20),
    tokens=st.integers(1, 400),
    room=st.integers(20, 100),
)
def test_whatever_fits_one_by_one_gets_done(lengths: list[int], tokens: int, room: int) -> None:
    memory = Memory(lengths, room)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZooWarning)
        results = in_batches(lengths, memory.run, tokens=tokens, padded=False)

    assert results == [-index for index in range(len(lengths))]


def test_a_single_item_too_large_is_an_error() -> None:
    memory = Memory([4, 90], room=20)

    with (
        pytest.warns(ZooWarning, match="with 2 texts"),
        pytest.raises(
            DeviceError,
            match=r"^a single text of 90 tokens does not fit into the device's memory: "
            r"CUDA out of memory; use --device cpu or a smaller --dtype$",
        ),
    ):
        in_batches(memory.lengths, memory.run, tokens=100, padded=False)


def test_other_errors_of_a_batch_pass_through() -> None:
    def run(batch: list[int]) -> list[int]:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        in_batches([1], run, tokens=1, padded=False)


def test_a_run_must_return_a_result_for_each() -> None:
    with pytest.raises(ValueError, match="zip"):
        in_batches([1, 1], lambda batch: batch[:1], tokens=2, padded=False)


@pytest.mark.parametrize("name", ["auto", "cpu", "mps"])
def test_a_device_may_be_named_before_torch_is_there(name: str) -> None:
    check_device_name(name)


@pytest.mark.parametrize(
    "name", ["gpu", "", "CPU", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "cuda:1:2", "cuda:²"]
)
def test_what_is_no_device_lists_those_there_are(name: str) -> None:
    with pytest.raises(UsageError) as raised:
        resolve_device(name)

    assert str(raised.value) == f"no device {name!r}; expected auto, cpu, cuda, cuda:N or mps"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7", "cuda:999999999999"])
def test_a_gpu_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(DeviceError, match=f"no device '{name}'") as raised:
        resolve_device(name)

    assert "--device cpu" in str(raised.value)


@pytest.mark.gpu
def test_a_gpu_too_many_is_an_error() -> None:
    with pytest.raises(DeviceError, match="no device 'cuda:99': this machine has"):
        resolve_device("cuda:99")


@pytest.mark.gpu
def test_auto_is_the_first_gpu() -> None:
    assert resolve_device("auto") == torch.device("cuda", 0)
    assert default_tokens(resolve_device("auto")) > default_tokens(CPU)


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has an Apple GPU")
def test_an_apple_gpu_that_is_not_there_is_an_error() -> None:
    with pytest.raises(DeviceError, match="no device 'mps'"):
        resolve_device("mps")


def test_the_cpu_computes_in_float32_unless_asked() -> None:
    assert resolve_device("cpu") == CPU
    assert resolve_dtype("auto", CPU) == torch.float32
    assert resolve_dtype("bfloat16", CPU) == torch.bfloat16
    assert resolve_dtype("float16", CPU) == torch.float16


@pytest.mark.parametrize("name", ["int8", "fp16", "", "Tensor"])
def test_what_is_no_dtype_lists_those_there_are(name: str) -> None:
    for check in (check_dtype_name, lambda name: resolve_dtype(name, CPU)):
        with pytest.raises(UsageError) as raised:
            check(name)

        assert str(raised.value) == (
            f"no dtype {name!r}; expected one of auto, float32, bfloat16, float16"
        )


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is set")
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "set by the user"])
def test_freed_memory_is_kept_unless_the_program_set_its_allocator(kept: bool) -> None:
    code = """
import resource, torch
from zoo.runtime import keep_freed_memory
keep_freed_memory()
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def layers(): return [torch.ones(5_000_000) for _ in range(6)]
for _ in range(8): layers()
before = faults()
for _ in range(5): layers()
print(faults() - before)
"""
    environment = {"PATH": ""} if kept else {"PATH": "", "MALLOC_TRIM_THRESHOLD_": "131072"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    assert (int(result.stdout) < 10_000) is kept, result.stdout
