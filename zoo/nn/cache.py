"""The keys and values of past tokens, kept so that decoding computes each once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Cache(Protocol):
    """What an attention layer asks of a cache, whoever manages its memory."""

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store (B, H, T, D) keys and values; return all that are stored so far."""


class LayerCache:
    """Keys and values of one attention layer, in memory that is reserved once.

    Shapes: B batch, H key-value heads, S tokens at most, D width of a head.

    Example::

        cache = LayerCache((1, 8, 1024, 64), like=x)
        y = attention(prompt, causal=True, cache=cache)   # stores all tokens of the prompt
        y = attention(token, causal=True, cache=cache)    # attends to them, and stores one more

    Args:
        shape: (B, H, S, D).
        like: A tensor whose device and dtype the cache takes.
    """

    def __init__(self, shape: tuple[int, int, int, int], *, like: Tensor) -> None:
        self.keys = like.new_empty(shape)
        self.values = like.new_empty(shape)
        self.length = 0

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store (B, H, T, D) keys and values; return all that are stored so far.

        Raises:
            ValueError: The new tokens do not fit, or are of another shape.
        """
        B, H, _, D = self.keys.shape
        T = keys.size(2)
        if not keys.shape == values.shape == (B, H, T, D):  # assigning would broadcast
            raise ValueError(
                f"the cache takes keys and values of shape {(B, H, T, D)}, "
                f"got {tuple(keys.shape)} and {tuple(values.shape)}"
            )
        end = self.length + T
        if end > self.keys.size(2):
            raise ValueError(
                f"the cache holds {self.keys.size(2)} tokens; "
                f"{self.length} are stored and {T} more came"
            )
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]


class KVCache:
    """Keys and values of all layers of a decoder, for rows that need not be equally long.

    Row r keeps its tokens at the places 0 … lengths[r] - 1. So prompts are padded on the right,
    where causality hides the padding by itself, and each new token overwrites a bit of it. A
    network asks where its next tokens stand, then lets each layer append::

        positions, mask = cache.extend(tokens.size(1))
        for block, layer in zip(self.blocks, cache.layers):
            x = block(x, positions, mask, cache=layer)

    It is a `zoo.generation.State`: a prompt has one row, or several after `expand`.

    Shapes: R rows, H key-value heads, S tokens at most, D width of a head.

    Args:
        layers: How many.
        shape: (R, H, S, D).
        like: A tensor whose device and dtype the cache takes.
    """

    def __init__(self, layers: int, shape: tuple[int, int, int, int], *, like: Tensor) -> None:
        self.lengths = [0] * shape[0]
        # Zeros, because what a mask hides is multiplied by 0, and that would keep a NaN.
        self.layers = [_Layer(like.new_zeros(shape), like.new_zeros(shape)) for _ in range(layers)]
        self._copies = 1
        self._numbers = torch.arange(shape[2], device=like.device)
        self._expected: Sequence[int] | None = None
        self._places: Tensor | None = None  # (R,) of the next tokens, where rows differ

    def expect(self, lengths: Sequence[int]) -> None:
        """Say how long each of the first rows is; what follows in a row is padding."""
        self._expected = lengths

    def extend(self, T: int) -> tuple[Tensor, Tensor | None]:
        """Make room for T more tokens in each row, which the layers then append.

        Returns:
            Their positions, (T,), or (R, T) where rows differ; and a mask (R, 1, 1, S) that is True
            on the keys which the one new token may attend to, or None where causality is enough.

        Raises:
            ValueError: They do not fit; or rows of different lengths shall grow by more than one.
        """
        start = max(self.lengths)
        if start + T > self._numbers.numel():
            raise ValueError(
                f"the cache holds {self._numbers.numel()} tokens; {start} are stored "
                f"and {T} more came"
            )
        if self._places is not None:
            if T != 1:
                raise ValueError(f"rows of different lengths grow by 1 token a step, not {T}")
            for layer in self.layers:
                layer.places, layer.end = self._places, start + 1
            positions = self._places.unsqueeze(1)  # (R, 1)
            self.lengths = [length + 1 for length in self.lengths]
            self._places = self._places + 1
            return positions, (self._numbers[: start + 1] <= positions)[:, None, None]
        for layer in self.layers:
            layer.places, layer.end = slice(start, start + T), start + T
        positions = self._numbers[start : start + T]
        if self._expected is None:
            self.lengths = [start + T] * len(self.lengths)
        else:
            self._set_lengths(self._expected)
            self._expected = None
            if self._places is not None:  # padding stands where the row's last token does
                positions = torch.minimum(positions, self._places.unsqueeze(1) - 1)  # (R, T)
        return positions, None

    def expand(self, copies: int) -> None:
        """Give each prompt ``copies`` times as many rows, next to each other."""
        self._take([row for row in range(len(self.lengths)) for _ in range(copies)])
        self._copies *= copies

    def reorder(self, rows: Tensor) -> None:
        """Let row r go on from the past of row ``rows[r]``, (R,) integers of the same prompt."""
        changed = (rows != self._numbers.new_tensor(range(len(rows)))).nonzero().flatten()
        if not changed.numel():
            return
        sources, end = rows[changed], max(self.lengths)
        for layer in self.layers:
            layer.keys[changed, :, :end] = layer.keys[sources, :, :end]
            layer.values[changed, :, :end] = layer.values[sources, :, :end]

    def keep(self, prompts: Sequence[int]) -> None:
        """Forget all prompts but these, which take the places 0, 1, and so on."""
        copies = range(self._copies)
        self._take([prompt * self._copies + copy for prompt in prompts for copy in copies])

    def put(self, prompt: int, other: KVCache, other_prompt: int) -> None:
        """Let a prompt with one row be another cache's: its past fits into this one's memory."""
        length = other.lengths[other_prompt]
        for layer, its in zip(self.layers, other.layers, strict=True):
            layer.keys[prompt, :, :length] = its.keys[other_prompt, :, :length]
            layer.values[prompt, :, :length] = its.values[other_prompt, :, :length]
        self._set_lengths([*self.lengths[:prompt], length, *self.lengths[prompt + 1 :]])

    def _take(self, rows: Sequence[int]) -> None:
        """Row r becomes what row ``rows[r]`` was; memory grows only with the number of rows."""
        index, end = self._numbers.new_tensor(rows), max(self.lengths)
        for layer in self.layers:
            for name in ("keys", "values"):
                old = getattr(layer, name)
                filled = old[index, :, :end]
                if len(rows) > old.size(0):
                    old = old.new_zeros((len(rows), *old.shape[1:]))
                old[: len(rows), :, :end] = filled
                setattr(layer, name, old[: len(rows)])
        self._set_lengths([self.lengths[row] for row in rows])

    def _set_lengths(self, lengths: Sequence[int]) -> None:
        self.lengths = list(lengths)
        equal = len(set(lengths)) <= 1
        self._places = None if equal else self._numbers.new_tensor(self.lengths)


class _Layer:
    """One layer's part of a `KVCache`, which says where the next tokens go."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys = keys
        self.values = values
        self.places: Tensor | slice = slice(0, 0)
        self.end = 0

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store (R, H, T, D) keys and values; return all up to the longest row's end."""
        if isinstance(self.places, slice):
            self.keys[:, :, self.places] = keys
            self.values[:, :, self.places] = values
        else:  # one token a row, each at its own place
            rows = torch.arange(len(self.places), device=self.places.device)
            self.keys[rows, :, self.places] = keys[:, :, 0]
            self.values[rows, :, self.places] = values[:, :, 0]
        return self.keys[:, :, : self.end], self.values[:, :, : self.end]


def place(
    tokens: Tensor, cache: KVCache | None, *, layers: int
) -> tuple[Tensor, Tensor | None, Sequence[Cache | None]]:
    """Where (B, T) tokens stand, what masks them, and each layer's cache: see `KVCache.extend`.

    Without a cache they are whole texts, read from the left.
    """
    if cache is None:
        return torch.arange(tokens.size(1), device=tokens.device), None, [None] * layers
    return *cache.extend(tokens.size(1)), cache.layers
