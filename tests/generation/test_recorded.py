"""A step that is recorded and replayed gives the tokens of steps that are taken one by one.

Without a CUDA device a tape stands in for the graph: like a graph it repeats the same computations
on the same memory, and nothing that Python did in between.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import zoo
from tests.decoders import ENDS, load, prompts, save_decoder
from tests.marian import save_marian
from zoo.generation import CausalDecoder, Settings, generate
from zoo.generation.recorded import RecordedDecoder, cuda_graph
from zoo.nn import KVCache

NETWORKS = ["GPT2LMHeadModel", "LlamaForCausalLM", "GPTNeoXForCausalLM", "OPTForCausalLM"]


class Tape(TorchDispatchMode):
    """Notes each computation as it is made; can make all of them again."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[tuple[Callable[..., object], Any, Any, object]] = []

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, result))
        return result

    def replay(self) -> None:
        for func, args, kwargs, result in self.calls:
            again = func(*args, **kwargs)
            pairs = zip(_tensors(result), _tensors(again), strict=True)
            for old, new in pairs:
                if old.untyped_storage().data_ptr() != new.untyped_storage().data_ptr():
                    old.copy_(new)


def _tensors(result: object) -> list[Tensor]:
    several = result if isinstance(result, tuple | list) else [result]
    return [each for each in several if isinstance(each, Tensor)]


class Recording:
    """A recorder that counts its tapes."""

    def __init__(self, decoder: Any) -> None:  # noqa: ANN401 (a Decoder)
        self.tapes: list[Tape] = []
        self.state: Any = None
        self._decode = decoder.decode
        decoder.decode = self._noted

    def _noted(self, tokens: Tensor, state: object) -> Tensor:
        self.state = state
        hidden: Tensor = self._decode(tokens, state)
        return hidden

    def __call__(self, step: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], object]]:
        with Tape() as tape:
            result = step()
        # A graph is recorded without being executed: take the step back.
        getattr(self.state, "past", self.state)._counted.sub_(1)
        self.tapes.append(tape)
        return result, tape.replay


def asked(name: str) -> list[list[int]]:
    vocabulary = 78 if name == "Marian" else 289
    return [[token % vocabulary + 1 for token in row] for row in prompts(5, most=12)]


def decoder_of(name: str, folder: Path) -> Any:  # noqa: ANN401 (a Decoder)
    if name == "Marian":
        save_marian(folder)
        return load(folder).network
    save_decoder(name, folder)
    network: Any = load(folder).network
    return CausalDecoder(network, torch.device("cpu"))


@pytest.mark.parametrize("name", [*NETWORKS, "Marian"])
@pytest.mark.parametrize("slots", [2, 5], ids=["with rows that wait", "all at once"])
def test_replayed_steps_give_the_same_tokens(name: str, slots: int, tmp_path: Path) -> None:
    decoder = decoder_of(name, tmp_path)
    choices: list[dict[str, Any]] = [{}, {"temperature": 1.1, "seed": 5}]
    for options in choices:
        settings = Settings(max_new_tokens=25, ends=tuple(ENDS[:1]), **options)
        expected = generate(decoder, asked(name), settings, slots=slots)
        record = Recording(decoder)

        found = generate(RecordedDecoder(decoder, record), asked(name), settings, slots=slots)

        assert [row.tokens for (row,) in found] == [row.tokens for (row,) in expected]
        assert record.tapes
        assert sum(len(row.tokens) for (row,) in found) > 3 * len(record.tapes)


def test_a_step_that_cannot_be_recorded_is_taken_as_ever(tmp_path: Path) -> None:
    decoder = decoder_of("GPT2LMHeadModel", tmp_path)
    tries = []

    def refuse(step: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], object]]:
        tries.append(step)
        raise RuntimeError("operation not permitted when stream is capturing")

    settings = Settings(max_new_tokens=20)
    found = generate(RecordedDecoder(decoder, refuse), [[1, 2, 3], [4]], settings)

    assert found == generate(decoder, [[1, 2, 3], [4]], settings)
    assert len(tries) == 1


def test_a_fixed_cache_knows_its_lengths_again_when_rows_go() -> None:
    cache = KVCache(1, (3, 1, 8, 2), like=torch.zeros(()))
    cache.expect([4, 2, 3])
    cache.extend(4)
    cache.fix()
    positions, mask = cache.extend(1)
    cache.extend(1)
    assert cache.fixed
    assert positions.tolist() == [[4], [2], [3]]
    assert mask is not None
    assert mask.sum(-1).flatten().tolist() == [5, 3, 4]

    cache.keep([1, 2])

    assert not cache.fixed
    assert cache.lengths == [4, 5]


def test_a_fixed_cache_takes_one_token_at_a_time() -> None:
    cache = KVCache(1, (1, 1, 8, 2), like=torch.zeros(()))
    cache.extend(3)
    cache.fix()

    with pytest.raises(ValueError, match="1 token a step, not 2"):
        cache.extend(2)


def test_rows_that_share_a_prompt_are_not_fixed() -> None:
    cache = KVCache(1, (1, 1, 8, 2), like=torch.zeros(()))
    cache.extend(3)
    cache.expand(2)

    with pytest.raises(ValueError, match="side by side"):
        cache.fix()


@pytest.mark.gpu
@pytest.mark.parametrize("name", [*NETWORKS, "Marian"])
def test_a_graph_gives_the_cpus_tokens(name: str, tmp_path: Path) -> None:
    decoder = decoder_of(name, tmp_path)
    settings = Settings(max_new_tokens=25)
    expected = generate(decoder, asked(name), settings)
    network: Any = zoo.load(str(tmp_path), device="cuda", dtype="float32").network
    on_device: Any = network if name == "Marian" else CausalDecoder(network, torch.device("cuda"))
    recorded = RecordedDecoder(on_device, cuda_graph)

    found = generate(recorded, asked(name), settings)

    assert [row.tokens for (row,) in found] == [row.tokens for (row,) in expected]
    assert recorded._replay is not None
