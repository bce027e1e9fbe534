"""What holds of generation whatever the network."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from tests.decoders import ENDS, load, prompts, save_decoder
from zoo.errors import InputError, UsageError
from zoo.generation import CausalDecoder, Settings, generate, steps
from zoo.nn import KVCache


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> CausalDecoder[KVCache]:
    folder = tmp_path_factory.mktemp("gpt2")
    save_decoder("GPT2LMHeadModel", folder)
    network: Any = load(folder).network
    return CausalDecoder(network, torch.device("cpu"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 1.2, "seed": 3, "sequences": 2},
        {"temperature": 0.8, "seed": 4, "top_k": 20, "repetition_penalty": 1.2},
        {"num_beams": 3},
    ],
    ids=["greedy", "drawn", "drawn with rules", "beams"],
)
@pytest.mark.parametrize("slots", [1, 3, 64])
def test_a_batch_gives_what_one_by_one_gives(
    decoder: CausalDecoder[KVCache], options: dict[str, Any], slots: int
) -> None:
    # With 3 slots for 9 prompts, rows that are finished give theirs to those that wait.
    asked = prompts(9, most=20)
    settings = Settings(max_new_tokens=15, ends=tuple(ENDS), **options)
    alone = [generate(decoder, [*[[1]] * n, p], settings, slots=1)[n] for n, p in enumerate(asked)]

    together = generate(decoder, asked, settings, slots=slots)

    for one, other in zip(together, alone, strict=True):
        assert [(row.tokens, row.finish) for row in one] == [
            (row.tokens, row.finish) for row in other
        ]


def test_beams_of_many_prompts_are_predicted_and_ranked_in_parts(
    decoder: CausalDecoder[KVCache],
) -> None:
    asked = prompts(50, most=20)  # 150 beams
    settings = Settings(max_new_tokens=6, ends=tuple(ENDS), num_beams=3)

    together = generate(decoder, asked, settings, slots=150)

    assert [row.tokens for (row,) in together] == [
        row.tokens for prompt in asked for (row,) in generate(decoder, [prompt], settings)
    ]


def test_a_cached_step_gives_the_logits_of_one_pass(decoder: CausalDecoder[KVCache]) -> None:
    rows = torch.tensor(prompts(1, most=1)[0] * 3).unsqueeze(1)
    rows = torch.cat((rows, torch.randint(1, 200, (3, 9))), 1)
    network: Any = decoder._network
    with torch.inference_mode():
        whole = network.predict(network(rows))  # (3, 10, V)
        # Prompts of 4, 2 and 7 tokens, then 3 more each.
        lengths = [4, 2, 7]
        hidden, state = decoder.prefill(
            [row[:n].tolist() for row, n in zip(rows, lengths, strict=True)], room=10
        )
        for step in range(4):
            expected = torch.stack([whole[r, n + step - 1] for r, n in enumerate(lengths)])
            torch.testing.assert_close(decoder.predict(hidden), expected, atol=1e-5, rtol=0)
            if step < 3:
                following = torch.stack([rows[r, n + step] for r, n in enumerate(lengths)])
                hidden = decoder.decode(following, state)


class Counted(CausalDecoder[KVCache]):
    """A decoder that counts the prompts that it reads."""

    read = 0

    def prefill(self, prompts: Sequence[Sequence[int]], *, room: int) -> tuple[Tensor, KVCache]:
        self.read += len(prompts)
        return super().prefill(prompts, room=room)


def test_a_prompt_with_several_sequences_is_read_once(decoder: CausalDecoder[KVCache]) -> None:
    counted = Counted(decoder._network, torch.device("cpu"))
    settings = Settings(max_new_tokens=5, temperature=1.0, seed=0, sequences=4)

    rows = generate(counted, [[1, 2], [3]], settings)

    assert counted.read == 2
    assert len({tuple(row.tokens) for row in rows[0]}) == 4


def words(*allowed: int) -> tuple[tuple[int, ...], ...]:
    """Bad words: all tokens but these."""
    return tuple((token,) for token in range(290) if token not in allowed)


@pytest.mark.parametrize("renormalize", [False, True])
@pytest.mark.parametrize("options", [{}, {"temperature": 1.0}, {"num_beams": 2}])
def test_rules_that_forbid_every_token_are_refused(
    decoder: CausalDecoder[KVCache], options: dict[str, Any], renormalize: bool
) -> None:
    settings = Settings(bad_words=words(), renormalize=renormalize, **options)

    with pytest.raises(UsageError, match="together forbid every token"):
        generate(decoder, [[1, 2]], settings)


def test_beams_give_no_more_texts_than_the_rules_leave(decoder: CausalDecoder[KVCache]) -> None:
    # The beginning stands in all beams at first, and what is forbidden is ranked too.
    settings = Settings(max_new_tokens=2, num_beams=4, sequences=4, bad_words=words(7, 9))

    (rows,) = generate(decoder, [[1, 2]], settings)

    assert sorted(row.tokens for row in rows) == [[7, 7], [7, 9], [9, 7], [9, 9]]
    (rows,) = generate(decoder, [[1, 2]], replace(settings, bad_words=words(7)))
    assert [row.tokens for row in rows] == [[7, 7]]


@pytest.mark.parametrize("renormalize", [False, True])
def test_a_search_ends_with_what_it_has_where_the_rules_forbid_to_go_on(
    decoder: CausalDecoder[KVCache], renormalize: bool
) -> None:
    settings = Settings(
        ends=(9,),
        num_beams=3,
        sequences=3,
        bad_words=words(7, 9),
        no_repeat_ngram=1,
        renormalize=renormalize,
    )

    (rows,) = generate(decoder, [[1, 2]], settings)

    assert sorted(row.tokens for row in rows) == [[7, 9], [9]]


class Weighed(CausalDecoder[KVCache]):
    """A decoder that, after each step, notes where its caches lie and what tensors weigh.

    It weighs those that came to be since, as what stood in memory before is frozen.
    """

    def __init__(self, decoder: CausalDecoder[KVCache]) -> None:
        super().__init__(decoder._network, torch.device("cpu"))
        self.places: list[tuple[int, ...]] = []
        self.bytes: list[int] = []

    def decode(self, tokens: Tensor, state: KVCache) -> Tensor:
        hidden = super().decode(tokens, state)
        caches = [tensor for layer in state.layers for tensor in (layer.keys, layer.values)]
        self.places.append(tuple(cache.untyped_storage().data_ptr() for cache in caches))
        storages = [
            each.untyped_storage() for each in gc.get_objects() if type(each) in (Tensor, Parameter)
        ]
        self.bytes.append(sum({each.data_ptr(): each.nbytes() for each in storages}.values()))
        return hidden


@pytest.fixture
def frozen(decoder: CausalDecoder[KVCache]) -> Iterator[None]:
    """What is in memory now is not looked at."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize(
    "options",
    [{}, {"temperature": 1.0, "sequences": 2}, {"num_beams": 3}, {"repetition_penalty": 1.2}],
    ids=["greedy", "drawn", "beams", "with a rule"],
)
@pytest.mark.usefixtures("frozen")
def test_memory_does_not_grow_with_the_tokens_generated(
    decoder: CausalDecoder[KVCache], options: dict[str, Any]
) -> None:
    weighed = Weighed(decoder)

    generate(weighed, [[1, 2, 3], [4]], Settings(max_new_tokens=50, **options))

    assert len(weighed.places) == 49
    assert len(set(weighed.places)) == 1, "a cache was allocated anew"
    assert weighed.bytes[0] > 0
    assert len(set(weighed.bytes[1:])) == 1


