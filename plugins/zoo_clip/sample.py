"""Tiny checkpoints of each family without weights, for the contract's tests."""

from pathlib import Path
from typing import Any

from zoo.testing import write_byte_tokenizer, write_json

_EDGE = 32  # pixels, of a picture

# No two alike, so that a swapped dimension cannot hide.
_VISION: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "image_size": _EDGE,
    "patch_size": 8,
}
_TEXT: dict[str, Any] = {
    "hidden_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 5,
    "intermediate_size": 80,
    "max_position_embeddings": 90,
}
_EMBEDDING = 28


def clip(folder: Path, task: str) -> None:
    """Write a CLIP as transformers publishes one."""
    vocabulary = _write_byte_pairs(folder)
    activation = {"hidden_act": "quick_gelu"}
    special = {"bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1}
    write_json(
        folder,
        "config.json",
        model_type="clip",
        text_config={**_TEXT, **activation, **special, "vocab_size": vocabulary},
        vision_config={**_VISION, **activation},
        projection_dim=_EMBEDDING,
    )
    write_json(
        folder,
        "preprocessor_config.json",
        image_processor_type="CLIPImageProcessor",
        size={"shortest_edge": _EDGE},
        crop_size={"height": _EDGE, "width": _EDGE},
    )


def siglip(folder: Path, task: str) -> None:
    """Write a SigLIP, whose texts all are as long as the longest."""
    vocabulary = write_byte_tokenizer(folder, special=("<pad>", "</s>"))
    write_json(folder, "tokenizer_config.json", pad_token="<pad>", eos_token="</s>")
    write_json(
        folder,
        "config.json",
        model_type="siglip",
        text_config={
            **_TEXT,
            "vocab_size": vocabulary,
            "projection_size": _VISION["hidden_size"],
        },
        vision_config=_VISION,
    )
    _write_square_preprocessor(folder, "SiglipImageProcessor")


def chinese_clip(folder: Path, task: str) -> None:
    """Write a Chinese-CLIP, which reads bytes here."""
    special = ("[PAD]", "[CLS]", "[SEP]")
    vocabulary = write_byte_tokenizer(folder, special=special, start="[CLS]", end="[SEP]")
    write_json(
        folder,
        "config.json",
        model_type="chinese_clip",
        text_config={**_TEXT, "vocab_size": vocabulary},
        vision_config=_VISION,
        projection_dim=_EMBEDDING,
    )
    _write_square_preprocessor(folder, "ChineseCLIPImageProcessor", do_center_crop=False)


def open_clip(folder: Path, task: str) -> None:
    """Write a CLIP as open_clip publishes one; its SigLIPs come in timm's sizes, none tiny."""
    vocabulary = _write_byte_pairs(folder)
    write_json(
        folder,
        "open_clip_config.json",
        model_cfg={
            "embed_dim": _EMBEDDING,
            "quick_gelu": True,
            "vision_cfg": {
                "image_size": _EDGE,
                "layers": _VISION["num_hidden_layers"],
                "width": _VISION["hidden_size"],
                "head_width": _VISION["hidden_size"] // _VISION["num_attention_heads"],
                "patch_size": _VISION["patch_size"],
            },
            "text_cfg": {
                "context_length": _TEXT["max_position_embeddings"],
                "vocab_size": vocabulary,
                "width": _TEXT["hidden_size"],
                "heads": _TEXT["num_attention_heads"],
                "layers": _TEXT["num_hidden_layers"],
            },
        },
        preprocess_cfg={"interpolation": "bicubic", "resize_mode": "shortest"},
    )


def _write_byte_pairs(folder: Path) -> int:
    """Write CLIP's kind of tokenizer without a merge; return how many tokens it has.

    Each byte is a token inside a word and another at its end; the special ones come last, where
    the network looks for the end of a text.
    """
    from tokenizers import pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ("<|startoftext|>", "<|endoftext|>")
    tokens = [*alphabet, *(f"{byte}</w>" for byte in alphabet), *special]
    write_json(folder, "vocab.json", **{token: number for number, token in enumerate(tokens)})
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    return len(tokens)


def _write_square_preprocessor(folder: Path, kind: str, **fields: object) -> None:
    size = {"height": _EDGE, "width": _EDGE}
    write_json(folder, "preprocessor_config.json", image_processor_type=kind, size=size, **fields)
