"""Registry files: a name leads to an entry.

``layers`` finds the files and merges them, ``lookup`` answers for a name, ``caching`` keeps what
was read. ``catalogs`` are plugins' tables of their libraries' models. Only when a file has changed,
``checking`` is needed: it has ``reading`` take the YAML apart, strictly, and ``fields``, the table
that also writes the JSON Schema, look at each entry. ``locking`` pins an entry's files. Importing
any of them imports neither YAML nor torch.
"""

from __future__ import annotations

import os
from pathlib import Path

from zoo.entry import Entry, Source
from zoo.errors import UsageError
from zoo.registry.layers import load_registry, packaged_path
from zoo.registry.lookup import REPOSITORY, Registry, is_revision

__all__ = ["Registry", "load_registry", "packaged_path", "resolve"]


def resolve(text: str, registry: Registry | None = None) -> Entry:
    """Return the entry that a user means: a name, ``hf:org/repo[@revision]``, or a folder.

    Plugins may bring catalogs, whose models are called ``timm:NAME``.

    A folder is written with ``./``, ``../``, ``/`` or ``~``; a bare name never is one, whatever
    lies in the working directory. For a name, all layers are read if no ``registry`` is given.

    Raises:
        UnknownModelError: No layer has this name.
        UsageError: A scheme that cannot be named directly, or not of its form.
        RegistryError: As `load_registry`.
    """
    if not isinstance(text, str):
        raise TypeError(f"expected a model's name or a folder as a str, not {text!r}")
    if text in (".", "..") or text.startswith(("./", "../", "/", "~")):
        folder = Path(os.path.expanduser(text))  # noqa: PTH111 (an unknown ~user stays as it is)
        return Entry(text, architecture="", source=Source("folder", str(folder)))
    scheme, colon, location = text.partition(":")
    if not colon:
        return (load_registry() if registry is None else registry).find(text)
    if scheme == "bundled":
        raise UsageError(f"{text!r}: bundled models are called by their names; see `zoo list`")
    if scheme != "hf":
        return _in_catalog(text, scheme, location)
    return Entry(text, architecture="", source=_hub_source(text, location))


def _in_catalog(text: str, scheme: str, location: str) -> Entry:
    """The model that a plugin's catalog has under ``scheme:name[@revision]``."""
    from zoo.registry.catalogs import catalogs

    known = {catalog.scheme: catalog for catalog in catalogs()}
    if scheme not in known:
        more = "".join(f", {each}:NAME" for each in sorted(known))
        raise UsageError(f"{text!r}: expected a name, hf:org/repo[@revision]{more} or ./folder")
    name, at, revision = location.partition("@")
    if at and not is_revision(revision):
        raise UsageError(f"{text!r}: expected a branch, a tag or a commit after '@'")
    return known[scheme].find(name, revision if at else None)


def _hub_source(text: str, location: str) -> Source:
    import re

    repository, at, revision = location.partition("@")
    if not re.fullmatch(REPOSITORY, repository):
        raise UsageError(f"{text!r}: expected hf:org/repo, such as hf:google-bert/bert-base-cased")
    if at and not is_revision(revision):
        raise UsageError(f"{text!r}: expected a branch, a tag or a commit after '@'")
    return Source("hf", repository, revision if at else None)
