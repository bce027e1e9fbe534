"""Each rule against that of transformers, alone and together."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
import transformers

from zoo.errors import CheckpointError
from zoo.generation.processors import draw, highest, processors
from zoo.generation.settings import Settings

DRAWING: list[dict[str, Any]] = [
    {"temperature": 0.7},
    {"temperature": 1.0, "top_k": 5},
    {"temperature": 1.0, "top_p": 0.8},
    {"temperature": 1.0, "min_p": 0.2},
    {"temperature": 1.0, "repetition_penalty": 1.5},
    {"temperature": 1.0, "repetition_penalty": 0.6},
    {"temperature": 1.0, "no_repeat_ngram_size": 1},
    {"temperature": 1.0, "no_repeat_ngram_size": 3},
    {"temperature": 1.0, "bad_words_ids": [[3], [1, 2]]},
    {"temperature": 1.0, "renormalize_logits": True},
    {"temperature": 1.3, "top_k": 20, "top_p": 0.6, "min_p": 0.05},
    {"temperature": 0.9, "top_k": 1000},
    {"temperature": 2.5, "top_p": 0.999, "repetition_penalty": 1.2, "no_repeat_ngram_size": 2},
    {"temperature": 1.0, "top_p": 0.01, "bad_words_ids": [[3], [1, 2]]},
    {"temperature": 0.5, "top_k": 7, "top_p": 0.9, "min_p": 0.1, "renormalize_logits": True},
]
NAMES = {
    "no_repeat_ngram_size": "no_repeat_ngram",
    "bad_words_ids": "bad_words",
    "renormalize_logits": "renormalize",
}


def ours(scores: torch.Tensor, history: torch.Tensor, options: dict[str, Any]) -> torch.Tensor:
    renamed = {NAMES.get(name, name): value for name, value in options.items()}
    renamed["bad_words"] = tuple(tuple(word) for word in renamed.get("bad_words", ()))
    scores = scores.clone()  # rules write over what they are given
    for rule in processors(Settings(**renamed)):
        scores = rule(scores, history.tolist())
    return scores


def theirs(scores: torch.Tensor, history: torch.Tensor, options: dict[str, Any]) -> torch.Tensor:
    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=50, n_embd=4, n_layer=1, n_head=1)
    )
    config = transformers.GenerationConfig(do_sample=True, **{"top_k": 0, **options})
    config._eos_token_tensor = None  # as generate sets it for a model without ends
    rules = model._get_logits_processor(config, input_ids_seq_length=history.size(1))
    return rules(history, scores)


@pytest.mark.parametrize("options", DRAWING, ids=lambda options: "+".join(options))
def test_the_distribution_is_that_of_transformers(options: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = 3 * torch.randn(20, 50, generator=generator)
    scores[:, 10] = scores[:, 20]  # ties
    history = torch.randint(0, 50, (20, 8), generator=generator)
    history[0, -2:] = torch.tensor([3, 1])  # so that [1, 2] may not come true
    history[1, -5:] = torch.tensor([7, 8, 9, 7, 8])  # so that 9 would repeat three

    result = ours(scores, history, options)

    torch.testing.assert_close(result, theirs(scores, history, options))
    assert not torch.equal(result, scores)


CHOICES: dict[str, list[Any]] = {
    "temperature": [0.4, 1.0, 2.0],
    "top_k": [1, 3, 30],
    "top_p": [0.3, 0.95],
    "min_p": [0.01, 0.3],
    "repetition_penalty": [0.7, 1.3],
    "no_repeat_ngram_size": [1, 2, 3],
    "bad_words_ids": [[[4]], [[4], [5, 6], [1, 2, 3]]],
    "renormalize_logits": [True],
}


@pytest.mark.parametrize("case", range(80))
def test_the_distribution_of_a_random_combination_is_that_of_transformers(case: int) -> None:
    chance = random.Random(case)
    options = {
        name: chance.choice(values)
        for name, values in CHOICES.items()
        if name == "temperature" or chance.random() < 0.5
    }
    generator = torch.Generator().manual_seed(case)
    scores = 3 * torch.randn(8, 50, generator=generator)
    history = torch.randint(0, 9, (8, 10), generator=generator)

    result, expected = ours(scores, history, options), theirs(scores, history, options)

    torch.testing.assert_close(result, expected, msg=lambda text: f"{options}: {text}")
    torch.testing.assert_close(result.softmax(-1), expected.softmax(-1))


def test_a_rule_leaves_the_scores_it_was_given() -> None:
    scores = torch.randn(2, 50)
    before = scores.clone()

    ours(scores, torch.tensor([[1, 2, 1], [3, 4, 3]]), {"repetition_penalty": 2.0})
    ours(scores, torch.tensor([[1, 2, 1], [3, 4, 3]]), {"no_repeat_ngram_size": 2})

    assert torch.equal(scores, before)


@pytest.mark.parametrize("vocabulary", [5, 128, 600, 1000, 1024])
@pytest.mark.parametrize("count", [1, 4])
def test_the_highest_are_those_of_topk(vocabulary: int, count: int) -> None:
    # 1000 tokens are 7 blocks of 128 and a rest; a block is forbidden, as is most of a row.
    scores = torch.randn(6, vocabulary, generator=torch.Generator().manual_seed(0))
    scores[:, 256:384] = float("-inf")
    scores[5, 3:] = float("-inf")
    expected = scores.topk(count)

    values, tokens = highest(scores, count)

    torch.testing.assert_close(values, expected.values, rtol=0, atol=0)
    torch.testing.assert_close(scores.gather(1, tokens), values, rtol=0, atol=0)
    assert all(len(set(row)) == count for row in tokens.tolist())


def test_renormalizing_a_row_without_tokens_leaves_it_so_and_hides_no_nan() -> None:
    scores = torch.tensor([[-torch.inf] * 3, [1.0, 2.0, -torch.inf], [-torch.inf, torch.nan, 0.0]])

    result = ours(scores, torch.zeros(3, 0, dtype=torch.long), {"renormalize_logits": True})

    assert result[0].eq(-torch.inf).all()
    assert result[1].exp().sum().item() == pytest.approx(1.0)
    assert result[2].isnan().all()


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(number) for number in range(count)]


def test_draws_follow_the_probabilities() -> None:
    torch.manual_seed(0)
    logits = 2 * torch.randn(30)

    drawn = draw(logits.expand(20_000, -1), generators(20_000))

    found = torch.bincount(drawn, minlength=30) / 20_000
    # Of 30 tokens the standard errors together are about 0.03.
    assert (found - logits.softmax(-1)).abs().sum() < 0.06


def test_a_forbidden_token_is_never_drawn() -> None:
    logits = torch.zeros(2_000, 9)
    logits[:, [0, 4, 7, 8]] = -torch.inf

    drawn = draw(logits, generators(2_000))

    assert set(drawn.tolist()) == {1, 2, 3, 5, 6}


def test_even_the_last_point_is_a_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(1, 5_000)
    logits[:, -3:] = -torch.inf
    monkeypatch.setattr(torch, "rand", lambda *_, **__: torch.ones(1, dtype=torch.float64))

    (drawn,) = draw(logits, generators(1)).tolist()

    assert drawn == 5_000 - 4


def test_a_row_draws_alike_alone_and_beside_others() -> None:
    logits = torch.randn(5, 1_000)
    alone = [draw(row.unsqueeze(0), [one]) for row, one in zip(logits, generators(5), strict=True)]

    assert torch.cat(alone).tolist() == draw(logits, generators(5)).tolist()


def test_nan_is_refused_when_drawing() -> None:
    logits = torch.zeros(2, 5)
    logits[1, 3] = torch.nan

    with pytest.raises(CheckpointError, match="no number"):
        draw(logits, generators(2))
