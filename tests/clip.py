"""Tiny random CLIPs: saved by transformers and by open_clip, with tokenizers of their kinds."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import open_clip
import sentencepiece
import tokenizers
import torch
import transformers
from safetensors.torch import save_file

import zoo
from tests.checkpoints import LINES
from zoo_clip.preprocessor import byte_pair_backend

IMAGE_SIZE = 32
START, END = "<|startoftext|>", "<|endoftext|>"

OPENAI_MEAN, OPENAI_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

# Widths that no two dimensions share, so that a swapped one cannot hide.
_VISION: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "image_size": IMAGE_SIZE,
    "patch_size": 8,
}
_TEXT: dict[str, Any] = {
    "hidden_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 5,
    "intermediate_size": 80,
    "max_position_embeddings": 17,
}


def randomise(model: Any) -> None:  # noqa: ANN401 (of another library)
    """Move all parameters away from the class's own initialisation, where mistakes would hide."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.numel() > 1:
                parameter.add_(torch.randn_like(parameter), alpha=0.2)


def save_byte_pairs(folder: Path) -> int:
    """Train CLIP's kind of tokenizer; save all its files; return the size of its vocabulary."""
    backend = byte_pair_backend({}, [])
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=900,
        initial_alphabet=alphabet,
        # Numbered here, since the trainer would in an order of chance, by which it breaks ties.
        special_tokens=[f"{byte}</w>" for byte in alphabet],
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    backend.train_from_iterator(LINES, trainer)
    numbers = {token: n for n, (token, _) in enumerate(sorted(backend.get_vocab().items()))}
    # As OpenAI's: every byte alone, and at the end of a word.
    for byte in tokenizers.pre_tokenizers.ByteLevel.alphabet():
        for token in (byte, f"{byte}</w>"):
            numbers.setdefault(token, len(numbers))
    numbers |= {START: len(numbers), END: len(numbers) + 1}
    merges = json.loads(backend.to_str())["model"]["merges"]
    (folder / "vocab.json").write_text(json.dumps(numbers), encoding="utf-8")
    lines = [" ".join(pair) for pair in merges]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines, ""]), encoding="utf-8")
    transformers.CLIPTokenizer.from_pretrained(folder).save_pretrained(folder)
    return len(numbers)


def save_sentencepiece(folder: Path) -> int:
    """Train SigLIP's kind of tokenizer, with ``</s>`` as its end and padding."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line.lower() for line in LINES] * 3),
        model_writer=model,
        vocab_size=150,
        model_type="unigram",
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    (folder / "spiece.model").write_bytes(model.getvalue())
    tokenizer = transformers.SiglipTokenizer(str(folder / "spiece.model"))
    tokenizer.save_pretrained(folder)
    return int(tokenizer.vocab_size)


def save_clip(folder: Path, *, activation: str = "quick_gelu", **changes: object) -> Any:  # noqa: ANN401
    """Save a CLIP of transformers', with a processor; return the model."""
    vocabulary = save_byte_pairs(folder)
    special = {"bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1}
    config = transformers.CLIPConfig(
        text_config={**_TEXT, **special, "vocab_size": vocabulary, "hidden_act": activation},
        vision_config={**_VISION, "hidden_act": activation},
        projection_dim=28,
        **changes,
    )
    return _save(
        transformers.CLIPModel(config),
        folder,
        transformers.CLIPImageProcessor(
            size={"shortest_edge": IMAGE_SIZE},
            crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        ),
    )


def save_siglip(folder: Path) -> Any:  # noqa: ANN401 (a transformers model)
    """Save a SigLIP of transformers'; return the model."""
    vocabulary = save_sentencepiece(folder)
    config = transformers.SiglipConfig(
        text_config={**_TEXT, "vocab_size": vocabulary, "projection_size": 24},
        vision_config=_VISION,
    )
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    return _save(
        transformers.SiglipModel(config), folder, transformers.SiglipImageProcessor(size=size)
    )


def save_chinese_clip(folder: Path, wordpiece: Path) -> Any:  # noqa: ANN401 (a transformers model)
    """Save a Chinese-CLIP of transformers' beside BERT's kind of tokenizer; return the model."""
    for file in wordpiece.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    vocabulary = len((folder / "vocab.txt").read_text(encoding="utf-8").splitlines())
    config = transformers.ChineseCLIPConfig(
        text_config={**_TEXT, "vocab_size": vocabulary, "max_position_embeddings": 60},
        vision_config=_VISION,
        projection_dim=28,
    )
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    return _save(
        transformers.ChineseCLIPModel(config),
        folder,
        transformers.ChineseCLIPImageProcessor(size=size, do_center_crop=False),
    )


def _save(model: Any, folder: Path, processor: Any) -> Any:  # noqa: ANN401 (of transformers)
    torch.manual_seed(0)
    randomise(model)
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return model


def save_open_clip(folder: Path, config: dict[str, Any], **preprocess: object) -> Any:  # noqa: ANN401
    """Save a model of open_clip's as it publishes one; return the model."""
    torch.manual_seed(0)
    kind: Any = open_clip.model.CustomTextCLIP if config.get("custom_text") else open_clip.CLIP
    rest = {name: value for name, value in config.items() if name != "custom_text"}
    model = kind(**rest)
    randomise(model)
    model.eval()
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    preprocess_cfg = {
        "mean": OPENAI_MEAN,
        "std": OPENAI_STD,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
        **preprocess,
    }
    published = {"model_cfg": config, "preprocess_cfg": preprocess_cfg}
    (folder / "open_clip_config.json").write_text(json.dumps(published))
    return model


def open_clip_config(vocabulary: int, **changes: object) -> dict[str, Any]:
    """A tiny CLIP of open_clip's, of the same sizes as `save_clip`'s."""
    return {
        "embed_dim": 28,
        "vision_cfg": {
            "image_size": IMAGE_SIZE,
            "layers": 3,
            "width": 24,
            "head_width": 6,
            "patch_size": 8,
        },
        "text_cfg": {
            "context_length": 17,
            "vocab_size": vocabulary,
            "width": 20,
            "heads": 5,
            "layers": 2,
        },
        **changes,
    }


def load(folder: Path) -> zoo.Model:
    """Load a folder as the user does, in the numbers that references compute in."""
    return zoo.load(str(folder), device="cpu", dtype="float32")


def rows(model: zoo.Model, texts: Sequence[str]) -> list[list[int]]:
    """The tokens of texts."""
    encode: Callable[[Sequence[str]], list[list[int]]] = model.preprocessor.text
    return encode(texts)


def change_image_mean(folder: Path) -> None:
    """Let a checkpoint prepare its pictures in another way."""
    path = next(each for each in folder.glob("*processor_config.json"))
    fields = json.loads(path.read_text())
    fields.get("image_processor", fields)["image_mean"] = [0.1, 0.2, 0.3]
    path.write_text(json.dumps(fields))
