from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import tokenizers

from tests.checkpoints import change_json, copy_checkpoint
from zoo.checkpoint import Files
from zoo.errors import InputError, ZooWarning
from zoo.text import TextPreprocessor, load_preprocessor
from zoo.text.preprocessor import text_preprocessor


@dataclass(frozen=True)
class Config:
    """All that a preprocessor asks of a network."""

    vocabulary: int = 1000
    max_length: int = 512


def load(folder: Path, max_length: int = 512) -> TextPreprocessor:
    files = Files({path.name: path for path in folder.iterdir()}, "hf:org/repo")
    return load_preprocessor(files, Config(max_length=max_length))


SENTENCE = "sentence_bert_config.json"
TOKENIZER = "tokenizer_config.json"


@pytest.mark.parametrize(
    ("files", "positions", "expected"),
    [
        ({}, 512, 512),
        ({SENTENCE: {"max_seq_length": 256}}, 512, 256),
        ({SENTENCE: {"max_seq_length": 256}, TOKENIZER: {"model_max_length": 128}}, 512, 256),
        ({SENTENCE: {"max_seq_length": None}, TOKENIZER: {"model_max_length": 128}}, 512, 128),
        ({SENTENCE: {"do_lower_case": False}, TOKENIZER: {"model_max_length": 128}}, 512, 128),
        ({TOKENIZER: {"model_max_length": 512}}, 64, 64),
        ({SENTENCE: {"max_seq_length": 512}}, 64, 64),
        ({TOKENIZER: {"model_max_length": int(1e30)}}, 512, 512),
        ({TOKENIZER: {"model_max_length": 1e30}}, 512, 512),
        ({TOKENIZER: {"model_max_length": "512"}}, 300, 300),
        ({TOKENIZER: {"model_max_length": -1}}, 300, 300),
    ],
    ids=str,
)
def test_the_limit_is_the_authors_and_never_beyond_the_positions(
    files: dict[str, dict[str, object]],
    positions: int,
    expected: int,
    wordpiece: Path,
    tmp_path: Path,
) -> None:
    copy = copy_checkpoint(wordpiece, tmp_path / "copy")
    # As all-MiniLM-L6-v2: what is baked into this file is nobody's limit.
    backend = tokenizers.Tokenizer.from_file(str(copy / "tokenizer.json"))
    backend.enable_truncation(128)
    backend.save(str(copy / "tokenizer.json"))
    change_json(copy, TOKENIZER, model_max_length=...)
    for name, changes in files.items():
        change_json(copy, name, **changes)

    assert load(copy, positions).max_length == expected


def test_a_text_that_fits_is_whole_and_makes_no_noise(wordpiece: Path) -> None:
    (encoding,) = load(wordpiece, max_length=8).encode(["a a a a a a"])

    assert len(encoding) == 8


def test_what_is_cut_is_counted(wordpiece: Path) -> None:
    preprocessor = load(wordpiece, max_length=8)

    with pytest.warns(ZooWarning) as warned:
        encodings = preprocessor.encode([" ".join(["a"] * 106), "a", " ".join(["a"] * 1906)])

    assert [len(encoding) for encoding in encodings] == [8, 3, 8]
    assert [str(each.message) for each in warned] == [
        "2 texts are longer than the model's 8 tokens; cut 2,000 tokens at the end"
    ]


def test_one_text_that_is_cut_is_told_in_the_singular(wordpiece: Path) -> None:
    with pytest.warns(
        ZooWarning, match=r"^1 text is longer than the model's 8 tokens; cut 4 tokens at the end$"
    ):
        load(wordpiece, max_length=8).encode([" ".join(["a"] * 10)])


def test_of_a_pair_only_what_is_lost_is_counted(wordpiece: Path) -> None:
    # The second text is repeated beside each part of the first; it is not lost.
    with pytest.warns(ZooWarning, match="1 text is longer .* cut 17 tokens"):
        load(wordpiece, max_length=9).encode([(" ".join(["a"] * 20), "man in park")])


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u3000"])
def test_an_empty_text_is_an_error(text: str, wordpiece: Path) -> None:
    preprocessor = load(wordpiece)

    with pytest.raises(InputError, match=r"^the text is empty; expected at least one word$"):
        preprocessor.encode([text])
    with pytest.raises(InputError, match=r"^text 2 of 3 is empty"):
        preprocessor.encode(["a", text, "b"])
    with pytest.raises(InputError, match="is empty"):
        preprocessor.encode([("a", text)])


def test_text_of_no_known_letter_still_has_its_special_tokens(wordpiece: Path) -> None:
    (encoding,) = load(wordpiece).encode(["\u200b"])

    assert encoding.tokens == ["[CLS]", "[SEP]"]


def test_nothing_to_encode_is_nothing(wordpiece: Path) -> None:
    assert load(wordpiece).encode([]) == []


def test_a_task_on_text_asks_for_a_text_preprocessor(wordpiece: Path) -> None:
    preprocessor = load(wordpiece)

    assert text_preprocessor(preprocessor) is preprocessor
    with pytest.raises(TypeError, match="need a TextPreprocessor, not int"):
        text_preprocessor(3)


def test_what_no_file_could_hold_is_an_error(wordpiece: Path) -> None:
    with pytest.raises(InputError, match=r"^text 2 of 2 is no Unicode: character 3 is '.ud83d', "):
        load(wordpiece).encode(["a", "a \ud83d"])


def test_the_facts_are_what_a_registry_may_state(wordpiece: Path) -> None:
    assert load(wordpiece, max_length=64).facts == {
        "max_length": 64,
        "pooling": "mean",
        "normalize": False,
        "prompt": "",
    }
