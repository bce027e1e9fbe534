"""Four ways to classify texts zero-shot, each against what the model itself says one by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch.nn import functional as F

from tests.checkpoints import Save, load
from tests.evaluation.benchmarks import benchmark, rows
from zoo.errors import CheckpointError, InputError, RegistryError, TaskError
from zoo.evaluation import Benchmark, Result, evaluate

TEXTS = [
    "A man rides a horse.",
    "Two women play music in the park while children dance around them.",
    "The weather was cold.",
    "Paris is the capital of France.",
    "She reads a book every week!",
]
CLASSES = ["music", "weather", "city"]
LABELS = ["city", "music", "weather", "city", "music"]
NLI = {0: "contradiction", 1: "neutral", 2: "entailment"}
NUMBERS = {name: number for number, name in NLI.items()}


def made(folder: Path, protocols: dict[str, object], **document: object) -> Benchmark:
    return benchmark(
        folder,
        task="text-classification",
        fields={"text": "text", "label": "label"},
        classes=CLASSES,
        protocols=protocols,
        **document,
    )


def data(folder: Path) -> Path:
    return rows(folder, [{"text": t, "label": each} for t, each in zip(TEXTS, LABELS, strict=True)])


def predictions(result: Result) -> list[str]:
    return [each["predicted"] for each in result.details]


def test_inference_says_what_the_pipeline_says(save: Save, tmp_path: Path) -> None:
    folder, _ = save("BertForSequenceClassification", id2label=NLI, label2id=NUMBERS)
    pipeline = transformers.pipeline("zero-shot-classification", model=str(folder), device="cpu")
    template = "It tells of {}."

    result = evaluate(
        load(folder), made(tmp_path, {"nli": {"template": template}}), data=data(tmp_path)
    )

    for detail, theirs in zip(
        result.details, pipeline(TEXTS, CLASSES, hypothesis_template=template), strict=True
    ):
        expected = dict(zip(theirs["labels"], theirs["scores"], strict=True))
        assert detail["scores"] == pytest.approx(expected, abs=1e-5)
    right = [p == g for p, g in zip(predictions(result), LABELS, strict=True)]
    assert result["acc"].value == pytest.approx(sum(right) / len(right))
    assert result.provenance["prompts"]["hypotheses"][0] == "It tells of music."


def test_the_nearest_class_is_that_of_the_mean_of_its_sentences(save: Save, tmp_path: Path) -> None:
    folder, _ = save("BertModel")
    model = load(folder)
    templates = ["{}", "It tells of {}."]

    result = evaluate(
        model, made(tmp_path, {"embedding": {"templates": templates}}), data=data(tmp_path)
    )

    sentences = [[template.replace("{}", each) for template in templates] for each in CLASSES]
    classes = torch.stack([F.normalize(model.embed(each), dim=1).mean(dim=0) for each in sentences])
    expected = F.cosine_similarity(model.embed(TEXTS)[:, None], classes[None], dim=2)
    assert predictions(result) == [CLASSES[each] for each in expected.argmax(dim=1)]
    for detail, row in zip(result.details, expected.tolist(), strict=True):
        assert detail["scores"] == pytest.approx(dict(zip(CLASSES, row, strict=True)), abs=1e-5)


def test_the_gap_is_filled_with_the_class_words(save: Save, tmp_path: Path) -> None:
    folder, reference = save("BertForMaskedLM")
    settings = {"template": "{{ text }} It was {{ mask }}.", "words": ["park", "cold", "france"]}
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder)

    result = evaluate(load(folder), made(tmp_path, {"cloze": settings}), data=data(tmp_path))

    for text, detail in zip(TEXTS, result.details, strict=True):
        tokens = tokenizer(f"{text} It was [MASK].", return_tensors="pt")
        with torch.no_grad():
            logits = reference(**tokens).logits[0]
        gap = int((tokens["input_ids"][0] == tokenizer.mask_token_id).nonzero())
        wanted = tokenizer.convert_tokens_to_ids(settings["words"])
        scores = logits[gap].softmax(dim=0)[wanted].tolist()
        assert detail["scores"] == pytest.approx(dict(zip(CLASSES, scores, strict=True)), rel=1e-3)


def test_a_long_text_is_cut_and_the_gap_stays(save: Save, tmp_path: Path) -> None:
    folder, _ = save("BertForMaskedLM")
    model = load(folder)
    words = ["park", "cold", "france"]
    settings = {"template": "{{ text }} {{ mask }}", "words": words}
    long = rows(tmp_path, [{"text": "the horse " * 100, "label": "city"}])

    result = evaluate(model, made(tmp_path, {"cloze": settings}), data=long)

    room = model.preprocessor.max_length - 3  # [CLS], [MASK], [SEP]
    kept = " ".join([*("the horse " * 100).split()[:room], "[MASK]"])
    fills = model.fill_mask(kept, targets=words).gaps[0]
    expected = {CLASSES[words.index(fill.token)]: fill.score for fill in fills}
    assert result.details[0]["scores"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("words", [["park", "cold", "supercalifragilistic"], ["park", "cold", "ლ"]])
def test_a_word_of_several_tokens_or_none_is_refused(
    words: list[str], save: Save, tmp_path: Path
) -> None:
    folder, _ = save("BertForMaskedLM")
    settings = {"template": "{{ text }} {{ mask }}", "words": words}

    with pytest.raises(RegistryError, match=rf"made.yaml:\d+: .* reads the word {words[2]!r} as"):
        evaluate(load(folder), made(tmp_path, {"cloze": settings}), data=data(tmp_path))


def test_a_text_with_a_gap_of_its_own_is_counted_as_failed(save: Save, tmp_path: Path) -> None:
    folder, _ = save("BertForMaskedLM")
    settings = {"template": "{{ text }} {{ mask }}", "words": ["park", "cold", "france"]}
    texts = [{"text": "cold", "label": "city"}, {"text": "a [MASK] man", "label": "music"}]

    result = evaluate(load(folder), made(tmp_path, {"cloze": settings}), data=rows(tmp_path, texts))

    assert result.samples == 1
    assert [(each.place.rpartition(":")[2], each.reason) for each in result.failed] == [
        ("2", "the prompt has 2 gaps [MASK]; expected one")
    ]


def test_sentences_of_classes_are_kept_as_any_answer(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder, _ = save("BertModel")
    model, asked = load(folder), made(tmp_path, {"embedding": {}})
    first = evaluate(model, asked, data=data(tmp_path))
    for each in model.network.parameters():
        each.data.fill_(torch.nan)  # whatever is asked now has no answer

    assert evaluate(model, asked, data=data(tmp_path)).details == first.details
    with pytest.raises(
        CheckpointError, match=r"made: \['music'\] to .*: the model computes what is no number"
    ):
        evaluate(model, asked, data=data(tmp_path), cache=False)


@pytest.mark.parametrize(
    ("names", "settings"),
    [
        ({0: "City", 1: "Weather", 2: "Music"}, {}),
        ({0: "a", 1: "b", 2: "c"}, {"labels": ["c", "b", "a"]}),
    ],
)
def test_own_classes_are_found_by_name(
    names: dict[int, str], settings: dict[str, object], save: Save, tmp_path: Path
) -> None:
    folder, _ = save("BertForSequenceClassification", id2label=names)
    ours = dict(zip(names.values(), ["city", "weather", "music"], strict=True))

    result = evaluate(load(folder), made(tmp_path, {"own-classes": settings}), data=data(tmp_path))

    said = [each.labels[0].label for each in load(folder).classify(TEXTS)]
    assert predictions(result) == [ours[each] for each in said]


def test_own_classes_without_names_are_taken_at_their_numbers(save: Save, tmp_path: Path) -> None:
    folder, _ = save("BertForSequenceClassification", num_labels=3)

    result = evaluate(load(folder), made(tmp_path, {"own-classes": {}}), data=data(tmp_path))

    said = [each.labels[0].label for each in load(folder).classify(TEXTS)]
    assert predictions(result) == [CLASSES[int(each.removeprefix("LABEL_"))] for each in said]


def test_a_protocol_whose_classes_are_others_gives_way(save: Save, tmp_path: Path) -> None:
    folder, _ = save("BertForSequenceClassification", id2label=NLI)
    both = made(tmp_path, {"own-classes": {}, "nli": {}})

    assert evaluate(load(folder), both, data=data(tmp_path)).protocol == "nli"
    with pytest.raises(TaskError, match="own classes, contradiction, neutral, entailment: the"):
        evaluate(load(folder), both, data=data(tmp_path), protocol="own-classes")


def test_numbers_do_not_depend_on_the_batch(save: Save, tmp_path: Path) -> None:
    folder, _ = save("BertForSequenceClassification", id2label=NLI)
    asked = made(tmp_path, {"nli": {}})

    one, all_ = (
        evaluate(load(folder), asked, data=data(tmp_path), batch_size=size, cache=False)
        for size in (1, 64)
    )

    assert [each.value for each in one.metrics] == [each.value for each in all_.metrics]
    for ours, theirs in zip(one.details, all_.details, strict=True):
        assert ours["scores"] == pytest.approx(theirs["scores"], abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocols": {"nli": {"template": "none"}}}, r":\d+: the template 'none' has no {}"),
        ({"protocols": {"nli": {"template": 1}}}, r"made.yaml: the template 1 has no {}"),
        ({"classes": []}, r":\d+: .*classes"),
        ({"classes": ["a", "b", " "]}, r":\d+: classes\[2\] must be a text, came an empty one"),
        ({"protocols": {"nli": {"templates": "{}"}}}, r":\d+: protocols.nli has no setting"),
        ({"metric": "f1"}, r":\d+: text-classification is not measured in 'f1', but in acc, mac"),
        (
            {"metric": "acc_norm"},
            r":\d+: protocols.nli does not measure 'acc_norm'; set its metric",
        ),
        ({"protocols": {"nli": {"metric": "f"}}}, r":\d+: protocols.nli does not measure 'f'; set"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(
    changes: dict[str, object], message: str, save: Save, tmp_path: Path
) -> None:
    folder, _ = save("BertForSequenceClassification", id2label=NLI)
    document: dict[str, Any] = {
        "task": "text-classification",
        "fields": {"text": "text", "label": "label"},
        "classes": CLASSES,
        "protocols": {"nli": {}},
    }

    with pytest.raises(RegistryError, match=message):
        evaluate(load(folder), benchmark(tmp_path, **document | changes), data=data(tmp_path))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('{"text": "a"}', "1: made takes rows with the columns label, text; came text"),
        ('{"text": "a", "label": "city"}\n{"text": "a"}', "2: no column 'label'"),
        ('{"text": "a", "label": "cat"}', "1: the label 'cat' is none of the 3 classes"),
        ('{"text": "a", "label": NaN}', "1: the label is nan"),
        ('{"text": " ", "label": "city"}', "1: text is ' '; expected a text"),
    ],
)
def test_wrong_data_is_told_with_its_line(
    lines: str, message: str, save: Save, tmp_path: Path
) -> None:
    folder, _ = save("BertForSequenceClassification", id2label=NLI)
    (tmp_path / "rows.jsonl").write_text(lines)

    with pytest.raises(InputError, match=f"rows.jsonl:{message}"):
        evaluate(load(folder), made(tmp_path, {"nli": {}}), data=tmp_path)


def test_an_empty_split_is_no_result(save: Save, tmp_path: Path) -> None:
    folder, _ = save("BertForSequenceClassification", id2label=NLI)

    with pytest.raises(InputError, match="made: the split 'test' is empty"):
        evaluate(load(folder), made(tmp_path, {"nli": {}}), data=rows(tmp_path, []))


def test_a_template_that_fails_is_told_with_its_line_and_the_rows(
    save: Save, tmp_path: Path
) -> None:
    folder, _ = save("BertForMaskedLM")
    settings = {
        "template": "{{ text }} {{ title }} {{ mask }}",
        "words": ["park", "cold", "france"],
    }

    with pytest.raises(
        InputError, match=r"made.yaml:\d+: the template .* fails on .*rows.jsonl:1: 'title' is und"
    ):
        evaluate(load(folder), made(tmp_path, {"cloze": settings}), data=data(tmp_path))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("park", r"made.yaml:\d+: words must be a list of texts, came 'park'"),
        (3, r"made.yaml: words must be a list of texts, came 3"),
        ([["park"], "cold", "france"], r"words must be texts; one is \['park'\]"),
        (["park", "", "france"], r"words must be texts; one is ''"),
        (["park", "cold"], r"made.yaml:\d+: 2 words, but 3 classes"),
        (["park", 1, "france"], r"made.yaml: .* reads the word '1' as"),
    ],
)
def test_words_that_are_none_are_told(
    words: object, message: str, save: Save, tmp_path: Path
) -> None:
    folder, _ = save("BertForMaskedLM")
    settings = {"template": "{{ text }} {{ mask }}", "words": words}

    with pytest.raises(RegistryError, match=message):
        evaluate(load(folder), made(tmp_path, {"cloze": settings}), data=data(tmp_path))


def test_a_text_that_is_no_unicode_fails_alone(save: Save, tmp_path: Path) -> None:
    folder, _ = save("BertModel")
    texts = [{"text": "cold", "label": "city"}, {"text": "half \ud800", "label": "music"}]

    result = evaluate(
        load(folder), made(tmp_path, {"embedding": {}}), data=escaped(tmp_path, texts)
    )

    assert result.samples == 1
    assert "the text is no Unicode" in result.failed[0].reason


def escaped(folder: Path, values: list[dict[str, str]]) -> Path:
    """Rows in ASCII: what is half of a pair is no UTF-8."""
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in values))
    return folder


def test_what_is_no_number_is_told_at_once_and_not_kept(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder, _ = save("BertForMaskedLM")
    words = ["park", "cold", "france"]
    asked = made(tmp_path, {"cloze": {"template": "{{ text }} {{ mask }}", "words": words}})
    sound, damaged = load(folder), load(folder)
    for each in damaged.network.parameters():
        each.data.fill_(torch.nan)

    with pytest.raises(CheckpointError, match=r"rows.jsonl:1 to .*: the model computes what is"):
        evaluate(damaged, asked, data=data(tmp_path))
    assert evaluate(sound, asked, data=data(tmp_path)).samples == len(TEXTS)
