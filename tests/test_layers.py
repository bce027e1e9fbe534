"""Who may import whom, as design.md draws it: read from the source, and from a running process."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoo.testing.plugin import PUBLIC

ROOT = Path(__file__).parent.parent
SOURCES = {"zoo": ROOT, "zoo_cli": ROOT / "cli"} | {
    folder.name: ROOT / "plugins"
    for folder in (ROOT / "plugins").iterdir()
    if (folder / "__init__.py").exists()
}
PLUGINS = [name for name in SOURCES if name not in ("zoo", "zoo_cli")]

HEAVY = (
    "torch",
    "numpy",
    "pydantic",
    "huggingface_hub",
    "transformers",
    "timm",
    "tqdm",
    "jinja2",
    "PIL",
)


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of ours: its dotted name, and its file."""
    for package, root in SOURCES.items():
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


NAMES = {name for name, _ in modules()}


def imported(name: str, tree: ast.AST) -> Iterator[str]:
    """The modules that the import statements below a node name, ours as precisely as they are."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative imports hide who imports whom"
            module = str(node.module)
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                yield inner if inner in NAMES else module


class _NotWhenImported(ast.NodeTransformer):
    """Drops what does not run when a module is imported."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        return None

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        return None

    def visit_If(self, node: ast.If) -> ast.If | None:
        typing_only = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return None if typing_only else node


def imports(*, when_imported: bool = False) -> dict[str, set[str]]:
    """For each module of ours, what it imports: ever, or already when it is imported."""
    graph: dict[str, set[str]] = {}
    for name, path in modules():
        tree: ast.AST = ast.parse(path.read_text(encoding="utf-8"))
        if when_imported:
            tree = _NotWhenImported().visit(tree)
        graph[name] = set(imported(name, tree))
    return graph


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names


def test_the_graph_is_read() -> None:
    graph = imports()

    assert "zoo.nn" in graph["zoo.text.batch"]
    assert "zoo.errors" in graph["zoo.weights"]
    assert "torch" in graph["zoo.runtime"]
    assert "torch" not in imports(when_imported=True)["zoo.runtime"]
    assert "zoo_bert" in PLUGINS


@pytest.mark.parametrize("layer", ["zoo.nn", "zoo.weights"])
def test_the_lowest_layers_stand_on_torch_alone(layer: str) -> None:
    for module, targets in imports().items():
        if inside(module, layer):
            for target in targets:
                assert (
                    is_standard(target)
                    or inside(target, "torch")
                    or inside(target, layer)
                    or target == "zoo.errors"
                ), f"{module} imports {target}"


def test_nothing_of_zoo_knows_a_plugin_or_the_command_line() -> None:
    for module, targets in imports().items():
        if inside(module, "zoo"):
            for target in targets:
                assert target.partition(".")[0] not in (*PLUGINS, "zoo_cli"), (
                    f"{module} imports {target}"
                )


def test_the_command_line_knows_no_plugin() -> None:
    for module, targets in imports().items():
        if inside(module, "zoo_cli"):
            for target in targets:
                assert target.partition(".")[0] not in PLUGINS, f"{module} imports {target}"


def test_plugins_use_the_public_api_and_no_other_plugin() -> None:
    for module, targets in imports().items():
        plugin = module.partition(".")[0]
        if plugin in PLUGINS:
            for target in targets:
                ours = target.partition(".")[0] in SOURCES
                allowed = inside(target, plugin) or any(inside(target, each) for each in PUBLIC)
                assert not ours or allowed, f"{module} imports {target}"


# The library's own layers, low to high: a module imports from its own layer and those before it.
LAYERS = [
    ["zoo.errors"],
    ["zoo.rows"],
    ["zoo.entry", "zoo.distributions", "zoo.folders", "zoo.hookspecs", "zoo.nn", "zoo.weights"],
    ["zoo.config", "zoo.checkpoint", "zoo.runtime", "zoo.registry", "zoo.hub", "zoo.plugins"],
    ["zoo.result_cache"],
    ["zoo.text", "zoo.image", "zoo.generation"],
    ["zoo.loading"],
    ["zoo.tasks"],
    ["zoo.model"],
    ["zoo.evaluation"],
    ["zoo"],
    ["zoo.testing"],
]


def layer_of(module: str) -> int:
    for number, layer in enumerate(LAYERS):
        if any(module == each or (each != "zoo" and inside(module, each)) for each in layer):
            return number
    raise AssertionError(f"{module} is in no layer: add it to the drawing")


def test_every_step_is_a_call_downward() -> None:
    for module, targets in imports().items():
        if inside(module, "zoo"):
            for target in targets & NAMES:
                # The package's __init__ is what users import; nothing below may need it.
                assert layer_of(target) <= layer_of(module), f"{module} imports {target}"


def test_no_module_is_imported_in_a_circle() -> None:
    graph = {name: targets & NAMES for name, targets in imports().items()}
    # A package's __init__ runs before its modules, but is no part of their meaning.
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"in a circle: {' -> '.join([*path, module])}"
        if module not in done:
            for target in sorted(graph[module]):
                visit(target, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


LIGHT = [
    "zoo",
    "zoo.errors",
    "zoo.entry",
    "zoo.distributions",
    "zoo.folders",
    "zoo.registry",
    "zoo.hub",
    "zoo.plugins",
    "zoo.hookspecs",
    "zoo.runtime",
    "zoo.testing",
    "zoo_cli",
    *PLUGINS,
]


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_import_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"

    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )

    found = {name.partition(".")[0] for name in process.stdout.split()}
    assert found.isdisjoint(HEAVY), f"{module} imports {sorted(found & set(HEAVY))}"
    assert module == "zoo_cli" or found.isdisjoint({"zoo_cli"} | set(PLUGINS) - {module})


def test_a_plugin_is_imported_only_when_it_is_asked_for() -> None:
    code = (
        "import sys, zoo; zoo.list_models(); "
        f"print(*[name for name in sys.modules if name.partition('.')[0] in {PLUGINS!r}])"
    )

    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )

    assert process.stdout.strip() == ""


@pytest.mark.parametrize("package", SOURCES)
def test_every_package_tells_type_checkers_that_it_has_types(package: str) -> None:
    assert (SOURCES[package] / package / "py.typed").is_file()
