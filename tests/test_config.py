from __future__ import annotations

from typing import Any

import pytest

from zoo.config import Fields
from zoo.errors import CheckpointError


def fields(**published: object) -> Fields:
    return Fields(published, "acme")


def test_fields_are_read_by_kind() -> None:
    config = fields(width=24, eps=1e-5, act="gelu", tied=False, whole=1)

    assert config.size("width") == 24
    assert config.number("eps") == 1e-5
    assert config.number("whole") == 1.0
    assert config.text("act") == "gelu"
    assert config.flag("tied", default=True) is False
    config.finish()


@pytest.mark.parametrize("published", [{}, {"x": None}])
def test_absent_and_null_are_the_default(published: dict[str, object]) -> None:
    config = Fields(published, "acme")

    assert config.size("x", default=3) == 3
    assert config.number("x", default=0.5) == 0.5
    assert config.text("x", default="gelu") == "gelu"
    assert config.flag("x", default=True) is True


@pytest.mark.parametrize("published", [{}, {"x": None}])
@pytest.mark.parametrize("kind", ["size", "number", "text"])
def test_what_has_no_default_must_be_there(kind: str, published: dict[str, object]) -> None:
    with pytest.raises(
        CheckpointError, match=r"^config.json: 'x' is missing; architecture 'acme' needs it$"
    ):
        getattr(Fields(published, "acme"), kind)("x")


@pytest.mark.parametrize("value", [0, -1, 2**31, True, 1.0, "24", [24], float("nan")])
def test_a_size_is_a_positive_integer(value: object) -> None:
    with pytest.raises(CheckpointError, match=r"expects an integer from 1 to 2147483647$"):
        fields(x=value).size("x")


def test_a_size_has_the_bounds_it_is_given() -> None:
    assert fields(x=0).size("x", least=0) == 0
    with pytest.raises(CheckpointError, match=r"'x' is 1000; .* an integer from 1 to 999"):
        fields(x=1000).size("x", most=1000)


@pytest.mark.parametrize("value", [0, -1e-5, True, "1e-5", [], float("inf"), float("nan")])
def test_a_number_is_positive_and_finite(value: object) -> None:
    with pytest.raises(CheckpointError, match="expects a positive number"):
        fields(x=value).number("x")


@pytest.mark.parametrize("value", [1, True, ["gelu"], {}])
def test_a_text_is_a_string(value: object) -> None:
    with pytest.raises(CheckpointError, match="expects a string"):
        fields(x=value).text("x")


@pytest.mark.parametrize("value", [0, 1, "true", []])
def test_a_flag_is_true_or_false(value: object) -> None:
    with pytest.raises(CheckpointError, match="expects true or false"):
        fields(x=value).flag("x", default=True)


def test_a_field_may_be_bound_to_what_the_network_implements() -> None:
    fields(kind="absolute").must_be("kind", "absolute", "rotary")
    fields().must_be("kind", "absolute")

    with pytest.raises(
        CheckpointError, match=r"'kind' is 'relative'; .* expects 'absolute' or 'rotary'"
    ):
        fields(kind="relative").must_be("kind", "absolute", "rotary")


def test_an_unknown_field_is_an_error() -> None:
    config = fields(width=24, rope_theta=1e4, alibi=True)
    config.size("width")

    with pytest.raises(
        CheckpointError, match="'alibi', 'rope_theta' is not a field that architecture 'acme' knows"
    ):
        config.finish()


def test_fields_without_a_say_are_passed_over() -> None:
    config = fields(
        hidden_dropout=0.1, _internal=1, transformers_version="5", use_cache=True, torch_dtype="x"
    )
    config.unused("hidden_dropout")

    config.finish()


KNOWN = {"AcmeModel": 1, "AcmeForMaskedLM": 2}


def test_the_class_names_the_head() -> None:
    assert fields(architectures=["AcmeForMaskedLM"]).architecture(KNOWN) == 2
    nothing: list[dict[str, object]] = [{}, {"architectures": None}, {"architectures": []}]
    for absent in nothing:
        assert Fields(absent, "acme").architecture(KNOWN) is None


@pytest.mark.parametrize(
    "value",
    [["Other"], ["AcmeModel", "AcmeForMaskedLM"], "AcmeModel", 3, {"a": 1}, [["AcmeModel"]]],
)
def test_an_unknown_class_lists_the_known(value: object) -> None:
    with pytest.raises(CheckpointError, match="expects one of AcmeForMaskedLM, AcmeModel"):
        fields(architectures=value).architecture(KNOWN)


def test_labels_are_in_the_order_of_their_numbers() -> None:
    names = {"1": "b", "0": "a", "10": "k"} | {str(n): chr(97 + n) for n in range(2, 10)}

    assert fields(id2label=names).labels() == (tuple("abcdefghijk"), False)


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        ({}, (("LABEL_0", "LABEL_1"), False)),
        ({"num_labels": 3}, (("LABEL_0", "LABEL_1", "LABEL_2"), False)),
        ({"id2label": {"0": "score"}}, (("score",), True)),
        (
            {"id2label": {"0": "a", "1": "b"}, "problem_type": "multi_label_classification"},
            (("a", "b"), True),
        ),
        (
            {"id2label": {0: "a", 1: "b"}, "problem_type": "single_label_classification"},
            (("a", "b"), False),
        ),
    ],
    ids=str,
)
def test_labels_and_whether_several_may_hold(
    published: dict[str, Any], expected: tuple[tuple[str, ...], bool]
) -> None:
    assert Fields(published, "acme").labels() == expected


@pytest.mark.parametrize(
    "value", [{"0": "a", "2": "b"}, {"1": "a"}, {}, ["a", "b"], "a", {"zero": "a"}]
)
def test_labels_without_a_name_for_each_number_are_refused(value: object) -> None:
    with pytest.raises(CheckpointError, match="a name for each class, numbered from 0"):
        fields(id2label=value).labels()


def test_more_classes_than_there_can_be_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"'num_labels' is 1000000000; .* 1 to 999999"):
        Fields({"num_labels": 10**9}, "bert").labels()


def test_a_regression_is_no_classification() -> None:
    with pytest.raises(CheckpointError, match="'problem_type' is 'regression'"):
        fields(id2label={"0": "a"}, problem_type="regression").labels()


def test_a_table_inside_is_read_and_finished_like_the_whole() -> None:
    fields = Fields({"rope": {"factor": 2, "factors": [1, 2.5], "odd": 1}, "none": None}, "acme")

    table = fields.table("rope")

    assert table is not None
    assert (table.number("factor"), table.numbers("factors")) == (2.0, (1.0, 2.5))
    assert table.has("factor")
    assert not fields.has("none")
    assert fields.table("none") is None
    fields.finish()
    with pytest.raises(CheckpointError, match="'odd' is not a field"):
        table.finish()


def test_a_table_is_an_object_and_numbers_are_a_list() -> None:
    fields = Fields({"rope": 3, "factors": "12"}, "acme")

    with pytest.raises(CheckpointError, match=r"'rope' is 3; .* expects an object"):
        fields.table("rope")
    with pytest.raises(CheckpointError, match=r"'factors' is '12'; .* expects a list of numbers"):
        fields.numbers("factors")
