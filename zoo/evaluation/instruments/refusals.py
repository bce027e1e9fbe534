"""What a model refuses fails alone, though many were asked at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zoo.errors import InputError
from zoo.evaluation.pictures import Pictured
from zoo.evaluation.protocol import Answer, Content, Failure
from zoo.image import Picture, picture_name
from zoo.tasks.seeing import OnError


def refused_alone(
    ask: Callable[[Sequence[Content]], Sequence[Answer]], contents: Sequence[Content]
) -> Sequence[Answer | Failure]:
    """Ask all at once; where one of them is refused, each for itself.

    Args:
        ask: Raises an InputError if it cannot answer one.
        contents: What it is asked about.
    """
    try:
        return ask(contents)
    except InputError as error:
        if len(contents) == 1:
            return [Failure(str(error))]
    return [answer for each in contents for answer in refused_alone(ask, [each])]


def decoded_alone(
    see: Callable[[Sequence[Picture], OnError], Sequence[Answer | None]],
    contents: Sequence[Pictured],
) -> Sequence[Answer | Failure]:
    """Show all at once; those that cannot be decoded fail alone.

    Args:
        see: Takes pictures, and what to call for one that cannot be decoded; returns an answer for
            each, or nothing at all where none can be.
        contents: The pictures.
    """
    pictures = [each.source for each in contents]
    failures: dict[int, Failure] = {}

    def failed(number: int, error: InputError) -> None:
        # Whoever reports it says which one; a copy of it may be asked about under another name.
        name = picture_name(pictures[number], number)
        failures[number] = Failure(str(error).replace(name, "it", 1))

    answers = see(pictures, failed)
    rows = answers if len(answers) else [None] * len(contents)
    return [failures.get(number) or row for number, row in enumerate(rows)]
