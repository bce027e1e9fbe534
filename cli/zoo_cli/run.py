"""``zoo run``: a model, a task, texts or pictures; answers in their order."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from zoo.errors import InputError, TaskError, UsageError
from zoo_cli import answers, chat, output
from zoo_cli.options import Json, Offline, Registries

if TYPE_CHECKING:
    from zoo.model import Model
    from zoo_cli.files import Inputs, Row
    from zoo_cli.journal import Fingerprint, Journal


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
    from zoo import hub, runtime
    from zoo.loading import claimed_tasks
    from zoo.registry import load_registry, resolve
    from zoo_cli.files import check_columns, check_output
    from zoo_cli.journal import Journal
    from zoo_cli.models import announce
    from zoo_cli.pictures import check_painting
    from zoo_cli.search import check_search, search
    from zoo_cli.sheet import check_sheet

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
    fresh = entry.source.scheme == "hf" and hub.find_cached(entry) is None
    loading: dict[str, Any] = {
        "device": device,
        "dtype": dtype,
        "compile": compile,
        "offline": offline or None,
        "progress": sys.stderr.isatty(),
        "registries": registry or (),
    }
    if query is not None:
        check_search(entry, query, options, task=task, output_file=output_file, overwrite=overwrite)
        pictures = _pictures(texts or [], input_file, column, allow_url=allow_url)
        if fresh:
            announce(entry)

        import zoo

        model = zoo.load(name, **loading)
        search(model, query, pictures, options, output_file=output_file, json=json)
        return
    chosen = answers.choose_task(entry, task)
    if chosen is not None:
        answers.check_options(chosen, options)
    likely = chosen
    if likely is None:  # only the files tell; a checkpoint's head may be for another of its tasks
        if fresh:
            announce(entry)
        quiet = not sys.stderr.isatty()
        likely, *_ = claimed_tasks(entry, offline=offline or None, progress=not quiet)
    asking = not (texts or input_file or output_file or column or json) and chat.is_possible()
    inputs: Inputs | None = None
    if answers.sees(likely):
        inputs = _pictures(texts or [], input_file, column, allow_url=allow_url)
    elif not asking:
        inputs = _inputs(texts or [], input_file, column)
    painting = inputs is not None and answers.paints(likely)
    if inputs is not None and painting:
        paths = check_painting(inputs, output_file, overwrite=overwrite)
    elif output_file is not None:
        check_output(output_file, overwrite=overwrite)
    if contact_sheet is not None:
        check_sheet(contact_sheet, overwrite=overwrite)
    if inputs is not None and output_file is not None:
        check_columns(output_file, inputs)
    if chosen is not None and inputs is not None:
        _check_results(chosen, options, inputs, output_file)
    computing = {
        "model": entry.name,
        "source": str(entry.source),
        "task": task,
        "options": {name: str(v) if isinstance(v, Path) else v for name, v in options.items()},
        "dtype": dtype,
        "compile": compile,
        **(inputs.origin if inputs is not None else {}),
    }
    journal = None
    if output_file is not None and not painting:
        journal = Journal(output_file)
        if restart:
            journal.delete()
        journal.check(computing)
    if fresh and chosen is not None:
        announce(entry)

    import zoo
    from zoo.tasks import able, require

    model = zoo.load(name, **loading)
    if chosen is None:
        tasks = able(model)
        if not tasks:
            raise TaskError(f"{entry.name} has no task that can be run; it is for the library")
        chosen = tasks[0]
        answers.check_options(chosen, options)
        if inputs is not None:
            _check_results(chosen, options, inputs, output_file)
    require(model, chosen)
    answers.check_model(model, chosen, options)
    if inputs is None:
        chat.loop(model, chosen, options)
        return
    job = _Job(model, chosen, answers.prepared(model, chosen, options), inputs)
    job.check_gaps()
    job.check_room()
    job.check_languages()
    if painting:
        _painted(job, paths, json=json)
    elif output_file is not None and journal is not None:
        _into_file(job, output_file, journal, {**computing, "revision": _revision(model)})
    else:
        _to_stdout(job, json=json)
    job.finish()


@dataclass(frozen=True)
class _Job:
    """A model, and what it is to do with which texts."""

    model: Model
    task: str
    options: dict[str, Any]  # Any: as the model's methods take them
    inputs: Inputs

    unreadable: list[Row] = dataclass_field(default_factory=list)
    shown: list[tuple[Row, Any]] = dataclass_field(default_factory=list)

    @property
    def field(self) -> str:
        return answers.field(self.task, self.options)

    @property
    def thing(self) -> str:
        return "picture" if answers.sees(self.task) else "text"

    def finish(self) -> None:
        """Draw the contact sheet if one is wanted; fail if any picture could not be read.

        Raises:
            InputError: One could not.
        """
        sheet = self.options.get("contact_sheet")
        if sheet is not None:
            from zoo_cli.sheet import draw

            draw(sheet, self.shown)
            output.note(f"{sheet}: {output.plural(len(self.shown), 'picture')}")
        if self.unreadable:
            raise InputError(
                f"{len(self.unreadable)} of {output.plural(len(self.inputs.rows), 'picture')} "
                "could not be read; the rest is done"
            )

    def check_gaps(self) -> None:
        """Find a row without a gap, which only the model's tokenizer can tell, before computing."""
        if self.task != "fill-mask":
            return
        mask = self.model.preprocessor.tokenizer.mask_token
        for row in self.inputs.rows:
            if mask is not None and mask not in row.text:
                raise InputError(
                    f"{row.place}: no gap in the text; write {mask} where a word is to be filled in"
                )

    def check_room(self) -> None:
        """Find a prompt that fills the context before computing; it is never cut silently."""
        if self.task != "text-generation":
            return
        most: Any = self.model.network.max_length  # by the task's protocol a number, or None
        for row in self.inputs.rows:
            try:
                tokens = len(answers.tokens(self.model, row.text, self.options))
            except InputError as error:
                raise InputError(f"{row.place}: {error}") from error
            if most is not None and tokens >= most:
                raise InputError(
                    f"{row.place}: the prompt has {tokens} tokens, the model's context {most}, so "
                    "nothing can follow; shorten it"
                )

    def check_languages(self) -> None:
        """Find a target language that the model does not have before computing."""
        if self.task != "translation":
            return
        target, to = self.model.preprocessor.target, self.options.get("to")
        target("", to=to)
        for row in self.inputs.rows:
            try:
                target(row.text, to=to)
            except InputError as error:
                raise InputError(f"{row.place}: {error}") from error

    @property
    def window(self) -> int:
        return answers.window(self.task)

    def windows(self, start: int = 0) -> Iterator[tuple[Sequence[Row], answers.Answers]]:
        """Compute window by window from row ``start``; yield rows and their answers."""
        for first in range(start, len(self.inputs.rows), self.window):
            rows = self.inputs.rows[first : first + self.window]
            options = self.options
            if "seed" in options:  # the draws are those of all rows at once
                options = {**options, "first_row": first}
            answered = answers.answer(self.model, self.task, rows, options)
            self.note(rows, answered.results)
            yield rows, answered

    def note(self, rows: Sequence[Row], results: Sequence[Any]) -> None:
        """Remember what could not be read, and what a contact sheet is to show."""
        pairs = list(zip(rows, results, strict=True))
        self.unreadable.extend(row for row, result in pairs if result is None)
        if "contact_sheet" in self.options:
            self.shown.extend((row, result) for row, result in pairs if result is not None)


