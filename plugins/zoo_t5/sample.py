"""A tiny checkpoint without weights, for the contract's tests."""

from pathlib import Path

from zoo.testing import write_byte_tokenizer, write_json


def t5(folder: Path, task: str) -> None:
    """Write a T5 1.1: gated, its head a matrix of its own."""
    _write(folder, "t5")


def mt5(folder: Path, task: str) -> None:
    """Write an mT5, which is a T5 1.1 by another name."""
    _write(folder, "mt5")


def _write(folder: Path, model_type: str) -> None:
    special = ("<pad>", "</s>")
    vocabulary = write_byte_tokenizer(folder, special=special, end="</s>")
    write_json(
        folder,
        "config.json",
        model_type=model_type,
        architectures=[
            "T5ForConditionalGeneration" if model_type == "t5" else "MT5ForConditionalGeneration"
        ],
        vocab_size=vocabulary,
        d_model=24,
        d_kv=8,
        d_ff=40,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        relative_attention_num_buckets=8,
        relative_attention_max_distance=20,
        tie_word_embeddings=False,
        decoder_start_token_id=0,
        eos_token_id=1,
    )
