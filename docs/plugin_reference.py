"""Write ``plugin-reference.md`` from the code: ``python docs/plugin_reference.py``.

A test compares the file with what this writes.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import zoo
from zoo import hookspecs
from zoo.config import Fields
from zoo.testing.plugin import PUBLIC

FILE = Path(__file__).parent / "plugin-reference.md"

HEAD = """\
# Plugin reference

Made from the code by `docs/plugin_reference.py`; [plugins.md](plugins.md) says how to use it.
"""


def reference() -> str:
    """The whole page."""
    parts = [HEAD, "## Entry points and contract\n", _quoted(hookspecs)]
    parts += [f"The contract's version is `zoo_api = {hookspecs.API}`.\n", "## Hooks\n"]
    for name, hook in sorted(vars(hookspecs).items()):
        if name.startswith("zoo_"):
            parts += [f"### `{name}{inspect.signature(hook)}`\n", f"{inspect.getdoc(hook)}\n"]
    parts += ["## `Architecture`\n", _quoted(hookspecs.Architecture)]
    parts += ["## What may be imported\n", _public()]
    return "\n".join(parts)


def _quoted(thing: object) -> str:
    """A docstring as it is written."""
    return f"```text\n{inspect.getdoc(thing)}\n```\n"


def _public() -> str:
    """A table of the public modules and their names."""
    lines = [
        "Programs rely on `zoo.__all__`: "
        + ", ".join(f"`{name}`" for name in zoo.__all__)
        + ". Plugins may import, besides, what is named here; the rest changes without notice.\n"
    ]
    for module_name in PUBLIC:
        if importlib.util.find_spec(module_name) is None:
            continue
        module = importlib.import_module(module_name)
        summary = (inspect.getdoc(module) or "").partition("\n")[0]
        lines += [f"### `{module_name}`\n", f"{summary}\n", "| name | is |", "|---|---|"]
        lines += [f"| `{name}` | {text} |" for name, text in _names(module)]
        lines.append("")
    return "\n".join(lines)


def _names(module: ModuleType) -> Iterator[tuple[str, str]]:
    """The public names of a module and the first sentence on each."""
    listed = getattr(module, "__all__", None) or sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", "") == module.__name__
        and not isinstance(value, TypeVar)
    )
    for name in listed:
        value = getattr(module, name)
        own = inspect.isclass(value) or inspect.isfunction(value)
        yield name, _first(inspect.getdoc(value) if own else _written_below(name, module))
        if inspect.isclass(value) and (value is Fields or getattr(value, "_is_protocol", False)):
            yield from _members(value)


def _members(kind: type) -> Iterator[tuple[str, str]]:
    """What a plugin calls of its config's reader, or provides where a part is asked for."""
    for name, value in vars(kind).items():
        if not name.startswith("_") and (isinstance(value, property) or inspect.isfunction(value)):
            yield f"{kind.__name__}.{name}", _first(inspect.getdoc(value))


def _first(text: str | None) -> str:
    """The first paragraph of a docstring, for a table."""
    paragraph = (text or "").partition("\n\n")[0].replace("|", "\\|")
    return textwrap.shorten(paragraph, 160, placeholder=" …")


def _written_below(name: str, package: ModuleType) -> str:
    """The text below the line that gives a type or a constant its name."""
    inner = [each for key, each in sys.modules.items() if key.startswith(f"{package.__name__}.")]
    for module in (package, *inner):
        for node, below in pairwise(ast.parse(inspect.getsource(module)).body):
            match node, below:
                case (
                    ast.Assign(targets=[ast.Name(id=found)]),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ) if found == name:
                    return inspect.cleandoc(text)
    return ""


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
