"""Pseudo-log-likelihoods, against a plain loop over masked copies in transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from tests.checkpoints import Save, load
from tests.evaluation.benchmarks import benchmark, rows
from zoo.errors import RegistryError
from zoo.evaluation import evaluate
from zoo.evaluation.instruments.pseudo_likelihood import PseudoLikelihood, RollingPseudoLikelihood
from zoo.evaluation.protocol import Failure

# Sums of a dozen numbers, each of which differs in its last places.
TOLERANCE = 1e-4

TEXTS = [
    "A man rides a horse.",
    "Two women play music in the park while children dance around them.",
    "unhappiness supercalifragilistic",
    "Café crème, naïve façade!",
]


def ask(instrument: PseudoLikelihood | RollingPseudoLikelihood, contents: list[Any]) -> list[Any]:
    """What an instrument answers; a failure has no numbers."""
    return [*instrument.ask(contents)]


def loop(
    folder: Path, model: Callable[..., Any], text: str, start: int = 0, *, within_word: bool = False
) -> list[float]:
    """Mask one token after the other, and read its log-probability."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    encoding = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
    ids, words = encoding["input_ids"], encoding.word_ids()
    found = []
    for place, token in enumerate(ids):
        if encoding["special_tokens_mask"][place] or encoding["offset_mapping"][place][1] <= start:
            continue
        masked = [
            tokenizer.mask_token_id
            if each == place or (within_word and each > place and words[each] == words[place])
            else other
            for each, other in enumerate(ids)
        ]
        with torch.no_grad():
            logits = model(torch.tensor([masked])).logits[0, place]
        found.append(logits.log_softmax(dim=0)[token].item())
    return found


@pytest.mark.parametrize("within_word", [False, True])
@pytest.mark.parametrize(
    "class_name", ["BertForMaskedLM", "RobertaForMaskedLM", "DistilBertForMaskedLM"]
)
def test_scores_equal_a_plain_loop(class_name: str, within_word: bool, save: Save) -> None:
    folder, reference = save(class_name)
    instrument = PseudoLikelihood(load(folder), within_word=within_word)

    answers = ask(instrument, [[["", text] for text in TEXTS]])

    expected = [loop(folder, reference, text, within_word=within_word) for text in TEXTS]
    for (total, _, tokens, _), each in zip(answers[0], expected, strict=True):
        assert tokens == len(each)
        assert total == pytest.approx(sum(each), abs=TOLERANCE)


def test_masking_the_rest_of_a_word_changes_only_words_of_several_tokens(save: Save) -> None:
    folder, _ = save("BertForMaskedLM")
    model = load(folder)
    contents = [[["", "the park"], ["", "supercalifragilistic"]]]

    [[short, long]] = ask(PseudoLikelihood(model), contents)
    [[same, other]] = ask(PseudoLikelihood(model, within_word=True), contents)

    assert same[0] == pytest.approx(short[0], abs=TOLERANCE)
    assert other[0] != pytest.approx(long[0], abs=0.01)


@pytest.mark.parametrize("class_name", ["BertForMaskedLM", "RobertaForMaskedLM"])
def test_a_context_is_seen_and_not_scored(class_name: str, save: Save) -> None:
    folder, reference = save(class_name)
    context = "A man rides"

    pairs = [[context, " a horse."], [context, " the park."]]
    [answer] = ask(PseudoLikelihood(load(folder)), [pairs])

    for (total, _, tokens, _), after in zip(answer, (" a horse.", " the park."), strict=True):
        expected = loop(folder, reference, context + after, len(context))
        assert tokens == len(expected)
        assert total == pytest.approx(sum(expected), abs=TOLERANCE)


def test_many_at_once_equal_one_by_one(save: Save) -> None:
    folder, _ = save("BertForMaskedLM")
    instrument = PseudoLikelihood(load(folder))
    contents = [[["", text], ["", text[:9]]] for text in TEXTS]

    together = ask(instrument, contents)
    alone = [ask(instrument, [each])[0] for each in contents]

    for one, other in zip(together, alone, strict=True):
        assert [each[0] for each in one] == pytest.approx(
            [each[0] for each in other], abs=TOLERANCE
        )
        assert [each[2] for each in one] == [each[2] for each in other]