@pytest.mark.usefixtures("frozen")
def test_memory_does_not_grow_with_the_prompts_that_take_their_turn(
    decoder: CausalDecoder[KVCache],
) -> None:
    weighed = Weighed(decoder)

    generate(weighed, [[1, 2, 3]] * 12, Settings(max_new_tokens=10, ends=tuple(ENDS)), slots=3)

    going = weighed.places[: len(weighed.places) - 10]  # then slots are given up
    assert len(going) > 20
    assert len(set(going)) == 1


def test_a_seed_repeats_a_text_and_another_gives_another(decoder: CausalDecoder[KVCache]) -> None:
    def drawn(seed: int) -> list[int]:
        settings = Settings(max_new_tokens=20, temperature=1.5, seed=seed)
        return generate(decoder, [[1, 2]], settings)[0][0].tokens

    assert drawn(1) == drawn(1) != drawn(2)


def test_draws_follow_the_probabilities(decoder: CausalDecoder[KVCache]) -> None:
    with torch.inference_mode():
        logits = decoder.predict(decoder.prefill([[1, 2]], room=3)[0])
    expected = (logits[0] / 0.7).softmax(-1)
    settings = Settings(max_new_tokens=1, temperature=0.7, seed=0, sequences=4000)

    drawn = [row.tokens[0] for row in generate(decoder, [[1, 2]], settings, slots=4000)[0]]

    found = torch.bincount(torch.tensor(drawn), minlength=290) / 4000
    # Half the sum of differences is about 0.1 for so many draws of 290 tokens.
    assert (found - expected).abs().sum() / 2 < 0.2


