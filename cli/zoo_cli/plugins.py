"""``zoo plugins``: what is installed, and in what state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from zoo.errors import PluginError
from zoo_cli import output
from zoo_cli.options import Json

if TYPE_CHECKING:
    from zoo.plugins import Plugin

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="See which plugins there are, and test them."
)

_PARTS = ("config", "build", "weights", "preprocessor")


@app.command("list")
@app.command("ls", hidden=True)
def list_plugins(json: Json = False) -> None:
    """List the installed plugins, each with its state; one that is broken stops nothing."""
    from zoo.plugins import plugins

    found = plugins()
    if json:
        output.emit_json(
            "plugins",
            [
                {
                    "module": each.module,
                    "distribution": each.distribution,
                    "version": each.version,
                    "state": each.state,
                    "error": each.error or None,
                    "architectures": _architectures(each),
                }
                for each in found
            ],
        )
        return
    output.emit_table(
        ("PLUGIN", "STATE", "ARCHITECTURES", "DISTRIBUTION", "ERROR"),
        [
            [
                each.module,
                each.state,
                ", ".join(_architectures(each)),
                f"{each.distribution} {each.version}",
                each.error,
            ]
            for each in found
        ],
    )


@app.command("check")
def check() -> None:
    """Import every part of every plugin and read its registry; exit with 4 if one is broken."""
    from zoo.plugins import import_part, plugins
    from zoo.registry import load_registry

    problems = list(load_registry().problems)
    for plugin in plugins():
        if plugin.state not in ("ok", "disabled"):
            problems.append(f"plugin {plugin} is {plugin.state}: {plugin.error}")
            continue
        broken = []
        for architecture in plugin.architectures:
            for part in _PARTS:
                try:
                    import_part(architecture, part)
                except PluginError as error:
                    broken.append(f"plugin {plugin}: {error}")
        problems += broken
        if plugin.state == "ok" and not broken:
            output.emit(f"{plugin}: ok, {', '.join(_architectures(plugin))}")
    for problem in problems:
        output.note(problem, kind="problem")
    if problems:
        raise PluginError(f"{output.plural(len(problems), 'problem')} with plugins; see above")


def _architectures(plugin: Plugin) -> list[str]:
    return [each.name for each in plugin.architectures] or list(plugin.names)
