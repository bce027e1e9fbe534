"""Marian's tokenizer against the sentencepiece library and transformers, on the same files."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.checkpoints import LINES, TEXTS
from tests.marian import change_json, load, save_marian, save_vocabulary, sentences
from zoo.checkpoint import Files
from zoo.errors import CheckpointError, InputError, ZooWarning
from zoo_transformer.tokenizer import END, MarianPreprocessor, load_preprocessor

LANGUAGES = ("deu", "fra", "cmn_Hans")

ODD_TEXTS = [
    "  two  spaces ",
    "\uff46\uff55\uff4c\uff4c width ①",
    "ligature ﬁne",
    "a\ttab",
    "été ÄÖÜ",
    "猫が好き。",
    "a😀b",
    "ab >>deu<< cd",
    "fghxyz",  # not the source's letters, but the target's, whose pieces have numbers
]


class Config:
    """As much of a network's config as a preprocessor asks for."""

    vocabulary = target_vocabulary = 80
    max_length = 128
    start = 79


def ours(folder: Path, **sizes: int) -> MarianPreprocessor:
    config: Any = Config()
    vars(config).update(sizes)
    names = ("source.spm", "vocab.json", "target_vocab.json", "tokenizer_config.json")
    paths = {name: folder / name for name in names if (folder / name).exists()}
    return load_preprocessor(Files(paths, "test"), config)


def theirs(folder: Path) -> Any:  # noqa: ANN401 (transformers has no types)
    with pytest.warns(UserWarning, match="sacremoses"):
        return transformers.MarianTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("marian")
    save_vocabulary(folder)
    return folder


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("multilingual")
    save_vocabulary(folder, languages=LANGUAGES)
    return folder


def test_a_corpus_has_the_pieces_of_the_library(folder: Path) -> None:
    library = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    texts = [*sentences("abcdeäöü猫ß", 2000, 7), *ODD_TEXTS]

    encodings = ours(folder).source.encode_batch(texts)

    assert [e.tokens for e in encodings] == library.encode(texts, out_type=str)
    assert [e.ids for e in encodings] == library.encode(texts)


def test_a_corpus_has_the_numbers_of_transformers(folder: Path) -> None:
    tokenizer = theirs(folder)
    texts = [*sentences("abcdeäöüfgh猫ß", 2000, 8), *ODD_TEXTS]
    reference = [tokenizer(text)["input_ids"] for text in texts]

    found = ours(folder).encode(texts)

    assert found == reference
    numbers = {number for row in found for number in row}
    assert {0, 1} < numbers  # some piece is unknown, so that this case is compared too


def prose(name: str) -> list[str]:
    """The lines of a document of this repository that have words.

    Without a token written out, which is text to us and a token to transformers; see below.
    """
    lines = (Path(__file__).parents[1] / name).read_text(encoding="utf-8").splitlines()
    return [line for line in [*lines, *LINES, *TEXTS] if line.strip() and END not in line]


def trained(texts: Sequence[str]) -> sentencepiece.SentencePieceProcessor:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts[::2]),  # half of it, so that letters are unknown in the rest
        model_writer=model,
        vocab_size=700,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


@pytest.mark.parametrize("joint", [True, False], ids=["one model", "a pair"])
@pytest.mark.parametrize("names", [("README.zh-CN.md", "README.md"), ("README.md", "docs/cli.md")])
def test_prose_is_split_and_joined_as_by_both_libraries(
    tmp_path: Path, names: tuple[str, str], joint: bool
) -> None:
    texts = [prose(name) for name in names]
    source, target = (
        [trained(texts[0] + texts[1])] * 2 if joint else [trained(texts[0]), trained(texts[1])]
    )
    pieces = dict.fromkeys(
        library.id_to_piece(number)
        for library in (source, target)
        for number in range(3, library.get_piece_size())
    )
    numbers = {token: n for n, token in enumerate(["</s>", "<unk>", *pieces, "<pad>"])}
    (tmp_path / "vocab.json").write_text(json.dumps(numbers), encoding="utf-8")
    (tmp_path / "source.spm").write_bytes(source.serialized_model_proto())
    (tmp_path / "target.spm").write_bytes(target.serialized_model_proto())
    change_json(tmp_path, "tokenizer_config.json", source_lang="zh", target_lang="en")
    own = ours(tmp_path, vocabulary=len(numbers), target_vocabulary=len(numbers), max_length=10_000)
    tokenizer = theirs(tmp_path)

    found = own.encode(texts[0])

    split = source.encode(texts[0], out_type=str)
    assert [encoding.tokens for encoding in own.source.encode_batch(texts[0])] == split
    assert found == [tokenizer(text)["input_ids"] for text in texts[0]]
    for text in texts[1]:
        answer = [numbers.get(piece, 1) for piece in target.encode(text, out_type=str)]
        assert own.decode(answer) == tokenizer.decode(answer, skip_special_tokens=True)
        if target.unk_id() not in target.encode(text):
            assert own.decode(answer) == target.decode(target.encode(text))


@settings(max_examples=200, deadline=None)
@given(text=st.text("abcdeü fgh\uff46①é猫😀\t<>/s", min_size=1).filter(str.strip))
def test_any_text_has_the_pieces_of_the_library(folder: Path, text: str) -> None:
    library = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))

    assert ours(folder).source.encode(text).tokens == library.encode(text, out_type=str)


@pytest.mark.parametrize("text", ["ab </s> cd", "<unk>", "<pad> ab", "<s>"])
def test_special_tokens_written_out_are_text(folder: Path, text: str) -> None:
    library = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    tokenizer = ours(folder)
    pieces = library.encode(text, out_type=str)

    assert tokenizer.encode([text]) == [[*(tokenizer.numbers.get(p, 0) for p in pieces), 1]]


