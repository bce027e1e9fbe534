"""Reading a published ``config.json``: every field is used, known to be harmless, or an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from zoo.errors import CheckpointError

T = TypeVar("T")

# What transformers writes for every model and what changes no number in inference.
_HARMLESS = frozenset(
    """
    _commit_hash _name_or_path architectures attn_implementation bos_token_id
    chunk_size_feed_forward cls_token_id dtype eos_token_id finetuning_task gradient_checkpointing
    id2label label2id language mask_token_id max_length model_type num_labels output_attentions
    output_hidden_states output_past problem_type return_dict sep_token_id task_specific_params
    tie_word_embeddings tokenizer_class torch_dtype torchscript transformers.js_config
    transformers_version unk_token_id use_bfloat16 use_cache vocab_type
    """.split()  # noqa: SIM905 (a list of words reads better)
)

# More classes than any published model has; a name is made up for each.
_MOST_LABELS = 10**6


# How to generate, which transformers wrote into config.json before generation_config.json came.
GENERATION = tuple(
    """
    bad_words_ids begin_suppress_tokens decoder_start_token_id diversity_penalty do_sample
    early_stopping encoder_no_repeat_ngram_size exponential_decay_length_penalty forced_bos_token_id
    forced_eos_token_id length_penalty max_length max_new_tokens min_length no_repeat_ngram_size
    num_beam_groups num_beams num_return_sequences output_scores remove_invalid_values
    renormalize_logits repetition_penalty return_dict_in_generate suppress_tokens temperature top_k
    top_p typical_p
    """.split()  # noqa: SIM905 (a list of words reads better)
)


class Fields:
    """The fields of one config, checked as they are read.

    Read each field that matters, name those that do not, then call `finish`: it refuses what is
    left. A field that zoo has never heard of may change the numbers, and a wrong number is worse
    than an error.

    Args:
        published: The parsed ``config.json``.
        name: The architecture's, for messages; or that of what reads another ``file``.
        file: Where the fields stand, for messages.
    """

    def __init__(
        self, published: Mapping[str, Any], name: str, *, file: str = "config.json"
    ) -> None:
        self._published = published
        self._name = name
        self._file = file
        self._reader = f"architecture {name!r}" if file == "config.json" else repr(name)
        self._known: set[str] = set()

    def size(
        self, name: str, *, default: int | None = None, least: int = 1, most: int = 2**31
    ) -> int:
        """An integer from ``least`` to ``most``."""
        value = self._get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < most:
            raise self._error(name, f"an integer from {least} to {most - 1}", value)
        return value

    def number(self, name: str, *, default: float | None = None) -> float:
        """A positive number."""
        value = self._get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
            raise self._error(name, "a positive number", value)
        return float(value)

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list of numbers."""
        values: object = self._get(name, ())
        if not isinstance(values, Sequence) or not all(
            isinstance(each, int | float) for each in values
        ):
            raise self._error(name, "a list of numbers", values)
        return tuple(float(value) for value in values)

    def table(self, name: str) -> Fields | None:
        """The fields of an object inside, to be read and finished like these; None if absent."""
        self._known.add(name)
        value: object = self._published.get(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self._error(name, "an object", value)
        return Fields(value, self._name, file=self._file)

    def is_list(self, name: str) -> bool:
        """Whether a field holds a list; it may be one number for all."""
        return isinstance(self._published.get(name), list)

    def is_table(self, name: str) -> bool:
        """Whether a field holds an object; older files may have a number there."""
        return isinstance(self._published.get(name), Mapping)

    def has(self, name: str) -> bool:
        """Whether a field is there, and not null."""
        return self._published.get(name) is not None

    def text(self, name: str, *, default: str | None = None) -> str:
        """A string."""
        value = self._get(name, default)
        if not isinstance(value, str):
            raise self._error(name, "a string", value)
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self._get(name, default)
        if not isinstance(value, bool):
            raise self._error(name, "true or false", value)
        return value

    def must_be(self, name: str, *allowed: object) -> None:
        """A field that, where it stands, has one of the values that the network implements."""
        value = self._get(name, allowed[0])
        if value not in allowed:
            raise self._error(name, " or ".join(repr(each) for each in allowed), value)

    def unused(self, *names: str) -> None:
        """Fields that change no number in inference: dropout, initialisation."""
        self._known.update(names)

    def architecture(self, known: Mapping[str, T]) -> T | None:
        """What ``known`` says of the class in ``architectures``; None if the field is not there."""
        classes = self._published.get("architectures")
        if not classes:
            return None
        for name, meaning in known.items():
            if classes == [name]:
                return meaning
        raise self._error("architectures", f"one of {', '.join(sorted(known))}", classes)

    def labels(self) -> tuple[tuple[str, ...], bool]:
        """The names of a classifier's classes, in order, and whether they are independent."""
        names = self._published.get("id2label")
        if names is None:  # transformers leaves out its default, two classes without names
            count = self.size("num_labels", default=2, most=_MOST_LABELS)
            names = {str(number): f"LABEL_{number}" for number in range(count)}
        if (
            not names
            or not isinstance(names, Mapping)
            or {str(key) for key in names} != {str(number) for number in range(len(names))}
        ):
            raise self._error("id2label", "a name for each class, numbered from 0", names)
        labels = {str(key): str(value) for key, value in names.items()}
        kind = self._published.get("problem_type")
        if kind == "regression":
            raise self._error("problem_type", "a classification", kind)
        in_order = tuple(labels[str(number)] for number in range(len(labels)))
        return in_order, kind == "multi_label_classification" or len(labels) == 1

    def finish(self) -> None:
        """Refuse fields that were neither read nor named as unused."""
        left = set(self._published) - self._known - _HARMLESS
        unknown = sorted(name for name in left if not name.startswith("_"))
        if unknown:
            raise CheckpointError(
                f"{self._file}: {', '.join(map(repr, unknown))} is not a field that "
                f"{self._reader} knows, and may change its numbers; if it does not, remove it"
            )

    def _get(self, name: str, default: T) -> T:
        self._known.add(name)
        value = self._published.get(name, default)
        if value is None:
            if default is None:
                raise CheckpointError(f"{self._file}: {name!r} is missing; {self._reader} needs it")
            return default
        return value

    def _error(self, name: str, expected: str, value: object) -> CheckpointError:
        return CheckpointError(
            f"{self._file}: {name!r} is {value!r:.80}; {self._reader} expects {expected}"
        )