def _check_results(
    task: str, options: answers.Options, inputs: Inputs, output_file: Path | None
) -> None:
    """Refuse rows that have a field where the result goes, and a file that cannot hold results."""
    from zoo_cli.files import check_format

    field = answers.field(task, options)
    if field in inputs.columns:
        raise UsageError(f"the input has a field {field!r}, which is where results go; rename it")
    if output_file is not None:
        check_format(output_file, field)


def _to_stdout(job: _Job, *, json: bool) -> None:
    alone = len(job.inputs.rows) == 1
    if alone and not json and answers.streams(job.model, job.task, job.options):
        chat.stream(job.model, job.task, job.inputs.rows[0].text, job.options)
        return
    for rows, answered in job.windows():
        results = answered.results
        if json:
            for row, result in zip(rows, results, strict=True):
                output.emit(output.to_json({**row.fields, job.field: result}))
        else:
            answers.print_plain(job.task, [row.text for row in rows], results, alone=alone)
        output.flush()


def _painted(job: _Job, paths: Sequence[Path], *, json: bool) -> None:
    """Write a PNG for each picture, and its path to standard output."""
    from zoo_cli.pictures import paint

    for first in range(0, len(job.inputs.rows), job.window):
        rows = job.inputs.rows[first : first + job.window]
        written = paint(job.model, rows, paths[first : first + job.window], job.options)
        job.note(rows, written)
        for row, path in zip(rows, written, strict=True):
            if json:
                output.emit(output.to_json({**row.fields, job.field: path}))
            elif path is not None:
                output.emit(str(path))


def _into_file(job: _Job, path: Path, journal: Journal, computing: Fingerprint) -> None:
    from zoo_cli.files import write

    total = len(job.inputs.rows)
    with journal.open(computing, window=job.window, total=total) as done:
        if done:
            output.note(f"going on after {done:,} of {output.plural(total, job.thing)}")
        try:
            with output.progress(total, done=done, unit=f"{job.thing}s") as advance:
                for rows, answered in job.windows(done):
                    journal.append(answered.results)
                    advance(len(rows), answered.tokens)
        except KeyboardInterrupt:
            output.note(f"interrupted; run the same again to go on, {journal.path} keeps the rest")
            raise
        write(path, job.inputs, journal.results(), job.field)
        journal.delete()
    output.note(f"{path}: {output.plural(total, job.thing)}")


def _inputs(texts: Sequence[str], path: Path | None, column: str | None) -> Inputs:
    """The texts of the command line, else of a file, else of standard input; all checked.

    Raises:
        UsageError: There are none, or from two sides.
        InputError: One is empty, or the file is not of its format.
    """
    from zoo_cli.files import from_arguments, read, read_lines

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


def _pictures(
    names: Sequence[str], path: Path | None, column: str | None, *, allow_url: bool
) -> Inputs:
    """The pictures of the command line, of --input, or of standard input.

    Raises:
        UsageError: There are none, or from two sides.
        InputError: Their list is not of its format.
    """
    if names and path is not None:
        raise UsageError("pictures come as arguments or by --input, not both")
    if column is not None and path is None:
        raise UsageError("--column goes with --input FILE")
    if not names and path is None and not sys.stdin.isatty():
        names = ["-"]
    lines = sys.stdin.read().splitlines() if "-" in names else []
    if (not names and path is None) or (names == ["-"] and not lines):
        raise UsageError("no picture: pass a file or a folder, by --input or on standard input")
    from zoo_cli.pictures import find

    return find(names, path, column, lines=lines, allow_url=allow_url)


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


def _revision(model: Model) -> str:
    """The commit of the model's files; of a folder, which has none, their sizes and times."""
    from zoo.hub import fetch

    if model.revision is not None:
        return model.revision
    states = [(each, path.stat()) for each, path in sorted(fetch(model.entry).files.items())]
    return " ".join(f"{each}:{state.st_size}:{state.st_mtime_ns}" for each, state in states)
