"""Which registry files there are, from the packaged one up, and how they are merged."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from zoo.distributions import EntryPoint, enabled, entry_points
from zoo.entry import Entry, File, License, Origin, Reported, Source
from zoo.errors import RegistryError
from zoo.folders import user_folder
from zoo.registry import caching
from zoo.registry.caching import Model
from zoo.registry.lookup import Registry

LayerName = Literal["packaged", "plugin", "user", "environment", "option"]

GROUP = "zoo.registries"


@dataclass(frozen=True)
class Layer:
    """One registry file. ``package`` is the plugin's: the only one its entries may bundle from."""

    name: LayerName
    path: Path
    package: str = ""
    distribution: str = ""


@dataclass(frozen=True)
class _Layered:
    entry: Entry
    override: bool


def load_registry(extra: Sequence[Path] = ()) -> Registry:
    """Read and merge all layers, low to high.

    Packaged < plugins < ``~/.config/zoo/registry.yaml`` < ``ZOO_REGISTRY`` < ``extra`` (the
    command line's ``--registry``). What a plugin brings never raises: it becomes one of
    ``Registry.problems``. A layer of a newer format is left out with a `ZooWarning`.

    Raises:
        RegistryError: The packaged file or one that the user named breaks a rule.
    """
    problems: list[str] = []
    merged = _Merged()

    for layered in _read(Layer("packaged", packaged_path())):
        merged.add(layered)

    brought: list[_Layered] = []
    for layer in _plugin_layers(problems):
        try:
            brought += _read(layer)
        except RegistryError as error:
            problems.append(f"plugin {layer.distribution!r}: {error}")
    clashes = _clashes(layered.entry for layered in brought)
    for layered in brought:
        entry = layered.entry
        if entry.name not in clashes:
            free = tuple(alias for alias in entry.aliases if alias not in clashes)
            try:
                merged.add(replace(layered, entry=replace(entry, aliases=free)))
            except RegistryError as error:
                problems.append(f"plugin {entry.origin.distribution!r}: {error}")

    for layer in _user_layers(extra):
        for layered in _read(layer):
            merged.add(layered)

    # A name that the user's own layers give to an entry is no clash any more.
    for name, owner in merged.owners.items():
        if owner.origin.layer not in ("packaged", "plugin"):
            clashes.pop(name, None)
    problems += clashes.values()
    return Registry(merged.entries, tuple(problems), clashes)


def layers(extra: Sequence[Path] = ()) -> tuple[list[Layer], list[str]]:
    """Return the files that `load_registry` reads, low to high, and those that plugins lack."""
    problems: list[str] = []
    packaged = Layer("packaged", packaged_path())
    return [packaged, *_plugin_layers(problems), *_user_layers(extra)], problems


def packaged_path() -> Path:
    """Return the registry that comes with zoo: in the package (wheel), or beside it (checkout)."""
    package = Path(__file__).parent.parent
    inside = package / "registry.yaml"
    return inside if inside.is_file() else package.parent / "registry.yaml"


def _plugin_layers(problems: list[str]) -> Iterator[Layer]:
    for point in entry_points(GROUP):
        if enabled(point):
            path = registry_path(point)
            if isinstance(path, Path):
                yield Layer("plugin", path, point.package, str(point))
            else:
                problems.append(
                    f"plugin {str(point)!r}: {GROUP} {point.name} = {point.value}: {path}"
                )


def registry_path(point: EntryPoint) -> Path | str:
    """Return the file that ``package:registry.yaml`` names, or why there is none.

    The package is found, not imported: its code can neither break nor slow down a listing.
    """
    from importlib.util import find_spec

    package, _, name = point.value.partition(":")
    file = PurePosixPath(name)
    if not package.isidentifier() or not name or file.is_absolute() or ".." in file.parts:
        return "expected package:registry.yaml"
    try:
        spec = find_spec(package)
    except (ImportError, ValueError) as error:
        return f"the package {package!r} cannot be found: {error}"
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        return f"there is no package {package!r}"
    for folder in folders:
        if (path := Path(folder, *file.parts)).is_file():
            return path
    return f"the package has no file {name!r}"


