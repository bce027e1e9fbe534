"""Catalogs: tables of models that a plugin's own library publishes, by the thousand.

A plugin names one in its ``pyproject.toml``::

    [project.entry-points."zoo.catalogs"]
    timm = "zoo_timm:models.tsv"

Its models are then called ``timm:NAME``, are of architecture ``timm``, and listed by ``zoo list
--all``. A table is read, never imported, and only when somebody asks for it. It has tab-separated
columns under a header: ``name``, ``repository`` (of the hub), ``parameters`` (0: not known),
``license``, ``classes`` (0: no head), ``pixels`` (edge of a picture). Rows whose names differ only
after the first dot are checkpoints of one network; the first of them answers to the name before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.distributions import EntryPoint, enabled, entry_points
from zoo.entry import Entry, License, Origin, Source
from zoo.errors import PluginError, UnknownModelError

GROUP = "zoo.catalogs"

_COLUMNS = ["name", "repository", "parameters", "license", "classes", "pixels"]

# Licences under whose terms money may be made; of others a table does not say.
_COMMERCIAL = frozenset({"apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0"})


@dataclass(frozen=True)
class Catalog:
    """One plugin's table. ``scheme`` is what its models' names begin with."""

    scheme: str
    path: Path
    origin: str

    def __iter__(self) -> Iterator[Entry]:
        """All models, as the table has them.

        Raises:
            PluginError: The table is not of its form.
        """
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise PluginError(f"{self.origin}: cannot read {self.path}: {error}") from error
        if not lines or lines[0].split("\t") != _COLUMNS:
            raise PluginError(f"{self.path}:1: expected the columns {', '.join(_COLUMNS)}")
        for number, line in enumerate(lines[1:], start=2):
            yield self._entry(line, number)

    def find(self, name: str, revision: str | None = None) -> Entry:
        """The model called ``name``, or the first whose name begins so before a dot.

        Raises:
            UnknownModelError: There is none; the message suggests up to three.
        """
        entries = {entry.name.partition(":")[2]: entry for entry in self}
        found = entries.get(name) or next(
            (entry for key, entry in entries.items() if key.partition(".")[0] == name), None
        )
        if found is None:
            from difflib import get_close_matches

            spellings = list(dict.fromkeys([*entries, *(key.partition(".")[0] for key in entries)]))
            close = [f"'{self.scheme}:{each}'" for each in get_close_matches(name, spellings, 3)]
            meant = f"did you mean {' or '.join(close)}? " if close else ""
            raise UnknownModelError(
                f"no model named '{self.scheme}:{name}'; {meant}`zoo list --all '{self.scheme}:*'` "
                f"shows all {len(entries)}"
            )
        from dataclasses import replace

        return replace(found, source=replace(found.source, revision=revision))

    def _entry(self, line: str, number: int) -> Entry:
        cells = line.split("\t")
        if len(cells) != len(_COLUMNS) or not all(cells[i].isdecimal() for i in (2, 4, 5)):
            raise PluginError(f"{self.path}:{number}: not of the form of its header")
        name, repository, parameters, license, classes, pixels = cells
        tasks = ("image-classification", "image-feature-extraction")
        return Entry(
            name=f"{self.scheme}:{name}",
            architecture=self.scheme,
            source=Source("hf", repository),
            tasks=tasks if int(classes) else tasks[1:],
            summary=f"{pixels} px" + (f", {int(classes):,} classes" if int(classes) else ""),
            license=License(license, commercial=license in _COMMERCIAL or None)
            if license
            else None,
            parameters=int(parameters) or None,
            origin=Origin("plugin", str(self.path), number, self.origin),
        )


def catalogs() -> list[Catalog]:
    """The tables of all plugins that are turned on."""
    return [
        Catalog(point.name, path, str(point))
        for point in entry_points(GROUP)
        if enabled(point) and (path := _path(point)) is not None
    ]


def _path(point: EntryPoint) -> Path | None:
    """Where a table lies; the package is found, not imported."""
    from importlib.util import find_spec

    spec = find_spec(point.package)
    folders = spec.submodule_search_locations if spec else None
    name = point.value.partition(":")[2]
    return next((path for each in folders or () if (path := Path(each, name)).is_file()), None)
