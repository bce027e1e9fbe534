"""What an encoder-decoder remembers of its source, and of what it has written so far."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.nn.attention import KeysValues
from zoo.nn.cache import KVCache


class SourceState:
    """The state of an encoder-decoder between two tokens: a source a prompt, a past a row.

    The encoder runs once, and each decoder layer makes its keys and values of the encoder's output
    once. They stay one a prompt however many rows (beams) the prompt has: rows of one prompt ask
    side by side. It is a `zoo.generation.State`.

    Shapes: P prompts, S tokens of the longest prompt, H heads, D width of a head.

    Args:
        sources: Of each decoder layer, (P, H, S, D) keys and values.
        mask: True where a prompt has a token, (P, 1, 1, S); None if all are of one length.
        room: The most tokens that a row will hold.
    """

    def __init__(self, sources: Sequence[KeysValues], mask: Tensor | None, *, room: int) -> None:
        keys, _ = sources[0]
        P, H, _, D = keys.shape
        self.sources = list(sources)
        self.mask = mask
        self.past = KVCache(len(sources), (P, H, room, D), like=keys)

    @property
    def fixed(self) -> bool:
        """Whether steps are all alike for the device: see `KVCache.fix`."""
        return self.past.fixed

    def fix(self) -> None:
        """Let the steps that follow be all alike for the device, until rows come or go."""
        self.past.fix()

    def expand(self, copies: int) -> None:
        """Give each prompt ``copies`` rows instead of one, all with the same past."""
        self.past.expand(copies)

    def reorder(self, rows: Tensor) -> None:
        """Let row r go on from the past of row ``rows[r]``, (R,), which is of the same prompt."""
        self.past.reorder(rows)

    def keep(self, prompts: Sequence[int]) -> None:
        """Forget all prompts and their rows but these, which take the first places."""
        self.past.keep(prompts)
        kept = torch.tensor(prompts, device=self.sources[0][0].device)
        self.sources = [(keys[kept], values[kept]) for keys, values in self.sources]
        if self.mask is not None:
            self.mask = self.mask[kept]

    def put(self, prompt: int, other: SourceState, other_prompt: int) -> None:
        """Let a prompt with one row be another state's."""
        self.past.put(prompt, other.past, other_prompt)
        P, _, S, _ = self.sources[0][0].shape
        its = other.sources[0][0].size(2)
        if self.mask is None:
            self.mask = torch.ones(P, 1, 1, S, dtype=torch.bool, device=self.sources[0][0].device)
        if its > S:
            self.mask = F.pad(self.mask, (0, its - S))
            self.sources = [
                (F.pad(keys, (0, 0, 0, its - S)), F.pad(values, (0, 0, 0, its - S)))
                for keys, values in self.sources
            ]
        for mine, theirs in zip(self.sources, other.sources, strict=True):
            for stored, new in zip(mine, theirs, strict=True):
                stored[prompt, :, :its] = new[other_prompt]
        self.mask[prompt] = False
        self.mask[prompt, ..., :its] = True if other.mask is None else other.mask[other_prompt]
