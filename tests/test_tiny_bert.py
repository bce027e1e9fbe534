"""``tiny-bert``, the checkpoint that comes with zoo: small, sound, and of some use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import zoo

FOLDER = Path(__file__).parent.parent / "plugins/zoo_bert/tiny"

# Sentences of our own in the manner of captions, each with a gap and what may stand there.
CAPTIONS = {
    "a man is riding a [MASK].": {"bike", "horse", "bicycle", "motorcycle", "skateboard", "wave"},
    "a woman in a red [MASK] is smiling.": {"shirt", "dress", "jacket", "hat", "coat", "sweater"},
    "two dogs are playing in the [MASK].": {"snow", "water", "grass", "field", "yard", "sand"},
    "a boy is kicking a soccer [MASK].": {"ball"},
    "a man plays the [MASK] on stage.": {"guitar", "drums", "piano", "violin", "saxophone"},
    "a little girl is [MASK] on a swing.": {"swinging", "playing", "sitting", "jumping"},
    "children are swimming in a [MASK].": {"pool", "lake", "river", "fountain"},
    "the woman is [MASK] a book.": {"reading", "holding"},
    "a black [MASK] runs through the grass.": {"dog", "dogs"},
    "a man in a white shirt and black [MASK].": {"pants", "shorts", "tie", "jeans", "hat"},
    "people are walking down the [MASK].": {"street", "sidewalk", "road", "stairs"},
    "a man is wearing [MASK] and a hat.": {"sunglasses", "glasses", "jeans", "shorts", "gloves"},
    "a group of [MASK] are sitting at a table.": {"people", "men", "women", "children", "friends"},
    "a chef is preparing [MASK] in the kitchen.": {"food", "dinner", "meat", "something"},
    "a boy jumps [MASK] the water.": {"into", "in", "over", "through", "off"},
    "the old man sits [MASK] a bench.": {"on"},
    "a girl stands in front [MASK] a house.": {"of"},
    "a basketball player in a blue [MASK].": {"uniform", "jersey", "shirt"},
    "a man with a beard [MASK] playing the guitar.": {"is"},
    "three [MASK] are sitting on the beach.": {"people", "women", "men", "girls", "children"},
    "a person is climbing a [MASK] wall.": {"rock", "brick", "stone", "climbing", "large"},
    "a man in a hard [MASK] is working.": {"hat"},
    "a young [MASK] is eating ice cream.": {"boy", "girl", "man", "woman", "child", "lady"},
    "the dog is jumping over a [MASK].": {"fence", "hurdle", "log", "bar", "pole", "wall"},
}


@pytest.fixture(scope="module")
def model() -> zoo.Model:
    return zoo.load("tiny-bert", device="cpu", dtype="float32")


def test_it_is_the_folder_of_the_bert_plugin_and_no_larger_than_6_megabytes() -> None:
    files = {path.name: path.stat().st_size for path in FOLDER.iterdir()}

    assert sum(files.values()) <= 6_000_000
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= set(files)


def test_its_entry_states_what_it_is_made_of_and_how_good_it_is(model: zoo.Model) -> None:
    entry = model.entry

    assert entry.parameters == sum(p.numel() for p in model.network.parameters())
    assert entry.max_length == model.preprocessor.max_length
    assert {result.metric for result in entry.reported} >= {
        "masked-token accuracy, top-1",
        "masked-token accuracy, top-1, n-gram baseline",
        "masked-token accuracy, top-1, unigram baseline",
    }


def test_transformers_reads_the_same_logits_from_it(model: zoo.Model) -> None:
    # transformers publishes its classes untyped.
    load: Callable[..., Any] = transformers.BertForMaskedLM.from_pretrained
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(FOLDER)
    reference = load(FOLDER, dtype=torch.float32).eval()

    for text in CAPTIONS:
        tokens = tokenizer(text, return_tensors="pt")["input_ids"]
        assert tokens[0].tolist() == model.preprocessor.encode([text])[0].ids
        with torch.inference_mode():
            theirs, ours = reference(tokens).logits, model.network(tokens)
        # float32, four layers: sums in another order differ by a few 1e-6.
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_its_decoder_is_its_token_embedding_and_written_once(model: zoo.Model) -> None:
    network: Any = model.network

    assert network.decoder.weight is network.encoder.embeddings.token.weight
    parameters = sum(p.numel() for p in network.parameters())
    # Two bytes each; the header that names the tensors is a few kB.
    assert (FOLDER / "model.safetensors").stat().st_size < 2 * parameters + 20_000


def test_it_fills_everyday_gaps(model: zoo.Model) -> None:
    filled = model.fill_mask(list(CAPTIONS), top_k=5)

    right = [
        bool(words & {fill.token for fill in result.gaps[0]})
        for result, words in zip(filled, CAPTIONS.values(), strict=True)
    ]

    # It filled 21 of 24 when it was trained.
    assert sum(right) >= 0.75 * len(CAPTIONS), [
        text for text, each in zip(CAPTIONS, right, strict=True) if not each
    ]


def test_like_sentences_have_like_embeddings(model: zoo.Model) -> None:
    dog, puppy, band = model.embed(
        [
            "a dog runs across the grass.",
            "a brown dog is running in a field.",
            "a band is playing music on a stage.",
        ],
        normalize=True,
    )

    assert dog @ puppy > dog @ band
