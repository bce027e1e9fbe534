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
