"""What a model refuses fails alone, though many were asked at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zoo.errors import InputError
from zoo.evaluation.protocol import Answer, Content, Failure


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
