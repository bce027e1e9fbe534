"""Tokens into text: whole characters, and nothing after a stop string."""

from __future__ import annotations

import pytest
import tokenizers

from zoo.text import TextStream, Tokenizer
from zoo.text.stream import stopper


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """A token a byte: every character outside ASCII is spread over several."""
    backend = tokenizers.ByteLevelBPETokenizer()
    backend.train_from_iterator([], vocab_size=256, show_progress=False)
    inner = tokenizers.Tokenizer.from_str(backend.to_str())
    return Tokenizer(inner, mask_token=None, source="test")


@pytest.fixture(scope="module")
def fallback() -> Tokenizer:
    """Llama's kind: words, and bytes for what is none; a text's first space is left out."""
    tokens = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁the", "▁", "the"]
    numbers = {token: number for number, token in enumerate(tokens)}
    inner = tokenizers.Tokenizer(
        tokenizers.models.BPE(
            numbers, [], unk_token="<unk>", byte_fallback=True, ignore_merges=True
        )
    )
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(prepend_scheme="never")
    inner.decoder = tokenizers.decoders.Sequence(
        [
            tokenizers.decoders.Replace("▁", " "),
            tokenizers.decoders.ByteFallback(),
            tokenizers.decoders.Fuse(),
            tokenizers.decoders.Strip(" ", 1, 0),
        ]
    )
    return Tokenizer(inner, mask_token=None, source="test")


def pieces(tokenizer: Tokenizer, text: str, *stops: str, before: str = "") -> list[str]:
    context, tokens = (tokenizer.backend.encode(each).ids for each in (before, text))
    stream = TextStream(tokenizer, context, stops)
    return [*(stream.push(token) for token in tokens), stream.finish()]


@pytest.mark.parametrize(
    "text", ["plain", "naïve 🙂🙃 天地", " spaces  and\nlines ", "👩‍👩‍👧", "", "a" * 50 + "é"]
)
@pytest.mark.parametrize("before", ["", "To be", "天"])
def test_the_pieces_together_are_the_text(tokenizer: Tokenizer, text: str, before: str) -> None:
    found = pieces(tokenizer, text, before=before)

    assert "".join(found) == text
    assert not any("\ufffd" in piece for piece in found)


def test_a_character_comes_whole_with_its_last_byte(tokenizer: Tokenizer) -> None:
    assert pieces(tokenizer, "é🙂") == ["", "é", "", "", "", "🙂", ""]


@pytest.mark.parametrize("before", ["天地玄", "the 🙂é🙃", "the"])
def test_characters_of_any_length_follow_each_other_as_bytes(
    fallback: Tokenizer, before: str
) -> None:
    # One byte too few makes all of a run unreadable, so none may begin inside a character.
    found = pieces(fallback, "é天地玄黄🙂 the 🙂é🙃é", before=before)

    assert "".join(found) == "é天地玄黄🙂 the 🙂é🙃é"
    assert not any("\ufffd" in piece for piece in found)


def test_half_a_character_after_others_at_the_end_is_marked(fallback: Tokenizer) -> None:
    stream = TextStream(fallback)

    shown = [stream.push(token) for token in fallback.backend.encode("天地").ids[:-1]]

    assert [*shown, stream.finish()] == ["", "", "天", "", "", "\ufffd\ufffd"]


def test_half_a_character_at_the_end_is_marked(tokenizer: Tokenizer) -> None:
    stream = TextStream(tokenizer)

    shown = [stream.push(token) for token in tokenizer.backend.encode("a天").ids[:-1]]

    assert [*shown, stream.finish()] == ["a", "", "", "\ufffd"]


@pytest.mark.parametrize(
    ("text", "stops", "kept"),
    [
        ("one. two", ["."], "one"),
        ("User: hi\nUser: ho", ["\nUser:"], "User: hi"),
        ("aab", ["ab"], "a"),
        ("abcabd", ["abd"], "abc"),
        ("ends with a half stop\nUs", ["\nUser:"], "ends with a half stop\nUs"),
        ("both", ["th", "ot"], "b"),
        ("天地玄黄", ["玄"], "天地"),
    ],
)
def test_text_ends_before_a_stop_string(
    tokenizer: Tokenizer, text: str, stops: list[str], kept: str
) -> None:
    assert "".join(pieces(tokenizer, text, *stops)) == kept


def test_what_may_become_a_stop_string_is_held_back(tokenizer: Tokenizer) -> None:
    assert pieces(tokenizer, "a##b###", "###") == ["a", "", "", "##b", "", "", "", ""]


def test_a_stop_is_seen_with_its_last_token_across_token_borders(tokenizer: Tokenizer) -> None:
    stop = stopper(tokenizer, ["天!"])
    assert stop is not None
    tokens = tokenizer.backend.encode("地天! and more").ids

    assert [stop(tokens[:n]) for n in range(5, 9)] == [False, False, True, True]
    assert stopper(tokenizer, []) is None


def test_a_stop_is_seen_after_many_bytes(fallback: Tokenizer) -> None:
    stop = stopper(fallback, ["黄"])
    assert stop is not None
    tokens = fallback.backend.encode("天地玄黄").ids  # 黄 and 8 tokens before it begin inside 天

    assert [stop(tokens[:n]) for n in (11, 12)] == [False, True]


def test_a_stop_that_begins_with_the_first_token_s_space_is_seen(fallback: Tokenizer) -> None:
    stop = stopper(fallback, [" the"])
    assert stop is not None
    numbers = fallback.backend.get_vocab()
    space, plain = numbers["▁the"], numbers["the"]

    assert stop([space])
    assert not stop([plain])
    assert not stop([plain, plain])
