"""``zoo list``, ``show``, ``download`` and ``verify``: models before they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.entry import Entry, Source
from zoo.errors import IntegrityError, UsageError, ZooError
from zoo_cli import output
from zoo_cli.options import Json, Offline, Registries

if TYPE_CHECKING:
    from zoo.hub import Checkpoint, FileCheck
    from zoo.registry import Registry

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Names, hf:org/repo, ./dir.")]


def list_models(
    pattern: Annotated[
        str, typer.Argument(metavar="[PATTERN]", help="Part of a name, or a glob.")
    ] = "*",
    task: Annotated[str | None, typer.Option(help="Only models that do this task.")] = None,
    language: Annotated[str | None, typer.Option(help="Only of this language: en, zh, …")] = None,
    license: Annotated[
        str | None, typer.Option(help="Only under this licence; a glob: 'apache*'.")
    ] = None,
    architecture: Annotated[str | None, typer.Option(help="Only of this architecture.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only with this tag.")] = None,
    max_params: Annotated[
        str | None, typer.Option(metavar="N", help="Of at most so many parameters: 110M, 1.5B.")
    ] = None,
    downloaded: Annotated[
        bool, typer.Option("--downloaded", help="Only what is on this disk.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also the catalogs of plugins: all models of timm.")
    ] = False,
    registry: Registries = None,
    json: Json = False,
) -> None:
    """List the models of all registries."""
    known = _registry(registry)
    if everything:
        from zoo.registry.catalogs import catalogs

        listed = {entry.name: entry for catalog in catalogs() for entry in catalog}
        known = replace(known, entries={**known.entries, **listed})
    entries = known.select(
        pattern if set(pattern) & set("*?[") else f"*{pattern}*",
        task=task,
        language=language,
        license=license,
        architecture=architecture,
        tag=tag,
        max_parameters=None if max_params is None else _parameters(max_params),
    )
    if downloaded:
        from zoo.hub import find_cached

        entries = [entry for entry in entries if find_cached(entry)]
    if json:
        output.emit_json("models", [asdict(entry) for entry in entries])
    elif entries:
        output.emit_table(
            ("NAME", "TASKS", "PARAMS", "LICENSE", "LANGUAGES", "SUMMARY"),
            [_line(entry) for entry in entries],
            fit=True,
        )
    else:
        output.note(f"none of {len(known)} models fits; `zoo list` shows all")


def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A model's name, hf:org/repo or ./dir.")
    ],
    registry: Registries = None,
    json: Json = False,
) -> None:
    """Show all that is known of a model."""
    from zoo.hub import fetch, find_cached
    from zoo.registry import resolve

    entry = resolve(name, _registry(registry))
    # A folder that is not there, or no checkpoint, is a mistake; what is not downloaded is none.
    checkpoint = fetch(entry) if entry.source.scheme == "folder" else find_cached(entry)
    if json:
        folder = str(checkpoint.folder) if checkpoint else None
        output.emit_json("model", {**asdict(entry), "downloaded": folder})
        return
    output.emit(output.printable(f"{entry.name}: {entry.summary}".removesuffix(": ")))
    facts = _facts(entry, checkpoint)
    output.emit_table((), [[name, value] for name, value in facts.items() if value])
    if entry.reported:
        output.emit("\nReported results")
        output.emit_table(
            ("BENCHMARK", "METRIC", "VALUE", "PROTOCOL", "SOURCE"),
            [
                [
                    result.benchmark,
                    result.metric,
                    f"{result.value:g} {result.unit}".rstrip(),
                    result.protocol,
                    result.source,
                ]
                for result in entry.reported
            ],
        )
    if entry.files:
        output.emit("\nPinned files")
        output.emit_table(
            ("FILE", "SIZE", "SHA256"),
            [[file.path, output.as_size(file.size), file.sha256] for file in entry.files],
        )


def download(
    names: Names,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the files, and download nothing.")
    ] = False,
    offline: Offline = False,
    registry: Registries = None,
    json: Json = False,
) -> None:
    """Download models; print the folder of each.

    The licence and the size are shown on standard error before anything is downloaded.
    """
    import sys

    from zoo import hub
    from zoo.registry import resolve

    known = _registry(registry)
    entries = [resolve(name, known) for name in names]
    plans = {entry.name: hub.plan(entry, offline=offline or None) for entry in entries}
    for entry in entries:
        announce(entry)
        missing = [file.size for file in plans[entry.name] if not file.cached]
        total = sum(file.size for file in plans[entry.name])
        output.note(
            f"{entry.name}: {output.plural(len(missing), 'file')} to download, "
            f"{output.as_size(sum(missing))} of {output.as_size(total)}"
            if missing
            else f"{entry.name}: already here, {output.as_size(total)}"
        )
    if dry_run:
        rows = [(name, file) for name, plan in plans.items() for file in plan]
        if json:
            output.emit_json("files", [{"model": name, **vars(file)} for name, file in rows])
            return
        output.emit_table(
            ("MODEL", "FILE", "SIZE", "HERE"),
            [
                [name, file.path, output.as_size(file.size), "yes" if file.cached else "no"]
                for name, file in rows
            ],
        )
        return
    fetched = []
    for entry in entries:
        checkpoint = hub.fetch(entry, offline=offline or None, progress=sys.stderr.isatty())
        fetched.append((entry.name, checkpoint))
        if not json:
            output.emit(str(checkpoint.folder))
    if json:
        output.emit_json(
            "models",
            [
                {"name": name, "folder": str(each.folder), "revision": each.revision}
                for name, each in fetched
            ],
        )


def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Which models.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every model that is on this disk.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Download damaged files, and only those, again.")
    ] = False,
    registry: Registries = None,
    json: Json = False,
) -> None:
    """Compare downloaded files with their checksums, without a network.

    The exit code is 3 if a file is damaged or missing.
    """
    from zoo import hub
    from zoo.registry import resolve

    if bool(names) == everything:
        raise UsageError("say which models to verify: their names, or --all")
    known = _registry(registry)
    entries = [resolve(name, known) for name in names or ()] or _on_disk(known)
    checks: list[tuple[Entry, FileCheck]] = []
    for entry in entries:
        try:
            found = hub.verify(entry, repair=repair)
        except ZooError as error:
            # Other programs fetch single files, and repositories that are no model of zoo's.
            if not everything:
                raise
            output.note(str(error))
            continue
        if repair and any(_bad(check) for check in found):
            hub.fetch(entry)
            found = hub.verify(entry)
        checks += [(entry, check) for check in found]
    if json:
        output.emit_json("files", [{"model": each.name, **vars(check)} for each, check in checks])
    else:
        output.emit_table(
            ("MODEL", "FILE", "SIZE", "STATE"),
            [
                [entry.name, check.path, output.as_size(check.size), check.state]
                for entry, check in checks
            ],
        )
    unknown = sum(check.state == "unverifiable" for _, check in checks)
    if unknown:
        output.note(f"no checksum is known for {output.plural(unknown, 'file')}")
    bad = [(entry, check) for entry, check in checks if _bad(check)]
    if bad:
        files = ", ".join(f"{entry.name}: {check.path}" for entry, check in bad)
        broken = " ".join(dict.fromkeys(entry.name for entry, _ in bad))
        cure = (
            f"`zoo verify --repair {broken}` downloads them again"
            if any(entry.source.scheme == "hf" for entry, _ in bad)
            else "install them again"
        )
        raise IntegrityError(f"damaged or missing: {files}; {cure}")


def announce(entry: Entry) -> None:
    """Say on standard error what a user should know before a download."""
    license = entry.license
    if license is None:
        terms = "licence not stated"
    else:
        terms = f"licence {license.id}"
        if license.commercial is False:
            terms += ", no commercial use"
        if license.url:
            terms += f" ({license.url})"
    output.note(f"{entry.name}: {entry.source}, {terms}")
    if license is not None and license.gated:
        output.note(
            f"{entry.name} is gated: accept its licence at "
            f"https://huggingface.co/{entry.source.location}, then `hf auth login`"
        )
    if entry.status == "deprecated":
        instead = f"; use {entry.replaced_by}" if entry.replaced_by else ""
        output.note(f"{entry.name} is deprecated{instead}")


def _registry(files: Sequence[Path] | None) -> Registry:
    """All layers; what is wrong with plugins' registries is noted and stops nothing."""
    from zoo.registry import load_registry

    known = load_registry(files or ())
    for problem in known.problems:
        output.note(problem)
    return known


