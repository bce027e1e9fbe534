"""``zoo results``: the runs of ``zoo eval`` that are kept on this disk."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.errors import InputError, UsageError
from zoo_cli import output
from zoo_cli.options import Json

if TYPE_CHECKING:
    from zoo.evaluation.store import Run

app = typer.Typer(
    no_args_is_help=True,
    help="List, compare and show what `zoo eval` has measured.",
    rich_markup_mode=None,
)
Folder = Annotated[
    Path | None, typer.Option("--in", metavar="DIR", help="Where `zoo eval --output` kept them.")
]
Id = Annotated[str, typer.Argument(metavar="ID", help="A run: its name, a part of it, a folder.")]


@app.command("list")
@app.command("ls", hidden=True)
def list_results(
    model: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Of models of this name or glob.")
    ] = None,
    on: Annotated[
        str | None, typer.Option("--on", metavar="PATTERN", help="On benchmarks of this name.")
    ] = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """List the runs, oldest first; one that is damaged stops nothing."""
    from zoo.evaluation.store import open_run

    place = _place(folder)
    found = []
    for path in sorted(place.glob("[!.]*/result.json")):
        try:
            run = open_run(path.parent)
        except InputError as error:
            output.note(str(error), kind="problem")
            continue
        if _matches(run.result["model"], model) and _matches(run.result["benchmark"], on):
            found.append(run)
    if json:
        output.emit_json("results", [dict(each.result) for each in found])
        return
    if found:
        header = ("ID", "MODEL", "BENCHMARK", "METRIC", "VALUE", "95 % INTERVAL", "SAMPLES")
        output.emit_table(header, [_row(each) for each in found], fit=True)
    output.note(f"{output.plural(len(found), 'run')} in {place}")


@app.command("show")
def show(name: Id, folder: Folder = None, json: Json = False) -> None:
    """Show all that is known of a run."""
    run = _find(name, folder)
    if json:
        output.emit_json("result", dict(run.result))
        return
    result = run.result
    output.emit(
        output.printable(
            f"{result['model']} on {result['benchmark']}, {result['protocol']}: {result['method']}"
        )
    )
    rows = [
        [each["name"], output.number(each["value"]), output.interval(each["low"], each["high"])]
        for each in result["metrics"]
    ]
    output.emit_table(("METRIC", "VALUE", "95 % INTERVAL"), rows)
    output.emit("")
    facts = [
        ("chance", result.get("chance")),
        ("samples", result["samples"]),
        ("failed", len(result["failed"])),
        ("finished", result["finished"]),
        ("seconds", f"{result['seconds']:.1f}"),
        *result["provenance"].items(),
        ("folder", str(run.folder)),
    ]
    output.emit_table((), [[key, output.shown(value)] for key, value in facts if value is not None])


@app.command("compare")
def compare(
    first: Id,
    second: Annotated[str, typer.Argument(metavar="ID", help="Another one.")],
    other_data: Annotated[
        bool, typer.Option("--other-data", help="Their data may differ: take common samples.")
    ] = False,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Say whether the second of two runs is better: a paired bootstrap over their samples."""
    from zoo.evaluation.comparing import compare as compared

    runs = [_find(each, folder) for each in (first, second)]
    found = compared(*runs, other_data=other_data)
    if json:
        ids = [each.id for each in runs]
        output.emit_json("comparison", {"runs": ids, **asdict(found)})
        return
    means = (found.first, found.second)
    output.emit_table(
        ("MODEL", str(runs[0].result["metric"]).upper(), "RUN"),
        [
            [each.result["model"], f"{mean:.4f}", each.id]
            for each, mean in zip(runs, means, strict=True)
        ],
    )
    output.emit(
        f"\ndifference {found.difference:+.4f}, 95 % interval {found.low:+.4f} to "
        f"{found.high:+.4f}, p = {found.p:.4f}, {found.samples:,} samples"
    )


@app.command("html")
def html(
    names: Annotated[list[str], typer.Argument(metavar="ID...", help="Runs.")],
    output_file: Annotated[Path, typer.Option("--output", metavar="FILE", help="The page.")] = Path(
        "results.html"
    ),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the page if it is there.")
    ] = False,
    folder: Folder = None,
) -> None:
    """Write one page that opens offline: bars, confusions, the worst samples, all facts."""
    from zoo.evaluation.page import page
    from zoo_cli.files import whole

    if output_file.exists() and not overwrite:
        raise UsageError(f"{output_file} is there; --overwrite replaces it")
    text = page([_find(each, folder) for each in names])
    with whole(output_file) as temporary:
        temporary.write_text(text, encoding="utf-8")
    output.emit(str(output_file))


def _place(folder: Path | None) -> Path:
    from zoo.evaluation.store import results_folder

    if folder is not None and not folder.is_dir():
        raise UsageError(f"there is no folder {str(folder)!r}")
    return folder or results_folder()


def _find(name: str, folder: Path | None) -> Run:
    from zoo.evaluation.store import find_run

    return find_run(name, _place(folder))


def _matches(name: str, pattern: str | None) -> bool:
    from fnmatch import fnmatchcase

    return pattern is None or fnmatchcase(name, pattern)


def _row(run: Run) -> list[str]:
    result = run.result
    headline: dict[str, Any] = next(
        (m for m in result["metrics"] if m["name"] == result["metric"]), {}
    )
    return [
        run.id,
        result["model"],
        result["benchmark"],
        result["metric"],
        output.number(headline.get("value")),
        output.interval(headline.get("low"), headline.get("high")),
        f"{result['samples']:,}",
    ]
