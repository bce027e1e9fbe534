"""Pins: the commit and checksums of an entry's files, written into its registry file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.entry import File, Source
from zoo.errors import RegistryError
from zoo.registry.caching import Model
from zoo.registry.fields import read_document
from zoo.registry.reading import Position, Report, Table, parse, read_text

FetchFacts = Callable[[Source], tuple[str, tuple[File, ...]]]
"""Asks the hub for a source's commit (40 hex digits) and its files with their checksums."""


def lock(path: Path, *, names: Sequence[str] | None = None, fetch_facts: FetchFacts) -> list[str]:
    """Fill in ``revision`` and ``files`` of a registry file; return the models that changed.

    Without ``names``, those entries of the hub that lack one of the two, at the revision they
    have; the ``names`` given are pinned anew, at the newest commit. All else in the file stays
    byte for byte, comments too, but for those inside a list of files that is replaced. The file
    is replaced as a whole, after it has been read again and found to say the same otherwise.

    Raises:
        RegistryError: The file breaks a rule, lacks a name, or is written in flow style.
        HubError: As ``fetch_facts`` raises it; the file is then as before.
    """
    text, root, models = _checked(path)
    chosen = [model for model in models if _to_lock(model, names)]
    unknown = sorted(set(names or ()) - {model.name for model in chosen})
    if unknown:
        raise RegistryError(f"{path}: no entry with an hf: source is called {unknown[0]!r}")

    newline = "\r\n" if "\r\n" in text else "\n"
    edits: list[tuple[int, int, str]] = []
    expected = {model.name: model.data for model in models}
    for model in chosen:
        entry = _entry_table(root, model, path)
        given = None if names is not None else model.data.get("revision")
        location = model.data["source"].removeprefix("hf:")
        revision, files = fetch_facts(Source("hf", location, given))
        pins = [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in files]
        expected[model.name] = model.data | {"revision": revision, "files": pins}
        edits += _edits(entry, revision, files, text, newline)

    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    _replace(path, text, expected)
    return [model.name for model in chosen if expected[model.name] != model.data]


def _to_lock(model: Model, names: Sequence[str] | None) -> bool:
    if not model.data["source"].startswith("hf:"):
        return False
    if names is not None:
        return model.name in names
    return "revision" not in model.data or "files" not in model.data


def _checked(path: Path) -> tuple[str, Table, list[Model]]:
    report = Report(str(path))
    text = read_text(path, report)
    root = parse(text, report) if text is not None else None
    document = read_document(root, report) if root is not None else None
    if report.problems:
        raise RegistryError(str(report.problems[0]))
    if text is None or not isinstance(root, Table) or document is None or not document.models:
        raise RegistryError(f"{path}: there are no models to lock")
    return text, root, document.models


def _entry_table(root: Table, model: Model, path: Path) -> Table:
    models = root.rows["models"][1]
    assert isinstance(models, Table)  # the file has been checked
    entry = models.rows[model.name][1]
    assert isinstance(entry, Table)
    if entry.flow or models.flow or root.flow:
        raise RegistryError(
            f"{path}:{model.line}: {model.name!r} is written in {{…}}; lock fills in entries "
            "with one key a line"
        )
    return entry


def _edits(
    entry: Table, revision: str, files: Iterable[File], text: str, newline: str
) -> list[tuple[int, int, str]]:
    """Return (start, end, new text) for the two keys of one entry, as offsets in ``text``."""
    offset = _offsets(text)
    indent = newline + " " * entry.start[1]
    pinned = f'"{revision}"'
    listing = "".join(
        f'{indent}  - {{path: "{file.path}", size: {file.size}, sha256: "{file.sha256}"}}'
        for file in files
    )

    edits = []
    added = ""
    after = entry.rows["source"][1]
    if "revision" in entry.rows:
        after = entry.rows["revision"][1]
        edits.append((offset(after.start), offset(after.end), pinned))
    else:
        added += f"{indent}revision: {pinned}"
    if "files" in entry.rows:
        old = entry.rows["files"][1]
        # The list begins on a line of its own, after the key and a comment that may follow it.
        edits.append((len(text[: offset(old.start)].rstrip()), offset(old.end), listing))
    else:
        added += f"{indent}files:{listing}"
    if added:
        end = offset((after.end[0] + 1, 0))
        end = len(text[:end].rstrip("\r\n"))
        edits.append((end, end, added))
    return edits


def _offsets(text: str) -> Callable[[Position], int]:
    """Return the function from (line, column) to an offset, with lines as libyaml counts them."""
    starts = [0, *(match.end() for match in re.finditer("\r\n|[\r\n\x85\u2028\u2029]", text))]
    return lambda position: (
        starts[position[0]] + position[1] if position[0] < len(starts) else len(text)
    )


def _replace(path: Path, text: str, expected: Mapping[str, dict[str, Any]]) -> None:
    """Write ``text`` in place of the file if it says what is expected, else leave the file."""
    report = Report(str(path))
    document = read_document(parse(text, report), report)
    if report.problems:
        raise RegistryError(f"the hub's facts do not fit: {report.problems[0]}")
    if {model.name: model.data for model in document.models} != expected:
        raise RegistryError(
            f"{path}: the pins cannot be written without changing more; add them by hand"
        )
    target = path.resolve()  # a link stays a link
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        temporary.write_bytes(text.encode())
        temporary.chmod(target.stat().st_mode)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RegistryError(f"{path}: cannot be written: {error.strerror or error}") from error
