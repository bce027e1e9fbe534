"""zoo_gpt against transformers: the same files, the same numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.decoders import ENDS, load, prompts, save_decoder, theirs, theirs_batched
from zoo import plugins
from zoo.errors import CheckpointError, WeightMapError
from zoo.generation import CausalDecoder, Settings, generate

# Both sides compute in float32, in another order: a few units in the last place.
TOLERANCE = 1e-5


# Saves a variant once: its folder, and transformers' model.
Saved = Callable[[str], tuple[Path, Callable[..., Any]]]


def rope(kind: str, **more: object) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 1000.0, **more}}


VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2LMHeadModel", {}),
    "gpt2 untied": ("GPT2LMHeadModel", {"tie_word_embeddings": False}),
    "gpt2 relu": ("GPT2LMHeadModel", {"activation_function": "relu", "n_inner": None}),
    "neox": ("GPTNeoXForCausalLM", {}),
    "neox in turn": ("GPTNeoXForCausalLM", {"use_parallel_residual": False, "rotary_pct": 0.5}),
    "neox tied": ("GPTNeoXForCausalLM", {"tie_word_embeddings": True}),
    "opt": ("OPTForCausalLM", {}),
    "opt-350m": (
        "OPTForCausalLM",
        {"do_layer_norm_before": False, "word_embed_proj_dim": 16},
    ),
    "opt untied": ("OPTForCausalLM", {"tie_word_embeddings": False}),
    "llama": ("LlamaForCausalLM", {}),
    "llama tied": ("LlamaForCausalLM", {"tie_word_embeddings": True}),
    "llama biased": ("LlamaForCausalLM", {"attention_bias": True, "mlp_bias": True}),
    "llama wide heads": ("LlamaForCausalLM", {"head_dim": 10, "num_key_value_heads": 6}),
    "llama linear": ("LlamaForCausalLM", rope("linear", factor=2.5)),
    "llama dynamic": ("LlamaForCausalLM", rope("dynamic", factor=3.0)),
    "llama yarn": (
        "LlamaForCausalLM",
        rope("yarn", factor=4.0, original_max_position_embeddings=16),
    ),
    "llama yarn, all told": (
        "LlamaForCausalLM",
        rope(
            "yarn",
            factor=4.0,
            original_max_position_embeddings=16,
            beta_fast=8.0,
            beta_slow=2.0,
            attention_factor=0.7,
        ),
    ),
    "llama yarn, two scales": (
        "LlamaForCausalLM",
        rope(
            "yarn",
            factor=4.0,
            original_max_position_embeddings=16,
            mscale=0.7,
            mscale_all_dim=1.3,
        ),
    ),
    "llama longrope": (
        "LlamaForCausalLM",
        {
            "head_dim": 8,
            **rope(
                "longrope",
                factor=4.0,
                original_max_position_embeddings=16,
                short_factor=[1.0, 1.1, 1.5, 2.0],
                long_factor=[1.0, 2.0, 3.0, 4.0],
            ),
        },
    ),
    "llama 3": (
        "LlamaForCausalLM",
        rope(
            "llama3",
            factor=8.0,
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=32,
        ),
    ),
    "qwen2": ("Qwen2ForCausalLM", {}),
    "qwen2 tied": ("Qwen2ForCausalLM", {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3ForCausalLM", {}),
    "qwen3 tied, biased": (
        "Qwen3ForCausalLM",
        {"tie_word_embeddings": True, "attention_bias": True},
    ),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """Save a variant once: its folder, and transformers' model."""
    made: dict[str, tuple[Path, Callable[..., Any]]] = {}

    def save(variant: str) -> tuple[Path, Callable[..., Any]]:
        if variant not in made:
            folder = tmp_path_factory.mktemp("decoder")
            class_name, changes = VARIANTS[variant]
            made[variant] = folder, save_decoder(class_name, folder, **changes)
        return made[variant]

    return save


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_are_those_of_transformers(saved: Saved, variant: str) -> None:
    folder, model = saved(variant)
    network: Any = load(folder).network
    # Over 16 tokens, and for what has no position table over 66, where scalings change.
    lengths = (9, 40, 80) if "dynamic" in variant else (9, 40)
    for T in lengths:
        tokens = torch.randint(0, 290, (2, T), generator=torch.Generator().manual_seed(T))

        with torch.inference_mode():
            ours = network.predict(network(tokens))

        with torch.no_grad():
            expected = model(tokens).logits
        torch.testing.assert_close(ours, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_tokens_are_those_of_transformers_batched_and_with_beams(
    saved: Saved, variant: str
) -> None:
    folder, model = saved(variant)
    network: Any = load(folder).network
    decoder = CausalDecoder(network, torch.device("cpu"))
    asked = prompts(4, most=14)

    for num_beams in (1, 3):
        settings = Settings(max_new_tokens=10, ends=(0,), num_beams=num_beams)
        rows = generate(decoder, asked, settings, slots=3 * num_beams)

        for prompt, (row,) in zip(asked, rows, strict=True):
            assert [row.tokens] == theirs(model, prompt, max_new_tokens=10, num_beams=num_beams)


# Where angles depend on the length, transformers takes that of the batch's longest row.
@pytest.mark.parametrize("num_beams", [1, 3])
@pytest.mark.parametrize("variant", sorted(set(VARIANTS) - {"llama dynamic", "llama longrope"}))
def test_tokens_are_those_of_a_batch_padded_on_the_left(
    saved: Saved, variant: str, num_beams: int
) -> None:
    folder, model = saved(variant)
    network: Any = load(folder).network
    asked = prompts(10, most=20, seed=len(variant))  # 440 cases over all variants
    settings = Settings(max_new_tokens=12, ends=tuple(ENDS), num_beams=num_beams)

    rows = generate(CausalDecoder(network, torch.device("cpu")), asked, settings, slots=12)

    assert [row.tokens for (row,) in rows] == theirs_batched(
        model, asked, max_new_tokens=12, num_beams=num_beams, eos_token_id=ENDS
    )
    assert len({tuple(row.tokens) for (row,) in rows}) > 5


@pytest.mark.parametrize("variant", sorted(set(VARIANTS) - {"llama dynamic", "llama longrope"}))
def test_logits_are_those_of_a_batch_padded_on_the_left(saved: Saved, variant: str) -> None:
    folder, model = saved(variant)
    network: Any = load(folder).network
    asked = prompts(5, most=20, seed=1)
    T = max(map(len, asked))
    tokens = torch.tensor([[0] * (T - len(prompt)) + prompt for prompt in asked])
    mask = torch.tensor([[0] * (T - len(prompt)) + [1] * len(prompt) for prompt in asked])
    positions = (mask.cumsum(1) - 1).clamp(min=0)

    with torch.inference_mode():
        decoder = CausalDecoder(network, torch.device("cpu"))
        logits = decoder.predict(decoder.prefill(asked, room=T)[0])

    # OPT counts its positions off the mask.
    counted = {} if "opt" in variant else {"position_ids": positions}
    with torch.no_grad():
        expected = model(tokens, attention_mask=mask, **counted).logits[:, -1]
    torch.testing.assert_close(logits, expected, atol=TOLERANCE, rtol=0)


# Where angles depend on the length, tokens in the cache keep the angle of their time.
@pytest.mark.parametrize("variant", sorted(set(VARIANTS) - {"llama dynamic", "llama longrope"}))
def test_a_cached_step_gives_the_logits_of_one_pass(saved: Saved, variant: str) -> None:
    network: Any = load(saved(variant)[0]).network
    decoder = CausalDecoder(network, torch.device("cpu"))
    rows = torch.randint(1, 290, (3, 20), generator=torch.Generator().manual_seed(0))
    lengths = [12, 5, 17]

    with torch.inference_mode():
        whole = network.predict(network(rows))
        hidden, state = decoder.prefill(
            [row[:n].tolist() for row, n in zip(rows, lengths, strict=True)], room=20
        )
        for step in range(3):
            expected = torch.stack([whole[r, n + step - 1] for r, n in enumerate(lengths)])
            torch.testing.assert_close(decoder.predict(hidden), expected, atol=TOLERANCE, rtol=0)
            following = torch.stack([rows[r, n + step] for r, n in enumerate(lengths)])
            hidden = decoder.decode(following, state)


@pytest.mark.parametrize("variant", VARIANTS)
def test_weights_dump_to_the_file_they_came_from(saved: Saved, variant: str) -> None:
    folder, _ = saved(variant)
    model = load(folder)
    weight_map = plugins.import_part(model.architecture, "weights")(model.network.config)

    dumped = weight_map.dump(model.network.state_dict())

    file = load_file(folder / "model.safetensors")
    # transformers 5 calls GPT-NeoX's head lm_head; the published files call it embed_out.
    renamed = {name.replace("lm_head", "embed_out"): x for name, x in file.items()}
    expected = renamed if "neox" in variant else file
    assert sorted(dumped) == sorted(expected)
    assert all(torch.equal(dumped[name], tensor) for name, tensor in expected.items())


def changed(folder: Path, to: Path, **changes: object) -> Path:
    """A copy of a checkpoint with changes to its config; ``...`` removes a field."""
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text()) | changes
    (to / "config.json").write_text(
        json.dumps({name: value for name, value in config.items() if value is not ...})
    )
    return to


