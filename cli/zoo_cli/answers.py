"""What each task takes from the command line, calls in the library, and prints."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zoo.errors import TaskError, UsageError
from zoo_cli import output

if TYPE_CHECKING:
    from zoo.entry import Entry
    from zoo.model import Model

Options = Mapping[str, Any]
"""Those that the user gave, by the names that the library's methods have for them."""

_OPTIONS = {
    "fill-mask": ("top_k", "targets"),
    "text-classification": ("top_k",),
    "zero-shot-classification": ("labels", "template", "multi_label"),
    "feature-extraction": ("pooling", "normalize", "prompt"),
}
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
    if task == "zero-shot-classification":
        labels = options.get("labels", [])
        if not labels or not all(labels) or len(set(labels)) != len(labels):
            raise UsageError(f"{task}: expected --labels A,B with different labels")
        if "{}" not in options.get("template", "{}"):
            raise UsageError("--template: expected a sentence with {} where the label goes")
    if options.get("pooling") == "none" and "normalize" in options:
        raise UsageError("--normalize scales a text's vector; --pooling none gives its tokens'")


def field(task: str, options: Options) -> str:
    """What a result is called beside its text: in JSON, and as a column of a file."""
    if task == "feature-extraction":
        return "embeddings" if options.get("pooling") == "none" else "embedding"
    return "gaps" if task == "fill-mask" else "labels"


def answer(
    model: Model, task: str, texts: list[str], options: Options, *, batch_tokens: int | None
) -> list[Any]:
    """Run a task; return a result for each text, as plain lists, dicts and numbers.

    Raises:
        ZooError: As the model's methods do.
    """
    if task == "fill-mask":
        filled = model.fill_mask(texts, **options, batch_tokens=batch_tokens)
        return [each.to_dict()["gaps"] for each in filled]
    if task == "text-classification":
        classified = model.classify(texts, **options, batch_tokens=batch_tokens)
        return [each.to_dict()["labels"] for each in classified]
    if task == "zero-shot-classification":
        classified = model.zero_shot(texts, **options, batch_tokens=batch_tokens)
        return [each.to_dict()["labels"] for each in classified]
    if options.get("pooling") == "none":
        rest = {name: value for name, value in options.items() if name != "pooling"}
        return [
            tokens.tolist()
            for tokens in model.embed_tokens(texts, **rest, batch_tokens=batch_tokens)
        ]
    vectors: list[Any] = model.embed(texts, **options, batch_tokens=batch_tokens).tolist()
    return vectors


def print_plain(task: str, texts: Sequence[str], results: Sequence[Any], *, alone: bool) -> None:
    """Print results for people; vectors, when nobody looks, as a JSON array a line.

    ``alone`` says that there is one text, which need not be repeated above its answers.
    """
    for text, result in zip(texts, results, strict=True):
        if task == "feature-extraction":
            output.emit(_vectors(result))
            continue
        if task == "fill-mask":
            fills = [fill for gap in result for fill in gap]
            rows = [[f"{fill['score']:.4f}", fill["token"], fill["text"]] for fill in fills]
        else:
            rows = [[f"{label['score']:.4f}", label["label"]] for label in result]
            if not alone:
                output.emit(output.printable(text))
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
    return f"--{name.replace('_', '-')}"