def _user_layers(extra: Sequence[Path]) -> Iterator[Layer]:
    config = user_folder("XDG_CONFIG_HOME", ".config")
    layers = []
    if config is not None and (config / "registry.yaml").is_file():
        layers.append(Layer("user", config / "registry.yaml"))
    for path in filter(None, os.environ.get("ZOO_REGISTRY", "").split(os.pathsep)):
        named = os.path.expanduser(path)  # noqa: PTH111 (an unknown ~user stays as it is)
        layers.append(Layer("environment", Path(named)))
    layers += [Layer("option", Path(path)) for path in extra]

    seen = {os.path.realpath(packaged_path())}
    for layer in layers:
        real = os.path.realpath(layer.path)
        if real not in seen:  # one file in two layers is no clash with itself
            seen.add(real)
            yield layer


def _read(layer: Layer) -> list[_Layered]:
    """Return the entries of one file, from the cache if it has not changed.

    Raises:
        RegistryError: It breaks a rule; the message tells the first and counts the others.
    """
    key = caching.key(layer.path)
    models = caching.load(key) if key else None
    if models is None:
        from zoo.registry.checking import read_models

        models = read_models(layer.path)
        if key and models:
            caching.store(key, models)
    return [_layered(model, layer) for model in models]


def _layered(model: Model, layer: Layer) -> _Layered:
    data = model.data
    origin = Origin(layer.name, str(layer.path), model.line, layer.distribution)
    scheme, _, location = data["source"].partition(":")
    if layer.package and scheme == "bundled" and location.partition("/")[0] != layer.package:
        raise RegistryError(
            f"{origin}: {model.name!r} bundles from {location!r}, outside its own package "
            f"{layer.package!r}"
        )
    license = data.get("license")
    if license is not None:
        license = License(license) if isinstance(license, str) else License(**license)
    entry = Entry(
        name=model.name,
        architecture=data["architecture"],
        source=Source(scheme, location, data.get("revision")),
        tasks=tuple(data["tasks"]),
        summary=data.get("summary", ""),
        license=license,
        parameters=data.get("parameters"),
        languages=tuple(data.get("languages", ())),
        max_length=data.get("max_length"),
        aliases=tuple(data.get("aliases", ())),
        tags=tuple(data.get("tags", ())),
        paper=data.get("paper", ""),
        files=tuple(File(**file) for file in data.get("files", ())),
        checkpoint=data.get("checkpoint", {}),
        reported=tuple(Reported(**result) for result in data.get("reported", ())),
        status=data.get("status", "stable"),
        replaced_by=data.get("replaced_by"),
        origin=origin,
    )
    return _Layered(entry, data.get("override", False))


class _Merged:
    """Entries by name, and for each name or alias the entry that owns it."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.owners: dict[str, Entry] = {}

    def add(self, layered: _Layered) -> None:
        """Take an entry of a higher layer in.

        Raises:
            RegistryError: A name of it is taken, and it does not say that it overrides.
        """
        entry = layered.entry
        replaced = self.entries.get(entry.name)
        if replaced is not None and not layered.override:
            raise RegistryError(
                f"{entry.origin}: {entry.name!r} is already defined in {replaced.origin}; "
                "write override: true to replace it, or choose another name"
            )
        for name in (entry.name, *entry.aliases):
            owner = self.owners.get(name)
            if owner is not None and owner is not replaced:
                raise RegistryError(
                    f"{entry.origin}: {entry.name!r} cannot be called {name!r}: that is "
                    f"{owner.name!r} in {owner.origin}; choose another name"
                )
        if replaced is not None:
            for name in (replaced.name, *replaced.aliases):
                del self.owners[name]
        self.entries[entry.name] = entry
        self.owners |= dict.fromkeys((entry.name, *entry.aliases), entry)


def _clashes(entries: Iterable[Entry]) -> dict[str, str]:
    """Return, by name, what to say of a name that several plugins' entries claim."""
    claims: dict[str, list[Entry]] = {}
    for entry in entries:
        for name in (entry.name, *entry.aliases):
            claims.setdefault(name, []).append(entry)
    return {
        name: f"{name!r} is claimed by two plugins, "
        + " and ".join(f"{owner.origin.distribution!r} ({owner.origin})" for owner in owners)
        + "; leave one out with ZOO_DISABLE_PLUGINS, or define it with override: true in your own "
        "registry"
        for name, owners in claims.items()
        if len(owners) > 1
    }
