from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import transformers

import zoo
from tests.checkpoints import Save, change_json, change_weights, copy_checkpoint, load
from zoo.errors import CheckpointError, InputError, TaskError, UsageError, ZooWarning

CLASSES = ["BertForMaskedLM", "RobertaForMaskedLM", "DistilBertForMaskedLM"]

# Probabilities from logits that differ in the last place of float32.
TOLERANCE = 1e-5


def pipeline(folder: Path) -> Any:  # noqa: ANN401 (transformers has no types)
    return transformers.pipeline("fill-mask", model=str(folder), device="cpu")


def with_mask(text: str, model: zoo.Model) -> str:
    return text.replace("[MASK]", model.preprocessor.tokenizer.mask_token)


def assert_equal(fills: tuple[Any, ...], expected: list[dict[str, Any]]) -> None:
    assert [fill.token_id for fill in fills] == [each["token"] for each in expected]
    assert [fill.token for fill in fills] == [each["token_str"].strip() for each in expected]
    assert [fill.score for fill in fills] == pytest.approx(
        [each["score"] for each in expected], abs=TOLERANCE
    )


@pytest.mark.parametrize("top_k", [1, 5, 30])
@pytest.mark.parametrize("class_name", CLASSES)
def test_fills_equal_the_pipelines(class_name: str, top_k: int, save: Save) -> None:
    folder, _ = save(class_name)
    model = load(folder)
    text = with_mask("A man rides a [MASK] through the city.", model)

    (gap,) = model.fill_mask(text, top_k=top_k).gaps

    assert_equal(gap, pipeline(folder)(text, top_k=top_k))


def test_several_gaps_are_filled_each_alone(save: Save) -> None:
    folder, _ = save("BertForMaskedLM")
    text = "A [MASK] rides a [MASK] in the [MASK]."

    filled = load(folder).fill_mask(text)

    expected = pipeline(folder)(text)
    assert len(filled.gaps) == 3
    for gap, fills in zip(filled.gaps, expected, strict=True):
        assert_equal(gap, fills)
    assert filled.gaps[1][0].text.startswith("A [MASK] rides a")
    assert filled.gaps[1][0].text.endswith("in the [MASK].")


@pytest.mark.parametrize("class_name", ["BertForMaskedLM", "DistilBertForMaskedLM"])
def test_targets_have_the_pipelines_scores(class_name: str, save: Save) -> None:
    folder, _ = save(class_name)
    targets = ["man", "women", "park"]
    text = "A man rides a [MASK]."

    (gap,) = load(folder).fill_mask(text, targets=targets).gaps

    assert {fill.token for fill in gap} == set(targets)
    assert_equal(gap, pipeline(folder)(text, targets=targets))


def test_a_target_that_the_vocabulary_lacks_is_told(save: Save) -> None:
    model = load(save("BertForMaskedLM")[0])

    with pytest.warns(
        ZooWarning, match=r"^target '猫' is not in the vocabulary; scoring '\[UNK\]'"
    ):
        (gap,) = model.fill_mask("A [MASK].", targets=["猫"]).gaps

    assert [fill.token for fill in gap] == ["[UNK]"]


def test_a_target_of_several_tokens_stands_for_its_first_and_says_so(save: Save) -> None:
    folder, _ = save("BertForMaskedLM")
    model = load(folder)
    first = model.preprocessor.tokenizer.backend.encode("manpark", add_special_tokens=False)

    with pytest.warns(
        ZooWarning, match=r"^target 'manpark' is no single token; scoring its first piece, "
    ):
        (gap,) = model.fill_mask("A [MASK].", targets=["manpark", "manpark"]).gaps

    assert len(first) > 1
    assert [fill.token_id for fill in gap] == [first.ids[0]]


def test_a_request_for_no_answer_is_an_error(save: Save) -> None:
    model = load(save("BertForMaskedLM")[0])

    with pytest.raises(UsageError, match=r"^targets are empty; expected one or more words"):
        model.fill_mask("A [MASK].", targets=[])
    with pytest.raises(InputError, match=r"^target '\\ud83d' is no Unicode: character 1 is"):
        model.fill_mask("A [MASK].", targets=["\ud83d"])
    with pytest.raises(TypeError, match=r"^targets are a list of words, not the text 'man'$"):
        model.fill_mask("A [MASK].", targets="man")
    with pytest.raises(UsageError, match=r"^top_k is -1; expected 1 or more$"):
        model.fill_mask("A [MASK].", top_k=-1)


