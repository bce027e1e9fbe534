"""GPT-2's and OPT's tokenizers from the files of older days, against transformers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers
import transformers

from tests.checkpoints import LINES, TEXTS
from zoo.checkpoint import Files
from zoo.text.tokenizer import Tokenizer, load_tokenizer

# facebook/opt-*: RoBERTa's special tokens, of which </s> alone stands, in front.
OPT = {
    "tokenizer_class": "GPT2Tokenizer",
    "add_bos_token": True,
    "bos_token": {"content": "</s>", "__type": "AddedToken"},
    "eos_token": {"content": "</s>", "__type": "AddedToken"},
    "unk_token": "</s>",
    "pad_token": "<pad>",
}


def save(folder: Path, settings: dict[str, object], specials: list[str]) -> Tokenizer:
    trained = tokenizers.ByteLevelBPETokenizer()
    trained.train_from_iterator(
        LINES, vocab_size=400, min_frequency=1, show_progress=False, special_tokens=specials
    )
    trained.save_model(str(folder))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return load_tokenizer(Files({file.name: file for file in folder.iterdir()}, "test"))


@pytest.mark.parametrize("prefix", [False, True])
def test_gpt2s_tokens_are_those_of_transformers(tmp_path: Path, prefix: bool) -> None:
    ours = save(tmp_path, {"add_prefix_space": prefix}, ["<|endoftext|>"])
    reference = transformers.GPT2Tokenizer.from_pretrained(tmp_path)

    for text in [*TEXTS, "a<|endoftext|>b", "", " "]:
        tokens = ours.backend.encode(text).ids

        assert tokens == reference(text).input_ids, text
        assert ours.decode(tokens) == reference.decode(tokens, skip_special_tokens=True)


def test_opts_tokens_are_those_of_transformers(tmp_path: Path) -> None:
    ours = save(tmp_path, dict(OPT), ["<s>", "<pad>", "</s>", "<unk>"])
    reference = transformers.GPT2Tokenizer.from_pretrained(tmp_path)

    for text in [*TEXTS, "a</s>b<pad>", "<s>", ""]:
        tokens = ours.backend.encode(text).ids

        assert tokens == reference(text).input_ids, text
        assert ours.decode(tokens) == reference.decode(tokens, skip_special_tokens=True)


def test_opts_texts_begin_with_the_end_token_and_show_none(tmp_path: Path) -> None:
    ours = save(tmp_path, dict(OPT), ["<s>", "<pad>", "</s>", "<unk>"])

    tokens = ours.backend.encode("A man rides a horse.").ids

    assert tokens[0] == ours.backend.token_to_id("</s>") == 2
    assert 2 not in tokens[1:]
    assert ours.decode([*tokens, 2]) == "A man rides a horse."
