"""Texts of different lengths as one tensor of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zoo.nn import Segments

if TYPE_CHECKING:
    import tokenizers


class TokenBatch:
    """A batch of n texts, as the arguments that an encoder takes.

    Packed, all texts lie in one row and attention keeps them apart: no work is spent on padding,
    which suits a CPU. Padded, each text has its row and a mask hides the padding, which suits the
    few large kernels of a GPU. The numbers that come out are the same.

    Shapes: B rows, T tokens in a row (packed: 1 and the sum of all lengths), L tokens of a text,
    C width.

    Args:
        encodings: The tokenized texts, or just their token numbers; packed ones best sorted by
            length.
        packed: Which of the two.
        device: Where the tensors are put.
    """

    def __init__(
        self,
        encodings: Sequence[tokenizers.Encoding | Sequence[int]],
        *,
        packed: bool,
        device: torch.device,
    ) -> None:
        ids = [e if isinstance(e, Sequence) else e.ids for e in encodings]
        types = [[0] * len(e) if isinstance(e, Sequence) else e.type_ids for e in encodings]
        self.lengths = [len(numbers) for numbers in ids]
        self.mask: Segments | Tensor | None
        if packed:
            self.mask = Segments(self.lengths)
            self.tokens = _row(ids).to(device)  # (1, T)
            self.segments = _row(types).to(device)
            self.positions = _row([range(length) for length in self.lengths]).to(device)
            self._real = None
        else:
            T = max(self.lengths)
            self.tokens = _rows(ids, T).to(device)  # (B, T)
            self.segments = _rows(types, T).to(device)
            self.positions = torch.arange(T, device=device).expand_as(self.tokens)
            lengths = torch.tensor(self.lengths, device=device).unsqueeze(1)
            self._real = self.positions < lengths  # (B, T): False on padding
            self.mask = self._real[:, None, None, :]  # over heads and queries

    def blocks(self, hidden: Tensor) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Split (B, T, C) into blocks of texts: (n, L, C), and (n, L) that is False on padding.

        The texts come in the batch's order. Without padding there is no mask.
        """
        if isinstance(self.mask, Segments):
            for block in self.mask.split(hidden[0]):
                yield block, None
        else:
            yield hidden, self._real

    def rows(self, hidden: Tensor) -> list[Tensor]:
        """Split (B, T, C) into the texts' own (L, C), without padding."""
        if isinstance(self.mask, Segments):
            return list(hidden[0].split(self.lengths))
        return [row[:length] for row, length in zip(hidden, self.lengths, strict=True)]

    def padded(self, hidden: Tensor) -> tuple[Tensor, Tensor | None]:
        """Give each text its row: (B, T, C) -> (n, L, C), and (n, L) that is False on padding.

        Without padding there is no mask.
        """
        texts = len(self.lengths)
        if len(set(self.lengths)) == 1:
            return hidden.view(texts, -1, hidden.size(-1)), None
        if self._real is not None:
            return hidden, self._real
        rows = pad_sequence(self.rows(hidden), batch_first=True)
        lengths = torch.tensor(self.lengths, device=hidden.device).unsqueeze(1)
        return rows, torch.arange(rows.size(1), device=hidden.device) < lengths

    def first(self, hidden: Tensor) -> Tensor:
        """The first token of each text: (B, T, C) -> (n, C)."""
        return torch.cat([block[:, 0] for block, _ in self.blocks(hidden)])

    def last(self, hidden: Tensor) -> Tensor:
        """The last token of each text: (B, T, C) -> (n, C)."""
        ends = torch.tensor(self.lengths, device=hidden.device) - 1
        if isinstance(self.mask, Segments):
            starts = torch.tensor([0, *accumulate(self.lengths)][:-1], device=hidden.device)
            return hidden[0, starts + ends]
        return hidden[torch.arange(len(ends), device=hidden.device), ends]


def _row(lists: Sequence[Sequence[int]]) -> Tensor:
    """All lists end to end: (1, T)."""
    return torch.tensor([list(chain.from_iterable(lists))])


def _rows(lists: Sequence[Sequence[int]], T: int) -> Tensor:
    """A row for each list, with zeros up to T: (B, T). What a padding token says is never read."""
    return torch.tensor([[*numbers, *[0] * (T - len(numbers))] for numbers in lists])
