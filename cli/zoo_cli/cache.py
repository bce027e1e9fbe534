"""``zoo cache``: what downloads take on this disk."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from zoo.errors import UsageError
from zoo_cli import output
from zoo_cli.options import Json, Registries

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="See and delete what has been downloaded."
)


@app.command("ls")
@app.command("list", hidden=True)
def ls(json: Json = False) -> None:
    """List the repositories in the Hugging Face cache, whoever downloaded them."""
    from zoo import hub

    repositories = hub.cached()
    if json:
        output.emit_json(
            "repositories",
            [
                {
                    "id": each.id,
                    "folder": str(each.folder),
                    "size": each.size,
                    "last_used": each.last_used.isoformat(timespec="seconds"),
                    "revisions": list(each.revisions),
                }
                for each in repositories
            ],
        )
        return
    if repositories:
        output.emit_table(
            ("REPOSITORY", "SIZE", "LAST USED", "REVISIONS"),
            [
                [
                    each.id,
                    output.as_size(each.size),
                    f"{each.last_used:%Y-%m-%d %H:%M}Z",
                    " ".join(revision[:12] for revision in each.revisions),
                ]
                for each in repositories
            ],
            fit=True,
        )
    total = output.as_size(sum(each.size for each in repositories))
    count = "1 repository" if len(repositories) == 1 else f"{len(repositories)} repositories"
    output.note(f"{count}, {total} in {hub.cache_folder()}")


@app.command("rm")
def rm(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Models, or org/repo.")],
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    registry: Registries = None,
) -> None:
    """Delete downloaded models, with all their revisions."""
    from zoo import hub

    sizes = {each.id: each.size for each in hub.cached()}
    # Other programs keep repositories without an organisation, such as gpt2, which zoo cannot name.
    repositories = list(
        dict.fromkeys(name if name in sizes else _repository(name, registry) for name in names)
    )
    for repository in repositories:
        if repository not in sizes:
            raise UsageError(
                f"the cache has no repository {repository!r}; `zoo cache ls` shows what it has"
            )
    for repository in repositories:
        output.note(f"{repository}, {output.as_size(sizes[repository])}")
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("cannot ask whether to delete: standard input is no terminal; add -y")
        if not typer.confirm("Delete?", err=True):
            output.note("nothing was deleted")
            raise typer.Exit(1)
    freed = sum(hub.remove(repository) for repository in repositories)
    output.note(f"freed {output.as_size(freed)}")


@app.command("path")
def path() -> None:
    """Print the cache's folder; HF_HOME and HF_HUB_CACHE move it."""
    from zoo import hub

    output.emit(str(hub.cache_folder()))


def _repository(name: str, registry: Registries) -> str:
    """The hub's id of what a user names: a model, ``hf:org/repo`` or ``org/repo``."""
    from zoo.registry import load_registry, resolve

    if "/" in name and ":" not in name:
        return name
    entry = resolve(name, load_registry(registry or ()))
    if entry.source.scheme != "hf":
        raise UsageError(f"{name!r} is not in the cache: it comes from {entry.source}")
    return entry.source.location