def test_what_is_too_long_or_no_token_fails_alone(save: Save) -> None:
    folder, _ = save("BertForMaskedLM")
    instrument = PseudoLikelihood(load(folder))

    texts = [["the " * 100, "a"], ["a", "\u200b"], ["a", "b"]]
    answers = ask(instrument, [[["", each] for each in pair] for pair in texts])

    assert isinstance(answers[0], Failure)
    assert "has 102 tokens, above the model's" in answers[0].reason
    assert isinstance(answers[1], Failure)
    assert "is no token" in answers[1].reason
    assert len(answers[2]) == 2


def test_a_long_text_is_read_in_windows_of_its_own(save: Save) -> None:
    folder, reference = save("BertForMaskedLM")
    model = load(folder)
    words = ("the man rides a horse in the park " * 20).split()
    room = model.preprocessor.max_length - 2
    assert len(model.preprocessor.tokenizer.backend.encode(" ".join(words)).ids) == len(words) + 2

    [[total, tokens]] = ask(RollingPseudoLikelihood(model), [" ".join(words)])

    windows = [" ".join(words[start : start + room]) for start in range(0, len(words), room)]
    expected = [x for window in windows for x in loop(folder, reference, window)]
    assert tokens == len(expected) == len(words)
    assert total == pytest.approx(sum(expected), abs=1e-3)  # a hundred and sixty numbers


def test_choices_are_told_apart_by_their_sums(save: Save, tmp_path: Path) -> None:
    folder, reference = save("BertForMaskedLM")
    pairs = [(TEXTS[0], "A man horse a rides."), ("the park in cold", TEXTS[1])]
    asked = benchmark(
        tmp_path,
        task="multiple-choice",
        fields={"choices": ["good", "bad"], "context": "", "answer": 0},
        protocols={"pseudo-log-likelihood": {}},
    )
    data = rows(tmp_path, [{"good": good, "bad": bad} for good, bad in pairs])

    result = evaluate(load(folder), asked, data=data)

    sums = [[sum(loop(folder, reference, text)) for text in pair] for pair in pairs]
    for detail, expected in zip(result.details, sums, strict=True):
        assert detail["log_likelihoods"] == pytest.approx(expected, abs=TOLERANCE)
    assert result["acc"].value == sum(good >= bad for good, bad in sums) / 2
    assert "each token is masked alone" in result.method


def test_a_setting_that_is_neither_true_nor_false_is_refused(save: Save, tmp_path: Path) -> None:
    folder, _ = save("BertForMaskedLM")
    asked = benchmark(
        tmp_path,
        task="multiple-choice",
        fields={"choices": "choices", "answer": "answer"},
        protocols={"pseudo-log-likelihood": {"within_word": "yes"}},
    )
    data = rows(tmp_path, [{"choices": ["a", "b"], "answer": 0}])

    with pytest.raises(RegistryError, match=r"made.yaml:\d+: within_word is 'yes'; expected true"):
        evaluate(load(folder), asked, data=data)


def test_pseudo_perplexity_is_over_all_tokens(save: Save, tmp_path: Path) -> None:
    folder, reference = save("BertForMaskedLM")
    asked = benchmark(
        tmp_path,
        task="language-modeling",
        fields={"text": "text"},
        protocols={"rolling": {}, "pseudo-perplexity": {"metric": "pseudo_perplexity"}},
    )

    result = evaluate(load(folder), asked, data=rows(tmp_path, [{"text": t} for t in TEXTS]))

    each = torch.tensor([x for text in TEXTS for x in loop(folder, reference, text)])
    assert result.metric == "pseudo_perplexity"
    assert result.headline.value == pytest.approx((-each.mean()).exp().item(), rel=1e-4)
