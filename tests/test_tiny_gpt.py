"""``tiny-gpt``, the decoder that comes with zoo: small, sound, and trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import zoo

FOLDER = Path(__file__).parent.parent / "plugins/zoo_gpt/tiny"

# From the last act of a play that the training text does not hold.
HAMLET = """The rest is silence.

HORATIO:
Now cracks a noble heart. Good night, sweet prince,
And flights of angels sing thee to thy rest!
"""


@pytest.fixture(scope="module")
def model() -> zoo.Model:
    return zoo.load("tiny-gpt", device="cpu", dtype="float32")


def logits(model: zoo.Model, tokens: torch.Tensor) -> torch.Tensor:
    network: Any = model.network
    guesses: torch.Tensor = network.predict(network(tokens))
    return guesses


def test_it_takes_no_more_than_8_megabytes_and_its_entry_says_how_good_it_is(
    model: zoo.Model,
) -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 8_000_000
    assert model.entry.parameters == sum(p.numel() for p in model.network.parameters())
    assert min(result.value for result in model.entry.reported[:2]) <= 1.60
    assert any("nanoGPT" in result.metric for result in model.entry.reported)


def test_transformers_reads_the_same_logits_from_it(model: zoo.Model) -> None:
    load: Any = transformers.GPT2LMHeadModel.from_pretrained  # publishes its classes untyped
    reference = load(FOLDER, dtype=torch.float32).eval()
    tokens = torch.tensor([model.preprocessor.encode(HAMLET)])

    with torch.inference_mode():
        theirs, ours = reference(tokens).logits, logits(model, tokens)

    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_it_expects_verse_it_has_never_read(model: zoo.Model) -> None:
    def nats(text: str) -> float:
        tokens = torch.tensor([model.preprocessor.encode(text)])
        with torch.inference_mode():
            guesses = logits(model, tokens)[0, :-1]
        loss = torch.nn.functional.cross_entropy(guesses, tokens[0, 1:], reduction="sum")
        return loss.item() / len(text)

    # A uniform guess among 65 characters costs 4.2 nats each; held-out plays cost 1.53.
    assert nats(HAMLET) < 2.1
    assert nats(HAMLET) < nats(" ".join(reversed(HAMLET.split()))) - 0.3


def test_it_goes_on_as_a_play(model: zoo.Model) -> None:
    generation = model.generate("ROMEO:", max_new_tokens=100, temperature=0.8, seed=7)

    lines = generation.continuations[0].text.splitlines()
    speakers = [line for line in lines if line.isupper() and line.endswith(":")]
    assert len(lines) >= 4
    assert speakers
