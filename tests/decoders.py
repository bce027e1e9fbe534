"""Tiny random decoders, saved by transformers, with a tokenizer of bytes and a few merges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers

import zoo

TEXTS = [
    "To be, or not to be: that is the question.",
    "天地玄黄。宇宙洪荒。",
    "Déjà vu! 🙂🙃 Naïve.",
]
VOCABULARY = 290
END = 0
ENDS = [0, 5, 17, 40, 77, 120, 199, 250]  # so many that some come up in random texts

# Widths that no two dimensions share, so that a swapped one cannot hide.
_SIZES: dict[str, dict[str, Any]] = {
    "GPT2LMHeadModel": {"n_embd": 24, "n_layer": 3, "n_head": 4, "n_inner": 40, "n_positions": 66},
    "GPTNeoXForCausalLM": {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 40,
        "max_position_embeddings": 66,
        "rotary_pct": 0.25,
    },
    "OPTForCausalLM": {
        "hidden_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "ffn_dim": 40,
        "max_position_embeddings": 66,
        "word_embed_proj_dim": 24,
        "pad_token_id": 1,
    },
    "LlamaForCausalLM": {
        "hidden_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "intermediate_size": 40,
        "max_position_embeddings": 66,
    },
}
_SIZES["Qwen2ForCausalLM"] = _SIZES["LlamaForCausalLM"]
_SIZES["Qwen3ForCausalLM"] = _SIZES["LlamaForCausalLM"] | {"head_dim": 10}


def save_decoder(class_name: str, folder: Path, **changes: object) -> Callable[..., Any]:
    """Save a random decoder of a transformers class; return the model.

    All its parameters move away from the class's own initialisation, which leaves biases at 0 and
    norms at 1: mistakes would hide there.
    """
    config_class = class_name.replace("LMHeadModel", "").replace("ForCausalLM", "") + "Config"
    options = {"vocab_size": VOCABULARY, "bos_token_id": END, "eos_token_id": END}
    config = getattr(transformers, config_class)(**{**options, **_SIZES[class_name], **changes})
    torch.manual_seed(0)
    model: Any = getattr(transformers, class_name)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    model.save_pretrained(folder)
    trained = tokenizers.ByteLevelBPETokenizer()
    trained.train_from_iterator(
        TEXTS, vocab_size=VOCABULARY, show_progress=False, special_tokens=["<|endoftext|>"]
    )
    trained.save(str(folder / "tokenizer.json"))
    return model


def load(folder: Path) -> zoo.Model:
    """Load a folder as the user does, in the numbers that references compute in."""
    return zoo.load(str(folder), device="cpu", dtype="float32")


def prompts(count: int, *, most: int = 12, seed: int = 0) -> list[list[int]]:
    """Random tokens, 1 to ``most`` of them, none of which ends a text."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, most + 1, (count,), generator=generator).tolist()
    return [torch.randint(1, VOCABULARY, (n,), generator=generator).tolist() for n in lengths]


def theirs(model: Callable[..., Any], prompt: list[int], **options: object) -> list[list[int]]:
    """What transformers generates for one prompt alone: new tokens, cut after the end."""
    return theirs_batched(model, [prompt], **options)


def theirs_batched(
    model: Callable[..., Any], asked: list[list[int]], **options: object
) -> list[list[int]]:
    """What transformers generates for a batch that is padded on the left, row by row."""
    ends = options.get("eos_token_id", END)
    ends = ends if isinstance(ends, list) else [ends]
    T = max(map(len, asked))
    with torch.no_grad():
        generate: Any = model.generate  # type: ignore[attr-defined]  # a transformers model
        rows = generate(
            torch.tensor([[END] * (T - len(prompt)) + prompt for prompt in asked]),
            attention_mask=torch.tensor([[0] * (T - len(p)) + [1] * len(p) for p in asked]),
            pad_token_id=END,
            **{"do_sample": False, **options},
        )
    results = []
    for row in rows.tolist():
        new = row[T:]
        stop = next((n + 1 for n, token in enumerate(new) if token in ends), len(new))
        results.append(new[:stop])
    return results
