"""What a network must do to generate: read prompts, then take one token a step.

The engine (`zoo.generation.engine`) knows nothing else of a network, so a decoder that continues
its prompt and an encoder-decoder that translates it are the same to it.

Shapes: P prompts, R rows, C width, V vocabulary. A prompt has one row, or several after
`State.expand`; rows of one prompt are neighbours, so row r belongs to prompt r // (R / P).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from torch import Tensor


class State(Protocol):
    """What a network remembers of the rows so far; changed in place.

    Its memory is reserved by `Decoder.prefill` and `expand`, and does not grow with the tokens. A
    state that also has ``put`` (`zoo.generation.engine.Refillable`) lets waiting prompts take the
    places of finished ones.
    """

    def expand(self, copies: int) -> None:
        """Give each prompt ``copies`` rows instead of one, all with the same past.

        What depends on the prompt alone, such as an encoder's output, need not be copied: it can
        be shared by the prompt's rows.
        """

    def reorder(self, rows: Tensor) -> None:
        """Let row r go on from the past of row ``rows[r]``, (R,) integers.

        Both rows are of the same prompt, so what depends on the prompt alone stays as it is.
        """

    def keep(self, prompts: Sequence[int]) -> None:
        """Forget all prompts and their rows but these, which take the places 0, 1, and so on.

        A prompt that is named several times becomes as many prompts with the same past.
        """


S = TypeVar("S", bound=State)


class Decoder(Protocol[S]):
    """A network that generates, with the state of its own kind."""

    @property
    def max_length(self) -> int | None:
        """The most tokens that a row may hold: those of `begin` and those generated.

        None where there is no limit: a recurrent network's memory does not grow.
        """

    def begin(self, prompt: Sequence[int]) -> Sequence[int]:
        """The tokens that a row's output continues, at least one.

        A decoder continues the prompt itself; an encoder-decoder continues its start token. Rules
        against repetition look at these tokens too.
        """

    def prefill(self, prompts: Sequence[Sequence[int]], *, room: int) -> tuple[Tensor, S]:
        """Read prompts of any lengths: what `predict` takes, (P, C), and the state.

        A prompt's vector does not depend on the others in the batch.

        Args:
            prompts: Token numbers, P lists.
            room: The most tokens that a row will hold, those of `begin` included.
        """

    def decode(self, tokens: Tensor, state: S) -> Tensor:
        """Append a token to each row, (R,): what `predict` takes, (R, C)."""

    def predict(self, hidden: Tensor) -> Tensor:
        """(…, C) -> (…, V): logits of the next token.

        They are the caller's, who may write over them. A vocabulary is long, so a caller with many
        rows asks for a part of them at a time.
        """
