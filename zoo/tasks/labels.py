"""Labels of one's own, and the sentences that they stand in: what zero-shot tasks refuse."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.errors import UsageError
from zoo.text.preprocessor import check_texts


def check_templates(templates: Sequence[str]) -> None:
    """Refuse what is no sentence for a label.

    Raises:
        UsageError: There is none, or one has no ``{}``.
    """
    if not templates:
        raise UsageError("expected one template or more, such as 'a photo of a {}.'")
    for template in templates:
        if "{}" not in template:
            raise UsageError(f"template {template!r} has no {{}} for the label")


def check_labels(labels: Sequence[str]) -> None:
    """Refuse labels that cannot be told apart, or are none.

    Raises:
        InputError: One is empty.
        TypeError: They are one string, whose letters would be taken for labels.
        UsageError: There is none, or one comes twice.
    """
    if isinstance(labels, str):
        raise TypeError(f"labels are a list of texts, not the text {labels!r}")
    if not isinstance(labels, Sequence):
        raise TypeError(f"labels are a list of texts, not {type(labels).__name__}")
    check_texts(labels, "label")
    if not labels:
        raise UsageError("expected one or more different labels, got none")
    places: dict[str, int] = {}
    for number, label in enumerate(labels, start=1):
        if label in places:
            raise UsageError(
                f"labels {places[label]} and {number} are both {label!r}, and would share its "
                "score; remove one, or say what tells them apart"
            )
        places[label] = number
