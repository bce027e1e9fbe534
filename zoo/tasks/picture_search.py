"""Search among pictures: which of many files a text describes best.

The pictures' vectors are kept on this disk, so that a second query looks at no picture again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.image import Picture, image_preprocessor, picture_name
from zoo.loading import Loaded
from zoo.result_cache import Content, ResultCache, key_of, vector_from_bytes, vector_to_bytes
from zoo.tasks.encoding import check_top_k
from zoo.tasks.image_feature_extraction import embed_pictures
from zoo.tasks.seeing import OnError
from zoo.tasks.two_towers import embed, require_two_towers

# Pictures that an interrupted search may have to do again.
_WINDOW = 256

# Raised when pictures become other numbers for a reason that is neither a model's nor a file's.
_VERSION = 1


@dataclass(frozen=True)
class Match:
    """A file, and the cosine of its picture and the query, -1 to 1."""

    path: str
    score: float


@dataclass(frozen=True)
class Ranking:
    """What was asked, the best matches first, and of how many pictures among how many.

    ``computed`` says how many of the ``pictures`` had to be looked at, which an earlier search had
    not; those that cannot be decoded count among neither.
    """

    query: str
    matches: tuple[Match, ...]
    pictures: int
    computed: int

    def to_dict(self) -> dict[str, Any]:
        """As plain lists, dicts and numbers."""
        return asdict(self)


def search(
    loaded: Loaded,
    pictures: Sequence[Path],
    query: str | Picture,
    *,
    top_k: int | None = None,
    batch_size: int | None = None,
    on_error: OnError | None = None,
    cache: bool = True,
    advance: Callable[[int], object] = lambda count: None,
) -> Ranking:
    """Rank files by how well a text describes their pictures, or how like another picture they are.

    Args:
        loaded: Its network is one of `zoo.tasks.two_towers.TwoTowers`.
        pictures: Files.
        query: A text; or a picture that is no string.
        top_k: At most so many matches; all unless given.
        batch_size: At most so many pictures a batch.
        on_error: What to do with a picture that cannot be decoded, which is then left out; raise
            its error unless given.
        cache: Whether vectors are kept from one search to the next; see `zoo.result_cache`.
        advance: Called with each number of pictures done.

    Raises:
        InputError: A picture cannot be decoded, or the query is empty.
        TaskError: The model does not see and read.
        UsageError: ``top_k`` or ``batch_size`` is below 1.
    """
    require_two_towers(loaded, "search")
    if top_k is not None:
        check_top_k(top_k)
    asked = embed(loaded, [query], normalize=True)[0]  # (E,), first: it may be wrong
    vectors, computed = _vectors(
        loaded, pictures, batch_size=batch_size, on_error=on_error, cache=cache, advance=advance
    )
    name = query if isinstance(query, str) else picture_name(query)
    if not vectors:
        return Ranking(name, (), 0, 0)
    scores = torch.stack([*vectors.values()]) @ asked  # (n,)
    best = scores.argsort(descending=True, stable=True)[:top_k].tolist()
    numbers = [*vectors]
    matches = [Match(str(pictures[numbers[each]]), scores[each].item()) for each in best]
    return Ranking(name, tuple(matches), len(vectors), computed)


def _vectors(
    loaded: Loaded,
    pictures: Sequence[Path],
    *,
    batch_size: int | None,
    on_error: OnError | None,
    cache: bool,
    advance: Callable[[int], object],
) -> tuple[dict[int, Tensor], int]:
    """The vector of each picture by its number, without those that fail; how many were computed."""

    def compute(numbers: Sequence[int]) -> dict[int, Tensor]:
        bad: set[int] = set()

        def failed(number: int, error: InputError) -> None:
            if on_error is None:
                raise error
            bad.add(numbers[number])
            on_error(numbers[number], error)

        rows = embed_pictures(
            loaded,
            [pictures[number] for number in numbers],
            normalize=True,
            batch_size=batch_size,
            on_error=failed,
        )
        found = dict(zip(numbers, rows, strict=True)) if len(rows) else {}
        return {number: row for number, row in found.items() if number not in bad}

    vectors: dict[int, Tensor] = {}
    computed = 0
    with closing(ResultCache()) as kept:
        model = _model_key(loaded, kept) if cache else None
        for start in range(0, len(pictures), _WINDOW):
            window = range(start, min(start + _WINDOW, len(pictures)))
            contents: dict[int, Content] = {}
            if model is not None:
                for number in window:
                    try:
                        contents[number] = kept.content(pictures[number])
                    except InputError as error:
                        if on_error is None:
                            raise
                        on_error(number, error)
                known = kept.get(model, [each.sha256 for each in contents.values()])
                vectors |= {
                    number: vector_from_bytes(known[each.sha256])
                    for number, each in contents.items()
                    if each.sha256 in known
                }
            wanted = contents if model is not None else window
            new = compute([number for number in wanted if number not in vectors])
            vectors |= new
            computed += len(new)
            if model is not None:
                # What was hashed and what was decoded are the same bytes only if nobody wrote.
                unmoved = {n: each for n, each in contents.items() if n in new}
                kept.put(
                    model,
                    {
                        each.sha256: vector_to_bytes(new[number])
                        for number, each in unmoved.items()
                        if each.still_there()
                    },
                )
            advance(len(window))
    return {number: vectors[number] for number in sorted(vectors)}, computed


def _model_key(loaded: Loaded, kept: ResultCache) -> str | None:
    """What changes whenever a picture's vector may; None if the model's files cannot be read."""
    hashes = kept.checkpoint(loaded.entry)
    if hashes is None:
        return None
    transform = image_preprocessor(loaded.preprocessor).transform
    return key_of(_VERSION, loaded.architecture.name, hashes, transform, str(loaded.dtype))
