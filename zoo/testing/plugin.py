"""The list of what must hold of a plugin: its import, hooks, registry, commands, architectures."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import zoo
from zoo.distributions import EntryPoint, enabled, entry_points
from zoo.errors import RegistryError, UsageError
from zoo.plugins import (
    BENCHMARKS,
    COMMANDS,
    GROUP,
    Command,
    Plugin,
    commands,
    import_command,
    installed,
    is_called,
)
from zoo.plugins import plugins as load_plugins
from zoo.registry.layers import GROUP as REGISTRIES
from zoo.testing.check import Check, ContractError, NotReachedError

if TYPE_CHECKING:
    from zoo.entry import Entry
    from zoo.hookspecs import Architecture

# What a plugin may import of zoo; everything else there may change without notice.
PUBLIC = (
    "zoo.hookspecs",
    "zoo.config",
    "zoo.checkpoint",
    "zoo.weights",
    "zoo.nn",
    "zoo.text",
    "zoo.image",
    "zoo.generation",
    "zoo.tasks",
    "zoo.errors",
    "zoo.testing",
)

# What listing models must never wait for.
HEAVY = ("torch", "numpy", "transformers", "timm", "pydantic", "huggingface_hub", "tokenizers")
MILLISECONDS = 100.0
_RUNS = 5
_PATIENCE = 20.0  # seconds, for one run

# zoo's own import of the contract does not count.
_MEASURE = """
import sys, time, zoo.hookspecs
start = time.perf_counter()
import {module}
print(1000 * (time.perf_counter() - start), *(name for name in {heavy} if name in sys.modules))
"""


def contract(name: str) -> Iterator[Check]:
    """List the checks of a plugin: a distribution, module, entry point or architecture.

    A plugin that cannot be loaded has no further checks than those that say so.

    Raises:
        UsageError: Nothing that is installed is called so.
    """
    points = {
        group: [point for point in entry_points(group) if is_called(point, name)]
        for group in (GROUP, REGISTRIES, COMMANDS, BENCHMARKS)
    }
    if not any(points.values()):
        raise UsageError(
            f"no installed plugin is called {name!r}; {_installed()}; your own, too, is installed "
            "first: pip install -e ."
        )

    hangs = False
    for module in dict.fromkeys(point.value for point in points[GROUP] if enabled(point)):
        yield Check(module, "is imported fast, and without torch", partial(_imports, module))
        hangs = hangs or _milliseconds(module) is None
        yield Check(module, "imports only what is public", partial(_uses_public_api, module))
    if hangs:  # whoever asks for its models would hang, too
        return
    for point in filter(enabled, points[REGISTRIES]):
        about = f"registry of {point.distribution}"
        yield Check(about, "is valid", partial(_registry_is_valid, point))
    for point in filter(enabled, points[BENCHMARKS]):
        about = f"benchmarks of {point.distribution}"
        yield Check(about, "are valid", partial(_benchmarks_are_valid, point))
    for command in commands():
        if any(command.name == p.name and command.target == p.value for p in points[COMMANDS]):
            yield Check(f"zoo {command.name}", "is a command", partial(_is_command, command))
    for plugin in load_plugins(name):
        yield Check(plugin.module, "has valid hooks", partial(_is_ok, plugin))
        if plugin.state == "ok":
            for architecture in plugin.architectures:
                yield from _of_architecture(architecture)


def _of_architecture(architecture: Architecture) -> Iterator[Check]:
    from zoo.testing.architectures import checks

    return checks(architecture, _bundled(architecture.name))


@cache
def _milliseconds(module: str) -> tuple[float, list[str]] | str | None:
    """The shortest import of a module and what it pulled in; its error; None if it hangs."""
    code = _MEASURE.format(module=module, heavy=HEAVY)
    best = float("inf")
    pulled: set[str] = set()
    for _ in range(_RUNS):
        try:
            process = subprocess.run(
                [sys.executable, "-c", code],
                capture_output=True,
                text=True,
                check=False,
                timeout=_PATIENCE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        except subprocess.TimeoutExpired:
            return None
        if process.returncode:
            return process.stderr.strip().rpartition("\n")[2] or f"exit code {process.returncode}"
        time, *names = process.stdout.splitlines()[-1].split()
        best, pulled = min(best, float(time)), pulled | set(names)
        if pulled:
            break  # that is wrong already, however fast
    return best, sorted(pulled)


def _imports(module: str) -> str:
    measured = _milliseconds(module)
    if measured is None:
        raise ContractError(
            f"import {module} takes more than {_PATIENCE:.0f} s; let it declare its "
            "architectures, and do nothing else"
        )
    if isinstance(measured, str):
        raise ContractError(f"import {module} fails: {measured}")
    milliseconds, pulled = measured
    if pulled:
        raise ContractError(
            f"import {module} imports {', '.join(pulled)}; name the parts that need them as "
            '"module:attribute" in the Architecture, and import them in those modules'
        )
    if milliseconds > MILLISECONDS:
        raise ContractError(
            f"import {module} takes {milliseconds:.0f} ms, the best of {_RUNS}; at most "
            f"{MILLISECONDS:.0f} are allowed: move imports into the modules of the parts"
        )
    return f"{milliseconds:.1f} ms"


def _uses_public_api(module: str) -> None:
    """Read the import statements of a package, without importing it."""
    package = module.partition(".")[0]
    spec = find_spec(package)
    folders = (spec.submodule_search_locations or ()) if spec else ()
    for path in sorted(path for folder in folders for path in Path(folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in _imported(node):
                if not _is_public(name):
                    raise ContractError(
                        f"{path}, line {node.lineno}: {name} is no public part of zoo, and may "  # type: ignore[attr-defined]  # statements have one
                        f"change without notice; public are zoo itself and {', '.join(PUBLIC)}"
                    )


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "zoo":
        return [f"zoo.{alias.name}" for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []


def _is_public(name: str) -> bool:
    """Whether it is none of zoo's, or one that plugins may import."""
    if name.partition(".")[0] not in ("zoo", "zoo_cli"):
        return True
    own = ("zoo", *(f"zoo.{each}" for each in zoo.__all__))
    return name in own or any(f"{name}.".startswith(f"{each}.") for each in PUBLIC)


