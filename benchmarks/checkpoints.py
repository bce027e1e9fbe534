"""Full-size checkpoints with random weights: speed does not depend on what a model has learned."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PretrainedConfig

SIZES: dict[str, dict[str, int]] = {
    "BERT-base": {},
    "MiniLM-L6": {
        "hidden_size": 384,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
    },
}

# Enough words for a vocabulary and for sentences; what they say costs the same.
_SYLLABLES = [c + v for c in "bdklm" for v in "aeiou"]


def words(count: int) -> list[str]:
    """Made-up words, the same at every call."""
    generator = random.Random(0)
    return ["".join(generator.choices(_SYLLABLES, k=3)) for _ in range(count)]


def sentence_model(name: str, folder: Path) -> Path:
    """Save a sentence-transformers model of a size in `SIZES`, mean pooling; return its folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel

    config = BertConfig(**SIZES[name])
    source = _saved(BertModel, config, folder / f"{name}-plain")
    model = SentenceTransformer(
        modules=[Transformer(str(source)), Pooling(config.hidden_size), Normalize()]
    )
    model.save(str(folder / name))
    return folder / name


def masked_model(folder: Path) -> Path:
    """Save a masked language model of BERT-base's size; return its folder."""
    from transformers import BertConfig, BertForMaskedLM

    return _saved(BertForMaskedLM, BertConfig(), folder / "masked")


def _saved(kind: type, config: PretrainedConfig, folder: Path) -> Path:
    """A network of transformers with random weights, and a tokenizer of made-up words."""
    import torch
    from transformers import BertTokenizer

    torch.manual_seed(0)
    kind(config).save_pretrained(folder)
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = [*specials, *sorted(set(words(20_000)))]
    vocabulary += [f"[unused{number}]" for number in range(config.vocab_size - len(vocabulary))]
    numbers = {token: number for number, token in enumerate(vocabulary)}
    BertTokenizer(vocab=numbers).save_pretrained(folder)
    return folder


def sentences(count: int) -> list[str]:
    """Sentences of 5 to 128 tokens, two of them special: log-normal about 30, as prose is."""
    generator = random.Random(1)
    vocabulary = sorted(set(words(20_000)))
    lengths = [min(128, max(5, round(generator.lognormvariate(3.4, 0.7)))) for _ in range(count)]
    return [" ".join(generator.choices(vocabulary, k=length - 2)) for length in lengths]
