"""A name to its entry: aliases, revisions, globs, filters, and what to say of a name unknown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from zoo.entry import Entry
from zoo.errors import RegistryError, TaskError, UnknownModelError, UsageError

NAME = r"[a-z0-9][a-z0-9._-]*"
_REPOSITORY_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
REPOSITORY = rf"(?!.*(?:--|\.\.))(?!.*\.git$){_REPOSITORY_PART}/{_REPOSITORY_PART}"
REVISION = r"[A-Za-z0-9][A-Za-z0-9_.-]*(?:/[A-Za-z0-9][A-Za-z0-9_.-]*)*"


@dataclass(frozen=True)
class Registry:
    """The entries of all layers, merged.

    ``problems`` says, one line each, what plugins brought that cannot be used; ``clashes`` holds,
    by name, those two plugins both claim. Looking such a name up is an error, all others work.
    """

    entries: Mapping[str, Entry]
    problems: tuple[str, ...] = ()
    clashes: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(sorted(self.entries.values(), key=lambda entry: _natural(entry.name)))

    def find(self, name: str) -> Entry:
        """Return the entry called ``name``, ``alias`` or ``name@revision``.

        A revision replaces the pinned one, and with it go the pinned files.

        Raises:
            UnknownModelError: No layer has this name; the message suggests up to three.
            RegistryError: Two plugins claim it.
            UsageError: The revision is not one, or the source has none.
        """
        bare, at, revision = name.partition("@")
        entry = self._entry(bare)
        if not at:
            return entry
        if not is_revision(revision):
            raise UsageError(f"{name!r}: expected a branch, a tag or a commit after '@'")
        if entry.source.scheme != "hf":
            raise UsageError(
                f"{name!r}: {entry.name!r} comes from {entry.source}, which has no revisions; "
                f"use {bare!r}"
            )
        return replace(entry, source=replace(entry.source, revision=revision), files=())

    def select(
        self,
        pattern: str = "*",
        *,
        task: str | None = None,
        language: str | None = None,
        license: str | None = None,
        architecture: str | None = None,
        tag: str | None = None,
        max_parameters: int | None = None,
    ) -> list[Entry]:
        """Return the entries that fit all conditions, in natural order of their names.

        ``pattern`` is a glob over names and aliases, ``license`` one over licence identifiers.
        An entry that does not say its parameters does not fit ``max_parameters``.

        Raises:
            TaskError: No entry at all has this task; the message names those there are.
        """
        tasks = {known for entry in self for known in entry.tasks}
        if task is not None and task not in tasks:
            raise TaskError(f"no model has the task {task!r}; there are {', '.join(sorted(tasks))}")
        return [
            entry
            for entry in self
            if any(fnmatchcase(name, pattern.lower()) for name in (entry.name, *entry.aliases))
            and (task is None or task in entry.tasks)
            and (language is None or language in entry.languages)
            and (license is None or _has_license(entry, license))
            and (architecture is None or architecture == entry.architecture)
            and (tag is None or tag in entry.tags)
            and (max_parameters is None or 0 < (entry.parameters or 0) <= max_parameters)
        ]

    def suggest(self, name: str) -> list[str]:
        """Return up to three names that ``name`` may stand for, the likeliest first."""
        wanted = _joined(name)
        tokens = set(_tokens(name))
        known = {
            spelling: entry.name for entry in self for spelling in (entry.name, *entry.aliases)
        }
        ranked: list[tuple[int, int, str]] = []
        for spelling in known:
            joined = _joined(spelling)
            if joined == wanted:
                rank = 0
            elif wanted and joined.startswith(wanted):
                rank = 1
            elif tokens and tokens <= set(_tokens(spelling)):
                rank = 2
            else:
                continue
            ranked.append((rank, len(joined), spelling))
        best = [spelling for _, _, spelling in sorted(ranked)]
        if not best:
            from difflib import get_close_matches

            by_letters = {_joined(spelling): spelling for spelling in known}
            best = [by_letters[close] for close in get_close_matches(wanted, by_letters, 3)]
        return list(dict.fromkeys(known[spelling] for spelling in best))[:3]

    def _entry(self, name: str) -> Entry:
        if name in self.entries:
            return self.entries[name]
        for entry in self.entries.values():
            if name in entry.aliases:
                return entry
        if name in self.clashes:
            raise RegistryError(self.clashes[name])
        raise UnknownModelError(self._unknown(name))

    def _unknown(self, name: str) -> str:
        if "/" in name:
            return (
                f"no model named {name!r}; write 'hf:{name}' for a repository of the hub, "
                f"'./{name}' for a folder"
            )
        close = self.suggest(name)
        names = " or ".join(
            filter(None, [", ".join(map(repr, close[:-1])), *map(repr, close[-1:])])
        )
        meant = f"did you mean {names}? " if close else ""
        return f"no model named {name!r}; {meant}`zoo list` shows all {len(self)}"


def is_revision(text: str) -> bool:
    """Say whether ``text`` can be a branch, a tag, a commit or a ref such as ``refs/pr/1``."""
    return re.fullmatch(REVISION, text) is not None and ".." not in text and len(text) <= 255


def _has_license(entry: Entry, pattern: str) -> bool:
    return entry.license is not None and fnmatchcase(entry.license.id.lower(), pattern.lower())


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key under which l6 comes before l12."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _tokens(name: str) -> list[str]:
    return [token for token in re.split(r"[-_./ ]+", name.lower()) if token]


def _joined(name: str) -> str:
    return "".join(_tokens(name))
