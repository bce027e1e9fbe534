"""Vectors of pictures and of texts in one space, by a model that sees and reads."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.evaluation.instruments.reading import reading
from zoo.evaluation.instruments.refusals import decoded_alone, refused_alone
from zoo.evaluation.pictures import Pictured
from zoo.evaluation.protocol import Answer, Failure
from zoo.image import Picture, image_preprocessor
from zoo.model import Model
from zoo.tasks.image_feature_extraction import embed_pictures
from zoo.tasks.seeing import OnError
from zoo.tasks.two_towers import embed_texts


class PictureVectors:
    """Each picture's vector, (E,), of length 1; of any model that embeds pictures."""

    def __init__(self, model: Model) -> None:
        self._model = model
        transform = image_preprocessor(model.preprocessor).transform
        self.facts = ("picture vectors", 1, str(transform))

    def ask(self, contents: Sequence[Pictured]) -> Sequence[Answer | Failure]:
        """Vectors of pictures; those that cannot be decoded fail."""

        def see(pictures: Sequence[Picture], on_error: OnError) -> Sequence[Answer]:
            return [*embed_pictures(self._model, pictures, normalize=True, on_error=on_error)]

        return decoded_alone(see, contents)


class CaptionVectors:
    """Each text's vector, (E,), of length 1."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.facts = ("caption vectors", 2, reading(model.preprocessor))

    def ask(self, contents: Sequence[str]) -> Sequence[Answer | Failure]:
        """Vectors of texts."""
        return refused_alone(self._embed, contents)

    def _embed(self, texts: Sequence[str]) -> Sequence[Answer]:
        return list(embed_texts(self._model, texts, normalize=True))
