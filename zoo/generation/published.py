"""How a checkpoint's authors generate: ``generation_config.json``, read into `Settings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.checkpoint import Files
from zoo.config import GENERATION
from zoo.errors import CheckpointError, UsageError
from zoo.generation.settings import Settings

# Our name of each field that means the same: rules on what may come, and how to search for it.
_RULES = {
    "no_repeat_ngram_size": "no_repeat_ngram",
    "renormalize_logits": "renormalize",
    "repetition_penalty": "repetition_penalty",
}
_SEARCH = {
    "early_stopping": "early_stopping",
    "length_penalty": "length_penalty",
    "num_beams": "num_beams",
    "num_return_sequences": "sequences",
}
_DRAWING = ("temperature", "top_k", "top_p", "min_p")

# What the engine has no rule for, and the values that ask for none.
_NEUTRAL: dict[str, tuple[object, ...]] = {
    "begin_suppress_tokens": ([],),
    "constraints": (),
    "diversity_penalty": (0.0,),
    "encoder_no_repeat_ngram_size": (0,),
    "encoder_repetition_penalty": (1.0,),
    "epsilon_cutoff": (0.0,),
    "eta_cutoff": (0.0,),
    "exponential_decay_length_penalty": (),
    "force_words_ids": (),
    "forced_bos_token_id": (),
    "guidance_scale": (1.0,),
    "min_length": (0,),
    "min_new_tokens": (0,),
    "num_beam_groups": (1,),
    "penalty_alpha": (),
    "sequence_bias": (),
    "stop_strings": (),
    "suppress_tokens": ([],),
    "typical_p": (1.0,),
}


def published_settings(files: Files, *, vocabulary: int, start: int, max_length: int) -> Settings:
    """Read a checkpoint's settings; where it says nothing, the most probable token each time.

    Checkpoints from before that file have them in ``config.json``. Fields that change how text is
    output, or how fast, are left to the program.

    Args:
        files: Of the checkpoint.
        vocabulary: All tokens are below it.
        start: The token that the network begins with, which the file must not contradict.
        max_length: The most tokens that the network has positions for, with the start.

    Raises:
        CheckpointError: A field has an impossible value, or asks for a rule that zoo lacks.
    """
    where, published = _read(files)
    if published.get("decoder_start_token_id") not in (None, start):
        raise CheckpointError(
            f"{where} starts with token {published['decoder_start_token_id']!r}, "
            f"config.json with {start}"
        )
    chosen = _same(published, _RULES | _SEARCH)
    if published.get("do_sample"):
        drawing = {"temperature": 1.0, "top_k": 50}  # transformers' own
        drawing |= {key: published[key] for key in _DRAWING if published.get(key) is not None}
        chosen |= drawing
    try:
        return Settings(
            max_new_tokens=_length(published, max_length),
            ends=_tokens(published, "eos_token_id", vocabulary, where),
            **_forbidden_and_forced(published, vocabulary, where),
            **chosen,
        )
    except (UsageError, TypeError) as error:
        raise CheckpointError(f"{where}: {error}") from error


def published_rules(files: Files, *, vocabulary: int) -> Settings:
    """Read the rules of a checkpoint that hold however its tokens are chosen, and nothing else.

    Whoever continues a prompt says himself whether to draw or to search, and how long; so do those
    who call transformers with ``do_sample=False``, where these rules apply all the same.

    Args:
        files: Of the checkpoint.
        vocabulary: All tokens are below it.

    Raises:
        CheckpointError: As of `published_settings`.
    """
    where, published = _read(files)
    try:
        return Settings(
            **_forbidden_and_forced(published, vocabulary, where), **_same(published, _RULES)
        )
    except (UsageError, TypeError) as error:
        raise CheckpointError(f"{where}: {error}") from error


def _read(files: Files) -> tuple[str, Mapping[str, Any]]:
    """Where the fields stand, for messages, and the fields; without those that zoo has no rule for.

    Raises:
        CheckpointError: One of these asks for something.
    """
    name = "generation_config.json"
    published = files.json(name)
    if not published:
        name = "config.json"
        known = {*GENERATION, "eos_token_id"}
        published = {key: value for key, value in files.json(name).items() if key in known}
    where = f"{files.source}: {name}"
    for field, neutral in _NEUTRAL.items():
        value = published.get(field)
        if value is not None and value not in neutral:
            raise CheckpointError(f"{where} asks for {field} {value!r}, which zoo lacks")
    return where, published


def _same(published: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The fields that are there, by our names."""
    return {
        ours: published[theirs]
        for theirs, ours in names.items()
        if published.get(theirs) is not None
    }


def _forbidden_and_forced(
    published: Mapping[str, Any], vocabulary: int, where: str
) -> dict[str, Any]:
    """The settings that name tokens which never come, or come at the end."""
    forced = _tokens(published, "forced_eos_token_id", vocabulary, where)
    bad_words: object = published.get("bad_words_ids") or []
    if not isinstance(bad_words, list):
        raise CheckpointError(f"{where}: bad_words_ids is {bad_words!r:.60}; expected lists")
    return {
        "forced_end": forced[0] if forced else None,
        "bad_words": tuple(
            _tokens({"bad_words_ids": word}, "bad_words_ids", vocabulary, where)
            for word in bad_words
        ),
    }


def _length(published: Mapping[str, Any], max_length: int) -> int:
    """How many tokens follow the start; ``max_length`` counts the start, ``max_new_tokens`` not."""
    new = published.get("max_new_tokens")
    if new is None and published.get("max_length") is not None:
        new = published["max_length"] - 1
    if new is None:
        new = Settings.max_new_tokens
    return min(new, max_length - 1)


def _tokens(
    published: Mapping[str, Any], name: str, vocabulary: int, where: str
) -> tuple[int, ...]:
    """Token numbers under this name: one, several or none."""
    value = published.get(name)
    numbers = [] if value is None else value if isinstance(value, list) else [value]
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < vocabulary:
            raise CheckpointError(
                f"{where}: {name} is {value!r}; expected numbers of tokens below {vocabulary}"
            )
    return tuple(numbers)
