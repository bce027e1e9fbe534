"""Runs as one HTML page that needs nothing else: no script, no network, pictures inside.

What samples, models and benchmarks say is escaped: none of it is trusted.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.evaluation.pictures import files_of
from zoo.evaluation.store import Run

WORST = 24
"""Samples that are shown of a run, those with the lowest scores."""

_MOST_CLASSES = 40  # of a confusion matrix that is drawn whole
_THUMBNAIL = 160  # pixels, the longer side
_SMALL = 112  # what is smaller is made larger by a whole number, so that its pixels show
_LONGEST = 12_000  # characters of a field
_HIDDEN = frozenset(
    {"sample", "sha256", "score", "picture"}
    | {"among_five", "class_numbers", "bleu_statistics", "chrf_statistics"}
)


def page(runs: Sequence[Run]) -> str:
    """The page of these runs.

    Raises:
        InputError: A run's samples are damaged.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    source = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        runs=[_run(each) for each in runs], bars=_bars(runs)
    )


def _run(run: Run) -> dict[str, Any]:
    """What the template shows of a run."""
    result = run.result
    rows = run.samples()
    scored = all(isinstance(row.get("score"), int | float) for row in rows)
    worst = sorted(rows, key=lambda row: row["score"]) if scored else rows
    provenance = dict(result["provenance"])
    prompts = provenance.pop("prompts", {})
    return {
        "id": run.id,
        "result": result,
        "metrics": [
            {**each, "shown": _number(each["value"]), "interval": _interval(each)}
            for each in result["metrics"]
        ],
        "confusion": _confusion(result.get("confusion")),
        "samples_title": "Worst samples" if scored else "First samples",
        "samples": _samples(worst[:WORST]),
        "prompts": {name: _text(value) for name, value in prompts.items()} if prompts else {},
        "provenance": {name: _text(value) for name, value in provenance.items()},
    }


def _bars(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """For each benchmark and metric a bar a run: places from 0 to 100 along an axis."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.result["benchmark"], run.result["metric"]), []).append(run)
    return [
        {"benchmark": benchmark, "metric": metric, **_axis(metric, members)}
        for (benchmark, metric), members in groups.items()
    ]


def _axis(metric: str, runs: Sequence[Run]) -> dict[str, Any]:
    found: list[tuple[Run, dict[str, Any]]] = [
        (run, next((m for m in run.result["metrics"] if m["name"] == metric), {})) for run in runs
    ]
    numbers = [
        m[key] for run, m in found for key in ("value", "low", "high") if m.get(key) is not None
    ]
    chance = next((run.result.get("chance") for run in runs), None)
    low = min([0.0, *numbers, *([] if chance is None else [chance])])
    high = max([*numbers, 0.0])
    # A fraction is drawn on an axis of fractions.
    high = 1.0 if 0 < high <= 1 else high or 1.0

    def place(value: float | None) -> float | None:
        return None if value is None else round(100 * (value - low) / (high - low), 3)

    return {
        "low": _number(low),
        "high": _number(high),
        "zero": place(0.0),
        "chance": place(chance),
        "chance_shown": _number(chance),
        "rows": [
            {
                "id": run.id,
                "model": run.result["model"],
                "shown": _number(m.get("value")),
                "interval": _interval(m),
                "value": place(m.get("value")),
                "from": place(m.get("low")),
                "to": place(m.get("high")),
            }
            for run, m in found
        ],
    }


def _confusion(confusion: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Rows of cells with a shade from 0 to 1 for each; of many classes the commonest mistakes."""
    if not confusion:
        return None
    classes, counts = confusion["classes"], confusion["counts"]
    mistakes = sorted(
        (
            (count, classes[true], classes[taken])
            for true, row in enumerate(counts)
            for taken, count in enumerate(row)
            if true != taken and count
        ),
        key=lambda each: -each[0],
    )
    whole = len(classes) <= _MOST_CLASSES
    rows = [
        {
            "name": name,
            "cells": [
                {"count": count, "shade": round(count / max(1, sum(row)), 3), "right": n == m}
                for m, count in enumerate(row)
            ],
        }
        for n, (name, row) in enumerate(zip(classes, counts, strict=True))
    ]
    return {"classes": classes, "rows": rows if whole else [], "mistakes": mistakes[:12]}


def _samples(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is shown of samples; a picture is named by where it was read, or ``{"base64": …}``."""
    names = [row["picture"] for row in rows if isinstance(row.get("picture"), str)]
    files = files_of(names)
    return [
        {
            "number": row.get("sample"),
            "score": None if row.get("score") is None else f"{row['score']:.4g}",
            "picture": _thumbnail(_picture(row.get("picture"), files)),
            "fields": {key: _text(value) for key, value in row.items() if key not in _HIDDEN},
        }
        for row in rows
    ]


def _picture(picture: object, files: Mapping[str, bytes]) -> bytes:
    """The file of a picture; empty if there is none."""
    if isinstance(picture, Mapping):
        try:
            return base64.b64decode(str(picture.get("base64", "")))
        except ValueError:
            return b""
    return files.get(picture, b"") if isinstance(picture, str) else b""


def _thumbnail(file: bytes) -> str | None:
    """A small copy of a picture as a data URI; None where there is none."""
    if not file:
        return None
    from PIL import Image

    try:
        with Image.open(io.BytesIO(file)) as opened:
            opened.draft("RGB", (_THUMBNAIL, _THUMBNAIL))
            image = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    if (times := _SMALL // max(image.size)) > 1:
        image = image.resize((times * image.width, times * image.height), Image.Resampling.NEAREST)
    small = io.BytesIO()
    image.save(small, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(small.getvalue()).decode()


def _text(value: object) -> str:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = "\n".join(value)  # as choices and captions are
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _interval(metric: Mapping[str, Any]) -> str:
    low, high = metric.get("low"), metric.get("high")
    return "" if low is None or high is None else f"{low:.4f} to {high:.4f}"
