"""``zoo run``: a model, a task, texts or pictures; answers in their order."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from zoo.errors import TaskError, UsageError
from zoo_cli import answers, chat
from zoo_cli.job import Job, check_results, revision, to_file, to_pictures, to_stdout
from zoo_cli.options import Json, Offline, Registries

if TYPE_CHECKING:
    from zoo.entry import Entry
    from zoo.model import Model
    from zoo_cli.files import Inputs


def run(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A model's name, hf:org/repo or ./dir.")
    ],
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT|PICTURE]...",
            help="Else --input, else standard input; a terminal asks for texts. A picture is a "
            "file, a folder, a pattern; - reads paths from standard input.",
        ),
    ] = None,
    task: Annotated[str | None, typer.Option(help="By default the model's first.")] = None,
    input_file: Annotated[
        Path | None,
        typer.Option(
            "--input",
            metavar="FILE",
            help="Texts or paths: .txt, .jsonl, .csv, .parquet; a folder.",
        ),
    ] = None,
    output_file: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Results: .jsonl, .csv, .parquet; vectors: .npy, .safetensors; painted: .png.",
        ),
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="The field of --input with the text, if not 'text'.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace --output if it is there.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget what an interrupted run has done.")
    ] = False,
    top_k: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Words a gap, classes a text, tokens to draw among."),
    ] = None,
    targets: Annotated[
        str | None, typer.Option(metavar="A,B", help="fill-mask: score only these words.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="A,B|@FILE", help="zero-shot-*: classify into which; @FILE has one a line."
        ),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT|@FILE",
            help="zero-shot-*: a sentence with {} for the label; of several in @FILE the mean.",
        ),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Rank pictures by how well a text describes them."),
    ] = None,
    multi_label: Annotated[
        bool | None,
        typer.Option("--multi-label", help="zero-shot-classification: several may hold at once."),
    ] = None,
    pooling: Annotated[
        Literal["mean", "cls", "max", "none"] | None,
        typer.Option(help="feature-extraction: a text's vector; none: one for each token."),
    ] = None,
    normalize: Annotated[
        bool | None,
        typer.Option("--normalize/--no-normalize", help="feature-extraction: to length 1."),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="feature-extraction: what stands before each text.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="LANG", help="translation: the target, if a choice.")
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="generation: at most so many.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, help="generation: 0 takes the best token, above draws.")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(max=1, help="generation: draw among this much probability.")
    ] = None,
    min_p: Annotated[
        float | None, typer.Option(min=0, max=1, help="generation: at least so likely as the best.")
    ] = None,
    repetition_penalty: Annotated[
        float | None, typer.Option(help="generation: above 1, less of what came already.")
    ] = None,
    no_repeat_ngram_size: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="generation: no run of N tokens comes twice."),
    ] = None,
    num_beams: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="generation: search with so many beams.")
    ] = None,
    num_return_sequences: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="generation: so many for each text.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="generation: of the draws.")] = None,
    keep: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="image-completion: how much of a picture is shown."),
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="text-generation: ends before this; repeatable."),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="text-generation: the chat's system message."),
    ] = None,
    raw: Annotated[
        bool | None,
        typer.Option("--raw", help="text-generation: leave the chat template out."),
    ] = None,
    logprobs: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="text-generation: of each token, and of N alternatives."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    batch_tokens: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most so many tokens a batch.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most so many pictures a batch.")
    ] = None,
    contact_sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="image-classification: all pictures on one .png."),
    ] = None,
    allow_url: Annotated[
        bool, typer.Option("--allow-url", help="Fetch pictures that are named by URLs.")
    ] = False,
    compile: Annotated[bool, typer.Option("--compile", help="Have torch compile it.")] = False,
    offline: Offline = False,
    registry: Registries = None,
    json: Json = False,
) -> None:
    """Run a model on texts or pictures.

    Without a text, on a terminal: chat with it, or try text after text.

    With --output, an interrupted run goes on where it stopped when it is started again.
    """
    from zoo import runtime
    from zoo.registry import load_registry, resolve

    # All that can be wrong with the command line is found before torch is imported.
    entry = resolve(name, load_registry(registry or ()))
    runtime.check_device_name(device)
    runtime.check_dtype_name(dtype)
    given = {
        "top_k": top_k,
        "targets": None if targets is None else _listed(targets),
        "labels": None if labels is None else _labels(labels),
        "template": None if template is None else _templates(template),
        "multi_label": multi_label,
        "pooling": pooling,
        "normalize": normalize,
        "prompt": prompt,
        "to": to,
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "no_repeat_ngram": no_repeat_ngram_size,
        "num_beams": num_beams,
        "sequences": num_return_sequences,
        "seed": seed,
        "keep": keep,
        "logprobs": logprobs,
        "stop": stop or None,
        "system": system,
        "raw": raw,
        "batch_tokens": batch_tokens,
        "batch_size": batch_size,
        "contact_sheet": contact_sheet,
    }
    options = {name: value for name, value in given.items() if value is not None}
    if json and output_file is not None:
        raise UsageError("--json prints results; --output writes them to a file")
    if output_file is None and (restart or (overwrite and contact_sheet is None)):
        raise UsageError("--overwrite and --restart go with --output FILE")
    order = _Order(
        name=name,
        entry=entry,
        task=task,
        options=options,
        given=texts or [],
        input_file=input_file,
        output_file=output_file,
        column=column,
        overwrite=overwrite,
        restart=restart,
        allow_url=allow_url,
        json=json,
        loading={
            "device": device,
            "dtype": dtype,
            "compile": compile,
            "offline": offline or None,
            "progress": sys.stderr.isatty(),
            "registries": registry or (),
        },
    )
    if query is not None:
        _search(order, query)
    else:
        _answer(order)


@dataclass(frozen=True)
class _Order:
    """What the command line says."""

    name: str
    entry: Entry
    task: str | None
    options: dict[str, Any]  # Any: as the model's methods take them
    given: Sequence[str]  # texts or pictures, as arguments
    input_file: Path | None
    output_file: Path | None
    column: str | None
    overwrite: bool
    restart: bool
    allow_url: bool
    json: bool
    loading: dict[str, Any]  # what `zoo.load` takes

    @property
    def fresh(self) -> bool:
        """Whether files have to be downloaded."""
        from zoo import hub

        return self.entry.source.scheme == "hf" and hub.find_cached(self.entry) is None

    def announce(self) -> None:
        """Say what is going to be downloaded."""
        from zoo_cli.models import announce

        if self.fresh:
            announce(self.entry)

    def load(self) -> Model:
        import zoo

        return zoo.load(self.name, **self.loading)

    def computing(self, inputs: Inputs | None) -> dict[str, Any]:
        """All that results depend on, as far as it is known before the model is there."""
        return {
            "model": self.entry.name,
            "source": str(self.entry.source),
            "task": self.task,
            "options": {
                name: str(value) if isinstance(value, Path) else value
                for name, value in self.options.items()
            },
            "dtype": self.loading["dtype"],
            "compile": self.loading["compile"],
            **(inputs.origin if inputs is not None else {}),
        }


def _search(order: _Order, query: str) -> None:
    """Rank pictures."""
    from zoo_cli.search import check_search, search

    options, output_file = order.options, order.output_file
    check_search(
        order.entry,
        query,
        options,
        task=order.task,
        output_file=output_file,
        overwrite=order.overwrite,
    )
    pictures = _pictures(order)
    order.announce()
    search(order.load(), query, pictures, options, output_file=output_file, json=order.json)


def _answer(order: _Order) -> None:
    """Do a task with each input, or chat."""
    chosen = answers.choose_task(order.entry, order.task)
    if chosen is not None:
        answers.check_options(chosen, order.options)
    likely = chosen or _claimed(order)
    inputs = _inputs(order, likely)
    paths = _check_output(order, likely, inputs)
    if chosen is not None and inputs is not None:
        check_results(chosen, order.options, inputs, order.output_file)
    computing = order.computing(inputs)
    journal = None
    if order.output_file is not None and paths is None:
        from zoo_cli.journal import Journal

        journal = Journal(order.output_file)
        if order.restart:
            journal.delete()
        journal.check(computing)
    if chosen is not None:
        order.announce()

    model = order.load()
    if chosen is None:
        chosen = _first_task(model)
        answers.check_options(chosen, order.options)
        if inputs is not None:
            check_results(chosen, order.options, inputs, order.output_file)
    _require(model, chosen)
    answers.check_model(model, chosen, order.options)
    if inputs is None:
        chat.loop(model, chosen, order.options)
        return
    job = Job(model, chosen, answers.prepared(model, chosen, order.options), inputs)
    job.check()
    if paths is not None:
        to_pictures(job, paths, json=order.json)
    elif order.output_file is not None and journal is not None:
        to_file(job, order.output_file, journal, {**computing, "revision": revision(model)})
    else:
        to_stdout(job, json=order.json)
    job.finish()


def _claimed(order: _Order) -> str:
    """The likely task of a checkpoint whose files alone tell: its head may be for another one."""
    from zoo.loading import claimed_tasks

    order.announce()
    loading = order.loading
    first, *_ = claimed_tasks(order.entry, offline=loading["offline"], progress=loading["progress"])
    return first


def _first_task(model: Model) -> str:
    from zoo.tasks import able

    tasks = able(model)
    if not tasks:
        raise TaskError(f"{model.entry.name} has no task that can be run; it is for the library")
    return tasks[0]


def _require(model: Model, task: str) -> None:
    from zoo.tasks import require

    require(model, task)


def _check_output(order: _Order, task: str, inputs: Inputs | None) -> Sequence[Path] | None:
    """Refuse files that cannot be written; the pictures to be painted, if the task paints."""
    from zoo_cli.files import check_columns, check_output
    from zoo_cli.pictures import check_painting
    from zoo_cli.sheet import check_sheet

    paths = None
    if inputs is not None and answers.paints(task):
        paths = check_painting(task, inputs, order.output_file, overwrite=order.overwrite)
    elif order.output_file is not None:
        check_output(order.output_file, overwrite=order.overwrite)
        _check_not_input(order.output_file, order.input_file)
    if "contact_sheet" in order.options:
        check_sheet(order.options["contact_sheet"], overwrite=order.overwrite)
    if inputs is not None and order.output_file is not None:
        check_columns(order.output_file, inputs)
    return paths


def _check_not_input(output_file: Path, input_file: Path | None) -> None:
    """Refuse to write results over the rows they are of, which need not come back as they were."""
    if input_file is not None and output_file.exists() and output_file.samefile(input_file):
        raise UsageError(f"--output {str(output_file)!r} is --input too; write to another file")


def _inputs(order: _Order, task: str) -> Inputs | None:
    """What the task is done with; None if a person at a terminal is to be asked."""
    if answers.sees(task):
        return _pictures(order)
    named = order.given or order.input_file or order.output_file or order.column
    if not (named or order.json) and chat.is_possible():
        return None
    return _texts(order)


def _texts(order: _Order) -> Inputs:
    """The texts of the command line, else of a file, else of standard input; all checked.

    Raises:
        UsageError: There are none, or from two sides.
        InputError: One is empty, or the file is not of its format.
    """
    from zoo_cli.files import from_arguments, read, read_lines

    texts, path, column = order.given, order.input_file, order.column
    if texts and path is not None:
        raise UsageError("texts come as arguments or by --input, not both")
    if path is not None:
        return read(path, column)
    if column is not None:
        raise UsageError("--column goes with --input FILE")
    if texts:
        return from_arguments(texts)
    if not sys.stdin.isatty():
        inputs = read_lines("standard input", sys.stdin.buffer.read())
        if inputs.rows:
            return inputs
    raise UsageError("no text: pass it as an argument, by --input FILE or on standard input")


def _pictures(order: _Order) -> Inputs:
    """The pictures of the command line, of --input, or of standard input.

    Raises:
        UsageError: There are none, or from two sides.
        InputError: Their list is not of its format.
    """
    names, path, column = order.given, order.input_file, order.column
    if names and path is not None:
        raise UsageError("pictures come as arguments or by --input, not both")
    if column is not None and path is None:
        raise UsageError("--column goes with --input FILE")
    if not names and path is None and not sys.stdin.isatty():
        names = ["-"]
    lines = _paths(sys.stdin.buffer.read()) if "-" in names else []
    if (not names and path is None) or (names == ["-"] and not lines):
        raise UsageError("no picture: pass a file or a folder, by --input or on standard input")
    from zoo_cli.pictures import find

    return find(names, path, column, lines=lines, allow_url=order.allow_url)


def _paths(data: bytes) -> list[str]:
    """A path a line, of whatever bytes the system allows in one."""
    text = os.fsdecode(data.removeprefix(b"\xef\xbb\xbf"))
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n") if text]


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _labels(text: str) -> list[str]:
    """``a,b``, or ``@FILE`` with a label a line."""
    if not text.startswith("@"):
        return _listed(text)
    return _lines("--labels", Path(text[1:]))


def _templates(text: str) -> list[str]:
    """A sentence, or ``@FILE`` with one a line."""
    return _lines("--template", Path(text[1:])) if text.startswith("@") else [text]


def _lines(option: str, path: Path) -> list[str]:
    """The lines of a file that an option names; an empty one is an error."""
    from zoo_cli.files import read_lines

    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{option}: cannot read {path}: {error.strerror}") from error
    return [row.text.strip() for row in read_lines(str(path), data).rows]
