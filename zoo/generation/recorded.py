"""Steps that a CUDA device takes at once: what one launches is recorded, and replayed for the next.

A small network's step is hundreds of short computations, each launched by Python in more time than
it takes; a recorded step (a CUDA graph) is a single launch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from zoo.generation.protocol import Decoder, State

S = TypeVar("S", bound=State)

Recorder = Callable[[Callable[[], Tensor]], tuple[Tensor, Callable[[], object]]]
"""Records what a function launches: where its result will stand, and how to launch it again."""

# A recording takes as long as a few steps, so rows must have stayed the same for some.
_STEADY = 4


@runtime_checkable
class Fixable(Protocol):
    """A state whose steps can be all alike for the device; `zoo.nn.KVCache` is one."""

    @property
    def fixed(self) -> bool:
        """Whether they are: from `fix` until rows come or go."""

    def fix(self) -> None:
        """Let them be."""


class RecordedDecoder(Generic[S]):
    """A `Decoder` that records its step as soon as rows stay the same, and replays it from then on.

    Where the state is not `Fixable`, or a network waits for its device within a step, which cannot
    be recorded, it decodes as ever.

    Args:
        decoder: What it does.
        record: How, on the decoder's device.
    """

    def __init__(self, decoder: Decoder[S], record: Recorder) -> None:
        self.prefill, self.predict, self.begin = decoder.prefill, decoder.predict, decoder.begin
        self.max_length = decoder.max_length
        self._decoder = decoder
        self._record = record
        self._recordable = True
        self._steps = 0  # since rows came or went
        self._replay: Callable[[], object] | None = None

    def decode(self, tokens: Tensor, state: S) -> Tensor:
        """Append a token to each row, (R,): what `predict` takes, (R, C), until the next step."""
        if not self._recordable or not isinstance(state, Fixable):
            return self._decoder.decode(tokens, state)
        if not state.fixed:
            state.fix()
            self._steps, self._replay = 0, None
        self._steps += 1
        if self._steps <= _STEADY:
            return self._decoder.decode(tokens, state)
        if self._replay is None:
            self._tokens = tokens.clone()
            try:
                self._hidden, self._replay = self._record(
                    lambda: self._decoder.decode(self._tokens, state)
                )
            except RuntimeError:
                self._recordable = False
                return self._decoder.decode(tokens, state)
        self._tokens.copy_(tokens)
        self._replay()
        return self._hidden


def cuda_graph(step: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], object]]:
    """Record a step as a CUDA graph, without taking it.

    Raises:
        RuntimeError: It waits for the device, or does what else cannot be recorded.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = step()
    return result, graph.replay
