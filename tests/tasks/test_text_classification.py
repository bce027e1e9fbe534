from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import transformers

from tests.checkpoints import Save, change_json, change_weights, copy_checkpoint, load
from zoo.errors import CheckpointError, InputError, TaskError, UsageError, ZooWarning

NAMES = {0: "sad", 1: "calm", 2: "glad"}
TEXTS = [
    "A man rides a horse.",
    "Two women play music in the park while children dance around them.",
    "cold",
]

# Probabilities from logits that differ in the last place of float32.
TOLERANCE = 1e-5


def assert_equal(labels: tuple[Any, ...], expected: list[dict[str, Any]]) -> None:
    assert [each.label for each in labels] == [each["label"] for each in expected]
    assert [each.score for each in labels] == pytest.approx(
        [each["score"] for each in expected], abs=TOLERANCE
    )


@pytest.mark.parametrize(
    "kind", [None, "multi_label_classification", "single_label_classification"]
)
@pytest.mark.parametrize(
    "class_name",
    [
        "BertForSequenceClassification",
        "RobertaForSequenceClassification",
        "XLMRobertaForSequenceClassification",
        "DistilBertForSequenceClassification",
    ],
)
def test_classes_equal_the_pipelines(class_name: str, kind: str | None, save: Save) -> None:
    folder, _ = save(class_name, id2label=NAMES, problem_type=kind)
    pipeline = transformers.pipeline("text-classification", model=str(folder), device="cpu")

    classified = load(folder).classify(TEXTS)

    for ours, theirs in zip(classified, pipeline(TEXTS, top_k=None), strict=True):
        assert_equal(ours.labels, theirs)
    total = sum(each.score for each in classified[0].labels)
    assert (total == pytest.approx(1)) is (kind != "multi_label_classification")


def test_a_single_class_has_a_sigmoid_as_in_the_pipeline(save: Save) -> None:
    folder, _ = save("BertForSequenceClassification", num_labels=1)
    pipeline = transformers.pipeline("text-classification", model=str(folder), device="cpu")

    assert_equal(load(folder).classify(TEXTS[0]).labels, pipeline(TEXTS[0], top_k=None))


def test_at_most_so_many_classes_are_shown(save: Save) -> None:
    folder, _ = save("BertForSequenceClassification", id2label=NAMES)
    model = load(folder)

    assert len(model.classify("a", top_k=2).labels) == 2
    assert model.classify("a", top_k=1).labels == model.classify("a").labels[:1]
    with pytest.raises(UsageError, match=r"^top_k is 0; expected 1 or more$"):
        model.classify("a", top_k=0)


def test_a_batch_equals_one_by_one(save: Save) -> None:
    model = load(save("BertForSequenceClassification", id2label=NAMES)[0])

    for together in (model.classify(TEXTS * 3), model.classify(TEXTS * 3, batch_tokens=20)):
        assert [each.text for each in together] == TEXTS * 3
        for ours, text in zip(together, TEXTS * 3, strict=True):
            alone = model.classify(text)
            assert [each.label for each in ours.labels] == [each.label for each in alone.labels]
            assert [each.score for each in ours.labels] == pytest.approx(
                [each.score for each in alone.labels], abs=TOLERANCE
            )


def test_results_are_plain_data_when_asked(save: Save) -> None:
    data = load(save("BertForSequenceClassification", id2label=NAMES)[0]).classify("a").to_dict()

    assert data["text"] == "a"
    assert {each["label"] for each in data["labels"]} == set(NAMES.values())


def test_a_text_that_is_cut_is_classified_with_a_notice(save: Save) -> None:
    model = load(save("BertForSequenceClassification", id2label=NAMES)[0])

    with pytest.warns(
        ZooWarning, match="1 text is longer than the model's 66 tokens; cut 36 tokens"
    ):
        long = model.classify("a " * 100)

    assert [each.label for each in long.labels] == [
        each.label for each in model.classify("a " * 64).labels
    ]


def test_mistakes_are_told(save: Save) -> None:
    with pytest.raises(InputError, match="the text is empty"):
        load(save("BertForSequenceClassification")[0]).classify("")
    with pytest.raises(
        TaskError, match="cannot do text-classification: its checkpoint has no head"
    ):
        load(save("BertModel")[0]).classify("a")


# --- zero-shot

NLI = {0: "contradiction", 1: "neutral", 2: "entailment"}
NLI_NUMBERS = {name: number for number, name in NLI.items()}
LABELS = ["music", "the weather", "a city"]


@pytest.mark.parametrize("multi_label", [False, True], ids=["one label", "several"])
@pytest.mark.parametrize(
    "names",
    [
        NLI,
        {0: "ENTAILMENT", 1: "NEUTRAL", 2: "CONTRADICTION"},
        {0: "contradiction", 1: "entailment"},
    ],
    ids=["last", "first", "two classes"],
)
@pytest.mark.parametrize(
    "class_name", ["BertForSequenceClassification", "RobertaForSequenceClassification"]
)
def test_zero_shot_equals_the_pipelines(
    class_name: str, names: dict[int, str], multi_label: bool, save: Save
) -> None:
    label2id = {name: number for number, name in names.items()}
    folder, _ = save(class_name, id2label=names, label2id=label2id)
    pipeline = transformers.pipeline("zero-shot-classification", model=str(folder), device="cpu")

    classified = load(folder).zero_shot(TEXTS, LABELS, multi_label=multi_label)

    for ours, theirs in zip(
        classified, pipeline(TEXTS, LABELS, multi_label=multi_label), strict=True
    ):
        pairs = zip(theirs["labels"], theirs["scores"], strict=True)
        assert_equal(ours.labels, [{"label": label, "score": score} for label, score in pairs])