def test_logprobs_are_the_networks_own_before_any_rule(decoder: CausalDecoder[KVCache]) -> None:
    with torch.inference_mode():
        logits = decoder.predict(decoder.prefill([[1, 2]], room=3)[0])
    expected = logits[0].log_softmax(-1)
    settings = Settings(
        max_new_tokens=1, temperature=3.0, seed=0, logprobs=2, repetition_penalty=2.0
    )

    (step,) = steps(decoder, [[1, 2]], settings)

    assert step.logprob == pytest.approx(expected[step.token].item(), abs=1e-5)
    assert [token for token, _ in step.alternatives] == expected.topk(2).indices.tolist()
    assert [p for _, p in step.alternatives] == pytest.approx(
        expected.topk(2).values.tolist(), abs=1e-5
    )


def test_a_stop_ends_a_row_and_not_its_neighbours(decoder: CausalDecoder[KVCache]) -> None:
    plain = generate(decoder, [[1, 2], [9, 8, 7]], Settings(max_new_tokens=8))
    third = plain[0][0].tokens[2]

    stopped = generate(
        decoder,
        [[1, 2], [9, 8, 7]],
        Settings(max_new_tokens=8),
        stop=lambda tokens: len(tokens) == 3 and tokens[-1] == third,
    )

    assert stopped[0][0].tokens == plain[0][0].tokens[:3]
    assert [stopped[0][0].finish, stopped[1][0].finish] == ["stop", "length"]
    assert stopped[1][0].tokens == plain[1][0].tokens


def test_the_context_is_never_exceeded(decoder: CausalDecoder[KVCache]) -> None:
    ((row,),) = generate(decoder, [[1] * 60], Settings(max_new_tokens=100))
    ((beam,),) = generate(decoder, [[1] * 60], Settings(max_new_tokens=100, num_beams=2))

    assert len(row.tokens) == len(beam.tokens) == 6


@pytest.mark.parametrize("num_beams", [1, 2])
def test_a_prompt_that_fills_the_context_is_refused(
    decoder: CausalDecoder[KVCache], num_beams: int
) -> None:
    with pytest.raises(InputError, match=r"has 66 tokens, the model's context 66, .*; shorten"):
        generate(decoder, [[1] * 66], Settings(num_beams=num_beams))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens is 0; expected 1 or more"),
        ({"num_beams": 10**12}, "num_beams is 1000000000000; expected 10000 or less"),
        ({"sequences": 10_001, "temperature": 1.0}, "sequences is 10001; expected 10000 or less"),
        ({"first_row": -1}, "first_row is -1; expected 0 or more"),
        ({"num_beams": 2.5}, "num_beams is 2.5; expected a whole number"),
        ({"top_k": True}, "top_k is True; expected a whole number"),
        ({"temperature": float("nan")}, "temperature is nan; expected 0"),
        ({"repetition_penalty": float("inf")}, "repetition_penalty is inf; expected 1e-30 to 1e"),
        ({"temperature": -1.0}, "temperature is -1.0; expected 0"),
        ({"temperature": 1.0, "top_p": 0.0}, "top_p is 0.0; expected above 0"),
        ({"temperature": 1.0, "min_p": 1.5}, "min_p is 1.5; expected 0 to 1"),
        ({"repetition_penalty": 0.0}, "repetition_penalty is 0.0; expected 1e-30 to 1e"),
        ({"temperature": 1e-40}, r"temperature is 1e-40; expected 0 \(greedy\), or 1e-30 to 1e"),
        ({"temperature": "hot"}, "temperature is 'hot'; expected a number"),
        ({"temperature": 1.0, "top_p": True}, "top_p is True; expected a number"),
        ({"length_penalty": 1e6}, "length_penalty is 1000000.0; expected -50 to 50"),
        ({"logprobs": -1}, "logprobs is -1; expected 0 or more"),
        ({"logprobs": True}, "logprobs is True; expected a whole number"),
        ({"seed": 0.5}, "seed is 0.5; expected a whole number"),
        ({"top_k": 5, "top_p": 0.5}, "top_k, top_p without a temperature changes nothing"),
        ({"temperature": 1.0, "num_beams": 2}, "beams search .* and a temperature draws"),
        ({"sequences": 2}, "2 sequences a prompt need a temperature"),
        ({"num_beams": 2, "logprobs": 1}, "logprobs are reported without beams"),
        ({"bad_words": ((),)}, "a bad word is empty"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Settings(**options)


def test_a_full_cache_says_so() -> None:
    cache = KVCache(1, (1, 2, 4, 3), like=torch.zeros(1))
    cache.extend(3)

    with pytest.raises(ValueError, match="holds 4 tokens; 3 are stored and 2 more came"):
        cache.extend(2)


def test_rows_of_different_lengths_grow_by_one_token() -> None:
    cache = KVCache(1, (2, 2, 9, 3), like=torch.zeros(1))
    cache.expect([3, 1])
    cache.extend(3)

    with pytest.raises(ValueError, match="grow by 1 token a step, not 2"):
        cache.extend(2)
