"""What each task takes from the command line, calls in the library, and prints."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import InputError, TaskError, UsageError
from zoo_cli import output

if TYPE_CHECKING:
    from zoo.entry import Entry
    from zoo.model import Model
    from zoo.tasks.sequence_to_sequence import Answer
    from zoo.tasks.streaming import Streamed
    from zoo.tasks.text_generation import Continuation
    from zoo.text import Message
    from zoo_cli.files import Row

Options = Mapping[str, Any]
"""Those that the user gave, by the names that the library's methods have for them."""

_GENERATION = (
    "max_new_tokens",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "no_repeat_ngram",
    "num_beams",
    "sequences",
    "seed",
)
_OPTIONS = {
    "fill-mask": ("top_k", "targets", "batch_tokens"),
    "text-classification": ("top_k", "batch_tokens"),
    "zero-shot-classification": ("labels", "template", "multi_label", "batch_tokens"),
    "feature-extraction": ("pooling", "normalize", "prompt", "batch_tokens"),
    "image-classification": ("top_k", "batch_size", "contact_sheet"),
    "image-completion": ("keep", "temperature", "top_k", "sequences", "seed", "batch_size"),
    "image-feature-extraction": ("normalize", "batch_size"),
    "masked-image-modeling": ("seed", "batch_size"),
    "zero-shot-image-classification": (
        "labels",
        "template",
        "top_k",
        "batch_tokens",
        "batch_size",
        "contact_sheet",
    ),
    "text-generation": (*_GENERATION, "logprobs", "stop", "system", "raw"),
    "translation": ("to", *_GENERATION),
    "text2text-generation": _GENERATION,
}
_FIELDS = {
    "fill-mask": "gaps",
    "text-classification": "labels",
    "zero-shot-classification": "labels",
    "feature-extraction": "embedding",
    "image-classification": "labels",
    "image-completion": "painted",
    "image-feature-extraction": "embedding",
    "masked-image-modeling": "painted",
    "zero-shot-image-classification": "labels",
    "text-generation": "continuation",
    "translation": "translation",
    "text2text-generation": "answer",
}
_FLAGS = {
    "no_repeat_ngram": "--no-repeat-ngram-size",
    "sequences": "--num-return-sequences",
}
# Tasks whose inputs are pictures.
_SEEING = (
    "image-classification",
    "image-completion",
    "image-feature-extraction",
    "masked-image-modeling",
    "zero-shot-image-classification",
)
# Tasks whose results are pictures.
_PAINTING = ("image-completion", "masked-image-modeling")
_VECTORS = ("feature-extraction", "image-feature-extraction")
_PREVIEW = 6  # numbers of a vector that a terminal shows


def choose_task(entry: Entry, asked: str | None) -> str | None:
    """Return the task that is asked for, else the entry's first; None if only the files can tell.

    Raises:
        TaskError: There is no such task, or the entry does not list it.
    """
    if asked is not None and asked not in _OPTIONS:
        raise TaskError(f"no task {asked!r}; expected one of {', '.join(_OPTIONS)}")
    if asked is not None and entry.tasks and asked not in entry.tasks:
        raise TaskError(f"{entry.name} cannot do {asked}; it can do {', '.join(entry.tasks)}")
    return asked or (entry.tasks[0] if entry.tasks else None)