def test_a_single_label_is_scored_against_its_contradiction_as_in_the_pipeline(save: Save) -> None:
    folder, _ = save("BertForSequenceClassification", id2label=NLI, label2id=NLI_NUMBERS)
    pipeline = transformers.pipeline("zero-shot-classification", model=str(folder), device="cpu")

    (label,) = load(folder).zero_shot(TEXTS[0], ["music"]).labels

    assert label.score == pytest.approx(pipeline(TEXTS[0], ["music"])["scores"][0], abs=TOLERANCE)


def test_the_template_makes_the_hypothesis(save: Save) -> None:
    folder, _ = save("BertForSequenceClassification", id2label=NLI, label2id=NLI_NUMBERS)
    template = "This text is about {}."
    pipeline = transformers.pipeline("zero-shot-classification", model=str(folder), device="cpu")
    theirs = pipeline(TEXTS[0], LABELS, hypothesis_template=template)

    ours = load(folder).zero_shot(TEXTS[0], LABELS, template=template)

    assert [each.score for each in ours.labels] == pytest.approx(theirs["scores"], abs=TOLERANCE)


def test_zero_shot_in_batches_equals_one_by_one(save: Save) -> None:
    model = load(save("BertForSequenceClassification", id2label=NLI)[0])

    together = model.zero_shot(TEXTS, LABELS, batch_tokens=30)

    for ours, text in zip(together, TEXTS, strict=True):
        alone = model.zero_shot(text, LABELS)
        assert [each.label for each in ours.labels] == [each.label for each in alone.labels]
        assert [each.score for each in ours.labels] == pytest.approx(
            [each.score for each in alone.labels], abs=TOLERANCE
        )


@pytest.mark.parametrize(
    "names",
    [
        {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"},
        {0: "negative", 1: "positive"},
        {0: "entailment", 1: "neutral"},
        {0: "entailment", 1: "entails", 2: "contradiction"},
    ],
    ids=str,
)
def test_classes_that_do_not_tell_are_an_error(names: dict[int, str], save: Save) -> None:
    folder, _ = save("BertForSequenceClassification", id2label=names)

    with pytest.raises(TaskError, match="one must be named entailment and one contradiction"):
        load(folder).zero_shot("a", LABELS)


def test_classes_without_a_name_in_the_file_do_not_tell_either(save: Save, tmp_path: Path) -> None:
    copy = copy_checkpoint(save("BertForSequenceClassification")[0], tmp_path / "copy")
    change_json(copy, "config.json", id2label=..., label2id=...)

    with pytest.raises(TaskError, match="its classes are label_0, label_1"):
        load(copy).zero_shot("a", LABELS)


def test_zero_shots_mistakes_are_told(save: Save) -> None:
    model = load(save("BertForSequenceClassification", id2label=NLI)[0])

    with pytest.raises(UsageError, match="expected one or more different labels, got none"):
        model.zero_shot("a", [])
    with pytest.raises(UsageError, match="labels 1 and 3 are both 'a'"):
        model.zero_shot("a", ["a", "b", "a"])
    with pytest.raises(TypeError, match=r"^labels are a list of texts, not the text 'sport'$"):
        model.zero_shot("a", "sport")
    with pytest.raises(UsageError, match=r"template '' has no \{\} for the label"):
        model.zero_shot("a", ["b"], template="")
    with pytest.raises(UsageError, match=r"template 'about it' has no \{\} for the label"):
        model.zero_shot("a", LABELS, template="about it")
    with pytest.raises(InputError, match="the text is empty"):
        model.zero_shot("", LABELS)
    with pytest.raises(InputError, match=r"^text 2 of 2 is empty"):
        model.zero_shot(["a", " "], LABELS)
    with pytest.raises(InputError, match=r"^label 2 of 3 is empty"):
        model.zero_shot("a", ["x", " ", "y"])
    with pytest.raises(TaskError, match="cannot do zero-shot-classification"):
        load(save("BertForMaskedLM")[0]).zero_shot("a", LABELS)


def test_weights_that_are_no_numbers_classify_nothing(save: Save, tmp_path: Path) -> None:
    names = {0: "contradiction", 1: "entailment"}
    copy = copy_checkpoint(save("BertForSequenceClassification", id2label=names)[0], tmp_path / "a")
    change_weights(copy, lambda tensors: {key: each * math.nan for key, each in tensors.items()})

    with pytest.raises(CheckpointError, match=r"computes what is no number \(NaN\)"):
        load(copy).classify("A man.")
    with pytest.raises(CheckpointError, match=r"computes what is no number \(NaN\)"):
        load(copy).zero_shot("A man.", ["a", "b"])


def test_no_texts_have_no_classes(save: Save) -> None:
    model = load(save("BertForSequenceClassification", id2label=NLI)[0])

    assert model.classify([]) == []
    assert model.zero_shot([], LABELS) == []


def test_of_a_long_text_the_end_is_cut_and_never_the_hypothesis(save: Save) -> None:
    folder, _ = save("BertForSequenceClassification", id2label=NLI)
    model = load(folder)

    with pytest.warns(ZooWarning, match="1 text is longer than the model's 66 tokens"):
        long = model.zero_shot("a " * 100, LABELS)

    assert len({each.score for each in long.labels}) == 3
