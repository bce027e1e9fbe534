"""Writing tiny checkpoints: what `Architecture.sample` functions have in common."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path


def write_json(folder: Path, name: str, **fields: object) -> None:
    """Write a JSON file of a checkpoint, such as ``config.json``."""
    (folder / name).write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")


def write_byte_tokenizer(
    folder: Path, *, special: Sequence[str] = (), start: str = "", end: str = ""
) -> int:
    """Write a ``tokenizer.json`` with a token for each byte; return how many tokens it has.

    Args:
        folder: Of the checkpoint.
        special: Tokens that no text has, such as ``[MASK]``; they are numbered from 0.
        start: Which of them stands before each text, if any.
        end: Which of them stands after each text, and after the second of a pair.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    numbers = {token: number for number, token in enumerate([*special, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=numbers, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(special))
    if start or end:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{start} $A {end}".split(),
            pair=f"{start} $A {end} $B {end}".split(),
            special_tokens=[(token, numbers[token]) for token in (start, end) if token],
        )
    tokenizer.save(str(folder / "tokenizer.json"))
    return len(numbers)