def check_options(task: str, options: Options) -> None:
    """Refuse options that the task does not take, before the model is loaded.

    Raises:
        UsageError: One belongs to another task, or cannot be meant.
        TaskError: The command line does not know this task.
    """
    if task not in _OPTIONS:
        raise TaskError(f"`zoo run` cannot do {task}; it can do {', '.join(_OPTIONS)}")
    for name in options:
        if name not in _OPTIONS[task]:
            owners = [owner for owner, names in _OPTIONS.items() if name in names]
            raise UsageError(
                f"{_flag(name)} is no option of {task}, which has "
                f"{', '.join(map(_flag, _OPTIONS[task]))}; did you mean --task {owners[0]}?"
            )
    if "labels" in _OPTIONS[task]:
        _check_labels(task, options)
    if options.get("pooling") == "none" and "normalize" in options:
        raise UsageError("--normalize scales a text's vector; --pooling none gives its tokens'")
    for name in ("top_p", "repetition_penalty"):
        if options.get(name, 1) <= 0:
            raise UsageError(f"{_flag(name)} is {options[name]}; expected above 0")
    drawing = [name for name in ("top_k", "top_p", "min_p") if name in options]
    # What a text-to-text checkpoint's authors draw with, only its files tell.
    if task == "text-generation" and drawing and not options.get("temperature"):
        raise UsageError(
            f"{', '.join(map(_flag, drawing))}: without --temperature the most probable token is "
            "taken each time; give --temperature 1 to draw"
        )
    if options.get("num_beams", 1) > 1 and options.get("temperature"):
        raise UsageError("--num-beams searches for the best text, --temperature draws; give one")
    if options.get("num_beams", 1) > 1 and "logprobs" in options:
        raise UsageError("--logprobs goes without --num-beams")
    several = options.get("sequences", 1)
    # Without options, translators and T5 do as their files say, perhaps with beams.
    unknown = task != "text-generation" and "num_beams" not in options
    if several > options.get("num_beams", 1) and not options.get("temperature") and not unknown:
        raise UsageError(
            f"--num-return-sequences {several} needs --temperature above 0, or at least as many "
            "--num-beams; else all would be the same"
        )
    if not all(options.get("stop", ())):
        raise UsageError("--stop: expected a text that is not empty")
    if "raw" in options and "system" in options:
        raise UsageError("--raw leaves the chat template out, which --system is for; give one")


def check_model(model: Model, task: str, options: Options) -> None:
    """Refuse what only the model's files tell that it cannot do.

    Raises:
        UsageError: A system message without a chat template.
    """
    if "system" in options and not chats(model, task, options):
        raise UsageError(
            f"--system: {model.entry.name} has no chat template, so put it into the prompt"
        )


def chats(model: Model, task: str, options: Options) -> bool:
    """Whether a text is a user's message, which the model's chat template is to write."""
    return (
        task == "text-generation" and model.preprocessor.chat is not None and "raw" not in options
    )


def tokens(model: Model, text: str, options: Options) -> list[int]:
    """The tokens of a prompt for ``text-generation``, as the model will read it.

    Raises:
        InputError: The chat template refuses the text, or it is empty.
    """
    if chats(model, "text-generation", options):
        return model.preprocessor.encode_chat(messages(text, options))[1]
    return model.preprocessor.encode(text)


def messages(text: str, options: Options) -> list[Message]:
    """A conversation that begins with a text of the user's."""
    system = [{"role": "system", "content": options["system"]}] if "system" in options else []
    return [*system, {"role": "user", "content": text}]


def _check_labels(task: str, options: Options) -> None:
    labels: list[str] = options.get("labels", [])
    wrong = ""
    if not all(labels):
        wrong = f"; label {labels.index('') + 1} is empty"
    elif twice := [label for number, label in enumerate(labels) if label in labels[:number]]:
        wrong = f"; {twice[0]!r} comes twice"
    if wrong or not labels:
        raise UsageError(f"{task}: expected --labels A,B with different labels{wrong}")
    templates: list[str] = options.get("template", ["{}"])
    if not all("{}" in template for template in templates):
        raise UsageError("--template: expected a sentence with {} where the label goes")
    if len(templates) > 1 and not sees(task):
        raise UsageError(f"--template: {task} takes one sentence, got {len(templates)}")


def window(task: str) -> int:
    """How many texts are handed to the model at once, and what a killed run may do again.

    The model sorts them by length into batches; a text that is generated takes far longer, and
    so does a picture.
    """
    return 128 if set(_GENERATION) <= set(_OPTIONS[task]) or sees(task) else 1024


def sees(task: str) -> bool:
    """Whether a task's inputs are pictures."""
    return task in _SEEING


def paints(task: str) -> bool:
    """Whether a task's results are pictures."""
    return task in _PAINTING


def field(task: str, options: Options) -> str:
    """What a result is called beside its text: in JSON, and as a column of a file."""
    if options.get("pooling") == "none":
        return "embeddings"
    name = _FIELDS.get(task, "result")
    several = options.get("sequences", 1) > 1 and not paints(task)  # all on one picture
    return f"{name}s" if several else name


