"""Tiny checkpoints of each family without weights, for the contract's tests."""

from pathlib import Path
from typing import Any

from zoo.testing import write_byte_tokenizer, write_json

# The head that a task needs; a classifier of natural language inference serves both kinds.
_HEADS = {"fill-mask": "ForMaskedLM", "feature-extraction": "Model"}
_LABELS = {"0": "contradiction", "1": "neutral", "2": "entailment"}


def bert(folder: Path, task: str) -> None:
    """Write a BERT."""
    _write(folder, task, "bert", "Bert", **_SIZES, hidden_act="gelu", layer_norm_eps=1e-12)


def roberta(folder: Path, task: str) -> None:
    """Write a RoBERTa, whose positions begin after the padding's number."""
    _write(folder, task, "roberta", "Roberta", **_SIZES, pad_token_id=1, type_vocab_size=1)


def distilbert(folder: Path, task: str) -> None:
    """Write a DistilBERT."""
    sizes = {"dim": 24, "n_layers": 2, "n_heads": 4, "hidden_dim": 40}
    _write(folder, task, "distilbert", "DistilBert", **sizes, activation="gelu")


_SIZES: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 40,
}


def _write(folder: Path, task: str, model_type: str, family: str, **sizes: object) -> None:
    special = ("[CLS]", "[SEP]", "[MASK]")
    vocabulary = write_byte_tokenizer(folder, special=special, start="[CLS]", end="[SEP]")
    head = _HEADS.get(task, "ForSequenceClassification")
    write_json(
        folder,
        "config.json",
        model_type=model_type,
        architectures=[family + head],
        vocab_size=vocabulary,
        max_position_embeddings=130,
        id2label=_LABELS,
        **sizes,
    )
