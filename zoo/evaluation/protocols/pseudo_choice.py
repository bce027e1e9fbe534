"""Multiple choice by a masked language model: the choice of the largest pseudo-log-likelihood.

As BLiMP is measured on BERT: Salazar et al., "Masked Language Model Scoring", 2020, section 4.
https://arxiv.org/abs/1910.14659
"""

from __future__ import annotations

from zoo.errors import RegistryError
from zoo.evaluation.instruments.pseudo_likelihood import PseudoLikelihood
from zoo.evaluation.protocol import Instrument, Setup
from zoo.evaluation.protocols.log_likelihood import LogLikelihood
from zoo.model import Model


class PseudoChoice(LogLikelihood):
    """As `LogLikelihood`, with sums over tokens that are masked one at a time.

    ``within_word`` masks with each token those that follow it in its word.
    """

    method = "pseudo-log-likelihood of each choice"

    def __init__(self, setup: Setup) -> None:
        self._within_word = within_word(setup)
        super().__init__(setup)
        self.method = f"{type(self).method}; {masking(setup)}"

    def instrument(self, model: Model) -> Instrument:
        """What says how probable texts are after a context."""
        return PseudoLikelihood(model, within_word=self._within_word)


def within_word(setup: Setup) -> bool:
    """The setting of this name; false unless given.

    Raises:
        RegistryError: It is neither true nor false.
    """
    given = setup.settings.get("within_word", False)
    if not isinstance(given, bool):
        place = getattr(given, "place", setup.benchmark.file)
        raise RegistryError(f"{place}: within_word is {given!r:.40}; expected true or false")
    return given


def masking(setup: Setup) -> str:
    """What is masked for each token, in words."""
    if within_word(setup):
        return "each token is masked with those that follow it in its word"
    return "each token is masked alone"