def _parameters(text: str) -> int:
    units = {"K": 10**3, "M": 10**6, "B": 10**9}
    unit = units.get(text[-1:].upper(), 1)
    try:
        return int(float(text if unit == 1 else text[:-1]) * unit)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"--max-params: expected a number such as 110M or 1.5B, got {text!r}"
        ) from error


def _line(entry: Entry) -> list[str]:
    return [
        entry.name,
        ", ".join(entry.tasks),
        output.as_count(entry.parameters) if entry.parameters else "-",
        entry.license.id if entry.license else "-",
        " ".join(entry.languages),
        entry.summary,
    ]


def _facts(entry: Entry, checkpoint: Checkpoint | None) -> dict[str, str | None]:
    """What ``show`` prints, by name; what is not known is left out."""
    license, source, count = entry.license, entry.source, entry.parameters
    commercial = {True: "commercial use allowed", False: "no commercial use", None: ""}
    terms = license and [
        license.id,
        commercial[license.commercial],
        "gated" if license.gated else "",
        license.url or "",
    ]
    pinned = f"{source.revision} (pinned)" if source.revision else "not pinned: main, as it is"
    size = sum(file.size for file in entry.files)
    origin = entry.origin
    return {
        "status": None if entry.status == "stable" else entry.status,
        "replaced by": entry.replaced_by,
        "aliases": ", ".join(entry.aliases),
        "tasks": ", ".join(entry.tasks),
        "architecture": entry.architecture,
        "parameters": f"{output.as_count(count)} ({count:,})" if count else None,
        "max length": f"{entry.max_length} tokens" if entry.max_length else None,
        "languages": " ".join(entry.languages),
        "license": ", ".join(filter(None, terms)) if terms else "not stated",
        "source": str(replace(source, revision=None)),
        "revision": pinned if source.scheme == "hf" else None,
        "files": f"{len(entry.files)} pinned, {output.as_size(size)}" if entry.files else None,
        "downloaded" if source.scheme == "hf" else "folder": str(checkpoint.folder)
        if checkpoint
        else "no",
        "paper": entry.paper,
        "tags": " ".join(entry.tags),
        "must hold": ", ".join(f"{key} {value}" for key, value in entry.checkpoint.items()),
        "defined in": f"{origin} ({origin.distribution or origin.layer})" if origin.file else None,
    }


def _on_disk(known: Registry) -> list[Entry]:
    """Entries of which there is anything on this disk, and repositories without an entry."""
    from zoo.hub import cached

    repositories = {repository.id for repository in cached()}
    entries = [
        entry
        for entry in known
        if entry.source.scheme == "bundled" or entry.source.location in repositories
    ]
    named = {entry.source.location for entry in entries}
    return entries + [
        Entry(f"hf:{each}", architecture="", source=Source("hf", each))
        for each in sorted(repositories - named)
    ]


def _bad(check: FileCheck) -> bool:
    return check.state in ("damaged", "missing")
