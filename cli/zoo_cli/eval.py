"""``zoo eval``: models measured on benchmarks; ``zoo benchmarks``: which there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_cli import output

if TYPE_CHECKING:
    from zoo.evaluation import Result

benchmarks_app = typer.Typer(
    no_args_is_help=True, help="Benchmarks that `zoo eval --on` takes.", rich_markup_mode=None
)


def evaluate(
    model: Annotated[str, typer.Argument(help="A name, hf:org/repo or ./folder.")],
    on: Annotated[str, typer.Option("--on", help="A benchmark's name, or a YAML file.")],
    data: Annotated[Path | None, typer.Option(help="Its data: a file or a folder.")] = None,
    protocol: Annotated[str | None, typer.Option(help="How it is measured.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many samples.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="At most so many questions a batch.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    seed: Annotated[int, typer.Option(help="For whatever is drawn.")] = 0,
    cache: Annotated[bool, typer.Option(help="Keep answers from one run to the next.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure a model on a benchmark."""
    import zoo
    from zoo.evaluation import evaluate as run
    from zoo.evaluation import find_benchmark
    from zoo.evaluation.shards import open_shards

    benchmark = find_benchmark(on)
    with open_shards() as shards:
        loaded = zoo.load(model, device=device, dtype=dtype)
        with output.progress(0, done=0, unit="samples") as advance:
            result = run(
                loaded,
                benchmark,
                data=data,
                protocol=protocol,
                limit=limit,
                batch_size=batch_size,
                seed=seed,
                cache=cache,
                shards=shards,
                advance=lambda count: advance(count, 0),
            )
    if shards.rank == 0:
        _print(result, json=json)


def _print(result: Result, *, json: bool) -> None:
    if json:
        output.emit(output.to_json(result.to_dict()))
        return
    output.emit(f"{result.model} on {result.benchmark}: {result.method}")
    output.emit_table(
        (),
        [
            [each.name, f"{each.value:.4f}", "" if each.stderr is None else f"± {each.stderr:.4f}"]
            for each in result.metrics
        ],
    )


@benchmarks_app.command("list")
def list_benchmarks() -> None:
    """List the benchmarks."""
    from zoo.evaluation import benchmarks

    rows = [[each.name, each.task, each.metric, each.summary] for each in benchmarks().values()]
    output.emit_table(("NAME", "TASK", "METRIC", "SUMMARY"), rows)
