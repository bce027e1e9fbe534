"""zoo_t5 against transformers: the same numbers, and the same tokens."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.marian import change_json, copy_checkpoint, load, sentences, train_sentencepiece
from zoo.checkpoint import Files
from zoo.entry import Entry, Source
from zoo.errors import CheckpointError, TaskError, WeightMapError, ZooError, ZooWarning
from zoo.generation import generate
from zoo.loading import load as load_entry
from zoo.text.tokenizer import load_tokenizer

# Both sides compute in float32, in another order: a few units in the last place.
TOLERANCE = 1e-5
START, END = 0, 1

# Of different lengths, so that a batch has padding; the first reaches the buckets that grow.
SOURCES = [[*range(2, 62), END], [12, 13, END], [30, 31, 32, 33, END]]
TARGET = torch.tensor([[START, *range(t, t + 40)] for t in (2, 20, 35)])

# T5 1.0, T5 1.1 and FLAN-T5, and settings that neither has.
V1_0: dict[str, Any] = {}
V1_1: dict[str, Any] = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
VARIANTS = [
    V1_0,
    V1_1,
    {"num_decoder_layers": 1, "relative_attention_num_buckets": 16},
    {"feed_forward_proj": "gated-silu", "relative_attention_max_distance": 20},
    {"feed_forward_proj": "gelu", "layer_norm_epsilon": 1e-3, "tie_word_embeddings": False},
]


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=0)


def save_t5(folder: Path, **changes: object) -> Any:  # noqa: ANN401 (transformers has no types)
    """Save a random model as the hub has them, beside a tokenizer; return the model."""
    folder.mkdir(exist_ok=True)
    sizes: dict[str, Any] = {
        "vocab_size": 80,
        "d_model": 24,
        "d_kv": 5,  # 4 heads of 5 are not the width
        "d_ff": 40,
        "num_layers": 2,
        "num_heads": 4,
        "decoder_start_token_id": START,
    }
    torch.manual_seed(0)
    config = transformers.T5Config(**{**sizes, **changes})
    model: Any = transformers.T5ForConditionalGeneration(config).eval()
    if changes.get("tie_word_embeddings") is False:
        model.lm_head.weight = torch.nn.Parameter(torch.randn(80, 24) / 5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "relative" in name:
                parameter.add_(torch.randn_like(parameter), alpha=0.5)
    model.save_pretrained(folder)
    if changes.get("tie_word_embeddings") is False:
        # Files on the hub were saved by transformers 4, which wrote what was so.
        change_json(folder, "config.json", tie_word_embeddings=False, scale_decoder_outputs=...)
    save_tokenizer(folder)
    return model


def save_tokenizer(folder: Path) -> None:
    """T5's kind: sentencepiece's unigrams, and ``</s>`` after each text."""
    backend = tokenizers.SentencePieceUnigramTokenizer()
    backend.train_from_iterator(
        sentences("abcdeäöü", 500, 0),
        vocab_size=70,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    backend.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", END)]
    )
    backend.save(str(folder / "tokenizer.json"))
    settings = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    change_json(folder, "tokenizer_config.json", model_max_length=64, **settings)


def padded(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Rows up to the longest, and which of their tokens are real."""
    longest = max(map(len, rows))
    tokens = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    return tokens, torch.tensor([[i < len(row) for i in range(longest)] for row in rows])


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("t5")
    return folder, save_t5(folder, **V1_1)


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
@torch.no_grad()
def test_every_variant_gives_the_logits_of_transformers(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    model = save_t5(tmp_path, **changes)
    network: Any = load(tmp_path).network
    source, real = padded(SOURCES)

    expected = model(input_ids=source, attention_mask=real.long(), decoder_input_ids=TARGET).logits
    found = network(source, TARGET, mask=real[:, None, None, :])

    close(found, expected)


@torch.no_grad()
def test_distances_beyond_the_last_bucket_are_alike(tmp_path: Path) -> None:
    model = save_t5(tmp_path)
    network: Any = load(tmp_path).network
    source = torch.arange(300).unsqueeze(0) % 78 + 2

    close(network(source, source), model(input_ids=source, decoder_input_ids=source).logits)


@pytest.mark.parametrize("changes", [V1_0, V1_1], ids=["1.0", "1.1"])
@pytest.mark.parametrize("sources", [SOURCES, SOURCES[:1]], ids=["padded", "single"])
@torch.no_grad()
def test_cached_decoding_of_a_batch_equals_one_pass_of_each(
    sources: list[list[int]], changes: dict[str, Any], tmp_path: Path
) -> None:
    model = save_t5(tmp_path, **changes)
    network: Any = load(tmp_path).network
    target = TARGET[: len(sources)]
    first, state = network.prefill(sources, room=41)

    hidden = [first, *(network.decode(target[:, t], state) for t in range(1, 41))]
    found = network.predict(torch.stack(hidden, dim=1))

    for row, source in enumerate(sources):
        one = torch.tensor([source])
        expected = model(input_ids=one, decoder_input_ids=target[row : row + 1]).logits
        close(found[row : row + 1], expected)


def test_a_head_that_differs_is_kept_although_the_config_says_tied(tmp_path: Path) -> None:
    # What transformers 5 writes of T5 1.1: tie_word_embeddings true, and two matrices.
    model = save_t5(tmp_path, **V1_1)
    change_json(tmp_path, "config.json", tie_word_embeddings=True, scale_decoder_outputs=False)
    source, _ = padded(SOURCES[:1])

    with torch.no_grad():
        close(
            load(tmp_path).network(source, TARGET[:1]),
            model(input_ids=source, decoder_input_ids=TARGET[:1]).logits,
        )


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_what_dump_writes_is_what_transformers_wrote(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    from zoo_t5.config import t5
    from zoo_t5.weights import t5 as weights

    save_t5(tmp_path, **changes)
    published = json.loads((tmp_path / "config.json").read_text())

    dumped = weights(t5(published)).dump(load(tmp_path).network.state_dict())

    stored = load_file(tmp_path / "model.safetensors")
    assert set(dumped) == set(stored)
    assert all(torch.equal(dumped[name], stored[name]) for name in dumped)


def test_a_left_over_of_the_first_files_is_ignored(tmp_path: Path) -> None:
    save_t5(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"] = torch.ones(
        32, 4
    )
    tensors["encoder.embed_tokens.weight"] = tensors["shared.weight"].clone()
    save_file(tensors, tmp_path / "model.safetensors")

    load(tmp_path)


def test_an_untied_head_may_not_be_missing(t5: tuple[Path, Any], tmp_path: Path) -> None:
    copy = copy_checkpoint(t5[0], tmp_path / "copy")
    tensors = load_file(copy / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, copy / "model.safetensors")

    with pytest.raises(WeightMapError, match=r"'lm_head.weight' missing"):
        load(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"feed_forward_proj": "double-gelu"}, "'feed_forward_proj' is 'double-gelu'"),
        ({"feed_forward_proj": "gated-mish"}, "no activation 'mish'"),
        ({"architectures": ["T5EncoderModel"]}, "expects one of T5For"),
        ({"rope_theta": 1e4}, "'rope_theta' is not a field"),
        ({"vocab_size": 40}, "the tokenizer has 70 tokens, but the network knows 40"),
    ],
    ids=str,
)
def test_a_config_that_cannot_be_followed_is_refused(
    changes: dict[str, Any], message: str, t5: tuple[Path, Any], tmp_path: Path
) -> None:
    copy = copy_checkpoint(t5[0], tmp_path / "copy")
    change_json(copy, "config.json", **changes)

    with pytest.raises(ZooError, match=message) as raised:
        load(copy)
    assert "\n" not in str(raised.value)


