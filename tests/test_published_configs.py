"""What the registry says of a model's size, against its published config and our own network.

The configs are those of the publishers' repositories, without the fields that change no size.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

import zoo
from zoo import plugins


def gpt2(layers: int, width: int, heads: int) -> dict[str, Any]:
    sizes = {"n_layer": layers, "n_embd": width, "n_head": heads, "n_positions": 1024}
    return {
        "model_type": "gpt2",
        "vocab_size": 50257,
        "architectures": ["GPT2LMHeadModel"],
        **sizes,
    }


def pythia(layers: int, width: int, heads: int) -> dict[str, Any]:
    return {
        "model_type": "gpt_neox",
        "architectures": ["GPTNeoXForCausalLM"],
        "vocab_size": 50304,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
        "max_position_embeddings": 2048,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "rotary_pct": 0.25,
        "rotary_emb_base": 10000,
        "tie_word_embeddings": False,
        "use_parallel_residual": True,
    }


def llama(kind: str, sizes: tuple[int, ...], *, eps: float, tied: bool, **more: object) -> Any:  # noqa: ANN401
    names = (
        "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
        "num_attention_heads", "num_key_value_heads", "max_position_embeddings",
    )  # fmt: skip
    return {
        "model_type": kind,
        "architectures": [f"{kind.capitalize()}ForCausalLM"],
        "hidden_act": "silu",
        "rms_norm_eps": eps,
        "tie_word_embeddings": tied,
        **dict(zip(names, sizes, strict=True)),
        **more,
    }


def marian(vocabulary: int) -> dict[str, Any]:
    stack = {"layers": 6, "attention_heads": 8, "ffn_dim": 2048}
    return {
        "model_type": "marian",
        "architectures": ["MarianMTModel"],
        "vocab_size": vocabulary,
        "d_model": 512,
        "max_position_embeddings": 512,
        "activation_function": "swish",
        "scale_embedding": True,
        "static_position_embeddings": True,
        "decoder_start_token_id": vocabulary - 1,
        "pad_token_id": vocabulary - 1,
        **{f"{side}_{name}": n for side in ("encoder", "decoder") for name, n in stack.items()},
    }


def t5(layers: int, width: int, heads: int, hidden: int, **more: object) -> dict[str, Any]:
    return {
        "model_type": "t5",
        "architectures": ["T5ForConditionalGeneration"],
        "vocab_size": 32128,
        "d_model": width,
        "d_kv": 64,
        "d_ff": hidden,
        "num_layers": layers,
        "num_heads": heads,
        "n_positions": 512,
        **more,
    }


FLAN = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
TINY_LLAMA = llama("llama", (32000, 2048, 5632, 22, 32, 4, 2048), eps=1e-5, tied=False)
SMOL_135M = llama("llama", (49152, 576, 1536, 30, 9, 3, 8192), eps=1e-5, tied=True)
SMOL_360M = llama("llama", (49152, 960, 2560, 32, 15, 5, 8192), eps=1e-5, tied=True)
QWEN2 = llama("qwen2", (151936, 896, 4864, 24, 14, 2, 32768), eps=1e-6, tied=True)
PUBLISHED: dict[str, dict[str, Any]] = {
    "gpt2": gpt2(12, 768, 12),
    "gpt2-medium": gpt2(24, 1024, 16),
    "gpt2-large": gpt2(36, 1280, 20),
    "gpt2-xl": gpt2(48, 1600, 25),
    "distilgpt2": gpt2(6, 768, 12),
    "gpt2-chinese-cluecorpussmall": gpt2(12, 768, 12) | {"vocab_size": 21128, "n_ctx": 1024},
    "pythia-70m": pythia(6, 512, 8),
    "pythia-160m": pythia(12, 768, 12),
    "pythia-410m": pythia(24, 1024, 16),
    "opt-125m": {
        "model_type": "opt",
        "architectures": ["OPTForCausalLM"],
        "vocab_size": 50272,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "ffn_dim": 3072,
        "max_position_embeddings": 2048,
        "word_embed_proj_dim": 768,
        "activation_function": "relu",
        "do_layer_norm_before": True,
    },
    "tinyllama-1.1b-chat": TINY_LLAMA,
    "smollm2-135m": SMOL_135M,
    "smollm2-135m-instruct": SMOL_135M,
    "smollm2-360m": SMOL_360M,
    "smollm2-360m-instruct": SMOL_360M,
    "qwen2.5-0.5b": QWEN2,
    "qwen2.5-0.5b-instruct": QWEN2,
    "qwen3-0.6b": llama(
        "qwen3", (151936, 1024, 3072, 28, 16, 8, 40960), eps=1e-6, tied=True, head_dim=128
    ),
    "opus-mt-en-de": marian(58101),
    "opus-mt-de-en": marian(58101),
    "opus-mt-en-fr": marian(59514),
    "opus-mt-fr-en": marian(59514),
    "opus-mt-zh-en": marian(65001),
    "opus-mt-en-zh": marian(65001),
    "t5-small": t5(6, 512, 8, 2048),
    "t5-base": t5(12, 768, 12, 3072),
    "flan-t5-small": t5(8, 512, 6, 1024, **FLAN),
    "flan-t5-base": t5(12, 768, 12, 2048, **FLAN),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_registry_counts_what_the_published_config_makes(name: str) -> None:
    entry, published = zoo.show(name), PUBLISHED[name]
    architecture = plugins.find_architecture(entry.architecture)
    config = plugins.import_part(architecture, "config")(published)
    with torch.device("meta"):
        network = plugins.import_part(architecture, "build")(config)
    tied = plugins.import_part(architecture, "weights")(config).tied

    sizes = {each: parameter.numel() for each, parameter in network.named_parameters()}
    if published["model_type"] == "marian":
        del sizes["head.bias"]  # what Marian adds to its logits is in the file, and was not learnt
    assert entry.parameters == sum(n for each, n in sizes.items() if each not in tied)
    assert entry.max_length == published.get("n_positions", getattr(config, "max_length", None))
    facts = vars(config)
    assert {key: facts[key] for key in entry.checkpoint} == dict(entry.checkpoint)


def test_every_generating_model_of_the_registry_is_among_them() -> None:
    families = {"gpt2", "gpt-neox", "opt", "llama", "qwen2", "qwen3", "transformer", "t5"}

    ours = {each.name for each in zoo.list_models() if each.architecture in families}

    assert {name for name in ours if not name.startswith("tiny-")} <= set(PUBLISHED)
