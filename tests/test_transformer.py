"""zoo_transformer against transformers' Marian and torch.nn.Transformer: the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.marian import change_json, copy_checkpoint, load, save_marian
from zoo.errors import WeightMapError, ZooError

# Both sides compute in float32, in another order: a few units in the last place.
TOLERANCE = 1e-5

# Of different lengths, so that a batch has padding; 1 ends each.
SOURCES = [[5, 6, 7, 8, 9, 10, 11, 1], [12, 13, 1], [30, 31, 32, 33, 1]]
TARGET = torch.tensor([[79, 20, 21, 22, 23, 24], [79, 33, 34, 35, 36, 37], [79, 3, 4, 5, 6, 7]])

VARIANTS: list[dict[str, Any]] = [
    {},
    {"activation_function": "relu"},
    {"scale_embedding": False, "encoder_layers": 1, "decoder_layers": 3},
    {"encoder_attention_heads": 2, "encoder_ffn_dim": 52, "decoder_ffn_dim": 36},
    {"tie_word_embeddings": False},
    {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": 90},
    {
        "share_encoder_decoder_embeddings": False,
        "decoder_vocab_size": 90,
        "tie_word_embeddings": False,
    },
]


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=0)


def padded(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Rows up to the longest, and which of their tokens are real."""
    longest = max(map(len, rows))
    tokens = torch.tensor([row + [79] * (longest - len(row)) for row in rows])
    return tokens, torch.tensor([[i < len(row) for i in range(longest)] for row in rows])


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("marian")
    return folder, save_marian(folder)


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
@torch.no_grad()
def test_every_variant_gives_the_logits_of_transformers(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    model = save_marian(tmp_path, **changes)
    network: Any = load(tmp_path).network
    source, real = padded(SOURCES)

    expected = model(input_ids=source, attention_mask=real.long(), decoder_input_ids=TARGET).logits
    found = network(source, TARGET, mask=real[:, None, None, :])

    close(found, expected)


@pytest.mark.parametrize("sources", [SOURCES, SOURCES[:1], [SOURCES[0], SOURCES[0]]], ids=str)
@torch.no_grad()
def test_cached_decoding_of_a_batch_equals_one_pass_of_each(
    sources: list[list[int]], marian: tuple[Path, Any]
) -> None:
    folder, model = marian
    network: Any = load(folder).network
    target = TARGET[: len(sources)]
    first, state = network.prefill(sources, room=6)

    hidden = [first, *(network.decode(target[:, t], state) for t in range(1, 6))]
    found = network.predict(torch.stack(hidden, dim=1))

    for row, source in enumerate(sources):
        one = torch.tensor([source])
        expected = model(input_ids=one, decoder_input_ids=target[row : row + 1]).logits
        close(found[row : row + 1], expected)


@torch.no_grad()
def test_rows_of_a_prompt_are_expanded_reordered_and_kept(marian: tuple[Path, Any]) -> None:
    network: Any = load(marian[0]).network
    _, state = network.prefill(SOURCES, room=4)
    state.expand(2)
    network.decode(torch.tensor([20, 21, 22, 23, 24, 25]), state)
    state.reorder(torch.tensor([1, 1, 3, 2, 4, 4]))
    network.decode(torch.tensor([30, 31, 32, 33, 34, 35]), state)
    state.keep([2, 1])
    found = network.predict(network.decode(torch.tensor([40, 41, 42, 43]), state))

    pasts = [[79, 24, 34, 40], [79, 24, 35, 41], [79, 23, 32, 42], [79, 22, 33, 43]]
    for row, (past, source) in enumerate(zip(pasts, (2, 2, 1, 1), strict=True)):
        expected = network(torch.tensor([SOURCES[source]]), torch.tensor([past]))[0, -1]
        close(found[row], expected)


@torch.no_grad()
def test_padding_changes_nothing_on_a_device_that_wants_it(marian: tuple[Path, Any]) -> None:
    # What prefill does on a GPU: rows side by side, where the CPU packs them end to end.
    network: Any = load(marian[0]).network
    source, real = padded(SOURCES)
    mask = real[:, None, None, :]

    together = network(source, TARGET, mask=mask)

    for row, tokens in enumerate(SOURCES):
        close(together[row : row + 1], network(torch.tensor([tokens]), TARGET[row : row + 1]))


@torch.no_grad()
def test_positions_are_as_exact_at_the_end_as_at_the_beginning(tmp_path: Path) -> None:
    model = save_marian(tmp_path, max_position_embeddings=512)
    network: Any = load(tmp_path).network

    close(network.source.position, model.model.encoder.embed_positions.weight)


def test_what_dump_writes_is_what_transformers_wrote(tmp_path: Path) -> None:
    from zoo_transformer.config import marian
    from zoo_transformer.weights import marian as weights

    for number, changes in enumerate(VARIANTS):
        folder = tmp_path / str(number)
        model = save_marian(folder, **changes)
        loaded = load(folder)

        dumped = weights(marian(model.config.to_dict())).dump(loaded.network.state_dict())

        stored = load_file(folder / "model.safetensors")
        unused = {"model.shared.weight"} if "tie_word_embeddings" in changes else set()
        assert set(dumped) == set(stored) - unused
        assert all(torch.equal(dumped[name], stored[name]) for name in dumped)


def test_old_files_hold_tied_matrices_and_positions_several_times(
    marian: tuple[Path, Any], tmp_path: Path
) -> None:
    folder, model = marian
    old = copy_checkpoint(folder, tmp_path / "old")
    (old / "model.safetensors").unlink()
    torch.save(model.state_dict(), old / "pytorch_model.bin")
    assert {"lm_head.weight", "model.decoder.embed_positions.weight"} <= set(model.state_dict())
    source, _ = padded(SOURCES[:1])

    with torch.no_grad():
        close(
            load(old).network(source, TARGET[:1]),
            model(input_ids=source, decoder_input_ids=TARGET[:1]).logits,
        )


def test_a_missing_layer_is_named(marian: tuple[Path, Any], tmp_path: Path) -> None:
    copy = copy_checkpoint(marian[0], tmp_path / "copy")
    tensors = load_file(copy / "model.safetensors")
    del tensors["model.decoder.layers.1.encoder_attn.q_proj.weight"]
    save_file(tensors, copy / "model.safetensors")

    with pytest.raises(
        WeightMapError, match=r"'model.decoder.layers.1.encoder_attn.q_proj.weight'"
    ):
        load(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"normalize_before": True}, "'normalize_before' is True"),
        ({"static_position_embeddings": False}, "'static_position_embeddings' is False"),
        ({"architectures": ["MarianModel"]}, "expects one of MarianMTModel"),
        ({"rope_theta": 1e4}, "'rope_theta' is not a field"),
        ({"encoder_attention_heads": 5}, "5 heads do not divide a width of 24"),
        ({"vocab_size": 40}, "vocab.json gives .* the number 40, but the network knows 40"),
    ],
    ids=str,
)
def test_a_config_that_cannot_be_followed_is_refused(
    changes: dict[str, Any], message: str, marian: tuple[Path, Any], tmp_path: Path
) -> None:
    copy = copy_checkpoint(marian[0], tmp_path / "copy")
    change_json(copy, "config.json", **changes)

    with pytest.raises(ZooError, match=message) as raised:
        load(copy)
    assert "\n" not in str(raised.value)