def test_random_cases_give_the_tokens_of_transformers(t5: tuple[Path, Any]) -> None:
    folder, model = t5
    loaded = load(folder)
    network: Any = loaded.network
    generator = random.Random(0)
    different: set[tuple[int, ...]] = set()

    for case in range(100):
        rows = [
            [generator.randint(2, 69) for _ in range(generator.randint(1, 40))] + [END]
            for _ in range(generator.randint(1, 4))
        ]
        beams, new = 1 + case % 4, generator.randint(3, 30)
        source, real = padded(rows)
        expected = model.generate(
            source, attention_mask=real.long(), num_beams=beams, max_length=new + 1
        )
        settings = replace(loaded.preprocessor.settings, num_beams=beams, max_new_tokens=new)

        found = [each[0].tokens for each in generate(network, rows, settings)]

        assert found == [cut(row[1:]) for row in expected.tolist()], (rows, beams, new)
        different |= {tuple(row) for row in found}
    assert len(different) > 150


def cut(tokens: list[int]) -> list[int]:
    """Without the padding of a batch."""
    return tokens[: tokens.index(END) + 1] if END in tokens else tokens


@pytest.mark.parametrize("num_beams", [1, 3])
def test_answers_are_those_of_transformers(t5: tuple[Path, Any], num_beams: int) -> None:
    folder, model = t5
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    texts = [text for text in sentences("abcdeäöü", 30, 5) if len(text) < 40]
    batch = tokenizer(texts, return_tensors="pt", padding=True, return_token_type_ids=False)
    options = {"max_new_tokens": 12, "num_beams": num_beams}
    expected = tokenizer.batch_decode(model.generate(**batch, **options), skip_special_tokens=True)

    found = load(folder).answer(texts, max_new_tokens=12, num_beams=num_beams)

    assert [each.text for each in found] == expected
    assert len(set(expected)) > 5


def test_a_long_text_is_cut_aloud(t5: tuple[Path, Any]) -> None:
    with pytest.warns(ZooWarning, match="longer than the model's 64 tokens"):
        load(t5[0]).answer("abcde " * 60, max_new_tokens=2)