def at(task: str, options: Options, first: int) -> dict[str, Any]:
    """The options for rows from ``first`` on: the draws of each are those of all rows at once."""
    drawn = "seed" in options and "temperature" in _OPTIONS[task]
    return {**options, "first_row": first} if drawn else dict(options)


def streams(model: Model, task: str, options: Options) -> bool:
    """Whether a single text can be shown while it comes up."""
    if task == "text-generation":
        alone = options.get("num_beams", 1) == options.get("sequences", 1) == 1
        return alone and "logprobs" not in options
    if task in ("translation", "text2text-generation"):
        from zoo.tasks.sequence_to_sequence import streams

        return streams(model, {name: each for name, each in options.items() if name != "to"})
    return False


def stream(model: Model, task: str, text: str, options: Options) -> Streamed:
    """Run a task of which `streams` is true.

    Raises:
        ZooError: As the model's methods do.
    """
    if chats(model, task, options):
        return stream_chat(model, messages(text, options), options)
    if task == "translation":
        return model.stream_translation(text, **options)
    if task == "text2text-generation":
        return model.stream_answer(text, **options)
    return model.stream(text, **_library(options))


def stream_chat(model: Model, conversation: list[Message], options: Options) -> Streamed:
    """Answer a conversation.

    Raises:
        ZooError: As the model's method does.
    """
    return model.stream_chat(conversation, **_library(options))


@dataclass(frozen=True)
class Answers:
    """A result for each text, as plain lists, dicts and numbers; the tokens generated for all."""

    results: list[Any]
    tokens: int = 0


def answer(model: Model, task: str, rows: Sequence[Row], options: Options) -> Answers:
    """Run a task.

    Raises:
        ZooError: As the model's methods do.
    """
    if sees(task):
        return Answers(_look(model, task, rows, options))
    texts = [row.text for row in rows]
    if task == "text-generation":
        if chats(model, task, options):
            conversations = [messages(text, options) for text in texts]
            generations = model.chat(conversations, **_library(options))
        else:
            generations = model.generate(texts, **_library(options))
        found = [each.continuations for each in generations]
        return Answers(
            [_one_or_all([_continuation(each) for each in row], options) for row in found],
            sum(each.tokens for row in found for each in row),
        )
    if task == "translation":
        return _whole(model.translate(texts, **options), options)
    if task == "text2text-generation":
        return _whole(model.answer(texts, **options), options)
    return Answers(_scored(model, task, texts, options))


def _library(options: Options) -> dict[str, Any]:
    """What the library's methods take; the others say which method to call."""
    return {name: value for name, value in options.items() if name not in ("raw", "system")}


def _one_or_all(results: list[Any], options: Options) -> object:
    """The only result, or all of them where several were asked for."""
    return results if options.get("sequences", 1) > 1 else results[0]


def _scored(model: Model, task: str, texts: list[str], options: Options) -> list[Any]:
    """The results of tasks that generate nothing."""
    if task == "fill-mask":
        filled = model.fill_mask(texts, **options)
        return [each.to_dict()["gaps"] for each in filled]
    if task == "text-classification":
        classified = model.classify(texts, **options)
        return [each.to_dict()["labels"] for each in classified]
    if task == "zero-shot-classification":
        rest = {**options, "template": options.get("template", [None])[0]}
        classified = model.zero_shot(texts, **rest)
        return [each.to_dict()["labels"] for each in classified]
    if options.get("pooling") == "none":
        rest = {name: value for name, value in options.items() if name != "pooling"}
        return [tokens.tolist() for tokens in model.embed_tokens(texts, **rest)]
    vectors: list[Any] = model.embed(texts, **options).tolist()
    return vectors


def _look(model: Model, task: str, rows: Sequence[Row], options: Options) -> list[Any]:
    """A result for each picture; None for those that cannot be read, which are noted."""
    pictures = [Path(row.text) for row in rows]
    if task == "image-classification":
        rest = {name: value for name, value in options.items() if name != "contact_sheet"}
        classified = model.classify(pictures, on_error=noted(), **rest)
        return [each.to_dict()["labels"] or None for each in classified]
    if task == "zero-shot-image-classification":
        rest = {name: value for name, value in options.items() if name != "contact_sheet"}
        classified = model.zero_shot(pictures, on_error=noted(), **rest)
        return [each.to_dict()["labels"] or None for each in classified]
    vectors: list[list[float]] = model.embed(pictures, on_error=noted(), **options).tolist()
    return [None if math.isnan(vector[0]) else vector for vector in vectors if vector]


