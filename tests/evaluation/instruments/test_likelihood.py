"""Log-likelihoods, against transformers and lm-evaluation-harness on the same random networks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zoo
from tests import decoders, marian
from tests.test_t5 import save_t5
from zoo.evaluation.instruments.likelihood import (
    ContinuationLikelihoods,
    TextLikelihoods,
    continuation_likelihoods,
)
from zoo.evaluation.instruments.scoring import CausalScorer, Span
from zoo.evaluation.protocol import Failure, Instrument

CONTEXT = "To be, or not to be: that is"
CONTENTS = [
    [(CONTEXT, " the question."), (CONTEXT, " a jà"), (CONTEXT, " the")],
    [(CONTEXT + "  ", "the question."), ("天地", "玄黄。宇宙")],
    [("", " be"), ("", "To be: or not"), ("", " ")],
    [("vu! " * 30, "Naïve."), ("vu! " * 30, " 🙃 and so on")],  # longer than the networks take
    [("", "<|endoftext|>To be"), ("<|endoftext|>vu", "! be")],
]
"""Choices, moved spaces, no context, cut contexts, the prefix written out."""

CLASSES = ["GPT2LMHeadModel", "GPTNeoXForCausalLM", "OPTForCausalLM", "LlamaForCausalLM"]


def save(class_name: str, folder: Path) -> Callable[..., Any]:
    """A random network, which transformers knows by its tokenizer's bos token, too."""
    model = decoders.save_decoder(class_name, folder)
    (folder / "tokenizer_config.json").write_text(
        '{"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", '
        '"tokenizer_class": "PreTrainedTokenizerFast"}'
    )
    return model


def answers_of(instrument: Instrument, contents: Sequence[Any]) -> list[Any]:
    """Its answers, of which none is a failure."""
    answers = instrument.ask(contents)
    assert not any(isinstance(answer, Failure) for answer in answers)
    return list(answers)


def span_of(tokens: Sequence[int], scored: int) -> Span:
    return Span(list(tokens), scored)


def alone(model: Callable[..., Any], span: Span) -> tuple[float, bool]:
    """What transformers says of one span: log_softmax of all logits, without a cache."""
    with torch.no_grad():
        logits = model(torch.tensor([span.read])).logits[0].log_softmax(-1)  # (T, V)
    targets = torch.tensor(span.tokens[-span.scored :])
    chosen = logits[-span.scored :]
    return (
        chosen.gather(1, targets[:, None]).sum().item(),
        bool((chosen.argmax(-1) == targets).all()),
    )


@pytest.mark.parametrize("class_name", CLASSES)
def test_scores_are_those_of_each_span_alone(class_name: str, tmp_path: Path) -> None:
    model = save(class_name, tmp_path)
    context, *rest = decoders.prompts(9, most=15)
    groups = [
        [span_of([*context, *each], len(each)) for each in rest[:4]],
        [span_of([*rest[4], *rest[5]], len(rest[5]))],
        [span_of([*rest[6], 3], 1), span_of([*rest[6], 4], 1), span_of([*rest[6], 3, 7], 2)],
    ]

    scores = CausalScorer(decoders.load(tmp_path)).score(groups)

    for group, its in zip(groups, scores, strict=True):
        for span, (total, greedy) in zip(group, its, strict=True):
            expected, expected_greedy = alone(model, span)
            assert total == pytest.approx(expected, abs=1e-4)
            assert greedy == expected_greedy


@pytest.mark.parametrize("class_name", CLASSES)
def test_answers_are_those_of_lm_evaluation_harness(class_name: str, tmp_path: Path) -> None:
    harness = _harness(save(class_name, tmp_path), tmp_path)
    flat = [pair for pairs in CONTENTS for pair in pairs]
    expected = iter(harness.loglikelihood(_requests("loglikelihood", flat), disable_tqdm=True))

    answers = answers_of(ContinuationLikelihoods(decoders.load(tmp_path)), CONTENTS)

    for answer in answers:
        for total, greedy, *_ in answer:
            wanted, wanted_greedy = next(expected)
            assert total == pytest.approx(wanted, abs=1e-4)
            assert greedy == wanted_greedy
    assert answers[3][0][3] > 0  # of the long context something was cut


def test_rolling_answers_are_those_of_lm_evaluation_harness(tmp_path: Path) -> None:
    harness = _harness(save("GPT2LMHeadModel", tmp_path), tmp_path)
    texts = ["To be", "天地玄黄。宇宙洪荒。" * 3, "Déjà vu! To be, or not to be: that is" * 9]
    expected = harness.loglikelihood_rolling(
        _requests("loglikelihood_rolling", [(text,) for text in texts]), disable_tqdm=True
    )

    answers = answers_of(TextLikelihoods(decoders.load(tmp_path)), texts)

    assert [total for total, _ in answers] == pytest.approx(expected, abs=1e-3)


def test_every_token_of_a_long_text_is_scored_once(tmp_path: Path) -> None:
    model = save("GPT2LMHeadModel", tmp_path)
    loaded = decoders.load(tmp_path)
    text = "To be, or not to be: that is the question. " * 9
    tokens = [decoders.END, *loaded.preprocessor.encode(text)]
    size = 66  # the network's positions

    ((total, count),) = answers_of(TextLikelihoods(loaded), [text])

    expected = 0.0
    for start in range(0, len(tokens) - 1, size):
        stop = min(start + size + 1, len(tokens))
        window = tokens[max(0, stop - size - 1) : stop]
        expected += alone(model, Span(window, stop - start - 1))[0]
    assert count == len(tokens) - 1 > 2 * size
    assert total == pytest.approx(expected, abs=1e-3)