@pytest.mark.parametrize("extra_ids", [100, 7])
def test_the_sentencepiece_model_alone_gives_the_tokens_of_transformers(
    t5: tuple[Path, Any], tmp_path: Path, extra_ids: int
) -> None:
    copy = copy_checkpoint(t5[0], tmp_path / "copy")
    (copy / "tokenizer.json").unlink()
    model = train_sentencepiece("abcdeäöü", 60, 0, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    (copy / "spiece.model").write_bytes(model)
    change_json(copy, "tokenizer_config.json", extra_ids=extra_ids, tokenizer_class="T5Tokenizer")
    change_json(copy, "config.json", vocab_size=200)
    reference = transformers.T5Tokenizer.from_pretrained(copy)

    ours = load_tokenizer(Files({file.name: file for file in copy.iterdir()}, "test"))

    gaps = f"<extra_id_0> de <extra_id_{extra_ids - 1}>."
    for text in [*sentences("abcdeäöü猫 ", 30, 5), f"ab {gaps}", gaps, "a </s> b", "ﬁ  x"]:
        tokens = ours.backend.encode(text).ids
        assert tokens == reference(text).input_ids, text
        assert ours.decode(tokens) == reference.decode(tokens, skip_special_tokens=True)
    assert ours.backend.token_to_id("<extra_id_0>") == 59 + extra_ids


@pytest.mark.parametrize("count", [-1, True, "100", 10**9])
def test_an_impossible_number_of_gaps_is_refused(
    t5: tuple[Path, Any], tmp_path: Path, count: object
) -> None:
    copy = copy_checkpoint(t5[0], tmp_path / "copy")
    (copy / "tokenizer.json").unlink()
    (copy / "spiece.model").write_bytes(train_sentencepiece("abcdeäöü", 60, 0))
    change_json(copy, "tokenizer_config.json", extra_ids=count)

    with pytest.raises(CheckpointError, match=r"'extra_ids' is .*; expected 0 or more"):
        load(copy)


def save_mt5(folder: Path, *, tied: bool) -> Any:  # noqa: ANN401 (transformers has no types)
    """Save a random mT5 as the hub has it: with a head, of which the config says it is not tied."""
    config = transformers.MT5Config(
        vocab_size=80, d_model=24, d_kv=5, d_ff=40, num_layers=2, num_heads=4
    )
    torch.manual_seed(0)
    model: Any = transformers.MT5ForConditionalGeneration(config).eval()
    if not tied:
        model.lm_head.weight = torch.nn.Parameter(torch.randn(80, 24))
    with torch.no_grad():
        model.lm_head.weight.mul_(0.2)  # else logits are so large that 1e-5 is their last place
        for name, parameter in model.named_parameters():
            if "norm" in name or "relative" in name:
                parameter.add_(torch.randn_like(parameter), alpha=0.5)
    model.save_pretrained(folder)
    change_json(folder, "config.json", tie_word_embeddings=False)
    save_tokenizer(folder)
    return model


@pytest.mark.parametrize("tied", [True, False])
def test_mt5_gives_the_logits_and_tokens_of_transformers(tied: bool, tmp_path: Path) -> None:
    model = save_mt5(tmp_path, tied=tied)
    loaded = load(tmp_path)
    network: Any = loaded.network
    source, real = padded(SOURCES)

    with torch.no_grad():
        expected = model(input_ids=source, attention_mask=real.long(), decoder_input_ids=TARGET)
        close(network(source, TARGET, mask=real[:, None, None, :]), expected.logits)
    for num_beams in (1, 4):
        options = {"num_beams": num_beams, "max_length": 15}
        rows = model.generate(source, attention_mask=real.long(), **options)
        settings = replace(loaded.preprocessor.settings, num_beams=num_beams, max_new_tokens=14)
        found = [each[0].tokens for each in generate(network, SOURCES, settings)]
        assert found == [cut(row[1:]) for row in rows.tolist()]


def test_an_entrys_length_is_held_against_the_tokenizers(
    t5: tuple[Path, Any], tmp_path: Path
) -> None:
    copy = copy_checkpoint(t5[0], tmp_path / "copy")
    entry = Entry("acme", "t5", Source("folder", str(copy)), max_length=512)

    with pytest.raises(CheckpointError, match="says max_length is 512, the files say 64"):
        load_entry(entry, device="cpu")
    # Without a limit of the tokenizer there is none: distances have no end.
    change_json(copy, "tokenizer_config.json", model_max_length=...)
    load_entry(entry, device="cpu")


def test_what_t5_cannot_do_is_told(t5: tuple[Path, Any]) -> None:
    with pytest.raises(
        TaskError, match=r"cannot do translation: .* it can do text2text-generation"
    ):
        load(t5[0]).translate("abc")


def test_a_missing_tokenizer_is_told(t5: tuple[Path, Any], tmp_path: Path) -> None:
    copy = copy_checkpoint(t5[0], tmp_path / "copy")
    (copy / "tokenizer.json").unlink()

    with pytest.raises(CheckpointError, match=r"no tokenizer; expected tokenizer.json"):
        load(copy)
