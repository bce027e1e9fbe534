"""Benchmarks by name: those that come with zoo, and those that plugins bring."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from zoo.distributions import EntryPoint, enabled, entry_points
from zoo.errors import RegistryError, UsageError
from zoo.evaluation.adhoc import benchmark_of, is_rows
from zoo.evaluation.benchmark import Benchmark, read_benchmark

GROUP = "zoo.benchmarks"
"""Entry points ``name = "package:folder"``: a folder of YAML files inside an installed package."""

_OWN = Path(__file__).with_name("benchmarks")


def names() -> dict[str, Path]:
    """Every benchmark's name, and its file.

    Raises:
        RegistryError: Two distributions bring the same one.
    """
    found = {path.stem: path for path in sorted(_OWN.glob("*.yaml"))}
    owners = dict.fromkeys(found, "zoo")
    for point in entry_points(GROUP):
        if not enabled(point):
            continue
        for path in sorted(_folder(point).glob("*.yaml")):
            if path.stem in found:
                raise RegistryError(
                    f"two distributions bring the benchmark {path.stem!r}: {owners[path.stem]} and "
                    f"{point}; uninstall one, or leave it out with ZOO_DISABLE_PLUGINS"
                )
            found[path.stem], owners[path.stem] = path, str(point)
    return dict(sorted(found.items()))


def benchmarks() -> dict[str, Benchmark]:
    """Every benchmark, read and checked, by its name."""
    return {name: _read(path) for name, path in names().items()}


def find_benchmark(name: str) -> Benchmark:
    """The benchmark of this name, or in the file of this path, or that a file of rows is.

    Raises:
        UsageError: There is none; the message suggests up to three.
        RegistryError: Its file breaks a rule.
        InputError: Its rows cannot be read.
    """
    if name.endswith((".yaml", ".yml")):
        return read_benchmark(Path(name))
    if is_rows(name):
        return benchmark_of(Path(name))
    known = names()
    if name in known:
        return _read(known[name])
    raise UsageError(f"no benchmark named {name!r}; {_suggestion(name, known)}")


def _read(path: Path) -> Benchmark:
    benchmark = read_benchmark(path)
    if benchmark.name != path.stem:
        raise RegistryError(f"{path}: the benchmark is named {benchmark.name!r}, unlike its file")
    return benchmark


def _folder(point: EntryPoint) -> Path:
    """Where a plugin's benchmarks are, without importing it.

    Raises:
        RegistryError: It is not inside the plugin's own package.
    """
    from importlib.util import find_spec

    package, _, inner = point.value.partition(":")
    spec = find_spec(package) if "." not in package else None
    places = spec.submodule_search_locations if spec is not None else None
    if not places or not inner or ".." in Path(inner).parts or Path(inner).is_absolute():
        raise RegistryError(
            f"plugin {point}: {point.value!r} is no folder of a package: expected package:folder"
        )
    return Path(places[0]) / inner


def _suggestion(name: str, known: Mapping[str, Path]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name.lower(), known, 3)
    meant = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    return f"{meant}`zoo benchmarks list` shows all {len(known)}"
