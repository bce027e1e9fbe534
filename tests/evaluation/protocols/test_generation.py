"""Translations' scores, against sacrebleu on the same texts."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.decoders import save_decoder
from tests.evaluation.benchmarks import benchmark, rows
from tests.marian import load, save_marian, sentences
from zoo.errors import CheckpointError, InputError, PluginError, RegistryError, TaskError
from zoo.evaluation import Benchmark, evaluate
from zoo.evaluation.comparing import compare
from zoo.evaluation.store import save
from zoo.model import Model

sacrebleu = pytest.importorskip("sacrebleu", reason="the reference, of the extra eval")

SOURCES = sentences("abcdeäöü", 12, seed=3)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("marian")
    save_marian(folder)
    return load(folder)


def made(folder: Path, languages: tuple[str, str] = ("de", "en"), **settings: object) -> Benchmark:
    return benchmark(
        folder,
        task="translation",
        metric="bleu",
        languages=languages,
        fields={"source": "source", "target": "target"},
        protocols={"generation": {"max_new_tokens": 12, **settings}},
    )


def near(text: str, seed: int) -> str:
    """What a person might have said instead: some words are others."""
    draw = random.Random(seed)
    return " ".join(draw.choice([word, word, word, "猫"]) for word in text.split()) + " 我喜欢"


@pytest.mark.parametrize(
    ("languages", "settings", "tokenizer"),
    [
        (("de", "en"), {}, "13a"),
        (("en", "zh"), {}, "zh"),
        (("de", "en"), {"num_beams": 2, "tokenize": "char"}, "char"),
    ],
)
def test_scores_are_sacrebleus(
    languages: tuple[str, str],
    settings: dict[str, object],
    tokenizer: str,
    model: Model,
    tmp_path: Path,
) -> None:
    beams: int = settings.get("num_beams", 4)  # type: ignore[assignment]  # the model's own are 4
    said = [each.text for each in model.translate(SOURCES, num_beams=beams, max_new_tokens=12)]
    # Every third sentence has two references, which sacrebleu takes as None in the second stream.
    wanted = [
        [near(text, n), near(text, -n)] if n % 3 == 0 else [near(text, n)]
        for n, text in enumerate(said)
    ]
    data = rows(
        tmp_path,
        [
            {"source": source, "target": each if len(each) > 1 else each[0]}
            for source, each in zip(SOURCES, wanted, strict=True)
        ],
    )
    published = {} if "num_beams" in settings else {"num_beams": 4}

    result = evaluate(model, made(tmp_path, languages, **published, **settings), data=data)

    streams = [[each[0] for each in wanted], [(*each, None)[1] for each in wanted]]
    bleu = sacrebleu.metrics.BLEU(tokenize=tokenizer, force=True)
    expected = bleu.corpus_score(said, streams, n_bootstrap=1000)
    assert [each["translation"] for each in result.details] == said
    assert result["bleu"].value == expected.score > 0
    assert result["bleu"].low == expected._mean - expected._ci
    assert result["bleu"].high == expected._mean + expected._ci
    assert result["chrf"].value == sacrebleu.metrics.CHRF().corpus_score(said, streams).score
    assert f"BLEU {bleu.get_signature()};" in result.method
    assert f"|tok:{tokenizer}|" in result.method


def test_a_sentence_that_matches_nothing_leaves_the_score(model: Model, tmp_path: Path) -> None:
    said = model.translate(SOURCES[0], max_new_tokens=12).text
    # Some of sacrebleu's draws then hold this second sentence alone, and it cannot take their mean.
    pairs = [(SOURCES[0], said), (SOURCES[1], "猫")]

    result = evaluate(
        model, made(tmp_path), data=rows(tmp_path, [{"source": s, "target": t} for s, t in pairs])
    )

    translations = [each["translation"] for each in result.details]
    expected = sacrebleu.metrics.CHRF().corpus_score(translations, [[said, "猫"]])
    assert result["chrf"].value == expected.score
    assert result["chrf"].low == 0  # ours: a draw of the second sentence alone
    assert result["chrf"].high == pytest.approx(100)


def test_two_translators_are_compared_by_the_scores_of_whole_corpora(
    model: Model, tmp_path: Path
) -> None:
    data = rows(tmp_path, [{"source": each, "target": each} for each in SOURCES])
    runs, translations = [], []
    for most in (2, 12):
        found = evaluate(model, made(tmp_path, max_new_tokens=most), data=data)
        runs.append(save(found, tmp_path / "runs"))
        translations.append([each["translation"] for each in found.details])

    compared = compare(*runs)

    expected = [
        sacrebleu.metrics.BLEU(force=True).corpus_score(said, [SOURCES]).score
        for said in translations
    ]
    assert [compared.first, compared.second] == pytest.approx(expected)
    assert compared.samples == len(SOURCES)
    assert compared.low <= compared.difference <= compared.high


def test_one_sentence_has_no_interval(model: Model, tmp_path: Path) -> None:
    data = rows(tmp_path, [{"source": SOURCES[0], "target": "a"}])

    assert evaluate(model, made(tmp_path), data=data)["bleu"].low is None


def test_a_text_generator_continues_the_prompt_up_to_the_end_of_the_line(tmp_path: Path) -> None:
    save_decoder("GPT2LMHeadModel", tmp_path / "model")
    model = load(tmp_path / "model")
    data = rows(tmp_path, [{"source": each, "target": "a dog"} for each in ("a cat", "the dog")])

    result = evaluate(model, made(tmp_path, template="{{ source }} ="), data=data)

    prompts = ["a cat =", "the dog ="]
    expected = model.generate(prompts, max_new_tokens=12, stop=["\n"], temperature=0.0)
    assert [x["translation"] for x in result.details] == [x.text.strip() for x in expected]
    assert "up to the end of the line" in result.method
    with pytest.raises(TaskError, match="does not translate by itself, and made has no template"):
        evaluate(model, made(tmp_path), data=data)


@pytest.mark.parametrize("target", ["", [], ["a", ""], 3, None])
def test_a_target_that_is_no_text_is_told_with_its_line(
    target: object, model: Model, tmp_path: Path
) -> None:
    data = rows(tmp_path, [{"source": "a", "target": "b"}, {"source": "a", "target": target}])

    with pytest.raises(InputError, match=r"rows.jsonl:2: (a )?target is .*; expected a text"):
        evaluate(model, made(tmp_path), data=data)


def test_what_is_missing_is_told_before_anything_is_translated(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RegistryError, match="tokenize is '13b'; sacrebleu has 13a, char"):
        evaluate(model, made(tmp_path, tokenize="13b"), data=tmp_path)

    monkeypatch.setitem(sys.modules, "MeCab", None)
    with pytest.raises(PluginError, match=r"pip install 'sacrebleu\[ja\]'"):
        evaluate(model, made(tmp_path, ("en", "ja")), data=tmp_path)

    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(PluginError, match=r"pip install 'zoo\[eval\]'"):
        evaluate(model, made(tmp_path), data=tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_beams": "four"}, r"made.yaml:\d+: num_beams is 'four'; expected a number"),
        ({"num_beams": [4]}, r"made.yaml: num_beams is \[4\]; expected a number"),
        ({"length_penalty": "long"}, r"length_penalty is 'long'; expected a number"),
        ({"max_new_tokens": True}, r"max_new_tokens is True; expected a number"),
        ({"to": 5}, r"to is 5; expected a text"),
    ],
)
def test_settings_of_another_kind_are_told(
    settings: dict[str, Any], message: str, model: Model, tmp_path: Path
) -> None:
    with pytest.raises(RegistryError, match=message):
        evaluate(model, made(tmp_path, **settings), data=tmp_path)


@pytest.mark.parametrize("beams", [1, 3])
def test_a_model_that_computes_no_numbers_is_no_translator(beams: int, tmp_path: Path) -> None:
    save_marian(tmp_path / "model")
    model = load(tmp_path / "model")
    for each in model.network.parameters():
        each.data.fill_(torch.nan)
    data = rows(tmp_path, [{"source": each, "target": "a"} for each in SOURCES[:2]])

    with pytest.raises(CheckpointError, match=r"computes what is no number \(NaN\)"):
        evaluate(model, made(tmp_path, num_beams=beams), data=data, cache=False)


def test_a_reference_that_is_no_unicode_can_be_kept(model: Model, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"source": "a", "target": "b \\ud800"}\n')

    run = save(evaluate(model, made(tmp_path), data=tmp_path), tmp_path / "runs")

    assert run.samples()[0]["references"] == ["b \ud800"]
