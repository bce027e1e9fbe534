"""The recipe of ``tiny-bert``, in small: text made here, and few steps."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import zoo
from recipes import tiny_bert as recipe

# A small world: each animal has its food and its place, so that gaps can be filled by learning.
WORLD = {"dog": ("bone", "yard"), "cat": ("fish", "house"), "cow": ("grass", "field")}


def sentences(count: int) -> list[str]:
    made = random.Random(0)
    return [
        f"The {made.choice(['old', 'young', 'big'])} {animal} eats {food} in the {place}."
        for animal, (food, place) in made.choices(list(WORLD.items()), k=count)
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[recipe.Progress]]:
    """A checkpoint after 300 steps, and how training went."""
    folder = tmp_path_factory.mktemp("trained")
    tokenizer = recipe.train_tokenizer(sentences(200), 200)
    config = replace(
        recipe.TINY, vocabulary=tokenizer.get_vocab_size(), width=32, heads=2, layers=2, hidden=64
    )
    torch.manual_seed(0)
    network = recipe.initialised(config)
    pieces = recipe.tokenize(tokenizer, sentences(200), config.positions)
    seconds = itertools.count()  # a step takes one, so that every machine makes the same 300
    reports = list(
        recipe.fit(
            network,
            [pieces],
            minutes=5,
            tokens=512,
            rate=5e-3,
            seed=0,
            every=30,
            clock=lambda: float(next(seconds)),
        )
    )
    recipe.save(network, config, tokenizer, folder)
    return folder, reports


def test_the_loss_falls(trained: tuple[Path, list[recipe.Progress]]) -> None:
    _, reports = trained

    assert reports[-1].done == 1
    assert reports[-1].loss < 0.5 * reports[0].loss


def test_the_checkpoint_loads_and_knows_the_world(
    trained: tuple[Path, list[recipe.Progress]],
) -> None:
    model = zoo.load(str(trained[0]), device="cpu")

    for animal, (food, place) in WORLD.items():
        filled = model.fill_mask(f"The old {animal} eats [MASK] in the {place}.", top_k=1)
        assert filled.gaps[0][0].token == food


def test_a_checkpoint_has_the_files_that_transformers_wants(
    trained: tuple[Path, list[recipe.Progress]],
) -> None:
    folder, _ = trained

    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert json.loads((folder / "config.json").read_text())["architectures"] == ["BertForMaskedLM"]


def test_wikitext_is_detokenised() -> None:
    line = " The <unk> cost $ 5 @,@ 000 ( all ) ; it 's well @-@ known . \n"

    assert recipe.detokenised(line) == "The [UNK] cost $5,000 (all); it's well-known."


def test_two_heads_begin_by_looking_at_the_neighbours() -> None:
    torch.manual_seed(0)
    network = recipe.initialised(recipe.TINY)
    tokens = torch.randint(5, 5000, (1, 40))
    x = network.encoder.embeddings(tokens, torch.arange(40)[None], torch.zeros_like(tokens))
    attention: Any = network.encoder.blocks[0].attention

    query, key = (f(x).unflatten(-1, (3, 64))[0] for f in (attention.query, attention.key))

    scores = torch.einsum("thd,shd->hts", query, key)
    for head, offset in ((0, -1), (1, 1)):
        best = scores[head].argmax(dim=1)[1:-1]
        # A token's own numbers add noise to those of its place.
        assert (best == torch.arange(1, 39) + offset).float().mean() > 0.9


def test_hidden_tokens_are_never_special_and_become_the_mask() -> None:
    pieces = [[recipe.CLS, 10, 11, recipe.UNK, 12, recipe.SEP], [recipe.CLS, 13, recipe.SEP]]

    gaps = recipe.hide(pieces, 1.0, torch.Generator().manual_seed(0))

    assert gaps.answers.tolist() == [10, 11, 12, 13]
    assert gaps.tokens[0].tolist() == [
        recipe.CLS,
        recipe.MASK,
        recipe.MASK,
        recipe.UNK,
        recipe.MASK,
        recipe.SEP,
    ]
    assert gaps.real[1, 0, 0].tolist() == [True, True, True, False, False, False]


def test_of_the_gaps_a_tenth_shows_its_answer_and_a_tenth_another_token() -> None:
    generator = torch.Generator().manual_seed(0)
    gaps = recipe.hide([[recipe.CLS, *[10] * 5000, recipe.SEP]], 1.0, generator)

    shown = recipe.disguise(gaps, 1000, generator).tokens[gaps.places]

    # 5000 draws: three standard deviations of a share of 0.1 are 0.013.
    assert (shown == recipe.MASK).float().mean() == pytest.approx(0.8, abs=0.02)
    assert (shown == 10).float().mean() == pytest.approx(0.1, abs=0.013)
    assert shown.min() >= recipe.MASK
    assert shown.max() < 1000


def test_batches_hold_every_text_once_a_pass_within_the_tokens() -> None:
    pieces = [[number] * (3 + number % 7) for number in range(50)]
    batches = recipe.endless_batches(pieces, 40, random.Random(0))

    seen: list[int] = []
    while len(seen) < 50:
        batch = next(batches)
        assert max(map(len, batch)) * len(batch) <= 40
        seen += [piece[0] for piece in batch]

    assert sorted(seen) == list(range(50))


def test_neighbours_count_what_stood_between_two_tokens() -> None:
    # 5 always stands between 6 and 7; between 6 and 8 stood nothing yet, but 9 follows 6 and
    # precedes 8.
    guess = recipe.Neighbours([[6, 5, 7], [6, 5, 7], [6, 9, 10], [11, 9, 8], [11, 9, 8]], 12)

    scores = guess(torch.tensor([6, 6, recipe.MASK]), torch.tensor([7, 8, 8]))

    assert scores.argmax(dim=1).tolist() == [5, 9, 9]
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(3))
