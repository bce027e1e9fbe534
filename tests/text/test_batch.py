from __future__ import annotations

from pathlib import Path

import pytest
import torch

from zoo.checkpoint import Files
from zoo.text import TokenBatch
from zoo.text.tokenizer import load_tokenizer


@pytest.fixture(params=[True, False], ids=["packed", "padded"])
def batch(request: pytest.FixtureRequest, wordpiece: Path) -> TokenBatch:
    tokenizer = load_tokenizer(Files({"vocab.txt": wordpiece / "vocab.txt"}, "x"))
    # [CLS], [SEP] and [MASK] are tokens 2, 3 and 4.
    encodings = tokenizer.encode(["[MASK]" * 3, "[MASK]" * 3, "[MASK]"], max_length=64)
    return TokenBatch(encodings, packed=request.param, device=torch.device("cpu"))


def test_rows_are_the_texts_own_tokens(batch: TokenBatch) -> None:
    assert [row.tolist() for row in batch.rows(batch.tokens)] == [
        [2, 4, 4, 4, 3],
        [2, 4, 4, 4, 3],
        [2, 4, 3],
    ]


def test_positions_begin_anew_with_each_text(batch: TokenBatch) -> None:
    assert [row.tolist() for row in batch.rows(batch.positions)] == [
        [0, 1, 2, 3, 4],
        [0, 1, 2, 3, 4],
        [0, 1, 2],
    ]


def test_the_last_token_of_each_text(batch: TokenBatch) -> None:
    hidden = (batch.tokens * 10 + batch.positions).unsqueeze(-1)

    assert batch.last(hidden).tolist() == [[34], [34], [32]]


def test_the_first_token_of_each_text(batch: TokenBatch) -> None:
    hidden = (batch.tokens * 10 + batch.positions).unsqueeze(-1)

    assert batch.first(hidden).tolist() == [[20], [20], [20]]


def test_blocks_hold_every_text_once_in_order(batch: TokenBatch) -> None:
    hidden = batch.tokens.unsqueeze(-1)

    texts = [
        text[:, 0].tolist() if mask is None else text[mask[n], 0].tolist()
        for block, mask in batch.blocks(hidden)
        for n, text in enumerate(block)
    ]

    assert texts == [row.tolist() for row in batch.rows(batch.tokens)]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("lengths", [[3, 1, 2], [2, 2], [4]], ids=str)
def test_every_text_may_have_a_row_of_its_own(lengths: list[int], packed: bool) -> None:
    texts = [list(range(10 * n, 10 * n + length)) for n, length in enumerate(lengths, start=1)]
    batch = TokenBatch(texts, packed=packed, device=torch.device("cpu"))

    rows, real = batch.padded(batch.tokens.unsqueeze(-1))

    assert rows.shape == (len(lengths), max(lengths), 1)
    assert (real is None) == (len(set(lengths)) == 1)
    for number, text in enumerate(texts):
        assert rows[number, : len(text), 0].tolist() == text
        if real is not None:
            assert real[number].tolist() == [n < len(text) for n in range(max(lengths))]


def test_token_numbers_alone_are_one_segment() -> None:
    batch = TokenBatch([[5, 6, 7], [8]], packed=True, device=torch.device("cpu"))

    assert batch.tokens.tolist() == [[5, 6, 7, 8]]
    assert batch.segments.tolist() == [[0, 0, 0, 0]]
