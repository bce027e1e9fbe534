from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.checkpoints import TEXTS, change_json
from zoo.checkpoint import Files
from zoo.errors import CheckpointError, InputError
from zoo.text.tokenizer import Tokenizer, load_tokenizer


def load(folder: Path, *names: str) -> Tokenizer:
    """The tokenizer that these files of a folder make; all of them unless named."""
    wanted = names or [path.name for path in folder.iterdir()]
    return load_tokenizer(Files({name: folder / name for name in wanted}, "hf:org/repo"))


def assert_equal(ours: Tokenizer, theirs: transformers.PreTrainedTokenizerBase) -> None:
    """Equal in numbers and segments, for texts and pairs."""
    pairs = list(zip(TEXTS, reversed(TEXTS), strict=True))
    for encoding, text in zip(ours.encode(TEXTS, max_length=500), TEXTS, strict=True):
        assert encoding.ids == theirs(text)["input_ids"], text
    for encoding, pair in zip(ours.encode(pairs, max_length=500), pairs, strict=True):
        expected = theirs(*pair, return_token_type_ids=True)
        assert encoding.ids == expected["input_ids"], pair
        assert encoding.type_ids == expected["token_type_ids"], pair


WORDPIECE = ["tokenizer.json", "vocab.txt"]


@pytest.mark.parametrize("name", WORDPIECE)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"do_lower_case": False},
        {"do_lower_case": False, "strip_accents": True},
        {"strip_accents": False},
        {"tokenize_chinese_chars": False},
    ],
    ids=str,
)
def test_wordpiece_equals_transformers(
    name: str, settings: dict[str, bool], wordpiece: Path, tmp_path: Path
) -> None:
    # transformers reads its settings beside whichever file there is; so must we.
    (tmp_path / name).write_bytes((wordpiece / name).read_bytes())
    change_json(tmp_path, "tokenizer_config.json", tokenizer_class="BertTokenizer", **settings)

    ours = load(tmp_path)

    assert_equal(ours, transformers.BertTokenizer.from_pretrained(tmp_path))
    assert ours.mask_token == "[MASK]"


def test_a_vocabulary_alone_is_lower_case_as_in_googles_code(wordpiece: Path) -> None:
    alone, whole = load(wordpiece, "vocab.txt"), load(wordpiece)

    for text in TEXTS:
        assert alone.backend.encode(text).ids == whole.backend.encode(text).ids


