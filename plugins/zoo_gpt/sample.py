"""Tiny checkpoints of each family without weights, for the contract's tests."""

from pathlib import Path

from zoo.testing import write_byte_tokenizer, write_json

_LLAMA = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "intermediate_size": 40,
    "max_position_embeddings": 130,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
}


_EDGE = 6  # pixels
_SHADES = (-0.8, 0.0, 0.9)


def gpt2(folder: Path, task: str) -> None:
    """Write a GPT-2."""
    sizes = {"n_embd": 24, "n_layer": 2, "n_head": 4, "n_inner": 40, "n_positions": 130}
    _write(folder, "gpt2", "GPT2LMHeadModel", **sizes)


def gpt_neox(folder: Path, task: str) -> None:
    """Write a GPT-NeoX; a quarter of each head is turned."""
    _write(
        folder,
        "gpt_neox",
        "GPTNeoXForCausalLM",
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=40,
        max_position_embeddings=130,
        rotary_pct=0.25,
    )


def opt(folder: Path, task: str) -> None:
    """Write an OPT whose embeddings are narrower than its blocks."""
    _write(
        folder,
        "opt",
        "OPTForCausalLM",
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        ffn_dim=40,
        max_position_embeddings=130,
        word_embed_proj_dim=16,
    )


def llama(folder: Path, task: str) -> None:
    """Write a Llama, whose heads share keys and values."""
    _write(folder, "llama", "LlamaForCausalLM", **_LLAMA)


def qwen2(folder: Path, task: str) -> None:
    """Write a Qwen2, whose queries, keys and values have biases."""
    _write(folder, "qwen2", "Qwen2ForCausalLM", **_LLAMA)


def qwen3(folder: Path, task: str) -> None:
    """Write a Qwen3, whose heads are normalised and of a width of their own."""
    _write(folder, "qwen3", "Qwen3ForCausalLM", **_LLAMA, head_dim=10)


def imagegpt(folder: Path, task: str) -> None:
    """Write an ImageGPT of 27 colours."""
    palette = [[red, green, blue] for red in _SHADES for green in _SHADES for blue in _SHADES]
    write_json(
        folder,
        "config.json",
        model_type="imagegpt",
        architectures=["ImageGPTForCausalImageModeling"],
        vocab_size=len(palette) + 1,
        n_positions=_EDGE * _EDGE,
        n_embd=24,
        n_layer=2,
        n_head=4,
        n_inner=40,
    )
    write_json(
        folder,
        "preprocessor_config.json",
        image_processor_type="ImageGPTImageProcessor",
        size={"height": _EDGE, "width": _EDGE},
        clusters=palette,
    )


def _write(folder: Path, model_type: str, class_name: str, **sizes: object) -> None:
    end = "<|endoftext|>"
    vocabulary = write_byte_tokenizer(folder, special=(end,))
    write_json(
        folder,
        "config.json",
        model_type=model_type,
        architectures=[class_name],
        vocab_size=vocabulary,
        bos_token_id=0,
        eos_token_id=0,
        **sizes,
    )
