"""Runs on this disk: a folder each, with the result and every sample's row.

``result.json`` is `Result.to_dict` with ``schema_version``, ``id`` and ``finished`` (ISO 8601,
UTC); ``samples.jsonl`` has the details, a sample a line, in the data's order. A run is written
under another name first, so that a folder with its own name is whole.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zoo.errors import CacheError, InputError, UsageError
from zoo.evaluation.result import Result
from zoo.folders import user_folder

SCHEMA_VERSION = 1

_RESULT = "result.json"
_SAMPLES = "samples.jsonl"
_NEEDED = frozenset(
    {"model", "benchmark", "protocol", "method", "metric", "metrics", "samples", "failed"}
    | {"provenance", "seconds", "finished"}
)


@dataclass(frozen=True)
class Run:
    """A run that is kept: its folder, and what ``result.json`` says."""

    folder: Path
    result: Mapping[str, Any]

    @property
    def id(self) -> str:
        """What people call it: the folder's name."""
        return self.folder.name

    def samples(self) -> list[dict[str, Any]]:
        """Each sample's row.

        Raises:
            InputError: The file is damaged, or gone.
        """
        path = self.folder / _SAMPLES
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
            rows = [json.loads(line) for line in lines if line]
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read: {error}") from error
        if not all(isinstance(row, dict) for row in rows):
            raise InputError(f"{path}: expected a JSON object a line")
        return rows


def results_folder() -> Path:
    """Where runs are kept unless told otherwise.

    Raises:
        UsageError: There is no home.
    """
    folder = user_folder("XDG_DATA_HOME", ".local/share")
    if folder is None:
        raise UsageError("there is no home to keep results in; name a folder with --output")
    return folder / "results"


def save(result: Result, folder: Path) -> Run:
    """Write a run below a folder, under a name of its own; return it.

    Raises:
        CacheError: It cannot be written.
    """
    now = datetime.now(UTC)
    plain = to_json(result.to_dict())
    short = hashlib.sha256(f"{now.isoformat()} {plain}".encode()).hexdigest()[:6]
    parts = (f"{now:%Y%m%d-%H%M%S}", _plain(result.model), _plain(result.benchmark), short)
    name = "-".join(parts)
    kept = {
        "schema_version": SCHEMA_VERSION,
        "id": name,
        "finished": now.isoformat(timespec="seconds"),
        **json.loads(plain),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
        try:
            text = _dumped(kept, indent=2)
            (partial / _RESULT).write_text(f"{text}\n", encoding="utf-8")
            with (partial / _SAMPLES).open("w", encoding="utf-8") as file:
                file.writelines(f"{to_json(detail)}\n" for detail in result.details)
            partial.chmod(0o755)  # as other folders; a temporary one is for its owner alone
            partial.rename(folder / name)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError as error:
        raise CacheError(f"cannot write the result to {folder}: {error.strerror}") from error
    return Run(folder / name, kept)


def to_json(value: object) -> str:
    """On one line; what JSON lacks, such as paths, as texts, and NaN as null."""
    return _dumped(without_nan(value))


def _dumped(value: object, indent: int | None = None) -> str:
    """As it is read, or escaped where a text holds what UTF-8 cannot say: half of a pair."""
    text = json.dumps(value, ensure_ascii=False, default=str, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, default=str, indent=indent)
    return text


def find_run(name: str, folder: Path) -> Run:
    """The run in the folder of this path, or of this name, or whose name has this in it.

    Raises:
        UsageError: There is none, or several.
        InputError: It is damaged.
    """
    if (Path(name) / _RESULT).is_file():
        return open_run(Path(name))
    known = sorted(each.parent.name for each in folder.glob(f"[!.]*/{_RESULT}"))
    found = [name] if name in known else [each for each in known if name in each]
    if len(found) == 1:
        return open_run(folder / found[0])
    if found:
        raise UsageError(
            f"{len(found)} runs have {name!r} in their name: {', '.join(found[:3])}"
            f"{', …' if len(found) > 3 else ''}"
        )
    raise UsageError(f"no run {name!r} in {folder}; `zoo results list` shows all {len(known)}")


def open_run(folder: Path) -> Run:
    """Read a run's result.

    Raises:
        InputError: It is damaged, or a newer zoo has written it.
    """
    path = folder / _RESULT
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if not isinstance(result, dict) or not isinstance(result.get("schema_version"), int):
        raise InputError(f"{path}: no result of zoo's: it lacks schema_version")
    if result["schema_version"] > SCHEMA_VERSION:
        raise InputError(
            f"{path}: of version {result['schema_version']}; this zoo reads {SCHEMA_VERSION}: "
            "upgrade zoo"
        )
    missing = _NEEDED - result.keys()
    if missing:
        raise InputError(f"{path}: lacks {', '.join(sorted(missing))}")
    return Run(folder, result)


def _plain(name: str) -> str:
    """A model's or benchmark's name as a part of a folder's."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-._")[-60:] or "model"


def without_nan(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """With null for NaN and infinity, which JSON lacks."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(each) for each in value]
    return value
