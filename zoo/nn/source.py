"""What an encoder-decoder remembers of its source, and of what it has written so far."""

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.nn.attention import KeysValues
from zoo.nn.cache import LayerCache


class SourceState:
    """The state of an encoder-decoder between two tokens: a source a prompt, a past a row.

    The encoder runs once, and each decoder layer makes its keys and values of the encoder's output
    once. They stay one a prompt however many rows (beams) the prompt has: rows of one prompt ask
    side by side. Satisfies the engine's protocol `zoo.generation.State`.

    Shapes: P prompts, R rows, S tokens of the longest prompt, H heads, D width of a head.

    Args:
        sources: Of each decoder layer, (P, H, S, D) keys and values.
        mask: True where a prompt has a token, (P, 1, 1, S); None if all are of one length.
        room: The most tokens that a row will hold.
    """

    def __init__(self, sources: Sequence[KeysValues], mask: Tensor | None, *, room: int) -> None:
        self.sources = list(sources)
        self.mask = mask
        self.caches = [
            LayerCache((keys.size(0), keys.size(1), room, keys.size(3)), like=keys)
            for keys, _ in sources
        ]

    @property
    def length(self) -> int:
        """How many tokens each row holds."""
        return self.caches[0].length

    def expand(self, copies: int) -> None:
        """Give each prompt ``copies`` rows instead of one, all with the same past."""
        for cache in self.caches:
            cache.keys = cache.keys.repeat_interleave(copies, dim=0)
            cache.values = cache.values.repeat_interleave(copies, dim=0)

    def reorder(self, rows: Tensor) -> None:
        """Let row r go on from the past of row ``rows[r]``, (R,), which is of the same prompt."""
        for cache in self.caches:
            for stored in (cache.keys, cache.values):
                past = stored[:, :, : cache.length]
                past.copy_(past.index_select(0, rows))

    def keep(self, prompts: Sequence[int]) -> None:
        """Forget all prompts and their rows but these, which take the first places."""
        device = self.caches[0].keys.device
        kept = torch.tensor(prompts, device=device)
        copies = self.caches[0].keys.size(0) // self.sources[0][0].size(0)
        rows = (kept.unsqueeze(1) * copies + torch.arange(copies, device=device)).flatten()
        for cache in self.caches:
            cache.keys, cache.values = cache.keys[rows], cache.values[rows]
        self.sources = [(keys[kept], values[kept]) for keys, values in self.sources]
        if self.mask is not None:
            self.mask = self.mask[kept]