def test_questions_do_not_depend_on_each_other(tmp_path: Path) -> None:
    save("LlamaForCausalLM", tmp_path)
    instrument = ContinuationLikelihoods(decoders.load(tmp_path))

    together = answers_of(instrument, CONTENTS)

    for content, answer in zip(CONTENTS, together, strict=True):
        (one,) = answers_of(instrument, [content])
        for ours, theirs in zip(one, answer, strict=True):
            assert ours[0] == pytest.approx(theirs[0], abs=1e-4)
            assert ours[1:] == theirs[1:]


def test_what_cannot_be_asked_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    save("GPT2LMHeadModel", tmp_path)
    instrument = ContinuationLikelihoods(decoders.load(tmp_path))

    long, empty, no_text, good = instrument.ask(
        [[("a", " vu!" * 200)], [("a ", "")], [("a", "\ud800")], [("a", " b")]]
    )

    assert isinstance(long, Failure)
    assert "the model takes 66" in long.reason
    assert not isinstance(empty, Failure)  # the space is the continuation
    assert isinstance(no_text, Failure)
    assert not isinstance(good, Failure)


def test_a_continuation_without_a_token_is_a_failure(tmp_path: Path) -> None:
    save("GPT2LMHeadModel", tmp_path)
    (answer,) = ContinuationLikelihoods(decoders.load(tmp_path)).ask([[("a", "")]])

    assert answer == Failure("the continuation '' has no token of its own")


class Recurrent(nn.Module):
    """A network whose state is no KVCache: a GRU."""

    max_length = None

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.recurrence = nn.GRU(8, 8, batch_first=True)
        self.head = nn.Linear(8, 20)

    def new_cache(self, rows: int, room: int) -> SimpleNamespace:
        return SimpleNamespace(expect=lambda lengths: None)

    def forward(self, tokens: Tensor, *, cache: object = None) -> Tensor:
        return self.recurrence(self.embedding(tokens))[0]

    def predict(self, hidden: Tensor) -> Tensor:
        return self.head(hidden)


def test_a_network_without_keys_and_values_is_scored_row_by_row() -> None:
    torch.manual_seed(0)
    network = Recurrent()
    model: Any = SimpleNamespace(network=network, device=torch.device("cpu"))
    groups = [
        [Span([1, 2, 3, 4], 2), Span([1, 2, 5], 1), Span([1, 2, 6], 1), Span([1, 2, 3, 9], 1)],
        [Span([7, 8], 1)],
    ]

    scores = CausalScorer(model).score(groups)

    def reference(tokens: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=network.predict(network(tokens)))

    for group, its in zip(groups, scores, strict=True):
        for span, (total, greedy) in zip(group, its, strict=True):
            expected, expected_greedy = alone(reference, span)
            assert total == pytest.approx(expected, abs=1e-5)
            assert greedy == expected_greedy


def test_an_encoder_decoders_targets_are_scored_after_their_sources(tmp_path: Path) -> None:
    model = save_t5(tmp_path)
    loaded = marian.load(tmp_path)
    instrument = continuation_likelihoods(loaded)
    contents = [[("a dog", " a cat"), ("a dog ", "runs"), ("a dog", "a")], [("cat", "dog a cat")]]

    answers = answers_of(instrument, contents)

    for pairs, answer in zip(contents, answers, strict=True):
        for (context, continuation), (total, greedy, count, _) in zip(pairs, answer, strict=True):
            moved = context[len(context.rstrip()) :] + continuation
            (source,) = loaded.preprocessor.encode([context.rstrip()])
            (target,) = loaded.preprocessor.encode_targets([moved])
            with torch.no_grad():
                logits = model(
                    input_ids=torch.tensor([source]), labels=torch.tensor([target])
                ).logits[0]
            chosen = logits.log_softmax(-1)
            expected = chosen.gather(1, torch.tensor(target)[:, None]).sum().item()
            assert total == pytest.approx(expected, abs=1e-4)
            assert greedy == (chosen.argmax(-1).tolist() == target)
            assert count == len(target)


def test_no_source_and_no_target_are_failures(tmp_path: Path) -> None:
    save_t5(tmp_path)
    no_source, no_target = continuation_likelihoods(marian.load(tmp_path)).ask(
        [[("", "a cat")], [("a cat", "")]]
    )

    assert isinstance(no_source, Failure)
    assert no_target == Failure("the continuation '' has no token of its own")


def _harness(model: Callable[..., Any], folder: Path) -> Any:  # noqa: ANN401 (of lm_eval)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("lm_eval", reason="lm-evaluation-harness pulls in a hundred packages")
        import transformers
        from lm_eval.models.huggingface import HFLM

        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        return HFLM(pretrained=model, tokenizer=tokenizer, batch_size=3, device="cpu")


def _requests(kind: str, arguments: Sequence[tuple[str, ...]]) -> list[Any]:
    from lm_eval.api.instance import Instance

    return [Instance(request_type=kind, doc={}, arguments=each, idx=0) for each in arguments]


def test_the_bundled_model_says_what_it_said_to_lm_evaluation_harness() -> None:
    model = zoo.load("tiny-gpt", device="cpu", dtype="float32")
    pairs = [("To be, or not to be:", " that is the question."), ("To be, or not to be:", " cat")]

    (answer,) = answers_of(ContinuationLikelihoods(model), [pairs])

    # lm_eval 0.4.13, HFLM in float32 on the same checkpoint.
    assert [total for total, *_ in answer] == pytest.approx([-24.610918, -12.547262], abs=1e-4)
