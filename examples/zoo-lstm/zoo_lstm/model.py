"""LSTM: a recurrent network that predicts the next token from a memory of fixed size.

Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997; the forget gate is by
Gers et al., 2000. As a language model, its head tied to its embedding: Press and Wolf, "Using the
Output Embedding to Improve Language Models", 2017. https://arxiv.org/abs/1608.05859
Reference code: pytorch/examples, word_language_model/model.py, whose tensor names are published.

For each token x and layer, i, f, g, o being slices of one product, and s the sigmoid::

    i, f, g, o = W x + U h + b         h: what the layer says, c: what it remembers
    c = s(f) * c + s(i) * tanh(g)      forget some, add some
    h = s(o) * tanh(c)

A Transformer keeps keys and values of every past token; here h and c are all there is.

Shapes: R rows, T tokens, L layers, C width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from zoo.config import Fields


@dataclass(frozen=True)
class LSTMConfig:
    """The sizes of one network; ``tied`` says that a file may lack the head's matrix."""

    vocabulary: int
    width: int
    layers: int
    tied: bool


def read_config(published: Mapping[str, Any]) -> LSTMConfig:
    """Read ``config.json``; its names are the arguments of the reference code."""
    fields = Fields(published, "lstm")
    width = fields.size("emsize")
    fields.must_be("nhid", width)
    fields.unused("dropout")
    config = LSTMConfig(
        vocabulary=fields.size("ntoken"),
        width=width,
        layers=fields.size("nlayers", most=100),
        tied=fields.flag("tie_weights", default=False),
    )
    fields.finish()
    return config


class LSTMState:
    """What the network remembers of each row, however long: h and c, (L, R, C).

    It is a `zoo.generation.CausalState`, so the engine runs rows side by side, refills the places
    of finished ones and searches with beams.
    """

    def __init__(self, layers: int, rows: int, width: int, *, like: Tensor) -> None:
        self.hidden = like.new_zeros(layers, rows, width)
        self.cell = like.new_zeros(layers, rows, width)
        self.lengths: Sequence[int] | None = None  # of the rows that are read next
        self._copies = 1

    def expect(self, lengths: Sequence[int]) -> None:
        """Say how long each of the first rows is; what follows in a row is padding."""
        self.lengths = lengths

    def expand(self, copies: int) -> None:
        """Give each prompt ``copies`` times as many rows, next to each other."""
        rows = torch.arange(self.hidden.size(1), device=self.hidden.device)
        self.reorder(rows.repeat_interleave(copies))
        self._copies *= copies

    def reorder(self, rows: Tensor) -> None:
        """Let row r go on from the past of row ``rows[r]``, (R,)."""
        self.hidden, self.cell = self.hidden[:, rows], self.cell[:, rows]

    def keep(self, prompts: Sequence[int]) -> None:
        """Forget all prompts but these, which take the places 0, 1, and so on."""
        rows = [prompt * self._copies + copy for prompt in prompts for copy in range(self._copies)]
        self.reorder(torch.tensor(rows, device=self.hidden.device))

    def put(self, prompt: int, other: LSTMState, other_prompt: int) -> None:
        """Let a prompt with one row go on as another state's."""
        self.hidden[:, prompt] = other.hidden[:, other_prompt]
        self.cell[:, prompt] = other.cell[:, other_prompt]


class LSTM(nn.Module):
    """The recurrent layers between an embedding and a head."""

    def __init__(self, config: LSTMConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocabulary, config.width)
        self.recurrence = nn.LSTM(config.width, config.width, config.layers, batch_first=True)
        self.head = nn.Linear(config.width, config.vocabulary)

    def forward(self, tokens: Tensor, *, cache: LSTMState | None = None) -> Tensor:
        """(R, T) -> (R, T, C): each token after all before it, those in the state included."""
        state = cache or self.new_cache(len(tokens), tokens.size(1))
        x = self.token_embedding(tokens)
        past = state.hidden, state.cell
        if state.lengths is None:
            x, past = self.recurrence(x, past)
        else:  # the memory after a row's last token, not after its padding
            lengths = torch.tensor(state.lengths)
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            packed, past = self.recurrence(packed, past)
            x, _ = pad_packed_sequence(packed, batch_first=True, total_length=tokens.size(1))
            state.lengths = None
        state.hidden, state.cell = past
        return x

    def predict(self, hidden: Tensor) -> Tensor:
        """(…, C) -> (…, V): logits of the next token."""
        return self.head(hidden)

    @property
    def max_length(self) -> None:
        """No limit: a memory of fixed size has no positions to run out of."""
        return

    def new_cache(self, rows: int, room: int) -> LSTMState:
        """An empty memory for so many rows, whatever room their tokens would take."""
        return LSTMState(self.config.layers, rows, self.config.width, like=self.head.weight)
