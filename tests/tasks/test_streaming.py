"""Texts piece by piece, of every task that generates; and chats, from Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import zoo
from tests import decoders, marian
from tests.test_t5 import save_t5
from zoo.errors import InputError, TaskError, UsageError

TEXTS = ["abc dä.", "eab!", "cc öü dd ä b", "猫 abc", "a"]
CHAT = [{"role": "user", "content": "To be?"}]


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> zoo.Model:
    folder = tmp_path_factory.mktemp("talker")
    decoders.save_decoder("GPT2LMHeadModel", folder, eos_token_id=None)
    template = "{% for m in messages %}{{ m.role }}<|endoftext|>{{ m.content }}{% endfor %}:"
    settings = {"chat_template": template, "bos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return decoders.load(folder)


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> zoo.Model:
    folder = tmp_path_factory.mktemp("translator")
    marian.save_marian(folder, languages=("deu", "fra"))
    return marian.load(folder)


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> zoo.Model:
    folder = tmp_path_factory.mktemp("t5")
    save_t5(folder)
    return decoders.load(folder)


@pytest.mark.parametrize("seed", range(4))
def test_the_pieces_of_a_translation_are_the_translation(translator: zoo.Model, seed: int) -> None:
    """Drawn, since the best tokens of a random network are one token all the time."""
    options: dict[str, Any] = {"temperature": 3.0, "seed": seed, "max_new_tokens": 30}
    for text in TEXTS:
        whole = translator.translate(text, to="fra", **options)

        streamed = translator.stream_translation(text, to="fra", **options)
        pieces = list(streamed)

        assert "".join(pieces) == streamed.text == whole.text
        assert streamed.tokens == whole.candidates[0].tokens
        assert streamed.finish == whole.candidates[0].finish
        assert len(pieces) > 3 or len(whole.text) < 20
        assert all(pieces)


@pytest.mark.parametrize("seed", range(4))
def test_the_pieces_of_an_answer_are_the_answer(t5: zoo.Model, seed: int) -> None:
    options: dict[str, Any] = {"temperature": 3.0, "seed": seed, "max_new_tokens": 30}
    for text in TEXTS:
        whole = t5.answer(text, **options)

        streamed = t5.stream_answer(text, **options)

        assert "".join(streamed) == whole.text
        assert streamed.tokens == whole.candidates[0].tokens


def test_the_best_token_each_time_streams_too(translator: zoo.Model, t5: zoo.Model) -> None:
    greedy: dict[str, Any] = {"num_beams": 1, "max_new_tokens": 12}

    assert (
        "".join(translator.stream_translation("abc", to="deu", **greedy))
        == translator.translate("abc", to="deu", **greedy).text
    )
    assert "".join(t5.stream_answer("abc", **greedy)) == t5.answer("abc", **greedy).text


def test_a_search_is_not_streamed(t5: zoo.Model, translator: zoo.Model, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"with beams cannot be streamed.*give num_beams=1"):
        t5.stream_answer("abc", num_beams=2)
    with pytest.raises(UsageError, match="cannot be streamed"):
        t5.stream_answer("abc", temperature=1.0, sequences=2)

    folder = marian.copy_checkpoint(Path(translator.entry.source.location), tmp_path / "beams")
    marian.change_json(folder, "generation_config.json", num_beams=4)
    with pytest.raises(UsageError, match="cannot be streamed"):
        marian.load(folder).stream_translation("abc", to="fra")


def test_each_task_streams_its_own_models_only(talker: zoo.Model, t5: zoo.Model) -> None:
    with pytest.raises(TaskError, match="it can do text-generation"):
        talker.stream_translation("abc")
    with pytest.raises(TaskError, match="it can do text2text-generation"):
        t5.stream_chat(CHAT)


def test_a_chat_continues_what_the_template_writes(talker: zoo.Model) -> None:
    """The template's own special token is one, and none is added."""
    options: dict[str, Any] = {"temperature": 1.5, "seed": 1, "max_new_tokens": 12}
    turns = [*CHAT, {"role": "assistant", "content": "Not."}, *CHAT]

    one = talker.chat(CHAT, **options)
    both = talker.chat([CHAT, turns], **options)

    prompt = "user<|endoftext|>To be?:"
    assert one.prompt == prompt
    assert talker.preprocessor.encode_chat(CHAT)[1].count(decoders.END) == 1
    assert one.text == talker.generate(prompt, **options).text
    assert [each.prompt.count("To be?") for each in both] == [1, 2]
    assert both[0] == one
    assert "".join(talker.stream_chat(CHAT, **options)) == one.text


def test_a_model_without_a_template_does_not_chat(tmp_path: Path) -> None:
    decoders.save_decoder("GPT2LMHeadModel", tmp_path)
    model = decoders.load(tmp_path)

    for call in (model.chat, model.stream_chat):
        with pytest.raises(
            TaskError, match=r"has no chat template, .*; use generate with a prompt"
        ):
            call(CHAT)


def test_a_chat_that_fills_the_context_is_refused(talker: zoo.Model) -> None:
    with pytest.raises(InputError, match=r"the prompt has \d+ tokens, the model's context 66"):
        talker.chat([{"role": "user", "content": "天地" * 60}])
    with pytest.raises(InputError, match="the messages are "):
        talker.chat([])