def _is_ok(plugin: Plugin) -> str:
    if plugin.state == "disabled":
        return f"not asked: {plugin.error}"
    if isinstance(_milliseconds(plugin.module), str):
        raise NotReachedError("the import fails, see above")
    if plugin.state != "ok":
        raise ContractError(f"{plugin} is {plugin.state}: {plugin.error}{_advice(plugin)}")
    return ", ".join(each.name for each in plugin.architectures)


def _advice(plugin: Plugin) -> str:
    if plugin.error.endswith("provides no architecture"):
        return (
            "; define zoo_architectures() in it, under @hookimpl of zoo.hookspecs, and let it "
            "return or yield them"
        )
    if "its entry points promise" in plugin.error:
        return '; let the names under [project.entry-points."zoo.plugins"] be the architectures\''
    return ""


def _registry_is_valid(point: EntryPoint) -> str:
    from zoo.registry.checking import check
    from zoo.registry.layers import load_registry, registry_path

    path = registry_path(point)
    if isinstance(path, str):
        raise ContractError(f"{REGISTRIES} {point.name} = {point.value}: {path}; ship it as data")
    mistakes = check(path)
    if mistakes:
        more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
        raise ContractError(f"{mistakes[0]}{more}")
    try:
        registry = load_registry()
    except RegistryError as error:
        raise ContractError(f"another registry file is in the way: {error}") from error
    clashes = [problem for problem in registry.problems if point.distribution in problem]
    if clashes:
        raise ContractError(clashes[0])
    entries = [entry for entry in registry if entry.origin.file == str(path)]
    for entry in entries:
        _is_possible(entry)
    return ", ".join(entry.name for entry in entries)


def _is_possible(entry: Entry) -> None:
    """Refuse an entry whose architecture is not there, or does not do its tasks."""
    from zoo.hub import fetch
    from zoo.plugins import find_architecture

    architecture = find_architecture(entry.architecture)
    beyond = sorted(set(entry.tasks) - set(architecture.tasks))
    if beyond:
        raise ContractError(
            f"{entry.origin}: {entry.name} is said to do {', '.join(beyond)}, but architecture "
            f"{architecture.name!r} does {', '.join(architecture.tasks) or 'no task'}"
        )
    if entry.source.scheme == "bundled":
        fetch(entry)  # checks that the folder is there, and the pins if there are any


def _benchmarks_are_valid(point: EntryPoint) -> str:
    """Read all files, find the data that comes with them; return the names."""
    from zoo.evaluation.catalog import collections, read_named
    from zoo.evaluation.data import check_data

    (found,) = (
        each
        for each in collections()
        if (each.target, each.distribution) == (point.value, point.distribution)
    )
    if found.state != "ok":
        raise ContractError(f"{found.state}: {found.error}")
    try:
        for path in found.files.values():
            benchmark = read_named(path)
            for split, source in benchmark.data.items():
                if source.beside:
                    check_data(benchmark, split, None)
    except (RegistryError, UsageError) as error:
        raise ContractError(str(error)) from error
    return ", ".join(found.files)


def _is_command(command: Command) -> None:
    import typer

    app = import_command(command)
    if not isinstance(app, typer.Typer):
        raise ContractError(f"{command} = {command.target!r} is {app!r:.60}, not a typer.Typer")


def _bundled(architecture: str) -> list[Entry]:
    """Entries of an architecture whose files are on this disk already."""
    from zoo.registry.layers import load_registry

    return [
        entry
        for entry in load_registry()
        if entry.architecture == architecture and entry.source.scheme == "bundled"
    ]


def _installed() -> str:
    return f"installed are {', '.join(installed()) or 'none'}"
