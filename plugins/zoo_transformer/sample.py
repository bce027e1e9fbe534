"""Tiny checkpoints without weights, for the contract's tests."""

import string
import struct
from pathlib import Path

from zoo.testing import write_json

# Kinds of sentencepiece's pieces.
_NORMAL, _UNKNOWN, _CONTROL = 1, 2, 3


def marian(folder: Path, task: str) -> None:
    """Write a translator whose pieces are letters."""
    letters = ["▁", *string.ascii_letters, *string.punctuation]
    kinds = {"<unk>": _UNKNOWN, "</s>": _CONTROL, **dict.fromkeys(letters, _NORMAL)}
    (folder / "source.spm").write_bytes(b"".join(map(_piece, kinds, kinds.values())))
    numbers = {piece: number for number, piece in enumerate([*kinds, "<pad>"])}
    write_json(folder, "vocab.json", **numbers)
    padding = numbers["<pad>"]
    write_json(
        folder,
        "config.json",
        model_type="marian",
        architectures=["MarianMTModel"],
        vocab_size=len(numbers),
        d_model=24,
        encoder_layers=2,
        encoder_attention_heads=4,
        encoder_ffn_dim=40,
        decoder_layers=2,
        decoder_attention_heads=4,
        decoder_ffn_dim=40,
        max_position_embeddings=130,
        activation_function="swish",
        scale_embedding=True,
        pad_token_id=padding,
        decoder_start_token_id=padding,
        eos_token_id=numbers["</s>"],
    )


def torch(folder: Path, task: str) -> None:
    """Write the stacks of torch.nn.Transformer."""
    write_json(
        folder,
        "config.json",
        model_type="torch-transformer",
        d_model=24,
        nhead=4,
        num_encoder_layers=2,
        num_decoder_layers=2,
        dim_feedforward=40,
    )


def _piece(text: str, kind: int) -> bytes:
    """One field of sentencepiece's file: pieces {1: text, 2: score, 3: kind}, a protocol buffer."""
    name = text.encode()
    body = b"\x0a" + bytes([len(name)]) + name + b"\x15" + struct.pack("<f", -4.0)
    body += b"\x18" + bytes([kind])
    return b"\x0a" + bytes([len(body)]) + body
