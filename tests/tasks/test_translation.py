"""Translation against transformers' generate, token for token."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.marian import END, START, change_json, copy_checkpoint, load, save_marian, sentences
from zoo.errors import CheckpointError, InputError, TaskError, UsageError
from zoo.generation import generate

TEXTS = [text for text in sentences("abcdeäöü", 40, 3) if len(text) < 40]


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("marian")
    # A random model with a tied head repeats its last token, whatever it was told; and any hardly
    # ever ends.
    model = save_marian(folder, tie_word_embeddings=False)
    with torch.no_grad():
        model.lm_head.weight.mul_(4)
        model.lm_head.weight[END] = 0
    model.final_logits_bias[0, END] = 7.0
    model.generation_config.update(
        num_beams=4,
        max_length=24,
        bad_words_ids=[[START]],
        forced_eos_token_id=END,
        renormalize_logits=True,
    )
    model.save_pretrained(folder)
    return folder, model


def theirs(model: Any, rows: list[list[int]], **options: Any) -> list[list[int]]:  # noqa: ANN401
    """The new tokens of each row, up to and with the one that ends it."""
    longest = max(map(len, rows))
    source = torch.tensor([row + [START] * (longest - len(row)) for row in rows])
    real = torch.tensor([[i < len(row) for i in range(longest)] for row in rows])
    found = model.generate(source, attention_mask=real.long(), **options)
    return [cut(row[1:]) for row in found.tolist()]


def cut(tokens: list[int]) -> list[int]:
    """Without the padding of a batch."""
    return tokens[: tokens.index(END) + 1] if END in tokens else tokens


def cases(count: int) -> list[dict[str, Any]]:
    """Sources of random lengths, and options from all that there are."""
    generator = random.Random(0)
    grid = itertools.cycle(
        itertools.product([1, 2, 4, 3], [1.0, 0.6, 2.0], [False, True, "never"], [True, False])
    )
    return [
        {
            "rows": [
                [generator.randint(2, 78) for _ in range(generator.randint(1, 9))] + [END]
                for _ in range(generator.randint(1, 4))
            ],
            "num_beams": beams,
            "length_penalty": penalty,
            "early_stopping": stopping,
            "renormalize": renormalize,
            "new": generator.randint(3, 14),
            "no_repeat_ngram": generator.choice([0, 0, 2]),
            "repetition_penalty": generator.choice([1.0, 1.0, 1.3]),
        }
        for (beams, penalty, stopping, renormalize), _ in zip(grid, range(count), strict=False)
    ]


def test_random_cases_give_the_tokens_of_transformers(marian: tuple[Path, Any]) -> None:
    folder, model = marian
    loaded = load(folder)
    compared = ended = 0
    different: set[tuple[int, ...]] = set()
    for case in cases(144):
        settings = replace(
            loaded.preprocessor.settings,
            num_beams=case["num_beams"],
            length_penalty=case["length_penalty"],
            early_stopping=case["early_stopping"] if case["num_beams"] > 1 else False,
            renormalize=case["renormalize"],
            max_new_tokens=case["new"],
            no_repeat_ngram=case["no_repeat_ngram"],
            repetition_penalty=case["repetition_penalty"],
        )
        beams: dict[str, Any] = {}
        if case["num_beams"] > 1:
            beams = {k: case[k] for k in ("length_penalty", "early_stopping")}
        expected = theirs(
            model,
            case["rows"],
            num_beams=case["num_beams"],
            max_length=case["new"] + 1,
            renormalize_logits=case["renormalize"],
            no_repeat_ngram_size=case["no_repeat_ngram"],
            repetition_penalty=case["repetition_penalty"],
            **beams,
        )
        network: Any = loaded.network

        found = [rows[0].tokens for rows in generate(network, case["rows"], settings)]

        assert found == expected, case
        compared += len(found)
        ended += sum(len(row) < case["new"] for row in found)
        different |= {tuple(row) for row in found}
    assert compared > 300
    assert len(different) > compared / 2
    assert compared / 10 < ended < compared  # of both kinds: by themselves, or by length


@pytest.mark.parametrize("options", [{}, {"num_beams": 1}, {"num_beams": 2, "length_penalty": 2.0}])
def test_texts_come_back_as_transformers_translates_them(
    marian: tuple[Path, Any], options: dict[str, Any]
) -> None:
    import transformers

    folder, model = marian
    with pytest.warns(UserWarning, match="sacremoses"):
        tokenizer = transformers.MarianTokenizer.from_pretrained(folder)
    batch = tokenizer(TEXTS, return_tensors="pt", padding=True)
    expected = tokenizer.batch_decode(model.generate(**batch, **options), skip_special_tokens=True)

    found = load(folder).translate(TEXTS, **options)

    assert [each.text for each in found] == expected
    assert [each.source for each in found] == TEXTS


@pytest.mark.parametrize("num_beams", [1, 4])
def test_a_batch_is_translated_as_one_by_one(marian: tuple[Path, Any], num_beams: int) -> None:
    model = load(marian[0])

    together = model.translate(TEXTS, num_beams=num_beams, slots=8)

    assert len({each.text for each in together}) > 1
    for text, answer in zip(TEXTS, together, strict=True):
        alone = model.translate(text, num_beams=num_beams)
        assert (alone.text, alone.candidates[0].tokens) == (
            answer.text,
            answer.candidates[0].tokens,
        )


def test_several_candidates_come_best_first(marian: tuple[Path, Any]) -> None:
    answer = load(marian[0]).translate(TEXTS[0], num_beams=4, sequences=3)

    scores = [candidate.score for candidate in answer.candidates]
    assert len(scores) == 3
    assert scores == sorted(scores, key=lambda score: -(score or 0.0))
    assert answer.to_dict()["candidates"][0]["text"] == answer.text


def test_the_published_settings_are_read(marian: tuple[Path, Any]) -> None:
    settings = load(marian[0]).preprocessor.settings

    assert settings.num_beams == 4
    assert settings.max_new_tokens == 23
    assert settings.bad_words == ((START,),)
    assert settings.ends == (END,)
    assert settings.forced_end == END
    assert settings.renormalize


def test_without_that_file_the_config_says_how(marian: tuple[Path, Any], tmp_path: Path) -> None:
    old = copy_checkpoint(marian[0], tmp_path / "old")
    (old / "generation_config.json").unlink()
    change_json(old, "config.json", num_beams=6, max_length=30, bad_words_ids=[[START]])

    settings = load(old).preprocessor.settings

    assert (settings.num_beams, settings.max_new_tokens, settings.ends) == (6, 29, (END,))
    assert settings.bad_words == ((START,),)


def test_without_any_settings_a_translation_may_fill_the_positions(
    marian: tuple[Path, Any], tmp_path: Path
) -> None:
    bare = copy_checkpoint(marian[0], tmp_path / "bare")
    (bare / "generation_config.json").unlink()
    change_json(bare, "config.json", forced_eos_token_id=...)

    settings = load(bare).preprocessor.settings

    assert (settings.num_beams, settings.max_new_tokens, settings.forced_end) == (1, 63, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_length": 5}, "generation_config.json asks for min_length 5, which zoo lacks"),
        ({"num_beams": 0}, "num_beams is 0; expected 1 or more"),
        ({"num_beams": "4"}, "generation_config.json: num_beams is '4'; expected a whole number"),
        ({"max_new_tokens": 3.5}, "max_new_tokens is 3.5; expected a whole number"),
        ({"length_penalty": "1"}, "length_penalty is '1'; expected a number"),
        ({"early_stopping": "soon"}, "early_stopping is 'soon'; expected true, false or 'never'"),
        ({"bad_words_ids": [["a"]]}, "bad_words_ids is .'a'.; expected numbers of tokens below 80"),
        ({"eos_token_id": 80}, "eos_token_id is 80; expected numbers of tokens below 80"),
        ({"decoder_start_token_id": 3}, "starts with token 3, config.json with 79"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_followed_are_refused(
    marian: tuple[Path, Any], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    copy = copy_checkpoint(marian[0], tmp_path / "copy")
    change_json(copy, "generation_config.json", **changes)

    with pytest.raises(CheckpointError, match=message):
        load(copy)


def test_mistakes_of_the_user_are_one_line(marian: tuple[Path, Any]) -> None:
    model = load(marian[0])

    with pytest.raises(InputError, match="the text is empty"):
        model.translate(" ")
    with pytest.raises(UsageError, match="num_beams is 0"):
        model.translate("abc", num_beams=0)
    with pytest.raises(InputError, match="no target language 'deu'"):
        model.translate("abc", to="deu")
    with pytest.raises(TaskError, match="it can do translation"):
        model.embed("abc")


def test_a_drawn_translation_depends_on_its_place_and_not_on_its_batch(
    marian: tuple[Path, Any],
) -> None:
    model = load(marian[0])

    together = model.translate(TEXTS[:7], temperature=1.0, seed=1, slots=3)
    pairs = model.translate(["abc", "abc"], temperature=1.0, seed=1)

    for place, (text, answer) in enumerate(zip(TEXTS, together, strict=False)):
        assert answer == model.translate(text, temperature=1.0, seed=1, first_row=place)
    assert pairs[0] != pairs[1]


def test_drawing_follows_no_beams(marian: tuple[Path, Any]) -> None:
    model = load(marian[0])

    first = model.translate(TEXTS[0], temperature=1.0, seed=1)

    assert first == model.translate(TEXTS[0], temperature=1.0, seed=1)
    assert first.candidates[0].score is None