def test_the_config_of_a_published_model_is_read(marian: tuple[Path, Any], tmp_path: Path) -> None:
    # What Helsinki-NLP/opus-mt-en-de has beyond what transformers 5 writes.
    copy = copy_checkpoint(marian[0], tmp_path / "copy")
    change_json(
        copy,
        "config.json",
        _num_labels=3,
        add_bias_logits=False,
        add_final_layer_norm=False,
        bad_words_ids=[[79]],
        classif_dropout=0.0,
        extra_pos_embeddings=80,
        forced_eos_token_id=1,
        max_length=512,
        normalize_before=False,
        normalize_embedding=False,
        num_beams=6,
        static_position_embeddings=True,
        torch_dtype="float16",
    )

    load(copy)


TORCH_VARIANTS: list[dict[str, Any]] = [
    {},
    {"activation": "gelu", "layer_norm_eps": 1e-3},
    {"num_encoder_layers": 1, "num_decoder_layers": 3, "nhead": 2},
]


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")  # torch's own fast path
@pytest.mark.parametrize("changes", TORCH_VARIANTS, ids=str)
@torch.no_grad()
def test_the_stacks_give_the_numbers_of_torch(changes: dict[str, Any], tmp_path: Path) -> None:
    arguments: dict[str, Any] = {
        "d_model": 24,
        "nhead": 4,
        "num_encoder_layers": 2,
        "num_decoder_layers": 2,
        "dim_feedforward": 40,
    }
    arguments |= changes
    torch.manual_seed(0)
    model = torch.nn.Transformer(**arguments, batch_first=True).eval()
    randomise(model)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    change_json(tmp_path, "config.json", model_type="torch-transformer", **arguments)
    source, target = torch.randn(3, 8, 24), torch.randn(3, 5, 24)
    _, real = padded(SOURCES)

    expected = model(
        source,
        target,
        tgt_mask=torch.nn.Transformer.generate_square_subsequent_mask(5),
        tgt_is_causal=True,
        src_key_padding_mask=additive(real),
        memory_key_padding_mask=additive(real),
    )
    found = load(tmp_path).network(source, target, mask=real[:, None, None, :])

    close(found, expected)


@torch.no_grad()
def test_the_stacks_are_dumped_as_torch_saves_them(tmp_path: Path) -> None:
    from zoo_transformer.config import torch as read
    from zoo_transformer.weights import torch as weights

    model = torch.nn.Transformer(24, 4, 2, 2, 40, batch_first=True)
    randomise(model)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    sizes = {"d_model": 24, "nhead": 4, "num_encoder_layers": 2, "num_decoder_layers": 2}
    published = {"model_type": "torch-transformer", **sizes, "dim_feedforward": 40}
    change_json(tmp_path, "config.json", **published)

    dumped = weights(read(published)).dump(load(tmp_path).network.state_dict())

    assert set(dumped) == set(model.state_dict())
    assert all(torch.equal(dumped[name], x) for name, x in model.state_dict().items())


def additive(real: Tensor) -> Tensor:
    """torch warns of a boolean mask beside one of numbers."""
    return torch.zeros(real.shape).masked_fill(~real, float("-inf"))


def randomise(module: Callable[..., Any]) -> None:
    assert isinstance(module, torch.nn.Module)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
