"""Texts that begin alike, read at once: the numbers are those of each text alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests import decoders
from zoo.nn import Forest, TokenTree

CPU = torch.device("cpu")


def test_a_common_beginning_is_there_once() -> None:
    tree = TokenTree([[5, 6, 7], [5, 6, 8, 9], [5, 6], [4]])

    assert tree.tokens == [5, 6, 7, 8, 9, 4]
    assert tree.positions == [0, 1, 2, 2, 3, 0]
    assert tree.paths == [[0, 1, 2], [0, 1, 3, 4], [0, 1], [5]]


def test_a_node_sees_itself_and_its_ancestors() -> None:
    forest = Forest([TokenTree([[5, 6, 7], [5, 8], [5, 6, 9]])], layers=1, device=CPU)
    _, mask = forest.extend(5)

    assert mask is not None
    assert mask[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 0, 0, 1, 0],
        [1, 1, 0, 0, 1],
    ]


def test_chains_need_no_mask() -> None:
    forest = Forest([TokenTree([[5, 6, 7], [5, 6]]), TokenTree([[1]])], layers=1, device=CPU)
    positions, mask = forest.extend(3)

    assert mask is None
    assert positions.tolist() == [[0, 1, 2], [0, 0, 0]]


def test_other_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="3 nodes a row, 2 came"):
        Forest([TokenTree([[5, 6, 7]])], layers=1, device=CPU).extend(2)


@pytest.mark.parametrize(
    "class_name",
    [
        "GPT2LMHeadModel",
        "GPTNeoXForCausalLM",
        "OPTForCausalLM",
        "LlamaForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen3ForCausalLM",
    ],
)
def test_a_network_reads_a_forest_as_it_reads_each_text(class_name: str, tmp_path: Path) -> None:
    decoders.save_decoder(class_name, tmp_path)
    network = decoders.load(tmp_path).network
    context, *rest = decoders.prompts(7, most=20)
    trees = [
        TokenTree([context + each for each in rest[:3]]),
        TokenTree([rest[3], rest[3] + rest[4]]),
        TokenTree([rest[5]]),
    ]
    texts = [[context + each for each in rest[:3]], [rest[3], rest[3] + rest[4]], [rest[5]]]

    forest = Forest(trees, layers=3, device=CPU)
    with torch.inference_mode():
        together = network(forest.tokens, cache=forest)  # (R, N, C)
        for row, tree, its in zip(together, trees, texts, strict=True):
            for path, text in zip(tree.paths, its, strict=True):
                alone = network(torch.tensor([text]))[0]  # (T, C)
                # Sums in another order: float32 keeps six digits of numbers about 1.
                torch.testing.assert_close(row[path], alone, rtol=1e-4, atol=1e-5)
