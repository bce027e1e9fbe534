"""A text while it is generated."""

from __future__ import annotations

from collections.abc import Iterator

from zoo.generation import Finish, Step
from zoo.text import TextStream


class Streamed(Iterator[str]):
    """The pieces of one text, each as soon as it is certain, in whole characters.

    ``text`` is what the pieces so far make, ``tokens`` how many were generated for it; ``finish``
    is why the text ended, once it has.
    """

    def __init__(self, steps: Iterator[Step], text: TextStream) -> None:
        self.text = ""
        self.tokens = 0
        self.finish: Finish | None = None
        self._pieces = self._run(steps, text)

    def __next__(self) -> str:
        piece = next(self._pieces)
        self.text += piece
        return piece

    def _run(self, steps: Iterator[Step], text: TextStream) -> Iterator[str]:
        for step in steps:
            self.tokens += 1
            self.finish = step.finish
            if piece := text.push(step.token):
                yield piece
        if piece := text.finish():
            yield piece