def test_decoding_equals_that_of_transformers(folder: Path) -> None:
    tokenizer, own = theirs(folder), ours(folder)
    generator = random.Random(0)

    for _ in range(500):
        tokens = [generator.randrange(80) for _ in range(generator.randint(0, 20))]
        expected = tokenizer.decode(tokens, skip_special_tokens=True)
        assert own.decode(tokens) == expected, tokens


def test_a_leading_language_token_is_one_token(multilingual: Path) -> None:
    tokenizer = theirs(multilingual)
    texts = [f">>{language}<< {text}" for language in LANGUAGES for text in ODD_TEXTS]
    texts += [">>deu<<abc", ">>deu<<  abc"]

    found = ours(multilingual).encode(texts)

    assert found == [tokenizer(text)["input_ids"] for text in texts]


def test_the_target_language_may_be_an_argument(multilingual: Path) -> None:
    own = ours(multilingual)

    assert own.encode(["abc"], to="fra") == own.encode([">>fra<< abc"])
    assert own.encode([">>deu<< abc"], to="fra") == own.encode([">>deu<< abc"])


@pytest.mark.parametrize(("text", "to"), [(">>dutch<< abc", None), ("abc", "dutch")])
def test_an_unknown_language_lists_those_there_are(
    multilingual: Path, text: str, to: str | None
) -> None:
    with pytest.raises(
        InputError,
        match=r"^no target language 'dutch'; this model has cmn_Hans, deu, fra$",
    ):
        ours(multilingual).encode([text], to=to)


@pytest.mark.parametrize(("text", "to"), [(">>fra<< abc", None), ("abc", "fra")])
def test_a_language_asked_of_a_bilingual_model_is_refused(
    folder: Path, text: str, to: str | None
) -> None:
    # transformers makes an unknown token of it, and the translation is then of some other text.
    with pytest.raises(InputError, match="'fra'; this model has but one"):
        ours(folder).encode([text], to=to)


def test_no_language_at_all_is_a_clear_line(multilingual: Path) -> None:
    with pytest.warns(
        ZooWarning, match=r"^2 texts do not say the target .* begin with >>cmn_Hans<<"
    ):
        rows = ours(multilingual).encode(["abc", ">>deu<< abc", "de"])

    assert [len(row) > 1 for row in rows] == [True] * 3


@pytest.mark.parametrize("text", ["de >>abc<<", ">> abc << de", ">>a b<<de"])
def test_what_names_no_language_at_the_beginning_is_text(folder: Path, text: str) -> None:
    library = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    own = ours(folder)
    pieces = library.encode(text, out_type=str)

    assert own.encode([text]) == [[*(own.numbers.get(p, 0) for p in pieces), 1]]


@pytest.mark.parametrize("text", ["", "  ", ">>deu<<", ">>deu<<  "])
def test_an_empty_text_is_refused(multilingual: Path, text: str) -> None:
    with pytest.raises(InputError, match="text 2 of 2 is empty"):
        ours(multilingual).encode([">>deu<< abc", text])


def test_a_long_text_is_cut_before_its_end_token(folder: Path) -> None:
    own = ours(folder)
    short, long = "abc de.", "abcde " * 50

    with pytest.warns(ZooWarning, match=r"^1 text is longer than the model's 128 tokens; cut \d+"):
        rows = own.encode([short, long])

    assert rows[0] == own.encode([short])[0]
    assert len(rows[1]) == 128
    assert rows[1][-1] == 1


def test_separate_vocabularies_number_source_and_target(tmp_path: Path) -> None:
    save_vocabulary(tmp_path)
    own = ours(tmp_path)
    words = [piece for piece in own.numbers if piece not in ("<unk>", "</s>", "<pad>")]
    target = {"<unk>": 0, "</s>": 1, **{piece: n for n, piece in enumerate(words[::-1], start=2)}}
    change_json(tmp_path, "target_vocab.json", **target)
    change_json(
        tmp_path,
        "tokenizer_config.json",
        separate_vocabs=True,
        target_vocab_file="target_vocab.json",
    )
    tokenizer = theirs(tmp_path)

    separate = ours(tmp_path)

    assert separate.encode(["abc de"]) == own.encode(["abc de"])
    for tokens in ([2, 3, 4, 5], list(range(30))):
        assert separate.decode(tokens) == tokenizer.decode(tokens, skip_special_tokens=True)
        assert separate.decode(tokens) != own.decode(tokens)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("source.spm", None, "no source.spm"),
        ("source.spm", b"\xff" * 40, "source.spm is damaged"),
        ("vocab.json", None, "vocab.json is missing, or lacks <unk>, </s>"),
        ("vocab.json", b'{"<unk>": 0}', "lacks </s>"),
        ("vocab.json", b'{"<unk>": 0, "</s>": 1, "a": 80}', "'a' the number 80, .* knows 80"),
        ("vocab.json", b'{"<unk>": 0, "</s>": "1"}', "'</s>' the number '1'"),
    ],
    ids=str,
)
def test_damaged_files_are_named(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    save_vocabulary(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(CheckpointError, match=message):
        ours(tmp_path)


def test_a_checkpoint_brings_its_tokenizer(tmp_path: Path) -> None:
    save_marian(tmp_path)

    preprocessor = load(tmp_path).preprocessor

    assert isinstance(preprocessor, MarianPreprocessor)
    assert preprocessor.max_length == 64
