"""Several texts in one row, each attending to itself alone: no padding, and no mask."""

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor
from torch.nn import functional as F


class Segments:
    """Which tokens of a packed row belong together: a block-diagonal mask that is never written.

    A batch of texts of different lengths wastes work on padding in every linear layer. Packed, the
    texts lie one after the other in a single row; only attention needs to know where each begins.
    Neighbours of equal length are computed as one batch, so sort texts by length first.

    Shapes: N tokens of all texts, n texts of L tokens, H heads, D width of a head.

    Args:
        lengths: Tokens of each text, in the order of the row.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        self.lengths = tuple(lengths)
        self.groups = [(length, len(list(run))) for length, run in groupby(self.lengths)]

    def attend(self, query: Tensor, key: Tensor, value: Tensor, *, causal: bool = False) -> Tensor:
        """Attend within each text: (1, H, N, D) three times -> (1, H, N, D).

        Raises:
            ValueError: The row's length is not the sum of the texts'.
        """
        if query.size(0) != 1 or query.size(2) != sum(self.lengths):
            raise ValueError(
                f"expected one row of {sum(self.lengths)} tokens, "
                f"got {query.size(0)} of {query.size(2)}"
            )
        attended = []
        rows = (x[0].transpose(0, 1) for x in (query, key, value))  # (N, H, D) each
        for group in zip(*map(self.split, rows), strict=True):
            q, k, v = (x.transpose(1, 2) for x in group)  # (n, H, L, D), all views
            result = F.scaled_dot_product_attention(
                q, k, v, is_causal=causal, enable_gqa=q.size(1) != k.size(1)
            )
            attended.append(result.transpose(1, 2).flatten(0, 1))  # (n·L, H, D)
        return torch.cat(attended).transpose(0, 1).unsqueeze(0)  # (1, H, N, D)

    def split(self, row: Tensor) -> list[Tensor]:
        """Views of the texts, neighbours of one length together: (N, …) -> (n, L, …) each."""
        groups = row.split([length * texts for length, texts in self.groups])
        return [
            group.unflatten(0, (texts, length))
            for group, (length, texts) in zip(groups, self.groups, strict=True)
        ]
