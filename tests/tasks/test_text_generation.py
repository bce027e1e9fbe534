"""``text-generation`` as a user sees it: texts in, texts out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest
import torch
import transformers

import zoo
from tests.checkpoints import change_json, copy_checkpoint
from tests.decoders import load, save_decoder
from zoo.errors import CheckpointError, InputError, TaskError, UsageError, ZooWarning
from zoo.tasks.text_generation import Options

PROMPTS = ["To be, or not", "天", "Déjà vu! 🙂", " "]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gpt2")
    save_decoder("GPT2LMHeadModel", folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> zoo.Model:
    return load(folder)


def test_the_text_is_that_of_transformers(folder: Path, model: zoo.Model) -> None:
    reference = transformers.GPT2LMHeadModel.from_pretrained(folder)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))

    results = model.generate(PROMPTS, max_new_tokens=20)

    for prompt, result in zip(PROMPTS, results, strict=True):
        tokens = tokenizer(prompt, return_tensors="pt")
        tokens.pop("token_type_ids", None)
        whole = reference.generate(**tokens, max_new_tokens=20, do_sample=False, pad_token_id=0)
        expected = tokenizer.decode(whole[0], skip_special_tokens=True)
        assert prompt + result.text == expected
        assert result.prompt == prompt


@pytest.mark.parametrize("num_beams", [1, 3])
def test_the_rules_of_its_authors_hold_as_in_transformers(
    folder: Path, tmp_path: Path, num_beams: int
) -> None:
    copy = copy_checkpoint(folder, tmp_path / "ruled")
    rules = {
        "repetition_penalty": 1.3,
        "no_repeat_ngram_size": 3,
        "bad_words_ids": [[7], [40, 41]],
        "forced_eos_token_id": 9,
    }
    drawing = {"do_sample": True, "temperature": 0.6, "top_k": 20, "max_length": 50}
    change_json(copy, "generation_config.json", **rules, **drawing)
    reference = transformers.GPT2LMHeadModel.from_pretrained(copy)
    model = load(copy)
    options: Options = {"max_new_tokens": 20, "num_beams": num_beams}

    for prompt in PROMPTS:
        tokens = torch.tensor([model.preprocessor.encode(prompt)])
        with torch.no_grad():
            # Who searches or takes the best does not draw, whatever the file says of drawing.
            whole = reference.generate(
                tokens, attention_mask=torch.ones_like(tokens), do_sample=False, **options
            )
        expected = model.preprocessor.tokenizer.decode(whole[0].tolist())
        assert prompt + model.generate(prompt, **options).text == expected

    plain = load(folder).generate(PROMPTS, **options)
    assert model.generate(PROMPTS, **options) != plain
    assert model.generate(PROMPTS[0], repetition_penalty=1.0) != model.generate(PROMPTS[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"suppress_tokens": [3]}, r"asks for suppress_tokens \[3\], which zoo lacks"),
        ({"min_new_tokens": 5}, "asks for min_new_tokens 5, which zoo lacks"),
        ({"bad_words_ids": [[290]]}, r"bad_words_ids is \[290\]; expected numbers .* below 290"),
        ({"bad_words_ids": {"a": 1}}, "bad_words_ids is .*; expected lists"),
        ({"no_repeat_ngram_size": 2.5}, "no_repeat_ngram is 2.5; expected a whole number"),
    ],
    ids=str,
)
def test_rules_that_cannot_be_followed_are_refused(
    folder: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    copy = copy_checkpoint(folder, tmp_path / "copy")
    change_json(copy, "generation_config.json", **changes)

    other = load(copy)  # it can be scored all the same
    with pytest.raises(CheckpointError, match=message):
        other.generate("To be")
    with pytest.raises(CheckpointError, match=message):
        other.stream("To be")


def test_a_context_that_ends_a_text_early_is_told(model: zoo.Model) -> None:
    message = r"1 text ends before the 1,000 new tokens asked for: .* context of 66 tokens is full"

    with pytest.warns(ZooWarning, match=message):
        result = model.generate("To be", max_new_tokens=1000)
    with pytest.warns(ZooWarning, match=message):
        assert "".join(model.stream("To be", max_new_tokens=1000)) == result.text
    with pytest.warns(ZooWarning, match="2 texts end before"):
        model.generate(["To be", "or"], max_new_tokens=1000)

    assert result.continuations[0].finish == "length"
    assert model.generate("To be") == result  # nobody asked for more


def test_one_prompt_gives_one_result_and_it_becomes_json(model: zoo.Model) -> None:
    result = model.generate("To be", max_new_tokens=3, logprobs=2)

    assert json.loads(json.dumps(result.to_dict()))["continuations"][0]["tokens"] == 3
    (only,) = result.continuations
    assert len(only.logprobs) == 3
    assert only.logprobs[0].alternatives[0] == (only.logprobs[0].token, only.logprobs[0].logprob)


def test_a_call_gives_the_same_to_the_last_digit_whatever_came_before() -> None:
    model = zoo.load("tiny-gpt", device="cpu")  # wide enough for the order of sums to show
    prompts = ["To be", "ROMEO:", "My lord, the king", "O"] * 4

    first, second = (model.generate(prompts, max_new_tokens=20, logprobs=0) for _ in range(2))

    assert first == second


def test_beams_give_several_texts_best_first(model: zoo.Model) -> None:
    result = model.generate("To be", max_new_tokens=6, num_beams=4, sequences=3)

    scores = [each.score for each in result.continuations if each.score is not None]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


def test_a_stream_gives_the_text_in_whole_characters(model: zoo.Model) -> None:
    text = model.generate("To be", max_new_tokens=40, temperature=1.5, seed=5).text

    pieces = list(model.stream("To be", max_new_tokens=40, temperature=1.5, seed=5))

    assert "".join(pieces) == text
    assert len(pieces) > 5


def test_a_stop_string_ends_the_text_and_is_left_out(model: zoo.Model) -> None:
    whole = model.generate("To be", max_new_tokens=30, temperature=1.5, seed=5).text
    stop = whole[6:9]

    result = model.generate("To be", max_new_tokens=30, temperature=1.5, seed=5, stop=[stop])

    assert result.text == whole[: whole.index(stop)]
    assert result.continuations[0].finish == "stop"
    assert result.continuations[0].tokens < 30


def test_a_bad_word_never_comes(model: zoo.Model) -> None:
    plain = model.generate("To be", max_new_tokens=30, temperature=1.5, seed=5).text
    word = next(letter for letter in plain if letter.isalpha())

    other = model.generate(
        "To be", max_new_tokens=30, temperature=1.5, seed=5, bad_words=[word]
    ).text

    assert word in plain
    assert word not in other


def test_a_text_can_begin_from_nothing(model: zoo.Model) -> None:
    assert model.generate("", max_new_tokens=3).continuations[0].tokens == 3


def test_a_prompt_too_long_is_refused_not_cut(model: zoo.Model) -> None:
    with pytest.raises(InputError, match=r"prompt has 1\d\d tokens, the model's context 66"):
        model.generate("天" * 60)


@pytest.mark.parametrize("options", [{"num_beams": 2}, {"temperature": 1.0, "sequences": 2}])
def test_only_a_single_text_streams(model: zoo.Model, options: Options) -> None:
    with pytest.raises(UsageError, match="only a single text can be streamed"):
        model.stream("To be", **options)


@pytest.mark.parametrize("name", ["stop", "bad_words"])
def test_texts_of_an_option_are_told_from_one(model: zoo.Model, name: str) -> None:
    for words in ("one string", [""], {"a": 1}):
        options = cast("Options", {name: words})
        with pytest.raises(UsageError, match=f"^{name} is .*; expected a list of strings, none"):
            model.generate("To be", **options)
    for no_texts in (["\ud83d"], ["a", 5]):
        options = cast("Options", {name: no_texts})
        with pytest.raises(InputError, match=f"^{name} .* is no "):
            model.generate("To be", **options)


@pytest.mark.parametrize("stop", ["one string", [""]])
def test_stops_are_a_list_of_strings(model: zoo.Model, stop: list[str]) -> None:
    with pytest.raises(UsageError, match="expected a list of strings"):
        model.generate("To be", stop=stop)


def test_at_least_one_row_runs_at_once(model: zoo.Model) -> None:
    with pytest.raises(UsageError, match="slots is 0; expected 1 row or more"):
        model.generate("To be", slots=0)


def test_a_decoder_does_not_fill_masks(model: zoo.Model) -> None:
    with pytest.raises(TaskError, match="it can do text-generation"):
        model.fill_mask("To [MASK]")


def test_ends_come_from_generation_config_first(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert load(tmp_path).preprocessor.ends == (0,)

    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [7, 9]}')
    assert load(tmp_path).preprocessor.ends == (7, 9)

    (tmp_path / "generation_config.json").unlink()
    assert load(tmp_path).preprocessor.ends == (0,)

    (tmp_path / "generation_config.json").write_text('{"eos_token_id": -1}')
    with pytest.raises(CheckpointError, match="eos_token_id is -1; expected tokens below 290"):
        load(tmp_path)
