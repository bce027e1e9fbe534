"""``zoo benchmarks``: what ``zoo eval --on`` takes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.errors import RegistryError
from zoo_cli import output
from zoo_cli.options import Json

if TYPE_CHECKING:
    from zoo.evaluation.benchmark import Benchmark, Source

app = typer.Typer(
    no_args_is_help=True, help="Benchmarks that `zoo eval --on` takes.", rich_markup_mode=None
)


@app.command("list")
@app.command("ls", hidden=True)
def list_benchmarks(json: Json = False) -> None:
    """List the benchmarks; one that is broken stops nothing."""
    from zoo.evaluation.catalog import collections, names, read_named

    found = []
    for path in names().values():
        try:
            found.append(read_named(path))
        except RegistryError as error:
            for line in str(error).splitlines():
                output.note(line, kind="problem")
    for each in collections():
        if each.state in ("broken", "shadowed"):
            output.note(f"benchmarks of {each}: {each.error}", kind="problem")
    if json:
        output.emit_json("benchmarks", [_plain(each) for each in found])
        return
    rows = [[each.name, each.task, each.metric, each.summary] for each in found]
    output.emit_table(("NAME", "TASK", "METRIC", "SUMMARY"), rows, fit=True)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A benchmark, or a YAML file.")],
    json: Json = False,
) -> None:
    """Show all that is known of a benchmark."""
    from zoo.evaluation import find_benchmark
    from zoo.evaluation.protocols import PROTOCOLS

    benchmark = find_benchmark(name)
    if json:
        output.emit_json("benchmark", _plain(benchmark))
        return
    output.emit(output.printable(f"{benchmark.name}: {benchmark.summary}"))
    facts = {
        "task": benchmark.task,
        "metric": benchmark.metric,
        "chance": "" if benchmark.chance is None else f"{benchmark.chance:g}",
        "license": benchmark.license,
        "languages": ", ".join(benchmark.languages),
        "paper": benchmark.paper,
        "reported as": ", ".join(benchmark.reported_as),
        "classes": _few(benchmark.classes),
        "defined in": benchmark.file,
    }
    facts |= {f"data, {split}": _where(source) for split, source in benchmark.data.items()}
    output.emit_table((), [[key, value] for key, value in facts.items() if value])
    for number, form in enumerate(benchmark.forms, 1):
        output.emit(f"\nFields{f', form {number}' if len(benchmark.forms) > 1 else ''}")
        output.emit_table((), [[key, output.shown(value)] for key, value in form.items()])
    output.emit("\nProtocols")
    output.emit_table(
        (),
        [
            [key, PROTOCOLS[key].about, output.shown(settings) if settings else ""]
            for key, settings in benchmark.protocols.items()
        ],
    )


def _plain(benchmark: Benchmark) -> dict[str, Any]:
    return {**asdict(benchmark), "file": benchmark.file}


def _where(source: Source) -> str:
    named = [each if isinstance(each, str) else ", ".join(each.values()) for each in source.files]
    places = [*named, *([f"{source.beside} beside it"] if source.beside else [])]
    if source.hub:
        inner = " ".join(filter(None, (source.config, source.split)))
        revision = f"@{source.revision[:12]}" if source.revision else ""
        places.append(f"hf:{source.hub}{revision}{f' ({inner})' if inner else ''}")
    return " or ".join(places)


def _few(words: tuple[str, ...]) -> str:
    if not words:
        return ""
    return f"{len(words)}: {', '.join(words[:8])}{', …' if len(words) > 8 else ''}"
