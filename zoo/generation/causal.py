"""Networks that continue their prompt: GPT, Llama, an LSTM, made fit for the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from zoo.generation.protocol import State


class CausalState(State, Protocol):
    """The past of each row: a `zoo.nn.KVCache`, or a recurrent network's memory."""

    def expect(self, lengths: Sequence[int]) -> None:
        """Say how long each of the first rows is, before they are read; the rest is padding."""


C = TypeVar("C", bound=CausalState)


class CausalNetwork(Protocol[C]):
    """What a decoder-only network provides, with the state of its own kind.

    Shapes: B batch, T tokens, C width, V vocabulary.
    """

    @property
    def max_length(self) -> int | None:
        """The most tokens that have a position; None where there is no limit."""

    def new_cache(self, rows: int, room: int) -> C:
        """An empty state on the network's device, for so many rows of so many tokens."""

    def __call__(self, tokens: Tensor, *, cache: C | None = None) -> Tensor:
        """(B, T) -> (B, T, C): each token after all before it, those in the cache included."""

    def predict(self, hidden: Tensor) -> Tensor:
        """(…, C) -> (…, V): logits of the next token."""


class CausalDecoder(Generic[C]):
    """A `zoo.generation.Decoder` of a decoder-only network."""

    def __init__(self, network: CausalNetwork[C], device: torch.device) -> None:
        self._network = network
        self._device = device

    @property
    def max_length(self) -> int | None:
        """The network's own."""
        return self._network.max_length

    def begin(self, prompt: Sequence[int]) -> Sequence[int]:
        """The prompt itself."""
        return prompt

    def prefill(self, prompts: Sequence[Sequence[int]], *, room: int) -> tuple[Tensor, C]:
        """Read prompts padded on the right: (P, C) and the state."""
        lengths = [len(prompt) for prompt in prompts]
        T = max(lengths)
        tokens = torch.tensor([[*p, *[0] * (T - len(p))] for p in prompts], device=self._device)
        cache = self._network.new_cache(len(prompts), room)
        cache.expect(lengths)
        hidden = self._network(tokens, cache=cache)  # (P, T, C)
        rows = torch.arange(len(prompts), device=self._device)
        last = torch.tensor(lengths, device=self._device) - 1
        return hidden[rows, last], cache

    def decode(self, tokens: Tensor, state: C) -> Tensor:
        """(R,) -> (R, C)."""
        return self._network(tokens.unsqueeze(1), cache=state)[:, 0]

    def predict(self, hidden: Tensor) -> Tensor:
        """(…, C) -> (…, V)."""
        return self._network.predict(hidden)
