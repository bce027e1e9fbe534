"""Installed plugins: which architectures there are, and in what state the plugins are.

Entry points are read as data; a plugin's module is imported only when it is asked for, and each in
a plugin manager of its own, so that none can break another.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from zoo.distributions import EntryPoint, enabled, entry_points, normalised
from zoo.errors import PluginError

if TYPE_CHECKING:  # its module imports pluggy, which listing models has no use for
    from zoo.hookspecs import Architecture

GROUP = "zoo.plugins"
COMMANDS = "zoo.commands"
BENCHMARKS = "zoo.benchmarks"

State = Literal["ok", "broken", "disabled", "incompatible", "shadowed"]


@dataclass(frozen=True)
class Plugin:
    """One module of one distribution, and what came of loading it.

    ``names`` are the architectures that its entry points promise, ``architectures`` those that its
    hook returned. ``error`` says in one line why the state is not ok.
    """

    module: str
    distribution: str
    version: str
    names: tuple[str, ...]
    state: State
    error: str = ""
    architectures: tuple[Architecture, ...] = ()

    def __str__(self) -> str:
        return f"{self.module} of {self.distribution} {self.version}"


@dataclass(frozen=True)
class Command:
    """A command that a distribution adds to ``zoo``: ``name = "module:app"``, an entry point."""

    name: str
    target: str
    distribution: str
    version: str
    state: State
    error: str = ""

    def __str__(self) -> str:
        return f"command {self.name!r} of {self.distribution} {self.version}"


def plugins(only: str | None = None) -> list[Plugin]:
    """Load the installed plugins; each has a state, and none raises.

    Args:
        only: A distribution, module or architecture: load only its plugins. What the others claim
            is then known from their entry points alone.
    """
    claims: dict[str, list[Plugin]] = {}
    loaded = []
    for points in _by_module(entry_points(GROUP)):
        wanted = only is None or any(is_called(point, only) for point in points)
        plugin = _load(points) if wanted else _promised(points)
        if wanted:
            loaded.append(plugin)
        for name in {*plugin.names, *(each.name for each in plugin.architectures)}:
            if plugin.state != "disabled":
                claims.setdefault(name, []).append(plugin)
    return [_shadowed(plugin, claims) if plugin.state == "ok" else plugin for plugin in loaded]


def installed() -> list[str]:
    """Return the distributions that have plugins, commands or benchmarks, by entry points."""
    points = (point for group in (GROUP, COMMANDS, BENCHMARKS) for point in entry_points(group))
    return sorted({point.distribution for point in points})


def is_called(point: EntryPoint, name: str) -> bool:
    """Whether a user may mean this entry point by a distribution, module or architecture."""
    return normalised(name) in map(normalised, (point.name, point.distribution, point.package))


def commands(taken: Collection[str] = ()) -> list[Command]:
    """Return the commands that plugins add, by their entry points: no plugin is imported.

    Args:
        taken: Names of zoo's own commands, which no plugin replaces.
    """
    points = entry_points(COMMANDS)
    owners: dict[str, list[EntryPoint]] = {}
    for point in points:
        if enabled(point):
            owners.setdefault(point.name, []).append(point)

    def command(point: EntryPoint) -> Command:
        state, error = _command_state(point, owners.get(point.name, []), taken)
        return Command(point.name, point.value, point.distribution, point.version, state, error)

    return [command(point) for point in points]


def _command_state(
    point: EntryPoint, owners: Sequence[EntryPoint], taken: Collection[str]
) -> tuple[State, str]:
    if not enabled(point):
        return "disabled", "ZOO_DISABLE_PLUGINS or ZOO_LOAD_PLUGINS turns it off"
    if point.name in taken:
        return "shadowed", f"zoo has a command {point.name!r} of its own"
    others = [str(other) for other in owners if other is not point]
    if others:
        return "shadowed", f"command {point.name!r} is also claimed by {' and '.join(others)}"
    return "ok", ""


def import_command(command: Command) -> Any:  # noqa: ANN401 (a typer.Typer, which zoo knows not)
    """Import what a command names: ``"module:app"`` -> the app.

    Raises:
        PluginError: The command's state is not ok, or its module does not import.
    """
    if command.state != "ok":
        raise PluginError(f"{command} is {command.state}: {command.error}")
    return _import(command.target, f"{command} = {command.target!r}")


def find_architecture(name: str) -> Architecture:
    """Return the architecture that entries call ``name``, from the one plugin that promises it.

    A plugin may provide architectures beyond the names of its entry points; if no entry point has
    the name, all plugins are asked.

    Raises:
        PluginError: No plugin has it, two do, or the one that does is broken or disabled.
    """
    points = [point for point in entry_points(GROUP) if point.name == name]
    promised = _by_module(point for point in points if enabled(point))
    if points and not promised:
        raise PluginError(
            f"architecture {name!r} needs plugin {points[0].value!r} of {points[0]}, "
            "which ZOO_DISABLE_PLUGINS or ZOO_LOAD_PLUGINS turns off"
        )
    candidates = [_load(points) for points in promised] or plugins()
    owners = [
        plugin
        for plugin in candidates
        if promised or name in {each.name for each in plugin.architectures}
    ]
    plugin = _only_owner(f"architecture {name!r}", owners, candidates)
    return next(each for each in plugin.architectures if each.name == name)


def architecture_for(*model_types: str) -> Architecture:
    """Return the architecture that reads configs of such a ``model_type``; asks all plugins.

    Args:
        model_types: What a config may be called, most precise first; the first that any plugin
            claims counts.

    Raises:
        PluginError: No plugin claims one, or two do.
    """
    loaded = plugins()
    for model_type in model_types:
        owners = [
            plugin
            for plugin in loaded
            if any(model_type in each.model_types for each in plugin.architectures)
        ]
        if owners:
            break
    plugin = _only_owner(f"model_type {model_type!r}", owners, loaded)
    return next(each for each in plugin.architectures if model_type in each.model_types)


def import_part(architecture: Architecture, part: str) -> Any:  # noqa: ANN401 (callers know)
    """Import one part of an architecture: ``"module:attribute"`` -> the attribute.

    Raises:
        PluginError: The module does not import, or has no such attribute.
    """
    target = getattr(architecture, part)
    return _import(target, f"architecture {architecture.name!r}: {part} = {target!r}")


def _import(target: str, where: str) -> Any:  # noqa: ANN401 (callers know)
    """Import ``"module:attribute"``, which a plugin calls ``where``."""
    module_name, _, attribute = target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a plugin's code may raise anything
        raise PluginError(f"{where} cannot be imported: {_one_line(error)}") from error
    if not hasattr(module, attribute):
        raise PluginError(f"{where}: the module has no {attribute!r}")
    return getattr(module, attribute)


def _by_module(points: Iterable[EntryPoint]) -> list[list[EntryPoint]]:
    """Entry points grouped by the module and distribution that they belong to."""
    groups: dict[tuple[str, str], list[EntryPoint]] = {}
    for point in points:
        groups.setdefault((point.value, point.distribution), []).append(point)
    return [groups[key] for key in sorted(groups)]


def _promised(points: Sequence[EntryPoint]) -> Plugin:
    """A plugin by its entry points alone, without importing it."""
    first = points[0]
    state: State = "ok" if all(map(enabled, points)) else "disabled"
    names = tuple(sorted(point.name for point in points))
    return Plugin(first.value, first.distribution, first.version, names, state)


def _load(points: Sequence[EntryPoint]) -> Plugin:
    """Import one module and ask its hook; what goes wrong becomes the plugin's state."""
    first = points[0]
    names = tuple(sorted(point.name for point in points))

    def plugin(state: State, error: str = "", architectures: Iterable[Architecture] = ()) -> Plugin:
        return Plugin(
            first.value, first.distribution, first.version, names, state, error, (*architectures,)
        )

    if not all(map(enabled, points)):
        return plugin("disabled", "ZOO_DISABLE_PLUGINS or ZOO_LOAD_PLUGINS turns it off")

    from pluggy import PluginManager, PluginValidationError

    from zoo import hookspecs

    manager = PluginManager("zoo")
    manager.add_hookspecs(hookspecs)
    try:
        module = importlib.import_module(first.value)
        written_for = getattr(module, "zoo_api", hookspecs.API)
        if written_for != hookspecs.API:
            return plugin(
                "incompatible",
                f"written for version {written_for!r} of the plugin contract; this zoo has version "
                f"{hookspecs.API}: upgrade the older of the two",
            )
        manager.register(module)
        manager.check_pending()
        architectures = list(chain(*manager.hook.zoo_architectures()))
    except PluginValidationError as error:
        return plugin("broken", _one_line(error) + _close_hook(str(error), vars(hookspecs)))
    except (Exception, SystemExit) as error:  # a plugin's code may raise anything
        return plugin("broken", _one_line(error))
    for architecture in architectures:
        if not isinstance(architecture, hookspecs.Architecture):
            return plugin(
                "broken", f"zoo_architectures returned {architecture!r:.60}, not an Architecture"
            )
    provided = {each.name for each in architectures}
    lacking = [name for name in names if name not in provided]
    if lacking:
        return plugin(
            "broken",
            f"its entry points promise {', '.join(lacking)}, "
            f"but its hook provides {', '.join(sorted(provided)) or 'no architecture'}",
        )
    return plugin("ok", architectures=architectures)


