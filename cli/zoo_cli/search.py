"""``zoo run MODEL --query TEXT``: pictures in the order in which a text describes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import InputError, TaskError, UsageError
from zoo_cli import output

if TYPE_CHECKING:
    from zoo.entry import Entry
    from zoo.model import Model
    from zoo_cli.files import Inputs

TASK = "zero-shot-image-classification"  # whoever does this can search
_OPTIONS = ("top_k", "batch_size", "contact_sheet")
_MATCHES = 10  # by default


def check_search(
    entry: Entry,
    query: str,
    options: Mapping[str, Any],
    *,
    task: str | None,
    output_file: Path | None,
    overwrite: bool,
) -> None:
    """Refuse what does not go with --query, before the model is loaded.

    Raises:
        TaskError: The entry's model does not see and read.
        UsageError: The query is empty, an option is another's, or a file cannot be written.
    """
    from zoo_cli.files import check_format, check_output
    from zoo_cli.sheet import check_sheet

    if entry.tasks and TASK not in entry.tasks:
        raise TaskError(
            f"{entry.name} cannot search: --query takes a model that sees and reads; "
            f"it can do {', '.join(entry.tasks)}"
        )
    if not query.strip():
        raise UsageError("--query is empty; expected what to look for, such as 'a dog on a beach'")
    if task is not None:
        raise UsageError("--query is a task of its own, and takes no --task")
    for name in options:
        if name not in _OPTIONS:
            raise UsageError(f"--{name.replace('_', '-')} does not go with --query")
    if output_file is not None:
        check_output(output_file, overwrite=overwrite)
        check_format(output_file, "score")
    if "contact_sheet" in options:
        check_sheet(options["contact_sheet"], overwrite=overwrite)


def search(
    model: Model,
    query: str,
    inputs: Inputs,
    options: Mapping[str, Any],
    *,
    output_file: Path | None,
    json: bool,
) -> None:
    """Print the best matches, or write them to a file, best first.

    Raises:
        InputError: A picture could not be read; the rest is done.
        ZooError: As `zoo.model.Model.search`.
    """
    from zoo_cli.answers import noted
    from zoo_cli.files import Inputs, write
    from zoo_cli.sheet import draw

    unreadable: list[int] = []

    def failed(number: int, error: InputError) -> None:
        unreadable.append(number)
        noted()(number, error)

    rows = {row.text: row for row in inputs.rows}
    paths = [Path(text) for text in rows]  # a file that is named twice is one picture
    with output.progress(len(paths), done=0, unit="pictures") as advance:
        ranking = model.search(
            paths,
            query,
            top_k=options.get("top_k", _MATCHES),
            batch_size=options.get("batch_size"),
            on_error=failed,
            advance=lambda count: advance(count, 0),
        )
    by_path = {str(path): rows[text] for path, text in zip(paths, rows, strict=True)}
    found = [(by_path[match.path], match.score) for match in ranking.matches]
    if output_file is not None:
        best = Inputs([row for row, _ in found], inputs.origin)
        write(output_file, best, [score for _, score in found], "score")
        output.note(f"{output_file}: {output.plural(len(found), 'picture')}")
    elif json:
        for row, score in found:
            output.emit(output.to_json({**row.fields, "score": score}))
    else:
        output.emit_table((), [[f"{score:.4f}", row.text] for row, score in found])
    if "contact_sheet" in options:
        sheet = options["contact_sheet"]
        draw(sheet, [(row, [{"label": query, "score": score}]) for row, score in found])
        output.note(f"{sheet}: {output.plural(len(found), 'picture')}")
    known = ranking.pictures - ranking.computed
    if known:
        output.note(f"{known:,} of {output.plural(ranking.pictures, 'picture')} known from before")
    if unreadable:
        raise InputError(
            f"{len(unreadable)} of {output.plural(len(paths), 'picture')} could not be read; "
            "the rest is done"
        )
