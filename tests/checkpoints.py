"""Tiny random checkpoints, saved by the libraries that zoo reads from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

import zoo

LINES = [
    "A man in a red shirt rides a brown horse through the old city.",
    "Two women play music in the park while children dance around them.",
    "The weather was cold, but nobody wanted to stay at home all day.",
    "Paris is the capital of France; London is the capital of England.",
    "She reads 2,500 books a year, and he writes one every other week!",
    "我喜欢在公园里听音乐。今天天气很好。",
    "Café crème, naïve façade, Ångström und Straße.",
]

# Odd on purpose: scripts, accents, emoji, control characters, spaces, what looks like a token.
TEXTS = [
    "A man rides a horse.",
    "  leading,  double and trailing spaces  ",
    "ALL CAPS, MixedCase and don't-stop hyphens",
    "Café crème, naïve façade, Ångström und Straße.",
    "Cafe\u0301 with a combining accent",
    "我喜欢在公园里听音乐。mixed with English",
    "emoji 😀👩‍👩‍👧 and a flag 🇫🇷",
    "tab\tnewline\nzero\u200bwidth and \ufeff mark",
    "unknown letters: \u10f0 \u069d \U0001d518",
    "numbers 2,500.75 and 1e-5, e-mail@example.org",
    "supercalifragilisticexpialidocious" * 4,
    "[CLS] and </s> written out",
    "\ufb01ne ligatures and \uff46\uff55\uff4c\uff4c width",
    "a",
]

# Which family a class belongs to, by the beginning of its name; longest first.
_FAMILIES = ("DistilBert", "XLMRoberta", "Roberta", "Bert")

CLASSES = [
    family + head
    for family in _FAMILIES
    for head in ("Model", "ForMaskedLM", "ForSequenceClassification")
] + ["BertForPreTraining"]

# Widths that no two dimensions share, so that a swapped one cannot hide.
_SIZES: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 66,
}
_DISTILBERT_SIZES: dict[str, Any] = {
    "dim": 24,
    "n_layers": 3,
    "n_heads": 4,
    "hidden_dim": 40,
    "max_position_embeddings": 66,
}


class Save(Protocol):
    """The fixture ``save``: ``save("BertModel", hidden_act="relu")`` -> folder, model."""

    def __call__(self, class_name: str, **changes: object) -> tuple[Path, Callable[..., Any]]:
        """Save a model of a transformers class, once a session for the same changes."""


def save_wordpiece(folder: Path) -> None:
    """Train BERT's kind of tokenizer on `LINES`, and save it as transformers does."""
    trained = tokenizers.BertWordPieceTokenizer(lowercase=True)
    trained.train_from_iterator(
        LINES,
        vocab_size=260,
        min_frequency=1,
        show_progress=False,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
    )
    trained.save_model(str(folder))
    transformers.BertTokenizer.from_pretrained(folder).save_pretrained(folder)


def save_byte_level_bpe(folder: Path) -> None:
    """Train RoBERTa's kind of tokenizer on `LINES`, and save it as transformers does."""
    trained = tokenizers.ByteLevelBPETokenizer()
    trained.train_from_iterator(
        LINES,
        vocab_size=400,
        min_frequency=1,
        show_progress=False,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
    )
    trained.save_model(str(folder))
    # The published RoBERTa tokenizers have a mask that takes the space before it.
    mask = tokenizers.AddedToken("<mask>", lstrip=True, special=True)
    transformers.RobertaTokenizer.from_pretrained(folder, mask_token=mask).save_pretrained(folder)


def save_checkpoint(
    class_name: str,
    folder: Path,
    tokenizer: Path,
    *,
    randomised: bool = True,
    shard_size: str = "1GB",
    **changes: object,
) -> Callable[..., Any]:
    """Save a random model of a transformers class beside a tokenizer; return the model.

    Args:
        class_name: One of `CLASSES`.
        folder: To be made.
        tokenizer: A folder whose files are copied.
        randomised: Whether all parameters move away from the class's own initialisation, which
            leaves biases at 0, norms at 1 and attention nearly flat: mistakes would hide there.
        shard_size: Beyond which weights are split over files.
        changes: To the config.
    """
    family = next(each for each in _FAMILIES if class_name.startswith(each))
    sizes = _DISTILBERT_SIZES if family == "DistilBert" else _SIZES
    vocabulary = transformers.AutoTokenizer.from_pretrained(tokenizer)
    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(vocabulary), pad_token_id=vocabulary.pad_token_id, **{**sizes, **changes}
    )
    torch.manual_seed(0)
    model: Any = getattr(transformers, class_name)(config).eval()
    if randomised:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
    model.save_pretrained(folder, max_shard_size=shard_size)
    for file in tokenizer.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return model


def load(folder: Path) -> zoo.Model:
    """Load a folder as the user does, in the numbers that references compute in."""
    return zoo.load(str(folder), device="cpu", dtype="float32")


def copy_checkpoint(folder: Path, to: Path) -> Path:
    """Copy a folder's files, so that a test may change them."""
    to.mkdir(parents=True)
    for path in folder.rglob("*"):
        if path.is_file():
            target = to / path.relative_to(folder)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(path.read_bytes())
    return to


def change_weights(
    folder: Path, change: Callable[[dict[str, Tensor]], Mapping[str, Tensor]]
) -> None:
    """Rewrite ``model.safetensors``."""
    path = folder / "model.safetensors"
    save_file(dict(change(load_file(path))), path, metadata={"format": "pt"})


def change_json(folder: Path, name: str, **changes: object) -> None:
    """Set fields of a JSON file that may be there already; ``...`` removes one."""
    path = folder / name
    fields = json.loads(path.read_text()) if path.exists() else {}
    fields |= changes
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({key: value for key, value in fields.items() if value is not ...}))
