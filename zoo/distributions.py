"""Entry points of the installed distributions, read as files.

``importlib.metadata`` does the same, but importing it costs more than the whole of ``zoo list`` may
cost; reading ``*.dist-info/entry_points.txt`` takes half a millisecond.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class EntryPoint:
    """One line of a distribution's ``entry_points.txt``: ``name = value`` under ``[group]``."""

    group: str
    name: str
    value: str
    distribution: str
    version: str

    @property
    def package(self) -> str:
        """The top-level package that the value names."""
        return self.value.partition(":")[0].partition(".")[0].strip()

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".rstrip()


def entry_points(group: str) -> list[EntryPoint]:
    """Return the entry points of ``group`` in the order of ``sys.path``.

    Of one distribution found twice, the first on ``sys.path`` counts, as for ``import``. Two
    different distributions that use one entry-point name are both returned: the caller says so.
    """
    found: list[EntryPoint] = []
    seen: set[str] = set()
    for folder in sys.path:
        for metadata, distribution, version in _metadata(folder or os.curdir):
            if distribution in seen:
                continue
            seen.add(distribution)
            text = _text(os.path.join(metadata, "entry_points.txt"))  # noqa: PTH118 (hot path)
            if f"[{group}]" not in text:
                continue
            version = version or _version(metadata)
            found += [
                EntryPoint(group, name, value, distribution, version)
                for name, value in _section(text, group)
            ]
    return found


def enabled(entry_point: EntryPoint) -> bool:
    """Say whether the environment lets this plugin take part.

    ``ZOO_DISABLE_PLUGINS=a,b`` leaves out a and b; ``ZOO_LOAD_PLUGINS=a,b`` leaves out all others
    (an empty string: all). Each is an entry-point name, a distribution or a top-level package.
    """
    names = {
        normalised(name)
        for name in (entry_point.name, entry_point.distribution, entry_point.package)
    }
    allowed = os.environ.get("ZOO_LOAD_PLUGINS")
    if allowed is not None and names.isdisjoint(_split(allowed)):
        return False
    return names.isdisjoint(_split(os.environ.get("ZOO_DISABLE_PLUGINS", "")))


def normalised(name: str) -> str:
    """Return the one spelling of a distribution's name: ``Zoo_LSTM`` is ``zoo-lstm``."""
    return "-".join(filter(None, name.lower().replace("_", "-").replace(".", "-").split("-")))


def _metadata(folder: str) -> Iterator[tuple[str, str, str]]:
    """Yield (metadata folder, distribution, version or "") for what is installed in ``folder``."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 (hot path)
    except OSError:
        return  # sys.path may name zip files and folders that do not exist
    for name in names:
        if name.endswith((".dist-info", ".egg-info")):
            distribution, _, version = name.rpartition(".")[0].partition("-")
            path = os.path.join(folder, name)  # noqa: PTH118 (hot path)
            yield path, normalised(distribution), version.partition("-py")[0]


def _version(metadata: str) -> str:
    """Return the version from ``PKG-INFO``; a development install's folder name carries none."""
    for line in _text(os.path.join(metadata, "PKG-INFO")).splitlines():  # noqa: PTH118 (hot path)
        if line.startswith("Version:"):
            return line.partition(":")[2].strip()
    return ""


def _section(text: str, group: str) -> Iterator[tuple[str, str]]:
    inside = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            inside = line == f"[{group}]"
        elif inside and "=" in line and line[0] not in "#;":
            name, _, value = line.partition("=")
            yield name.strip(), value.partition("[")[0].strip()  # an extra may follow in brackets


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 (hot path)
            return file.read()
    except OSError:
        return ""  # most distributions have no entry points


def _split(names: str) -> set[str]:
    return {normalised(name.strip()) for name in names.split(",") if name.strip()}
