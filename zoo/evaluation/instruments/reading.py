"""How a model reads texts, as a fact that its answers depend on beside its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

import tokenizers

from zoo.text import Tokenizer


def reading(preprocessor: object) -> str:
    """The sha256 of a preprocessor's tokenizers and settings.

    Kept answers are found by the config and the weights; the files of a tokenizer can change
    without them.
    """
    digest = hashlib.sha256()
    for part in _parts(preprocessor):
        digest.update(part.encode(errors="surrogatepass") + b"\0")
    return digest.hexdigest()


def _parts(value: object) -> Iterator[str]:
    if isinstance(value, tokenizers.Tokenizer):
        value.no_truncation()  # whoever cuts texts says how long they may be at each use
        yield value.to_str()
    elif isinstance(value, Tokenizer):
        yield from _parts(value.backend)
        yield str(value.mask_token)
    elif is_dataclass(value):
        for each in fields(value):
            yield each.name
            yield from _parts(getattr(value, each.name))
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield repr(key)
            yield from _parts(each)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _parts(each)
    elif value is None or isinstance(value, str | int | float):
        yield repr(value)
    else:
        yield type(value).__name__
        if not callable(value):
            yield from _parts(getattr(value, "__dict__", {}))
