"""Several continuations of one text, read in one pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.nn.cache import Cache


class TokenTree:
    """Where the tokens of a row stand that holds a text and, after it, several continuations of it.

    Each continuation sees the text and itself, and none of the others; so what the text costs is
    paid once. It takes the place of a `zoo.nn.KVCache` in a network's forward pass, and keeps
    nothing.

    Shapes: B rows, T tokens in the longest row.

    Example::

        tree = TokenTree([(5, [2, 3])], layers=12, device=tokens.device)  # 5 tokens, 2, 3 others
        hidden = network(tokens, cache=tree)  # tokens: (1, 10)

    Args:
        rows: The length of each row's text, and those of its continuations.
        layers: How many the network has.
        device: Where the tokens are.
    """

    def __init__(
        self, rows: Sequence[tuple[int, Sequence[int]]], *, layers: int, device: torch.device
    ) -> None:
        T = max(trunk + sum(branches) for trunk, branches in rows)
        positions = torch.zeros(len(rows), T, dtype=torch.long)
        owners = torch.zeros(len(rows), T, dtype=torch.long)  # 0 the text, n continuation n
        for row, (trunk, branches) in enumerate(rows):
            positions[row, :trunk] = torch.arange(trunk)
            end = trunk
            for number, length in enumerate(branches, 1):
                positions[row, end : end + length] = torch.arange(trunk, trunk + length)
                owners[row, end : end + length] = number
                end += length
            owners[row, end:] = -1  # padding, which nobody sees
        seen = (owners[:, None, :] == 0) | (owners[:, None, :] == owners[:, :, None])  # (B, T, T)
        alone = len(rows) == 1 and len(rows[0][1]) <= 1
        self.layers: Sequence[Cache] = [_Nothing()] * layers
        self._positions = positions.to(device)
        self._mask = None if alone else seen.unsqueeze(1).to(device)  # (B, 1, T, T), over heads

    def extend(self, T: int) -> tuple[Tensor, Tensor | None]:
        """The positions of all tokens, (B, T), and what each sees, (B, 1, T, T), beside causality.

        Raises:
            ValueError: The rows have another length.
        """
        if self._positions.size(1) != T:
            raise ValueError(f"the tree has rows of {self._positions.size(1)} tokens, came {T}")
        return self._positions, self._mask


class _Nothing:
    """A layer's cache that keeps nothing: the row has all there is."""

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        return keys, values
