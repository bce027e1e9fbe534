"""GPT-2 with BERT's tokenizer, as Chinese ones have it, against transformers on the same files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import zoo
from tests.decoders import load, save_decoder
from zoo.errors import ZooWarning

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CHARACTERS = "这是很久之前的事情了我曾经把个当做一种思想传承。\uff0c\uff01\uff1f"
WORDS = ["the", "gpt", "##2", "##s", "don", "'", "t", "2", "##0", ".", ",", "!", "-", "do", "not"]
PROMPTS = [
    "这是很久之前的事情了",
    "我",
    "GPT2, the 20。",
    "don't do not!",
    "我把猫当做一种[SEP]思想",  # the cat is in no vocabulary, the token is itself
    "  之前 \uff0c 我 ",
]

Saved = tuple[Path, Callable[..., Any], Any]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """A folder as they are published: vocab.txt alone; transformers' model and tokenizer."""
    folder = tmp_path_factory.mktemp("chinese")
    vocabulary = [*SPECIALS, *dict.fromkeys(CHARACTERS), *WORDS]
    model = save_decoder(
        "GPT2LMHeadModel",
        folder,
        vocab_size=len(vocabulary),
        bos_token_id=None,
        eos_token_id=None,
        tokenizer_class="BertTokenizer",
        task_specific_params={"text-generation": {"do_sample": True, "max_length": 320}},
    )
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    return folder, model, transformers.BertTokenizer.from_pretrained(folder)


def theirs(saved: Saved, prompt: str, new: int) -> tuple[list[int], str]:
    """transformers' greedy tokens after a prompt that is not closed, and the text they add."""
    _, model, tokenizer = saved
    asked = [tokenizer.cls_token_id, *tokenizer(prompt, add_special_tokens=False).input_ids]
    generate: Any = model.generate  # type: ignore[attr-defined]  # a transformers model
    row = generate(torch.tensor([asked]), max_new_tokens=new, do_sample=False, pad_token_id=0)
    whole, before = (
        tokenizer.decode(tokens, skip_special_tokens=True) for tokens in (row[0], asked)
    )
    return row[0, len(asked) :].tolist(), whole[len(before) :]


@pytest.fixture(scope="module")
def model(saved: Saved) -> zoo.Model:
    return load(saved[0])


@pytest.mark.parametrize("prompt", PROMPTS)
def test_tokens_and_text_are_those_of_transformers(
    saved: Saved, model: zoo.Model, prompt: str
) -> None:
    tokens, text = theirs(saved, prompt, 24)

    result = model.generate(prompt, max_new_tokens=24, logprobs=0)

    found = [each.token for each in result.continuations[0].logprobs]
    assert found == [saved[2].decode([token]) for token in tokens]
    assert result.text == text
    assert "".join(model.stream(prompt, max_new_tokens=24)) == text


def test_a_prompt_is_begun_and_not_closed(saved: Saved, model: zoo.Model) -> None:
    begin, end = saved[2].cls_token_id, saved[2].sep_token_id

    assert saved[2]("我").input_ids == [begin, saved[2].vocab["我"], end]
    assert model.preprocessor.encode("我") == [begin, saved[2].vocab["我"]]
    assert model.preprocessor.encode("") == [begin]


def test_a_token_that_closes_is_kept_where_the_prompt_says_it(
    saved: Saved, model: zoo.Model
) -> None:
    assert model.preprocessor.encode("我[SEP]")[-1] == saved[2].sep_token_id


def test_it_is_warned_of_an_end_that_never_comes(tmp_path: Path) -> None:
    save_decoder("GPT2LMHeadModel", tmp_path, bos_token_id=None, eos_token_id=50256)

    with pytest.warns(ZooWarning, match="eos_token_id is 50256, .* knows 290 .* never comes up$"):
        model = load(tmp_path)

    assert model.generate("To be", max_new_tokens=4).continuations[0].finish == "length"


def test_the_command_shows_the_text(saved: Saved) -> None:
    prompt = PROMPTS[0]
    arguments = ["run", str(saved[0]), prompt, "--max-new-tokens", "24", "--device", "cpu"]

    done = subprocess.run(
        [sys.executable, "-m", "zoo_cli", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )

    assert (done.stdout, done.stderr) == (theirs(saved, prompt, 24)[1] + "\n", "")
