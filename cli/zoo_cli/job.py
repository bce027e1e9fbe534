"""What ``zoo run`` does once a model is there: window by window, to where the results go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import InputError, UsageError
from zoo_cli import answers, chat, output

if TYPE_CHECKING:
    from zoo.model import Model
    from zoo_cli.files import Inputs, Row
    from zoo_cli.journal import Fingerprint, Journal


@dataclass(frozen=True)
class Job:
    """A model, and what it is to do with which rows."""

    model: Model
    task: str
    options: dict[str, Any]  # Any: as the model's methods take them
    inputs: Inputs

    unreadable: list[Row] = dataclass_field(default_factory=list)
    shown: list[tuple[Row, Any]] = dataclass_field(default_factory=list)

    @property
    def field(self) -> str:
        """What a row's result is called."""
        return answers.field(self.task, self.options)

    @property
    def thing(self) -> str:
        """What a row is."""
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

    def check(self) -> None:
        """Find what the model cannot do with a row, before anything is computed.

        Raises:
            InputError: There is such a row; the message names its place.
        """
        self._check_gaps()
        self._check_room()
        self._check_languages()

    def _check_gaps(self) -> None:
        """Find a row without a gap, which only the model's tokenizer can tell, before computing."""
        if self.task != "fill-mask":
            return
        mask = self.model.preprocessor.tokenizer.mask_token
        for row in self.inputs.rows:
            if mask is not None and mask not in row.text:
                raise InputError(
                    f"{row.place}: no gap in the text; write {mask} where a word is to be filled in"
                )

    def _check_room(self) -> None:
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

    def _check_languages(self) -> None:
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
        """How many rows are computed together."""
        return answers.window(self.task)

    def windows(self, start: int = 0) -> Iterator[tuple[Sequence[Row], answers.Answers]]:
        """Compute window by window from row ``start``; yield rows and their answers."""
        for first in range(start, len(self.inputs.rows), self.window):
            rows = self.inputs.rows[first : first + self.window]
            options = answers.at(self.task, self.options, first)
            answered = answers.answer(self.model, self.task, rows, options)
            self.note(rows, answered.results)
            yield rows, answered

    def note(self, rows: Sequence[Row], results: Sequence[Any]) -> None:
        """Remember what could not be read, and what a contact sheet is to show."""
        pairs = list(zip(rows, results, strict=True))
        self.unreadable.extend(row for row, result in pairs if result is None)
        if "contact_sheet" in self.options:
            self.shown.extend((row, result) for row, result in pairs if result is not None)


def check_results(
    task: str, options: answers.Options, inputs: Inputs, output_file: Path | None
) -> None:
    """Refuse rows that have a field where the result goes, and a file that cannot hold results."""
    from zoo_cli.files import check_format

    field = answers.field(task, options)
    if field in inputs.columns:
        raise UsageError(f"the input has a field {field!r}, which is where results go; rename it")
    if output_file is not None:
        check_format(output_file, field)


def to_stdout(job: Job, *, json: bool) -> None:
    """Print each result as soon as it is there."""
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


def to_pictures(job: Job, paths: Sequence[Path], *, json: bool) -> None:
    """Write a PNG for each picture, and its path to standard output."""
    from zoo_cli.pictures import paint

    for first in range(0, len(job.inputs.rows), job.window):
        rows = job.inputs.rows[first : first + job.window]
        options = answers.at(job.task, job.options, first)
        written = paint(job.model, job.task, rows, paths[first : first + job.window], options)
        job.note(rows, written)
        for row, path in zip(rows, written, strict=True):
            if json:
                output.emit(output.to_json({**row.fields, job.field: path}))
            elif path is not None:
                output.emit(str(path))


def to_file(job: Job, path: Path, journal: Journal, computing: Fingerprint) -> None:
    """Write the results of all rows, going on where an interrupted run has stopped."""
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


def revision(model: Model) -> str:
    """The commit of the model's files; of a folder, which has none, their sizes and times."""
    from zoo.hub import fetch

    if model.revision is not None:
        return model.revision
    states = [(each, path.stat()) for each, path in sorted(fetch(model.entry).files.items())]
    return " ".join(f"{each}:{state.st_size}:{state.st_mtime_ns}" for each, state in states)
