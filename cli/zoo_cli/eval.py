"""``zoo eval``: models measured on benchmarks."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.errors import InputError, TaskError, UsageError
from zoo_cli import output
from zoo_cli.options import Json, Offline, Registries

if TYPE_CHECKING:
    from zoo.entry import Entry
    from zoo.evaluation import Benchmark, Result
    from zoo.evaluation.checking import Check
    from zoo.evaluation.protocol import Advance
    from zoo.evaluation.shards import Shards
    from zoo.evaluation.store import Run
    from zoo.model import Model
    from zoo.registry import Registry


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...", help="Names, hf:org/repo, ./folders; a glob: those that suit."
        ),
    ],
    on: Annotated[
        str, typer.Option("--on", metavar="A,B", help="Benchmarks: names, or YAML files.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The data: a file, its folder, or a folder of such."),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(metavar="NAME", help="How it is measured, if there is a choice.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the first N samples.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most N questions at once.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of whatever a protocol draws.")] = 0,
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Keep answers from one run to the next.")
    ] = True,
    output_folder: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", help="Keep the runs in DIR, see `zoo results`."),
    ] = None,
    save: Annotated[bool, typer.Option("--save/--no-save", help="Keep the runs at all.")] = True,
    check: Annotated[
        bool, typer.Option("--check", help="Compare with reported results; 3 if they differ.")
    ] = False,
    tolerance: Annotated[
        float | None,
        typer.Option(min=0, metavar="X", help="For --check, in the reported unit."),
    ] = None,
    offline: Offline = False,
    registry: Registries = None,
    json: Json = False,
) -> None:
    """Measure models on benchmarks.

    A run that was interrupted goes on where it was when it is started again. torchrun shares the
    work among processes: torchrun --nproc-per-node 2 -m zoo_cli eval ...
    """
    from zoo import runtime
    from zoo.evaluation.data import check_data
    from zoo.evaluation.protocols import PROTOCOLS
    from zoo.evaluation.shards import open_shards
    from zoo.evaluation.store import results_folder
    from zoo.registry import load_registry

    with _first_alone():
        if tolerance is not None and not check:
            raise UsageError("--tolerance goes with --check")
        if check and limit is not None:
            raise UsageError("--check compares whole benchmarks; leave --limit out")
        if output_folder is not None and not save:
            raise UsageError("--output and --no-save contradict each other")
        runtime.check_device_name(device)
        runtime.check_dtype_name(dtype)
        known = load_registry(registry or ())
        pairs = _pairs(models, _benchmarks(on, protocol, data), protocol, known)
        for benchmark in {pair.benchmark.name: pair.benchmark for pair in pairs}.values():
            name = protocol or next(iter(benchmark.protocols))
            for split in PROTOCOLS[name].splits:
                check_data(benchmark, split, data)
        folder = (output_folder or results_folder()) if save else None
        work = _Work(
            pairs,
            loading={
                "device": device,
                "dtype": dtype,
                "offline": offline or None,
                "progress": sys.stderr.isatty(),
                "registries": registry or (),
            },
            measuring={
                "data": data,
                "protocol": protocol,
                "limit": limit,
                "batch_size": batch_size,
                "seed": seed,
                "cache": cache,
            },
            folder=folder,
            check=check,
            tolerance=tolerance,
            json=json,
        )
        with open_shards() as shards:
            code = work.do(shards)
    if code:
        raise typer.Exit(code)


@dataclass(frozen=True)
class _Pair:
    """A model that is to be measured on a benchmark."""

    name: str  # as the command line has it
    entry: Entry
    benchmark: Benchmark

    def __str__(self) -> str:
        return f"{self.entry.name} on {self.benchmark.name}"


@dataclass(frozen=True)
class _Work:
    """What the command line asks for."""

    pairs: Sequence[_Pair]
    loading: dict[str, Any]  # what `zoo.load` takes
    measuring: dict[str, Any]  # what `zoo.evaluation.evaluate` takes
    folder: Path | None
    check: bool
    tolerance: float | None
    json: bool

    def do(self, shards: Shards) -> int:
        """Measure pair by pair, and return the exit code of the worst.

        Raises:
            Exception: The only pair cannot be measured.
        """
        from zoo.evaluation.run import suitable_protocols
        from zoo_cli.failures import described

        code, checked = 0, 0
        results: list[Result] = []
        model: Model | None = None
        for pair in self.pairs:
            try:
                if pair.entry.tasks:  # what the entry says is known before the model is loaded
                    suitable_protocols(
                        pair.entry.name,
                        pair.entry.tasks,
                        pair.benchmark,
                        self.measuring["protocol"],
                    )
                with shards.together():
                    if model is None or model.entry != pair.entry:
                        model = None  # its memory is free before the next needs it
                        model = self._load(pair, shards)
                result = self._measure(model, pair, shards)
                with shards.together():
                    first = shards.rank == 0
                    checks = self._report(result, pair, after=bool(results)) if first else []
            except Exception as error:  # the others may do
                if len(self.pairs) == 1:
                    raise
                message, severity = described(error)
                about = "" if str(pair.entry.name) in message else f"{pair}: "
                output.note(f"{about}{message}", kind="error")
                code = max(code, severity)
                continue
            results.append(result)
            checked += len(checks)
            code = max(code, InputError.exit_code if result.failed else 0)
            code = max(code, 0 if all(each.passed for each in checks) else 3)
        (code, checked) = shards.gather((code, checked))[0]  # only the first has compared
        if len(results) > 1 and not self.json:
            output.emit("")
            _emit_summary(results)
        if self.check and results and not checked:
            output.note("nothing is reported that could be compared", kind="error")
            code = max(code, UsageError.exit_code)
        return code

    def _load(self, pair: _Pair, shards: Shards) -> Model:
        import zoo
        from zoo.hub import find_cached
        from zoo_cli.models import announce

        if pair.entry.source.scheme == "hf" and find_cached(pair.entry) is None:
            announce(pair.entry)
        device = shards.device(self.loading["device"])
        return zoo.load(pair.name, **{**self.loading, "device": device})

    def _measure(self, model: Model, pair: _Pair, shards: Shards) -> Result:
        from zoo.evaluation import evaluate

        @contextmanager
        def progress(total: int) -> Iterator[Advance]:
            with output.progress(total, done=0, unit="samples", about=str(pair)) as advance:
                yield lambda count: advance(count, 0)

        try:
            return evaluate(
                model, pair.benchmark, shards=shards, progress=progress, **self.measuring
            )
        except KeyboardInterrupt:
            if self.measuring["cache"]:
                output.note("interrupted; run the same again to go on")
            raise

    def _report(self, result: Result, pair: _Pair, *, after: bool) -> list[Check]:
        """Keep and print a result, ``after`` others, and what is reported beside it."""
        from zoo.evaluation.checking import check
        from zoo.evaluation.store import save

        kept = None if self.folder is None else save(result, self.folder)
        checks: list[Check] = []
        if self.check:
            checks = check(
                result,
                pair.entry.reported,
                reported_as=pair.benchmark.reported_as,
                tolerance=self.tolerance,
            )
        if self.json:
            output.emit(output.to_json(_plain(result, kept, checks)))
        else:
            if after:
                output.emit("")
            emit_result(result)
            _emit_checks(checks)
        output.flush()
        if self.check and not checks:
            output.note(
                f"{pair}: no reported result has this benchmark and one of the metrics "
                f"{', '.join(each.name for each in result.metrics[:5])}"
            )
        if result.failed:
            count = output.plural(len(result.failed), "sample")
            output.note(f"{pair}: {count} failed, which are in no number:", kind="error")
            for each in result.failed[:3]:
                output.note(f"{each.place}: {each.reason}", kind="failed")
        if kept is not None:
            output.note(f"kept as {kept.folder}")
        return checks


@contextmanager
def _first_alone() -> Iterator[None]:
    """Of the processes that torchrun starts, let only the first one speak."""
    import os
    from contextlib import redirect_stderr, redirect_stdout

    from zoo_cli.failures import described

    if os.environ.get("RANK", "0") == "0" or "WORLD_SIZE" not in os.environ:
        yield
        return
    with (
        Path(os.devnull).open("w") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        try:
            yield
        except Exception as error:  # the first one says it
            raise typer.Exit(described(error)[1]) from error


def _benchmarks(on: str, protocol: str | None, data: Path | None) -> list[Benchmark]:
    """The benchmarks that a list names, each once.

    Raises:
        UsageError: There is none of a name, or one is not measured by the protocol, or a file is
            to be the data of several.
        RegistryError: A file breaks a rule.
    """
    from zoo.evaluation import find_benchmark

    names = list(dict.fromkeys(part.strip() for part in on.split(",") if part.strip()))
    if not names:
        raise UsageError("--on names no benchmark; `zoo benchmarks list` shows them")
    found = [find_benchmark(name) for name in names]
    for benchmark in found:
        if protocol is not None and protocol not in benchmark.protocols:
            raise UsageError(
                f"{benchmark.name} is not measured by {protocol!r}, but by "
                f"{', '.join(benchmark.protocols)}"
            )
    if data is not None and len(found) > 1 and data.is_file():
        raise UsageError(
            f"--data {data} is a file, which cannot be the data of {len(found)} benchmarks; name "
            "a folder with a folder for each"
        )
    return found


def _pairs(
    models: Sequence[str],
    benchmarks: Sequence[Benchmark],
    protocol: str | None,
    registry: Registry,
) -> list[_Pair]:
    """Each model on each benchmark, model by model; of a glob, what suits.

    Raises:
        UnknownModelError: There is no model of a name, or none that a glob matches.
        TaskError: Nothing at all suits.
    """
    from zoo.evaluation.run import suits
    from zoo.registry import resolve

    pairs: dict[tuple[str, str], _Pair] = {}
    for name in models:
        glob = _is_glob(name)
        entries = registry.select(name) if glob else [resolve(name, registry)]
        if not entries:
            raise UsageError(f"no model matches {name!r}; see `zoo list`")
        for benchmark in benchmarks:
            fitting = [
                each for each in entries if not each.tasks or suits(each.tasks, benchmark, protocol)
            ]
            left = [each.name for each in entries if each not in fitting]
            if left and glob:
                output.note(
                    f"{benchmark.name} asks what these cannot do, so they are left out: "
                    f"{', '.join(left[:8])}{f' and {len(left) - 8} more' if len(left) > 8 else ''}"
                )
            elif left:  # it fails, with the reason, in its turn
                fitting = entries
            for entry in fitting:
                called = entry.name if glob else name
                pairs.setdefault((entry.name, benchmark.name), _Pair(called, entry, benchmark))
    if not pairs:
        raise TaskError(
            f"no model of {', '.join(models)} can be measured on "
            f"{', '.join(each.name for each in benchmarks)}"
        )
    order = list(dict.fromkeys(model for model, _ in pairs))
    return sorted(pairs.values(), key=lambda each: order.index(each.entry.name))


def _is_glob(name: str) -> bool:
    return any(sign in name for sign in "*?") and not name.startswith((".", "/", "~"))


def _plain(result: Result, kept: Run | None, checks: Sequence[Check]) -> dict[str, Any]:
    """A result as JSON has it."""
    from zoo.evaluation.store import without_nan

    plain = {"schema_version": output.SCHEMA_VERSION, **result.to_dict(), "run": None}
    if kept is not None:
        plain["run"] = str(kept.folder)
    if checks:
        plain["checks"] = [
            {
                "metric": each.metric,
                "measured": each.measured,
                "difference": each.difference,
                "tolerance": each.tolerance,
                "passed": each.passed,
                "reported": asdict(each.reported),
            }
            for each in checks
        ]
    return dict(without_nan(plain))


def emit_result(result: Result) -> None:
    """Print a result for people."""
    output.emit(
        output.printable(
            f"{result.model} on {result.benchmark}, {result.protocol}: {result.method}"
        )
    )
    rows = [
        [
            each.name,
            output.number(each.value),
            output.interval(each.low, each.high),
            f"{result.chance:g}"
            if result.chance is not None and each.name == result.metric
            else "",
            f"{result.samples if each.samples is None else each.samples:,}",
        ]
        for each in result.metrics
    ]
    output.emit_table(("METRIC", "VALUE", "95 % INTERVAL", "CHANCE", "SAMPLES"), rows, fit=True)


def _emit_summary(results: Sequence[Result]) -> None:
    """The headlines, in the order in which they were measured."""
    rows = [
        [
            each.model,
            each.benchmark,
            each.metric,
            output.number(each.headline.value),
            output.interval(each.headline.low, each.headline.high),
            "-" if each.chance is None else f"{each.chance:g}",
            f"{each.samples:,}",
            each.protocol,
        ]
        for each in results
    ]
    header = ("MODEL", "BENCHMARK", "METRIC", "VALUE", "95 % INTERVAL", "CHANCE", "SAMPLES")
    output.emit_table((*header, "PROTOCOL"), rows, fit=True)


def _emit_checks(checks: Sequence[Check]) -> None:
    if not checks:
        return
    output.emit("")
    output.emit_table(
        (
            "CHECK",
            "METRIC",
            "MEASURED",
            "REPORTED",
            "DIFFERENCE",
            "TOLERANCE",
            "PROTOCOL",
            "SOURCE",
        ),
        [
            [
                "ok" if each.passed else "DIFFERS",
                each.metric,
                f"{each.measured:.6g}",
                f"{each.reported.value:g} {each.reported.unit}".rstrip(),
                f"{each.difference:+.4g}",
                f"{each.tolerance:.4g}",
                each.reported.protocol,
                each.reported.source,
            ]
            for each in checks
        ],
    )
