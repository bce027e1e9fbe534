"""The engine against transformers.generate: the same network, the same tokens."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from tests.decoders import ENDS, load, prompts, save_decoder, theirs
from zoo.generation import CausalDecoder, Settings, generate
from zoo.generation.settings import EarlyStopping
from zoo.nn import KVCache


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[CausalDecoder[KVCache], Any]:
    """One network, in zoo and in transformers."""
    folder = tmp_path_factory.mktemp("gpt2")
    model = save_decoder("GPT2LMHeadModel", folder)
    network: Any = load(folder).network
    return CausalDecoder(network, torch.device("cpu")), model


RULES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"repetition_penalty": 1.4}, {"repetition_penalty": 1.4}),
    ({"no_repeat_ngram": 2}, {"no_repeat_ngram_size": 2}),
    ({"bad_words": ((7,), (9, 30), (5,))}, {"bad_words_ids": [[7], [9, 30], [5]]}),
    (
        {"forced_end": 5, "repetition_penalty": 0.8, "no_repeat_ngram": 1},
        {"forced_eos_token_id": 5, "repetition_penalty": 0.8, "no_repeat_ngram_size": 1},
    ),
]


@pytest.mark.parametrize(("ours", "reference"), RULES, ids=lambda rules: "+".join(rules) or "plain")
def test_greedy_tokens_are_those_of_transformers(
    pair: tuple[CausalDecoder[KVCache], Any], ours: dict[str, Any], reference: dict[str, Any]
) -> None:
    decoder, model = pair
    asked = prompts(24)
    settings = Settings(max_new_tokens=12, ends=tuple(ENDS), **ours)

    batch = generate(decoder, asked, settings, slots=7)

    for prompt, (row,) in zip(asked, batch, strict=True):
        expected = theirs(model, prompt, max_new_tokens=12, eos_token_id=ENDS, **reference)
        assert [row.tokens] == expected
        assert row.finish == ("end" if row.tokens[-1] in ENDS else "length")


@pytest.mark.parametrize("early_stopping", [False, True, "never"])
@pytest.mark.parametrize("length_penalty", [0.6, 1.0, 2.0, -1.0])
def test_beams_are_those_of_transformers(
    pair: tuple[CausalDecoder[KVCache], Any], early_stopping: EarlyStopping, length_penalty: float
) -> None:
    decoder, model = pair
    rules = itertools.cycle([({}, {}), ({"renormalize": True}, {"renormalize_logits": True})])
    for number, num_beams in itertools.product(range(3), (2, 4)):
        asked = prompts(3, seed=number)
        ours, reference = next(rules)
        rule, same_rule = RULES[number + num_beams // 2]
        settings = Settings(
            max_new_tokens=9,
            ends=tuple(ENDS),
            num_beams=num_beams,
            sequences=2,
            early_stopping=early_stopping,
            length_penalty=length_penalty,
            **{**rule, **ours},
        )

        batch = generate(decoder, asked, settings)

        for prompt, rows in zip(asked, batch, strict=True):
            assert [row.tokens for row in rows] == theirs(
                model,
                prompt,
                max_new_tokens=9,
                eos_token_id=ENDS,
                num_beams=num_beams,
                num_return_sequences=2,
                early_stopping=early_stopping,
                length_penalty=length_penalty,
                **{**same_rule, **reference},
            )


def test_the_score_of_a_beam_is_that_of_transformers(
    pair: tuple[CausalDecoder[KVCache], Any],
) -> None:
    decoder, model = pair
    prompt = [3, 4, 8]

    ((row,),) = generate(decoder, [prompt], Settings(max_new_tokens=8, num_beams=3))

    with torch.no_grad():
        expected = model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, 3, dtype=torch.long),
            pad_token_id=0,
            eos_token_id=None,
            max_new_tokens=8,
            num_beams=3,
            do_sample=False,
            output_scores=True,
            return_dict_in_generate=True,
        ).sequences_scores
    assert row.score == pytest.approx(expected.item(), abs=1e-5)
