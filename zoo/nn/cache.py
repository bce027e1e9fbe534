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

    It is a `zoo.generation.State`: a prompt has one row, or several after `expand`. These share the
    memory of one: the prompt is kept once, and what they append lies side by side. So the mask says
    which of it is a row's own past, and reordering rows moves no keys or values.

    Shapes: R rows, P prompts, n = R / P rows a prompt, H key-value heads, S tokens at most, D width
    of a head.

    Args:
        layers: How many.
        shape: (R, H, S, D).
        like: A tensor whose device and dtype the cache takes.
    """

    def __init__(self, layers: int, shape: tuple[int, int, int, int], *, like: Tensor) -> None:
        self.lengths = [0] * shape[0]
        # Zeros, because what a mask hides is multiplied by 0, and that would keep a NaN.
        self.layers = [_Layer(like.new_zeros(shape), like.new_zeros(shape)) for _ in range(layers)]
        self._room = shape[2]
        self._numbers = torch.arange(shape[2], device=like.device)
        self._expected: Sequence[int] | None = None
        self._places: Tensor | None = None  # (R,) of the next tokens, where rows differ
        self._copies: _Copies | None = None
        self._counted: Tensor | None = None  # (R,) lengths, while the device counts them

    def expect(self, lengths: Sequence[int]) -> None:
        """Say how long each of the first rows is; what follows in a row is padding."""
        self._expected = lengths

    def extend(self, T: int) -> tuple[Tensor, Tensor | None]:
        """Make room for T more tokens in each row, which the layers then append.

        Returns:
            Their positions, (T,), or (R, T) where rows differ; and a mask (P, 1, n, S) that is True
            on the keys which the one new token may attend to, or None where causality is enough.

        Raises:
            ValueError: They do not fit; or rows that differ shall grow by more than one.
        """
        if self._counted is not None:
            return self._extend_fixed(self._counted, T)
        start = max(self.lengths)
        if start + T > self._room:
            raise ValueError(
                f"the cache holds {self._room} tokens; {start} are stored and {T} more came"
            )
        if T != 1 and (self._places is not None or self._copies is not None):
            raise ValueError(f"rows of different lengths grow by 1 token a step, not {T}")
        mask: Tensor | None = None
        places: Tensor | slice = slice(start, start + T)
        end = start + T
        if self._copies is not None:
            places, mask = self._copies.extend()
            end = self._copies.end
        elif self._places is not None:
            places = self._places
            mask = (self._numbers[:end] <= places.unsqueeze(1))[:, None, None]
        for layer in self.layers:
            layer.places, layer.end = places, end
        positions = self._numbers[start : start + T]
        if self._places is not None:
            positions = self._places.unsqueeze(1)  # (R, 1)
            self.lengths = [length + 1 for length in self.lengths]
            self._places = self._places + 1
        elif self._expected is None:
            self.lengths = [start + T] * len(self.lengths)
        else:
            self._set_lengths(self._expected)
            self._expected = None
            if self._places is not None:  # padding stands where the row's last token does
                positions = torch.minimum(positions, self._places.unsqueeze(1) - 1)  # (R, T)
        return positions, mask

    @property
    def fixed(self) -> bool:
        """Whether steps are all alike for the device: see `fix`."""
        return self._counted is not None

    def fix(self) -> None:
        """Let the steps of one token that follow be all alike for the device.

        They look at all the memory there is, behind a mask, and count on the device; so what one
        launches can be recorded, and replayed for the next. It ends when rows come or go.

        Raises:
            ValueError: Prompts have several rows.
        """
        if self._copies is not None:
            raise ValueError("the rows of a prompt append side by side, elsewhere at each step")
        self._counted = self._numbers.new_tensor(self.lengths)

    def _extend_fixed(self, counted: Tensor, T: int) -> tuple[Tensor, Tensor]:
        if T != 1:
            raise ValueError(f"a fixed cache grows by 1 token a step, not {T}")
        places = counted.clone()
        counted += 1  # in place: the next step finds it there
        for layer in self.layers:
            layer.places, layer.end = places, self._room
        positions = places.unsqueeze(1)  # (R, 1)
        return positions, (self._numbers <= positions)[:, None, None]

    def _count(self) -> None:
        """Know the lengths again, if the device has counted them."""
        if self._counted is not None:
            self._set_lengths(self._counted.tolist())
            self._counted = None

    @property
    def key_positions(self) -> Tensor:
        """Where the tokens stand whose keys `extend` made room for last: (S,), or (P, S)."""
        if self._copies is not None:
            return self._copies.positions()
        return self._numbers[: self.layers[0].end]

    def expand(self, copies: int) -> None:
        """Give each prompt ``copies`` rows instead of one, next to each other.

        Raises:
            ValueError: That was done already.
        """
        self._count()
        if self._copies is not None:
            raise ValueError("the rows of these prompts have been copied already")
        if copies == 1:
            return
        prompts, end = self.lengths, max(self.lengths)
        S = end + (self._room - min(prompts)) * copies
        for layer in self.layers:
            for name in ("keys", "values"):
                old = getattr(layer, name)
                new = old.new_zeros((*old.shape[:2], S, old.size(3)))
                new[:, :, :end] = old[:, :, :end]
                setattr(layer, name, new)
        lengths = self._numbers.new_tensor(prompts)
        self._copies = _Copies(lengths, copies, room=self._room - min(prompts))
        self._set_lengths([length for length in prompts for _ in range(copies)])

    def reorder(self, rows: Tensor) -> None:
        """Let row r go on from the past of row ``rows[r]``, (R,) integers of the same prompt."""
        if self._copies is not None:
            self._copies.writers = self._copies.writers[rows]

    def keep(self, prompts: Sequence[int]) -> None:
        """Forget all prompts but these, which take the places 0, 1, and so on.

        Memory grows only with the number of prompts.
        """
        self._count()
        index, n = self._numbers.new_tensor(prompts), len(self.lengths) // self.layers[0].rows
        end = max(self.lengths) if self._copies is None else self._copies.end
        for layer in self.layers:
            for name in ("keys", "values"):
                old = getattr(layer, name)
                filled = old[index, :, :end]
                if len(prompts) > old.size(0):
                    old = old.new_zeros((len(prompts), *old.shape[1:]))
                old[: len(prompts), :, :end] = filled
                setattr(layer, name, old[: len(prompts)])
        if self._copies is not None:
            self._copies.keep(index)
        self._set_lengths(
            [self.lengths[prompt * n + copy] for prompt in prompts for copy in range(n)]
        )

    def put(self, prompt: int, other: KVCache, other_prompt: int) -> None:
        """Let a prompt with one row be another cache's: its past fits into this one's memory."""
        self._count()
        length = other.lengths[other_prompt]
        for layer, its in zip(self.layers, other.layers, strict=True):
            layer.keys[prompt, :, :length] = its.keys[other_prompt, :, :length]
            layer.values[prompt, :, :length] = its.values[other_prompt, :, :length]
        self._set_lengths([*self.lengths[:prompt], length, *self.lengths[prompt + 1 :]])

    def _set_lengths(self, lengths: Sequence[int]) -> None:
        self.lengths = list(lengths)
        equal = len(set(lengths)) <= 1
        self._places = None if equal else self._numbers.new_tensor(self.lengths)


class _Copies:
    """The rows of prompts that have several: which of the tokens side by side are whose past.

    Of each prompt, the first tokens are shared. Then come n places for each step, of which row i of
    the prompt writes the i-th.

    Args:
        prompts: Lengths of the shared tokens, (P,).
        copies: n.
        room: The most steps.
    """

    def __init__(self, prompts: Tensor, copies: int, *, room: int) -> None:
        self._prompts = prompts
        self._shared = int(prompts.max())
        self._n = torch.arange(copies, device=prompts.device)
        self._steps = 0
        # (R, steps): which of its prompt's rows wrote what row r sees of a step.
        self.writers = self._n.repeat(len(prompts)).unsqueeze(1).repeat(1, room)

    @property
    def end(self) -> int:
        """Places that are in use."""
        return self._shared + self._steps * len(self._n)

    def extend(self) -> tuple[slice, Tensor]:
        """Take a step: the places of what the rows append, and the mask of all: (P, 1, n, S)."""
        P, n, start = len(self._prompts), len(self._n), self.end
        self.writers[:, self._steps] = self._n.repeat(P)
        self._steps += 1
        own = self.writers[:, : self._steps].unsqueeze(2) == self._n  # (R, steps, n)
        place = torch.arange(self._shared, device=own.device)
        shared = place < self._prompts.view(-1, 1, 1)  # (P, 1, shared)
        mask = torch.cat((shared.expand(-1, n, -1), own.view(P, n, -1)), dim=2)
        return slice(start, self.end), mask.unsqueeze(1)

    def positions(self) -> Tensor:
        """Where the token at each place stands in its row: (S,), or (P, S) where prompts differ."""
        place = torch.arange(self.end, device=self._prompts.device)
        step = (place - self._shared) // len(self._n)
        positions = torch.where(step < 0, place, self._prompts.unsqueeze(1) + step)  # (P, S)
        return positions[0] if (self._prompts == self._shared).all() else positions

    def keep(self, prompts: Tensor) -> None:
        """Forget all prompts but these."""
        self._prompts = self._prompts[prompts]
        self.writers = self.writers.unflatten(0, (-1, len(self._n)))[prompts].flatten(0, 1)


class _Layer:
    """One layer's part of a `KVCache`, which says where the next tokens go."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys = keys
        self.values = values
        self.places: Tensor | slice = slice(0, 0)
        self.end = 0

    @property
    def rows(self) -> int:
        """For how many rows, or prompts, there is memory."""
        return self.keys.size(0)

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store (R, H, T, D) keys and values; return all up to the longest row's end.

        Rows of one prompt share what is returned, (P, H, S, D); they may also come side by side,
        as (P, H, n, D).
        """
        if len(keys) != self.rows:
            keys, values = (_side_by_side(each, self.rows) for each in (keys, values))
        if isinstance(self.places, slice):
            self.keys[:, :, self.places] = keys
            self.values[:, :, self.places] = values
        else:  # one token a row, each at its own place
            rows = torch.arange(len(self.places), device=self.places.device)
            self.keys[rows, :, self.places] = keys[:, :, 0]
            self.values[rows, :, self.places] = values[:, :, 0]
        return self.keys[:, :, : self.end], self.values[:, :, : self.end]


def _side_by_side(x: Tensor, prompts: int) -> Tensor:
    """The rows of a prompt as its tokens: (P · n, H, 1, D) -> (P, H, n, D)."""
    return x.unflatten(0, (prompts, -1)).transpose(1, 2).flatten(2, 3)


def place(
    tokens: Tensor, cache: KVCache | None, *, layers: int
) -> tuple[Tensor, Tensor | None, Sequence[Cache | None]]:
    """Where (B, T) tokens stand, what masks them, and each layer's cache: see `KVCache.extend`.

    Without a cache they are whole texts, read from the left.
    """
    if cache is None:
        return torch.arange(tokens.size(1), device=tokens.device), None, [None] * layers
    return *cache.extend(tokens.size(1)), cache.layers
