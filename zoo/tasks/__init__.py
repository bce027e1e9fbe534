"""What models do: each task takes inputs of one kind and returns typed results, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.errors import TaskError

if TYPE_CHECKING:
    from zoo.loading import Loaded

# The part of a network that each task needs, the first there is; networks without the head for a
# task lack it.
PARTS = {
    "fill-mask": ("predict",),
    "text-classification": ("classify",),
    "zero-shot-classification": ("classify",),
    "feature-extraction": ("encoder", "embed_texts"),
    "image-classification": ("classify_images",),
    "image-completion": ("new_cache",),
    "image-feature-extraction": ("embed_images",),
    "masked-image-modeling": ("reconstruct",),
    "text-generation": ("new_cache",),
    "text2text-generation": ("prefill",),
    "translation": ("prefill",),
    "zero-shot-image-classification": ("embed_texts",),
}


def able(loaded: Loaded) -> list[str]:
    """The tasks that a loaded model can do: its architecture claims them, its head serves them."""
    return [task for task in loaded.architecture.tasks if _part(loaded, task) is not None]


def require(loaded: Loaded, task: str) -> Any:  # noqa: ANN401 (the task knows its type)
    """The part of the network that a task needs.

    Raises:
        TaskError: The architecture does not do the task, or this checkpoint has no head for it.
    """
    tasks = able(loaded)
    if task in tasks:
        return _part(loaded, task)
    reason = (
        "its checkpoint has no head for it"
        if task in loaded.architecture.tasks
        else f"architecture {loaded.architecture.name!r} does not"
    )
    raise TaskError(
        f"{loaded.entry.name} cannot do {task}: {reason}; it can do {', '.join(tasks) or 'nothing'}"
    )


def _part(loaded: Loaded, task: str) -> Any:  # noqa: ANN401 (the task knows its type)
    parts = (getattr(loaded.network, name, None) for name in PARTS.get(task, ()))
    return next((part for part in parts if part is not None), None)
