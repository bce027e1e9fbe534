"""Benchmarks by name: those that come with zoo, and those that plugins bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.distributions import EntryPoint, enabled, entry_points
from zoo.errors import RegistryError, UsageError
from zoo.evaluation.adhoc import SUFFIXES as ROWS
from zoo.evaluation.adhoc import benchmark_of, benchmark_of_pictures, is_pictures, is_rows
from zoo.evaluation.archives import SUFFIXES as ARCHIVES
from zoo.evaluation.benchmark import Benchmark, read_benchmark
from zoo.plugins import BENCHMARKS

_OWN = Path(__file__).with_name("benchmarks")


@dataclass(frozen=True)
class Collection:
    """The benchmarks of one distribution: ``name = "package:folder"``, an entry point.

    The folder has a YAML file for each, and lies inside the package. Nothing of it is imported.
    """

    target: str
    distribution: str
    version: str
    files: Mapping[str, Path]
    state: Literal["ok", "broken", "disabled", "shadowed"]
    error: str = ""

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".rstrip()


def collections() -> list[Collection]:
    """What zoo and the plugins bring, each with its state; none raises."""
    own = {path.stem: path for path in sorted(_OWN.glob("*.yaml"))}
    found = [Collection("zoo.evaluation:benchmarks", "zoo", "", own, "ok")]
    return found + [_collection(point, found[0]) for point in entry_points(BENCHMARKS)]


def names() -> dict[str, Path]:
    """Every benchmark's name, and its file; a plugin's that is broken brings none."""
    return {
        name: owners[0].files[name]
        for name, owners in sorted(_owners().items())
        if len(owners) == 1
    }


def benchmarks() -> dict[str, Benchmark]:
    """Every benchmark, read and checked, by its name.

    Raises:
        RegistryError: A file breaks a rule.
    """
    return {name: read_named(path) for name, path in names().items()}


def find_benchmark(name: str) -> Benchmark:
    """The benchmark of this name, in the file of this path, or that a folder or a file is.

    Raises:
        UsageError: There is none; the message suggests up to three.
        RegistryError: Its file breaks a rule, or two distributions bring it.
        InputError: Its rows cannot be read.
    """
    if name.endswith((".yaml", ".yml")):
        return read_benchmark(Path(name))
    if is_rows(name):
        return benchmark_of(Path(name))
    if is_pictures(name):
        return benchmark_of_pictures(Path(name))
    owners = _owners()
    if name not in owners and Path(name).is_dir():
        raise UsageError(f"no benchmark named {name!r}; for the folder here write './{name}'")
    if name not in owners and ("/" in name or Path(name).is_file()):
        raise UsageError(
            f"{name!r} is no benchmark: expected a folder of pictures, or a file that ends in "
            f"{', '.join(['.yaml', *ROWS, *ARCHIVES])}"
        )
    if name not in owners:
        raise UsageError(f"no benchmark named {name!r}; {_suggestion(name, owners)}")
    if len(owners[name]) > 1:
        raise RegistryError(
            f"two distributions bring the benchmark {name!r}: "
            f"{' and '.join(map(str, owners[name]))}; uninstall one, or leave it out with "
            "ZOO_DISABLE_PLUGINS"
        )
    return read_named(owners[name][0].files[name])


def read_named(path: Path) -> Benchmark:
    """Read a file that is found by its name.

    Raises:
        RegistryError: It breaks a rule, or the benchmark is named otherwise.
    """
    benchmark = read_benchmark(path)
    if benchmark.name != path.stem:
        raise RegistryError(f"{path}: the benchmark is named {benchmark.name!r}, unlike its file")
    return benchmark


def _owners() -> dict[str, list[Collection]]:
    """Who brings each name."""
    owners: dict[str, list[Collection]] = {}
    for each in collections():
        for name in each.files if each.state in ("ok", "shadowed") else ():
            owners.setdefault(name, []).append(each)
    return owners


def _collection(point: EntryPoint, own: Collection) -> Collection:
    def collection(
        state: Literal["ok", "broken", "disabled", "shadowed"],
        error: str = "",
        files: Mapping[str, Path] | None = None,
    ) -> Collection:
        return Collection(point.value, point.distribution, point.version, files or {}, state, error)

    if not enabled(point):
        return collection("disabled", "ZOO_DISABLE_PLUGINS or ZOO_LOAD_PLUGINS turns it off")
    try:
        folder = _folder(point)
    except RegistryError as error:
        return collection("broken", str(error))
    files = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if not files:
        return collection("broken", f"{folder} has no .yaml file")
    if taken := sorted(files.keys() & own.files.keys()):
        return collection("shadowed", f"zoo has a benchmark {taken[0]!r} of its own", files)
    return collection("ok", "", files)


def _folder(point: EntryPoint) -> Path:
    """Where a plugin's benchmarks are, without importing it.

    Raises:
        RegistryError: It is not inside the plugin's own package.
    """
    from importlib.util import find_spec

    package, _, inner = point.value.partition(":")
    try:
        spec = find_spec(package) if package and "." not in package else None
    except (ImportError, ValueError):
        spec = None
    places = spec.submodule_search_locations if spec is not None else None
    if not places or not inner or ".." in Path(inner).parts or Path(inner).is_absolute():
        raise RegistryError(f"{point.value!r} is no folder of a package: expected package:folder")
    return Path(places[0]) / inner


def _suggestion(name: str, known: Mapping[str, object]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name.lower(), known, 3)
    meant = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    return f"{meant}`zoo benchmarks list` shows all {len(known)}"
