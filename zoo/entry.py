"""What a registry says of one model: its entry, and where its files come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Scheme = Literal["hf", "bundled", "folder"]


@dataclass(frozen=True)
class Source:
    """Where a checkpoint comes from.

    Written ``hf:org/repo@revision``, ``bundled:package/folder`` or ``./folder``. A bundled folder
    lies inside an installed Python package; the revision belongs to ``hf`` alone.
    """

    scheme: Scheme
    location: str
    revision: str | None = None

    def __str__(self) -> str:
        prefix = "" if self.scheme == "folder" else f"{self.scheme}:"
        suffix = "" if self.revision is None else f"@{self.revision}"
        return f"{prefix}{self.location}{suffix}"


@dataclass(frozen=True)
class License:
    """A licence: its SPDX identifier, or the publisher's own name for it.

    ``commercial`` says whether commercial use is allowed (``None``: not stated); ``gated``, whether
    the hub wants it accepted before a download.
    """

    id: str
    url: str | None = None
    commercial: bool | None = None
    gated: bool = False


@dataclass(frozen=True)
class File:
    """One file of a checkpoint, pinned: path in the repository, size in bytes, sha256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Reported:
    """A published result: ``value`` as the source prints it, in ``unit``.

    ``source`` is a URL or a citation; ``protocol`` says how it was measured, so that a measurement
    of one's own can be compared with it. ``tolerance``, in the same unit, is how far a measurement
    may be off.
    """

    benchmark: str
    metric: str
    value: float
    source: str
    protocol: str
    unit: str = ""
    tolerance: float | None = None


@dataclass(frozen=True)
class Origin:
    """Where an entry was read: the layer, the file and the line.

    ``distribution`` is the plugin's, for entries that a plugin brings.
    """

    layer: Literal["packaged", "plugin", "user", "environment", "option", "direct"]
    file: str = ""
    line: int = 0
    distribution: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file else self.layer


@dataclass(frozen=True)
class Entry:
    """One row of a registry.

    ``architecture`` is empty for a source that was named directly (``hf:…``, ``./folder``): the
    loader then asks which plugin claims the ``model_type`` of its ``config.json``. ``checkpoint``
    holds what changes a number and must agree with the files (activation, norm_eps, pooling, …).
    ``parameters`` is a count, ``max_length`` counts tokens, special ones included.
    """

    name: str
    architecture: str
    source: Source
    tasks: tuple[str, ...] = ()
    summary: str = ""
    license: License | None = None
    parameters: int | None = None
    languages: tuple[str, ...] = ()
    max_length: int | None = None
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    paper: str = ""
    files: tuple[File, ...] = ()
    checkpoint: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    reported: tuple[Reported, ...] = ()
    status: Literal["stable", "experimental", "deprecated"] = "stable"
    replaced_by: str | None = None
    origin: Origin = Origin("direct")
