"""From a sample's label to the number of its class."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.evaluation import seen
from zoo.errors import InputError
from zoo.evaluation.benchmark import Placed
from zoo.evaluation.protocol import Sample
from zoo.evaluation.samples import Expression, label_of


def labelled(label: object, labels: tuple[str, ...]) -> int:
    benchmark = replace(seen.classification(classes=["a forest", "a lake"]), labels=labels)
    sample = Sample("test", 0, "rows.csv:2", {"label": label}, "")
    return label_of(sample, benchmark, benchmark.classes)


@pytest.mark.parametrize(
    ("label", "labels"),
    [("a lake", ()), (1, ()), ("1", ()), ("SeaLake", ("Forest", "SeaLake")), (2, ("1", "2"))],
)
def test_a_label_is_a_name_or_a_number(label: object, labels: tuple[str, ...]) -> None:
    assert labelled(label, labels) == 1


def test_folders_have_names_and_the_hub_has_numbers_for_the_same_classes() -> None:
    assert labelled(1, ("Forest", "SeaLake")) == labelled("SeaLake", ("Forest", "SeaLake")) == 1


@pytest.mark.parametrize(
    ("label", "labels"),
    [("a sea", ()), (2, ()), (0, ("1", "2")), (2, ("Forest", "SeaLake")), (True, ())],
)
def test_what_is_no_class_is_told(label: object, labels: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=r"rows\.csv:2: the label"):
        labelled(label, labels)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ text.heading }}", "'str object' has no attribute 'heading'; the columns are text"),
        ("{{ title }}", "'title' is undefined; the columns are text"),
        ("{{ raise_exception('no such row') }}", "RefusedError: no such row"),
        ("{{ text.__class__ }}", "SecurityError: access to attribute '__class__'"),
        ("{{ range(99999999) | list }}", "OverflowError: Range too big"),
        ("{{ text * 99999999 }}", "SecurityError: too many steps, or too much text"),
        ("{{ 1 / 0 }}", "ZeroDivisionError: division by zero"),
    ],
)
def test_an_expression_that_fails_is_told_with_its_place_and_the_rows(
    text: str, message: str
) -> None:
    expression = Expression(Placed(text, "made.yaml:7"))

    with pytest.raises(InputError) as said:
        expression.value({"text": "a cat"}, "rows.csv:2")
    assert str(said.value).startswith(f"made.yaml:7: the template {text!r:.60} fails on rows.csv:2")
    assert message in str(said.value)