def _shadowed(plugin: Plugin, owners: dict[str, list[Plugin]]) -> Plugin:
    """The plugin as it is, or as shadowed if another claims one of its names."""
    for name in {*plugin.names, *(each.name for each in plugin.architectures)}:
        others = [other for other in owners[name] if other is not plugin]
        if others:
            return Plugin(
                plugin.module,
                plugin.distribution,
                plugin.version,
                plugin.names,
                "shadowed",
                f"architecture {name!r} is also claimed by {others[0]}",
                plugin.architectures,
            )
    return plugin


def _only_owner(what: str, owners: Sequence[Plugin], asked: Sequence[Plugin]) -> Plugin:
    """The one plugin that has something; an error if there is none, several or a broken one."""
    if len(owners) > 1:
        both = " and ".join(map(str, owners))
        raise PluginError(
            f"{what} is claimed by {both}; uninstall one, or turn it off with "
            f"ZOO_DISABLE_PLUGINS={owners[-1].distribution}"
        )
    if not owners:
        known = sorted({each.name for plugin in asked for each in plugin.architectures})
        broken = [f"{plugin} is {plugin.state}" for plugin in asked if plugin.state == "broken"]
        note = f" ({'; '.join(broken)}: see `zoo plugins list`)" if broken else ""
        raise PluginError(
            f"no installed plugin has {what}; architectures there are: {', '.join(known)}{note}"
        )
    owner = owners[0]
    if owner.state not in ("ok", "shadowed"):
        raise PluginError(f"{what} needs plugin {owner}, which is {owner.state}: {owner.error}")
    return owner


def _close_hook(message: str, specs: Iterable[str]) -> str:
    """The hook that a misspelled one may mean."""
    from difflib import get_close_matches

    unknown = re.search(r"unknown hook '(\w+)'", message)
    hooks = [name for name in specs if name.startswith("zoo_")]
    close = get_close_matches(unknown[1], hooks, n=1) if unknown else []
    return f"; did you mean {close[0]!r}?" if close else ""


def _one_line(error: BaseException) -> str:
    text = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