def test_a_vocabulary_may_hold_what_python_takes_for_a_line_end(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\n\u2028\n\x85\nlast\n")

    assert load(tmp_path).backend.token_to_id("last") == 5


def test_the_special_tokens_of_wordpiece_text_are_special(wordpiece: Path) -> None:
    for name in WORDPIECE:
        encoding = load(wordpiece, name).backend.encode("a [MASK] [SEP]")
        assert encoding.tokens == ["[CLS]", "a", "[MASK]", "[SEP]", "[SEP]"]


@pytest.mark.parametrize(
    "names", [["tokenizer.json"], ["vocab.json", "merges.txt"]], ids=["json", "vocabulary"]
)
def test_byte_level_bpe_equals_transformers(names: list[str], byte_level_bpe: Path) -> None:
    theirs = transformers.AutoTokenizer.from_pretrained(byte_level_bpe)

    ours = load(byte_level_bpe, *names)

    # transformers gives RoBERTa's pairs segment 0 throughout, as its table has but one row.
    assert_equal(ours, theirs)
    # The mask takes the space before it.
    pieces = ["<s>", "A", "<mask>", ".", "</s>"]
    assert ours.backend.encode("A <mask>.").ids == list(map(ours.backend.token_to_id, pieces))


@settings(max_examples=200, deadline=None)
@given(text=st.text(min_size=1))
def test_any_text_has_the_tokens_of_transformers(
    text: str, wordpiece: Path, byte_level_bpe: Path
) -> None:
    for folder, names in (
        (wordpiece, ["vocab.txt"]),
        (wordpiece, ["tokenizer.json"]),
        (byte_level_bpe, ["vocab.json", "merges.txt"]),
    ):
        backend = transformers.AutoTokenizer.from_pretrained(folder).backend_tokenizer
        assert load(folder, *names).backend.encode(text).ids == backend.encode(text).ids


def test_tokens_that_were_added_later_are_read(wordpiece: Path, tmp_path: Path) -> None:
    theirs = transformers.BertTokenizer.from_pretrained(wordpiece)
    theirs.add_tokens(["horseback"])
    theirs.save_pretrained(tmp_path)

    assert "horseback" in load(tmp_path).backend.encode("on horseback").tokens


def test_truncation_and_padding_inside_the_file_are_dropped(
    wordpiece: Path, tmp_path: Path
) -> None:
    # all-MiniLM-L6-v2 was published so.
    backend = tokenizers.Tokenizer.from_file(str(wordpiece / "tokenizer.json"))
    backend.enable_truncation(4)
    backend.enable_padding(length=8)
    backend.save(str(tmp_path / "tokenizer.json"))

    (encoding,) = load(tmp_path).encode(["a man in a red shirt"], max_length=64)

    assert encoding.ids == load(wordpiece).backend.encode("a man in a red shirt").ids
    assert not encoding.overflowing


def test_only_the_first_text_of_a_pair_is_cut(wordpiece: Path) -> None:
    (encoding,) = load(wordpiece).encode([("a a a a a a a a", "man in the park")], max_length=10)

    assert len(encoding) == 10
    assert encoding.tokens[-5:] == ["man", "in", "the", "park", "[SEP]"]


def test_a_pair_whose_second_text_leaves_no_room_is_an_error(wordpiece: Path) -> None:
    with pytest.raises(
        InputError, match="second text does not fit into 6 tokens beside the first; shorten it"
    ):
        load(wordpiece).encode([("a", "man in the park with music")], max_length=6)


MASKS = ["[MASK]", {"content": "[MASK]", "lstrip": False, "special": True}]


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("mask", MASKS, ids=["text", "object"])
def test_the_mask_token_is_what_the_files_say(
    mask: object, name: str, wordpiece: Path, tmp_path: Path
) -> None:
    (tmp_path / "vocab.txt").write_bytes((wordpiece / "vocab.txt").read_bytes())
    change_json(tmp_path, name, mask_token=mask)

    tokenizer = load(tmp_path)

    assert tokenizer.mask_token == "[MASK]"
    assert tokenizer.mask_id == 4


def test_a_mask_token_outside_the_vocabulary_is_refused(wordpiece: Path, tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes((wordpiece / "vocab.txt").read_bytes())
    change_json(tmp_path, "tokenizer_config.json", mask_token="<gap>")

    with pytest.raises(CheckpointError, match="mask token '<gap>' is not in the vocabulary"):
        load(tmp_path)


@pytest.mark.parametrize("mask", [5, ["[MASK]"], {"content": 5}], ids=str)
def test_a_mask_token_that_is_no_text_is_refused(
    mask: object, wordpiece: Path, tmp_path: Path
) -> None:
    (tmp_path / "vocab.txt").write_bytes((wordpiece / "vocab.txt").read_bytes())
    change_json(tmp_path, "tokenizer_config.json", mask_token=mask)

    with pytest.raises(CheckpointError, match=r"mask_token is .*; expected a string$"):
        load(tmp_path)


@pytest.mark.parametrize("name", WORDPIECE)
@pytest.mark.parametrize("setting", [{"do_lower_case": None}, {"strip_accents": "no"}], ids=str)
def test_a_setting_that_is_no_choice_is_refused(
    setting: dict[str, object], name: str, wordpiece: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes((wordpiece / name).read_bytes())
    change_json(tmp_path, "tokenizer_config.json", **setting)

    with pytest.raises(CheckpointError, match=r"tokenizer_config.json: .*expected true or false$"):
        load(tmp_path)


# A table of normalisation that is cut short lets the tokenizers library panic.
PANIC = """{"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}, "normalizer":
{"type": "Precompiled", "precompiled_charsmap": "AAAA"}, "version": "1.0"}"""


@pytest.mark.parametrize(
    "name",
    ["tokenizer.json", "vocab.txt", "merges.txt", "sentencepiece.bpe.model", "spiece.model"],
)
def test_a_file_too_large_to_be_a_tokenizers_is_not_read(name: str, tmp_path: Path) -> None:
    if name == "merges.txt":
        (tmp_path / "vocab.json").write_text("{}")
    with (tmp_path / name).open("wb") as file:
        file.truncate(300 * 2**20)  # zeros that no disk holds

    with pytest.raises(CheckpointError, match=f"{name} is larger than 209,715,200 bytes"):
        load(tmp_path)


SPARSE = """{"model": {"type": "WordLevel", "vocab": {"a": 0, "far": 900}, "unk_token": "a"},
"pre_tokenizer": {"type": "Whitespace"}, "version": "1.0"}"""


def test_a_number_beyond_the_networks_tokens_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(SPARSE)
    tokenizer = load(tmp_path)
    tokenizer.fit(901)
    assert tokenizer.encode(["a far"], max_length=9)[0].ids == [0, 900]
    tokenizer.fit(900)

    with pytest.raises(CheckpointError, match="gives 'far' the number 900, but the network knows"):
        tokenizer.encode(["a far"], max_length=9)
    with pytest.raises(CheckpointError, match="gives 'far' the number 900"):
        tokenizer.word_ids("far")
    assert tokenizer.encode(["a"], max_length=9)[0].ids == [0]


def test_a_vocabulary_without_a_mask_has_none(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\na\n")

    tokenizer = load(tmp_path)

    assert tokenizer.mask_token is None
    assert tokenizer.mask_id is None


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no tokenizer; expected tokenizer.json, vocab.txt, vocab.json with merges.txt"),
        ({"vocab.json": "{}"}, "no tokenizer; expected"),
        ({"tokenizer.json": ""}, "tokenizer.json is damaged"),
        ({"tokenizer.json": "{}"}, "tokenizer.json is damaged"),
        ({"tokenizer.json": "[" * 10_000}, "tokenizer.json is damaged"),
        ({"tokenizer.json": b"\xff\xfe"}, "tokenizer.json is damaged"),
        ({"tokenizer.json": PANIC}, "tokenizer.json is damaged"),
        ({"vocab.txt": "a\nb\n"}, r"vocab.txt has no \[UNK\], \[CLS\], \[SEP\]"),
        ({"vocab.txt": b"\xff\xfe"}, "vocab.txt is no text in UTF-8"),
        ({"vocab.json": '{"a": 0}', "merges.txt": "a\n"}, "do not fit together"),
        ({"vocab.json": '{"a": 0}', "merges.txt": "a b c\n"}, "do not fit together"),
        ({"vocab.json": '{"a": 0}', "merges.txt": "a b\n"}, "do not fit together"),
        ({"vocab.json": '{"a": "0"}', "merges.txt": ""}, "do not fit together"),
        ({"vocab.json": '{"a": -1}', "merges.txt": ""}, "do not fit together"),
        ({"vocab.json": '{"a": 0}', "merges.txt": b"\xff"}, "merges.txt is no text in UTF-8"),
        ({"vocab.json": '{"a": 0}', "merges.txt": ""}, "vocab.json has no <s>, </s>"),
    ],
    ids=str,
)
def test_a_damaged_tokenizer_is_named(
    files: dict[str, str | bytes], message: str, tmp_path: Path
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(CheckpointError, match=f"hf:org/repo: .*{message}") as raised:
        load(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_word_is_looked_up_as_it_stands_in_a_text(wordpiece: Path, byte_level_bpe: Path) -> None:
    bert, roberta = load(wordpiece), load(byte_level_bpe)

    assert bert.word_ids("horse") == [bert.backend.token_to_id("horse")]
    # Only the piece with the mark of a word's beginning is in the vocabulary.
    assert roberta.backend.token_to_id("capital") is None
    assert roberta.word_ids("capital") == [roberta.backend.token_to_id("Ġcapital")]
    assert roberta.word_ids("Ġcapital") == roberta.word_ids("capital")
    # Both are there, "strides" ends in the other.
    assert roberta.backend.token_to_id("rides") is not None
    assert roberta.word_ids("rides") == [roberta.backend.token_to_id("Ġrides")]
    assert bert.word_ids("##s") == [bert.backend.token_to_id("##s")]
    assert bert.word_ids(" ") == []


def test_a_token_fills_its_gap_as_a_person_would_write(
    wordpiece: Path, byte_level_bpe: Path
) -> None:
    bert, roberta = load(wordpiece), load(byte_level_bpe)

    def token(tokenizer: Tokenizer, piece: str) -> int:
        number = tokenizer.backend.token_to_id(piece)
        assert number is not None
        return number

    two = "A [MASK] and a [MASK]."
    assert bert.fill(two, 0, token(bert, "man")) == "A man and a [MASK]."
    assert bert.fill(two, 1, token(bert, "man")) == "A [MASK] and a man."
    assert bert.fill("play [MASK]", 0, token(bert, "##s")) == "plays"
    assert roberta.fill("He <mask>.", 0, token(roberta, "Ġrides")) == "He rides."
    assert roberta.fill("He<mask>.", 0, token(roberta, "Ġrides")) == "He rides."
    assert roberta.fill("A st<mask>.", 0, token(roberta, "rides")) == "A strides."
    assert roberta.fill("<mask> on", 0, token(roberta, "Ġrides")) == "rides on"


def test_a_special_token_that_is_asked_for_and_lacking_is_found_when_loading(
    wordpiece: Path, tmp_path: Path
) -> None:
    saved = json.loads((wordpiece / "tokenizer.json").read_text())
    del saved["post_processor"]["special_tokens"]["[SEP]"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(saved))

    with pytest.raises(CheckpointError, match=r"tokenizer\.json is damaged"):
        load(tmp_path)


def test_a_text_without_any_token_is_told(wordpiece: Path, tmp_path: Path) -> None:
    saved = json.loads((wordpiece / "tokenizer.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps(saved | {"post_processor": None}))

    with pytest.raises(InputError, match=r"'\\u200b' has no tokens; expected at least one word"):
        load(tmp_path).encode(["A man.", "\u200b"], max_length=9)