def test_an_empty_target_is_an_error(save: Save) -> None:
    with pytest.raises(InputError, match=r"^target ' ' is empty; expected a word$"):
        load(save("BertForMaskedLM")[0]).fill_mask("A [MASK].", targets=["man", " "])


TEXTS = ["A [MASK] rides.", "[MASK]", "Two women play music in the [MASK] while [MASK] dance."]


@pytest.mark.parametrize("class_name", CLASSES)
def test_a_batch_equals_one_by_one(class_name: str, save: Save) -> None:
    model = load(save(class_name)[0])
    texts = [with_mask(text, model) for text in TEXTS * 3]

    for together in (model.fill_mask(texts), model.fill_mask(texts, batch_tokens=10)):
        assert [filled.text for filled in together] == texts
        for filled, text in zip(together, texts, strict=True):
            for gap, alone in zip(filled.gaps, model.fill_mask(text).gaps, strict=True):
                assert [fill.token for fill in gap] == [fill.token for fill in alone]
                assert [fill.score for fill in gap] == pytest.approx(
                    [fill.score for fill in alone], abs=TOLERANCE
                )


def test_results_are_plain_data_when_asked(save: Save) -> None:
    filled = load(save("BertForMaskedLM")[0]).fill_mask("A [MASK].", top_k=1)

    data = filled.to_dict()

    (gap,) = data["gaps"]
    (fill,) = gap
    assert data["text"] == "A [MASK]."
    assert set(fill) == {"token", "token_id", "score", "text"}
    assert 0 < fill["score"] < 1


def test_no_texts_have_no_results(save: Save) -> None:
    assert load(save("BertForMaskedLM")[0]).fill_mask([]) == []


def test_a_text_without_a_gap_is_an_error(save: Save) -> None:
    model = load(save("BertForMaskedLM")[0])

    with pytest.raises(
        InputError,
        match=r"^no gap in 'A man rides a horse through the old cit…'; write \[MASK\] where a word "
        r"is to be filled in$",
    ):
        model.fill_mask(["A [MASK].", "A man rides a horse through the old city."])


def test_a_gap_that_was_cut_off_is_an_error(save: Save) -> None:
    model = load(save("BertForMaskedLM")[0])

    with (
        pytest.warns(ZooWarning, match="1 text is longer"),
        pytest.raises(InputError, match="lies beyond what fits into the model"),
    ):
        model.fill_mask("a " * 100 + "[MASK]")


def test_a_gap_that_was_not_cut_off_is_filled(save: Save) -> None:
    model = load(save("BertForMaskedLM")[0])

    with pytest.warns(ZooWarning, match="1 text is longer .* cut 3[0-9] tokens"):
        filled = model.fill_mask("[MASK] " + "a " * 97 + "[MASK]")

    assert len(filled.gaps) == 1


@pytest.mark.parametrize("place", ["weight", "bias"])
def test_weights_that_are_no_numbers_fill_no_gap(place: str, save: Save, tmp_path: Path) -> None:
    copy = copy_checkpoint(save("BertForMaskedLM")[0], tmp_path / "copy")
    name = f"bert.encoder.layer.1.output.dense.{place}"
    change_weights(copy, lambda tensors: tensors | {name: tensors[name] * math.nan})

    with pytest.raises(CheckpointError, match=r"computes what is no number \(NaN\)"):
        load(copy).fill_mask("A [MASK].")
    with pytest.raises(CheckpointError, match=r"computes what is no number \(NaN\)"):
        load(copy).embed("A man.")
    with pytest.raises(CheckpointError, match=r"computes what is no number \(NaN\)"):
        load(copy).embed_tokens("A man.")


def test_a_model_without_the_head_says_what_it_can_do(save: Save) -> None:
    model = load(save("BertForSequenceClassification")[0])

    with pytest.raises(
        TaskError, match=r"cannot do fill-mask: its checkpoint has no head for it; "
    ) as e:
        model.fill_mask("A [MASK].")
    assert str(e.value).endswith(
        "it can do text-classification, zero-shot-classification, feature-extraction"
    )


def test_a_tokenizer_without_a_mask_cannot_fill_one(save: Save, tmp_path: Path) -> None:
    copy = copy_checkpoint(save("BertForMaskedLM")[0], tmp_path / "copy")
    text = (copy / "tokenizer.json").read_text().replace("[MASK]", "[GAP]")
    (copy / "tokenizer.json").write_text(text)
    change_json(copy, "tokenizer_config.json", mask_token=...)

    with pytest.raises(TaskError, match="cannot do fill-mask: its tokenizer has no mask token"):
        load(copy).fill_mask("A [MASK].")
