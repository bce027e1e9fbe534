"""``zoo plugins``: what is installed, whether it keeps the contract, and a new one of your own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.errors import PluginError
from zoo_cli import output
from zoo_cli.options import Json

if TYPE_CHECKING:
    from zoo.evaluation.catalog import Collection
    from zoo.plugins import Command, Plugin
    from zoo.testing import Check

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="See which plugins there are, test them, begin one.",
)


@app.command("list")
@app.command("ls", hidden=True)
def list_plugins(context: typer.Context, json: Json = False) -> None:
    """List the installed plugins, each with its state; one that is broken stops nothing."""
    from zoo.evaluation.catalog import collections
    from zoo.plugins import commands, plugins

    found = plugins()
    added = [_imported(each) for each in commands(context.obj)]
    measuring = [each for each in collections() if each.distribution != "zoo"]
    if json:
        rows = [
            *(_plain(each, each.module, architectures=_architectures(each)) for each in found),
            *(_plain(each, each.target, command=each.name) for each in added),
            *(_plain(each, each.target, benchmarks=list(each.files)) for each in measuring),
        ]
        output.emit_json("plugins", rows)
        return
    output.emit_table(
        ("PLUGIN", "STATE", "PROVIDES", "DISTRIBUTION", "ERROR"),
        [
            *(_row(each, each.module, ", ".join(_architectures(each))) for each in found),
            *(_row(each, each.target, f"zoo {each.name}") for each in added),
            *(_row(each, each.target, _benchmarks(each)) for each in measuring),
        ],
    )


def _plain(
    each: Plugin | Command | Collection,
    module: str,
    *,
    architectures: Sequence[str] = (),
    command: str | None = None,
    benchmarks: Sequence[str] = (),
) -> dict[str, Any]:
    """What a distribution brings, as JSON has it."""
    return {
        "module": module,
        "distribution": each.distribution,
        "version": each.version,
        "state": each.state,
        "error": each.error or None,
        "architectures": list(architectures),
        "command": command,
        "benchmarks": list(benchmarks),
    }


def _row(each: Plugin | Command | Collection, module: str, provides: str) -> list[str]:
    """The same, as people read it."""
    return [module, each.state, provides, f"{each.distribution} {each.version}", each.error]


def _benchmarks(each: Collection) -> str:
    return f"benchmarks {', '.join(each.files)}" if each.files else ""


@app.command("check")
def check(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="A distribution, module or architecture; by default, all."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Run the contract on plugins, and say what to change where a check fails; then exit with 4."""
    # Tiny tensors: torch's threads would only wait for each other. Read when torch starts.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

    from zoo.plugins import installed
    from zoo.registry import load_registry
    from zoo.testing import ContractError, NotReachedError, contract

    results: list[tuple[Check, str, str]] = []
    for distribution in [name] if name is not None else installed():
        for each in contract(distribution):
            try:
                state, note = "ok", each.run()
            except NotReachedError as error:
                state, note = "not reached", str(error)
            except ContractError as error:
                state, note = "FAILED", str(error)
            results.append((each, state, note))
            if not json:
                shown = f"  ({note})" if note and state == "ok" else ""
                output.emit(output.printable(f"{state:<11}  {each}{shown}"))
                if state == "FAILED":
                    output.emit(output.printable(f"{'':<11}  {note}"))
                output.flush()
    if json:
        output.emit_json(
            "checks",
            [
                {"about": each.about, "check": each.what, "state": state.lower(), "note": note}
                for each, state, note in results
            ],
        )
    problems = load_registry().problems if name is None else ()
    for problem in problems:
        output.note(problem, kind="problem")
    failed = sum(state == "FAILED" for _, state, _ in results) + len(problems)
    if failed:
        raise PluginError(f"{output.plural(failed, 'check')} failed of {len(results):,}; see above")
    output.note(f"{output.plural(len(results), 'check')} ok")


@app.command("new")
def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Of the architecture: small letters, 1-2, my-net.")
    ],
    folder: Annotated[
        Path, typer.Option("--in", metavar="FOLDER", help="Where zoo-NAME is made.")
    ] = Path(),
) -> None:
    """Write a complete plugin, which runs as it is: network, weights, registry, tests."""
    from zoo_cli.new_plugin import write_plugin

    made = write_plugin(name, folder)
    output.emit(str(made))
    output.note(
        f"now: pip install -e {made}; zoo run tiny-{made.name.removeprefix('zoo-')} 'The '; "
        f"pytest {made}"
    )


def _imported(command: Command) -> Command:
    """A command with the state that importing it shows."""
    from zoo.plugins import import_command

    if command.state != "ok":
        return command
    try:
        import_command(command)
    except PluginError as error:
        return replace(command, state="broken", error=str(error))
    return command


def _architectures(plugin: Plugin) -> list[str]:
    return [each.name for each in plugin.architectures] or list(plugin.names)
