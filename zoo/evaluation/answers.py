"""Asking many questions, each once: what is known from before is not asked again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from zoo.evaluation.protocol import Answer, Content, Failure, Instrument, Question
from zoo.loading import Loaded
from zoo.result_cache import ResultCache, key_of, vector_from_bytes, vector_to_bytes

# Raised when answers become others for a reason that is neither a model's nor an instrument's.
_VERSION = 1

Known = dict[tuple[str, str], Answer | Failure]
"""Answers by the instrument's name and the content's hash."""


class Asking:
    """Puts questions to the instruments of one protocol, and keeps what they answer.

    Args:
        loaded: The model behind the instruments.
        instruments: By name.
        cache: Where answers are kept from one run to the next; None for nowhere.
        batch_size: At most so many questions at once; None leaves it to the instrument.
    """

    def __init__(
        self,
        loaded: Loaded,
        instruments: Mapping[str, Instrument],
        cache: ResultCache | None,
        *,
        batch_size: int | None = None,
    ) -> None:
        self._instruments = instruments
        checkpoint = None if cache is None else cache.checkpoint(loaded.entry)
        self._cache = cache if checkpoint is not None else None
        self._keys = {
            name: key_of(
                _VERSION, loaded.architecture.name, checkpoint, str(loaded.dtype), instrument.facts
            )
            for name, instrument in instruments.items()
        }
        self._batch_size = batch_size

    def ask(self, questions: Sequence[Question]) -> Known:
        """Answer each; those that are the same have one answer."""
        known: Known = {}
        for name, instrument in self._instruments.items():
            contents: dict[str, Content] = {
                each.sha256: each.content for each in questions if each.instrument == name
            }
            answers: dict[str, Answer | Failure] = {}
            if self._cache is not None:
                kept = self._cache.get(self._keys[name], [*contents])
                answers = {sha256: _decode(data) for sha256, data in kept.items()}
            new = [sha256 for sha256 in contents if sha256 not in answers]
            size = self._batch_size or len(new) or 1
            for start in range(0, len(new), size):
                batch = new[start : start + size]
                said = instrument.ask([contents[sha256] for sha256 in batch])
                answers |= dict(zip(batch, said, strict=True))
            self._keep(name, {sha256: answers[sha256] for sha256 in new})
            known |= {(name, sha256): answer for sha256, answer in answers.items()}
        return known

    def _keep(self, name: str, answers: Mapping[str, Answer | Failure]) -> None:
        """All in one transaction: a run that is killed has a window's answers, or none of them."""
        if self._cache is not None:
            encoded = {
                sha256: _encode(answer)
                for sha256, answer in answers.items()
                if not isinstance(answer, Failure) and is_finite(answer)
            }
            self._cache.put(self._keys[name], encoded)


def is_finite(answer: Answer) -> bool:
    """Whether there is neither NaN nor infinity among the numbers of an answer."""
    if isinstance(answer, float):
        return math.isfinite(answer)
    if isinstance(answer, Mapping):
        return all(map(is_finite, answer.values()))
    if isinstance(answer, Sequence) and not isinstance(answer, str):
        return all(map(is_finite, answer))
    return not hasattr(answer, "isfinite") or bool(answer.isfinite().all())


def _encode(answer: Answer) -> bytes:
    from torch import Tensor

    if isinstance(answer, Tensor):
        return b"v" + vector_to_bytes(answer)
    return b"j" + json.dumps(answer).encode()


def _decode(data: bytes) -> Answer:
    return vector_from_bytes(data[1:]) if data[:1] == b"v" else json.loads(data[1:])
