"""The commands that plugins add: known by their entry points, imported when they are called."""

from __future__ import annotations

from collections.abc import Callable, Collection

import typer

from zoo.errors import PluginError
from zoo.plugins import Command, commands, import_command


def names(app: typer.Typer) -> frozenset[str]:
    """What an app's commands and groups are called."""
    commands = {str(each.name) for each in app.registered_commands}
    return frozenset(commands | {str(each.name) for each in app.registered_groups})


def mount(app: typer.Typer, own: Collection[str]) -> None:
    """Add the commands of plugins to zoo's ``own``: `zoo --help` shows them and imports none.

    A name that two plugins claim is one command, which says so when it is called.
    """
    added = {each.name: each for each in commands(own) if each.state != "disabled"}
    for command in added.values():
        if command.name not in own:
            app.command(
                command.name,
                help=f"Of the plugin {command.distribution} {command.version}.",
                # What follows, --help too, is for the plugin's app.
                context_settings={
                    "allow_extra_args": True,
                    "ignore_unknown_options": True,
                    "allow_interspersed_args": False,
                    "help_option_names": [],
                },
            )(_runner(command))


def _runner(command: Command) -> Callable[[typer.Context], None]:
    def run(context: typer.Context) -> None:
        app = import_command(command)
        if not isinstance(app, typer.Typer):
            raise PluginError(f"{command} = {command.target!r} is {app!r:.60}, not a typer.Typer")
        app(context.args, prog_name=f"zoo {command.name}")

    return run