def prepared(model: Model, task: str, options: Options) -> dict[str, Any]:
    """The options, with labels for pictures embedded once for all windows."""
    if task != "zero-shot-image-classification":
        return dict(options)
    used = ("labels", "template", "batch_tokens")
    classes = model.prepare_classes(**{each: options[each] for each in used if each in options})
    return {name: x for name, x in options.items() if name not in used} | {"labels": classes}


def noted() -> Callable[[int, InputError], None]:
    """What to do with a picture that cannot be read: say so, and go on."""
    return lambda number, error: output.note(str(error), kind="unreadable")


def _continuation(first: Continuation) -> dict[str, Any]:
    """A continuation without what was not asked for."""
    result: dict[str, Any] = {
        "text": first.text,
        "tokens": first.tokens,
        "finish": first.finish,
    }
    if first.score is not None:
        result["score"] = first.score
    if first.logprobs:
        result["logprobs"] = [
            {
                "token": each.token,
                "logprob": each.logprob,
                "alternatives": [
                    {"token": token, "logprob": logprob} for token, logprob in each.alternatives
                ],
            }
            for each in first.logprobs
        ]
    return result


def _whole(answers: Sequence[Answer], options: Options) -> Answers:
    """The texts; says of how many only the beginning is there."""
    count = options.get("sequences", 1)
    rows = [each.candidates[:count] for each in answers]
    note_cut(sum(each.finish == "length" for row in rows for each in row))
    return Answers(
        [_one_or_all([each.text for each in row], options) for row in rows],
        sum(each.tokens for row in rows for each in row),
    )


def note_cut(count: int) -> None:
    """Say of how many results only the beginning is there, if there are any."""
    if count:
        output.note(
            f"{output.plural(count, 'result')} reached the most tokens allowed and may lack an "
            "end; --max-new-tokens allows more, up to the model's limit"
        )


def print_plain(task: str, texts: Sequence[str], results: Sequence[Any], *, alone: bool) -> None:
    """Print results for people; vectors, when nobody looks, as a JSON array a line.

    ``alone`` says that there is one text, which need not be repeated above its answers.
    """
    for text, result in zip(texts, results, strict=True):
        if result is None:  # a picture that cannot be read, which was noted
            continue
        if task in _VECTORS:
            output.emit(_vectors(result))
            continue
        if task in ("translation", "text2text-generation"):
            for each in result if isinstance(result, list) else [result]:
                output.emit(output.readable(each, lines=False))
            continue
        if task == "text-generation":
            several = isinstance(result, list)
            if not alone:
                output.emit(output.readable(text))
            for each in result if several else [result]:
                _print_continuation(each)
                if several or not alone:
                    output.emit("")
            continue
        if task == "fill-mask":
            fills = [fill for gap in result for fill in gap]
            rows = [[f"{fill['score']:.4f}", fill["token"], fill["text"]] for fill in fills]
        else:
            rows = [[f"{label['score']:.4f}", label["label"]] for label in result]
            if not alone:
                output.emit(output.printable(text))
        output.emit_table((), rows)


def _print_continuation(result: dict[str, Any]) -> None:
    """The new text, or its tokens with their log-probabilities."""
    if "logprobs" not in result:
        output.emit(output.readable(result["text"]))
    else:
        rows = [
            [
                f"{each['logprob']:.4f}",
                repr(each["token"]),
                "  ".join(
                    f"{other['token']!r} {other['logprob']:.4f}" for other in each["alternatives"]
                ),
            ]
            for each in result["logprobs"]
        ]
        output.emit_table((), rows)


def _vectors(result: list[Any]) -> str:
    if not sys.stdout.isatty():
        return output.to_json(result)
    if isinstance(result[0], list):
        return "\n".join(_vectors(vector) for vector in result)
    numbers = " ".join(f"{number:7.4f}" for number in result[:_PREVIEW])
    more = f" … {len(result)} numbers; all with --json, in a pipe or to --output"
    return numbers + (more if len(result) > _PREVIEW else "")


def _flag(name: str) -> str:
    return _FLAGS.get(name, f"--{name.replace('_', '-')}")