def test_gpt2_files_without_prefix_and_with_masks_load(saved: Saved, tmp_path: Path) -> None:
    folder, model = saved("gpt2")
    changed(folder, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    tensors = {name.removeprefix("transformer."): x for name, x in tensors.items()}
    tensors["h.0.attn.bias"] = torch.ones(1, 1, 66, 66)
    tensors["h.0.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(tensors, tmp_path / "model.safetensors")
    tokens = torch.arange(1, 9).unsqueeze(0)

    network: Any = load(tmp_path).network

    with torch.inference_mode():
        expected = model(tokens).logits
        torch.testing.assert_close(
            network.predict(network(tokens)), expected, atol=TOLERANCE, rtol=0
        )


def test_rotary_fields_of_old_configs_are_read(saved: Saved, tmp_path: Path) -> None:
    folder, _ = saved("llama linear")
    old = {"rope_theta": 1000.0, "rope_scaling": {"type": "linear", "factor": 2.5}}

    model = load(changed(folder, tmp_path, rope_parameters=..., **old))

    assert model.network.config == load(folder).network.config


def test_pythias_old_rotary_fields_are_read(saved: Saved, tmp_path: Path) -> None:
    folder, _ = saved("neox in turn")

    model = load(
        changed(folder, tmp_path, rope_parameters=..., rotary_pct=0.5, rotary_emb_base=10000)
    )

    assert model.network.config == load(folder).network.config


@pytest.mark.parametrize(
    ("variant", "changes", "message"),
    [
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "'scale_attn_by_inverse_layer_idx'"),
        ("gpt2", {"mystery": 1}, "'mystery' is not a field"),
        ("gpt2", {"architectures": ["GPT2ForSequenceClassification"]}, "expects one of GPT2"),
        ("qwen2", {"use_sliding_window": True}, "'use_sliding_window' is True"),
        ("llama", {"rope_parameters": {"rope_type": "spiral"}}, "rope_type is 'spiral'; zoo has"),
        ("llama", {"rope_parameters": {"wobble": 2}}, "'wobble' is not a field"),
        ("llama", {"rope_parameters": [1]}, "'rope_parameters' is .1.; .* expects an object"),
        ("llama", {"partial_rotary_factor": 0.5}, "here whole heads are turned"),
        ("opt", {"enable_bias": False}, "'enable_bias' is False"),
        (
            "neox",
            {"rope_parameters": {"partial_rotary_factor": 0.4}},
            "3 of the 8 numbers of a head turn by their position; expected pairs",
        ),
        ("neox", {"rope_parameters": {"partial_rotary_factor": 3}}, "24 of the 8 numbers"),
        ("llama", {"head_dim": 5}, "5 of the 5 numbers of a head turn"),
    ],
)
def test_a_field_that_would_change_the_numbers_is_refused(
    saved: Saved, tmp_path: Path, variant: str, changes: dict[str, Any], message: str
) -> None:
    folder, _ = saved(variant)
    if variant == "llama" and "partial_rotary_factor" in changes:
        changes = {**changes, "rope_parameters": ...}

    with pytest.raises(CheckpointError, match=message):
        load(changed(folder, tmp_path, **changes))


def test_a_missing_head_is_an_error_where_it_is_not_tied(saved: Saved, tmp_path: Path) -> None:
    folder, _ = saved("llama")
    changed(folder, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, tmp_path / "model.safetensors")

    with pytest.raises(WeightMapError, match=r"'lm_head.weight' missing"):
        load(tmp_path)
