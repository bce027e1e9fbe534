"""Our reader of ``.model`` files against the sentencepiece library, on models it trains here."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import XLMRobertaTokenizer

from zoo.checkpoint import Files
from zoo.errors import CheckpointError
from zoo.text.sentencepiece import read_sentencepiece
from zoo.text.tokenizer import load_tokenizer

NAME = "sentencepiece.bpe.model"
ODD_TEXTS = [
    "  two  spaces ",
    "\uff46\uff55\uff4c\uff4c width ①",
    "ligature ﬁne",
    "a\ttab",
    "été",
    "猫が好き。",
    "a😀b",
]


def train(folder: Path, kind: Literal["unigram", "bpe"], **options: Any) -> Path:  # noqa: ANN401
    generator = random.Random(0)
    words = [
        "".join(generator.choices("abcdefghij", k=generator.randint(1, 6))) for _ in range(500)
    ]
    lines = [" ".join(generator.choices(words, k=8)) for _ in range(500)] + [
        "猫 が 好き だ 。"
    ] * 20
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_prefix=str(folder / "model"),
        vocab_size=600 if "byte_fallback" in options else 300,
        model_type=kind,
        minloglevel=2,
        **options,
    )
    return (folder / "model.model").rename(folder / NAME)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("unigram"), "unigram")


@settings(max_examples=300, deadline=None)
@given(text=st.text("abcdefghij <>/s\uff46①é猫😀\t", min_size=1).filter(str.strip))
def test_pieces_equal_the_librarys(model: Path, text: str) -> None:
    library = sentencepiece.SentencePieceProcessor(model_file=str(model))

    pieces = read_sentencepiece(model).processor().encode(text)

    assert pieces.ids == library.encode(text)
    assert pieces.tokens == library.encode(text, out_type=str)


@pytest.fixture(scope="module")
def byte_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With bytes for what has no piece, as mT5 has, and symbols of its user."""
    folder = tmp_path_factory.mktemp("bytes")
    return train(folder, "unigram", byte_fallback=True, user_defined_symbols=["<sep>", "a<b"])


@settings(max_examples=300, deadline=None)
@given(
    # Each once: of "b", "bb" and "bb", "b" the one or the other is found, as sums are rounded.
    parts=st.lists(
        st.sampled_from(
            ["<sep>", "a<b", "<", "a", "b", "cd ", " ", "é", "猫", "😀", "\uff46", "</s>"]
        ),
        min_size=1,
        unique=True,
    ).filter(lambda parts: "".join(parts).strip())
)
def test_bytes_and_user_defined_pieces_equal_the_librarys(
    byte_model: Path, parts: list[str]
) -> None:
    library = sentencepiece.SentencePieceProcessor(model_file=str(byte_model))
    text = "".join(parts)

    processor = read_sentencepiece(byte_model).processor()

    assert processor.encode(text).ids == library.encode(text)
    assert processor.decode(library.encode(text)) == library.decode(library.encode(text))


def test_xlm_r_tokens_equal_those_of_transformers(model: Path) -> None:
    ours = load_tokenizer(Files({NAME: model}, "xlm-r"))
    theirs = XLMRobertaTokenizer.from_pretrained(model.parent)

    assert ours.mask_token == "<mask>"
    for text in [*ODD_TEXTS, "abc <mask> def"]:
        assert ours.backend.encode(text).ids == theirs(text)["input_ids"], text
    pair = ours.backend.encode("abc", "def").ids
    assert pair == theirs("abc", "def")["input_ids"]


@pytest.mark.parametrize(
    "damage", [lambda x: x[: len(x) // 2], lambda x: b"\xff" * 40, lambda x: b""]
)
def test_a_damaged_file_is_named(
    model: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / NAME
    path.write_bytes(damage(model.read_bytes()))

    with pytest.raises(CheckpointError, match=rf"^{NAME} is (damaged|no) .*sentencepiece model"):
        read_sentencepiece(path)


def test_special_pieces_written_out_are_text(model: Path) -> None:
    library = sentencepiece.SentencePieceProcessor(model_file=str(model))
    ours = read_sentencepiece(model).processor()

    for text in ("a </s> b", "<unk>", "<s>abc"):
        assert ours.encode(text).ids == library.encode(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"user_defined_symbols": ["①"]}, "user-defined piece, '①', that its own normaliser"),
        ({"add_dummy_prefix": False}, "turns add_dummy_prefix off"),
        ({"remove_extra_whitespaces": False}, "turns remove_extra_whitespaces off"),
    ],
    ids=str,
)
def test_what_the_tokenizers_library_does_otherwise_is_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    path = train(tmp_path, "unigram", **options)

    with pytest.raises(CheckpointError, match=message):
        read_sentencepiece(path)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = train(tmp_path, "bpe")

    with pytest.raises(CheckpointError, match="of the unigram kind"):
        read_sentencepiece(path)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"\xff" * 2**20, "is damaged or no sentencepiece model"),  # one endless number
        (b"\x0a\x08\x0a\x01a\x15\x00\x00\xc0\x7f", "a piece's score is no number"),
        (b"\x0a\x03\x0a\x01a\x1a\x06\x12\x04\0\0\0\0", "its normaliser's table is none"),
    ],
    ids=["number", "score", "table"],
)
def test_a_hostile_file_is_refused_at_once(tmp_path: Path, message: bytes, why: str) -> None:
    (tmp_path / NAME).write_bytes(message)
    start = time.perf_counter()

    with pytest.raises(CheckpointError, match=why):
        read_sentencepiece(tmp_path / NAME)

    assert time.perf_counter() - start < 2  # seconds; a quadratic reader takes minutes
