"""Texts that begin alike, read at once: what they share is computed once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.nn.cache import Cache


class TokenTree:
    """Texts as one tree of tokens, in which a common beginning is there once.

    Every node is a token; its ancestors are the tokens before it, and all that it may see. Nodes
    are numbered text by text, so ancestors come first.

    Example::

        tree = TokenTree([[5, 6, 7], [5, 6, 8, 9]])
        tree.tokens     # [5, 6, 7, 8, 9]
        tree.positions  # [0, 1, 2, 2, 3]
        tree.paths      # [[0, 1, 2], [0, 1, 3, 4]]

    Args:
        texts: Token numbers: one list or more, none of them empty.
    """

    def __init__(self, texts: Sequence[Sequence[int]]) -> None:
        self.tokens: list[int] = []
        self.positions: list[int] = []
        self.paths: list[list[int]] = []
        """For each text, the numbers of its nodes."""
        children: dict[tuple[int, int], int] = {}  # by the parent's number and the token
        for text in texts:
            path: list[int] = []
            node = -1
            for position, token in enumerate(text):
                new = len(self.tokens)
                node = children.setdefault((node, token), new)
                if node == new:
                    self.tokens.append(token)
                    self.positions.append(position)
                path.append(node)
            self.paths.append(path)

    def __len__(self) -> int:
        """How many nodes there are: N."""
        return len(self.tokens)

    @property
    def is_chain(self) -> bool:
        """Whether nothing branches: each text is the beginning of the longest."""
        return len(self) == max(map(len, self.paths))

    def mark(self, mask: Tensor) -> None:
        """Write True into (N, N) zeros where a node, the row, may look at another, the column."""
        known = 0
        for path in self.paths:
            past = [node for node in path if node < known]
            end = known + len(path) - len(past)
            mask[known:end, past] = True
            mask[known:end, known:end] = torch.ones_like(mask[known:end, known:end]).tril()
            known = end


class Forest:
    """Trees to be read at once, a row each: what a network takes in the place of its cache.

    It says where the tokens stand and what they may see, as `zoo.nn.KVCache` does, and keeps
    nothing: ``network(forest.tokens, cache=forest)`` gives the (R, N, C) of all nodes.

    Shapes: R trees, N nodes of the largest.

    Args:
        trees: R of them.
        layers: Of the network.
        device: The network's.
    """

    def __init__(self, trees: Sequence[TokenTree], *, layers: int, device: torch.device) -> None:
        N = max(map(len, trees))

        def padded(rows: Sequence[Sequence[int]]) -> Tensor:
            return torch.tensor([[*row, *[0] * (N - len(row))] for row in rows], device=device)

        self.tokens = padded([tree.tokens for tree in trees])  # (R, N)
        self.layers: Sequence[Cache] = [_Passing()] * layers
        self._positions = padded([tree.positions for tree in trees])  # (R, N)
        self._mask: Tensor | None = None
        if not all(tree.is_chain for tree in trees):  # causality hides what follows a chain
            mask = torch.eye(N, dtype=torch.bool).repeat(len(trees), 1, 1)  # padding sees itself
            for row, tree in zip(mask, trees, strict=True):
                tree.mark(row[: len(tree), : len(tree)])
            self._mask = mask.unsqueeze(1).to(device)  # (R, 1, N, N)

    def extend(self, T: int) -> tuple[Tensor, Tensor | None]:
        """Positions (R, N) of all nodes, and a mask (R, 1, N, N), or None where causality does.

        Raises:
            ValueError: These are not the forest's own tokens.
        """
        if self.tokens.size(1) != T:
            raise ValueError(f"the forest has {self.tokens.size(1)} nodes a row, {T} came")
        return self._positions, self._mask


class _Passing:
    """A layer's cache that keeps nothing."""

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """What came."""
        return keys, values
