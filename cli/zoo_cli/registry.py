"""``zoo registry``: the files that name models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.errors import RegistryError
from zoo_cli import output
from zoo_cli.options import Json, Registries

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Check, pin and find registry files."
)


@app.command("check")
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Registry files.")],
    json: Json = False,
) -> None:
    """Print every mistake in registry files, with its line; exit with 1 if there is one."""
    from zoo.registry.checking import check as check_file

    problems = [problem for file in files for problem in check_file(file)]
    if json:
        output.emit_json("problems", [vars(problem) for problem in problems])
    else:
        for problem in problems:
            output.emit(output.printable(str(problem)))
    if problems:
        raise RegistryError(
            f"{output.plural(len(problems), 'mistake')} in "
            f"{output.plural(len({problem.file for problem in problems}), 'file')}"
        )
    output.note(f"{output.plural(len(files), 'file')}, no mistakes")


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of registry files, for editors."""
    from zoo.registry.fields import schema as json_schema

    output.emit(output.to_json(json_schema(), indent=2))


@app.command("paths")
def paths(registry: Registries = None, json: Json = False) -> None:
    """Print which registry files are read, from the lowest layer up."""
    from zoo.registry.layers import layers

    found, problems = layers(registry or ())
    for problem in problems:
        output.note(problem)
    if json:
        output.emit_json(
            "layers",
            [
                {"layer": each.name, "path": str(each.path), "distribution": each.distribution}
                for each in found
            ],
        )
        return
    output.emit_table(
        ("LAYER", "FILE", "DISTRIBUTION"),
        [[each.name, str(each.path), each.distribution or "-"] for each in found],
    )


@app.command("lock")
def lock(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A registry file of your own.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Pin these anew; by default, what has no pins."),
    ] = None,
) -> None:
    """Write the commits, sizes and checksums of models into a registry file, asking the hub."""
    from zoo import hub
    from zoo.registry.locking import lock as lock_file

    changed = lock_file(file, names=names or None, fetch_facts=hub.facts)
    for name in changed:
        output.emit(name)
    output.note(f"{file}: pinned {output.plural(len(changed), 'model')}")
