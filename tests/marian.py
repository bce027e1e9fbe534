"""Tiny random Marian checkpoints, saved by transformers, with sentencepiece models trained here."""

from __future__ import annotations

import json
import random
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import sentencepiece
import torch
import transformers

import zoo

START = 79
END = 1


def sentences(letters: str, count: int, seed: int) -> list[str]:
    """Lines of made-up words, which a sentencepiece model can learn."""
    generator = random.Random(seed)
    words = ["".join(generator.choices(letters, k=generator.randint(1, 6))) for _ in range(200)]
    return [
        " ".join(generator.choices(words, k=generator.randint(1, 12))) + generator.choice(".,!?")
        for _ in range(count)
    ]


@cache
def train_sentencepiece(
    letters: str,
    pieces: int,
    seed: int,
    **options: Any,  # noqa: ANN401 (sentencepiece's own)
) -> bytes:
    """A unigram model of such sentences."""
    import io

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences(letters, 500, seed)),
        model_writer=model,
        vocab_size=pieces,
        minloglevel=2,
        **options,
    )
    return model.getvalue()


def save_vocabulary(folder: Path, *, languages: tuple[str, ...] = (), size: int = 80) -> None:
    """Marian's files: two sentencepiece models, and a table of ``size`` numbers for both.

    The last number is the padding's, which is also the start's, as in published models. Some pieces
    of the source are left out, as they are where a vocabulary was cut.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.spm").write_bytes(train_sentencepiece("abcdeäöü猫", 48, 0))
    (folder / "target.spm").write_bytes(train_sentencepiece("abcdfghxyz", 48, 1))
    pieces: list[str] = []
    for name in ("source.spm", "target.spm"):
        model = sentencepiece.SentencePieceProcessor(model_file=str(folder / name))
        pieces += [model.id_to_piece(i) for i in range(3, model.get_piece_size())][:-3]
    tokens = ["<unk>", "</s>", *(f">>{language}<<" for language in languages), *pieces]
    tokens = list(dict.fromkeys(tokens))[: size - 1]
    numbers = {token: number for number, token in enumerate(tokens)} | {"<pad>": size - 1}
    (folder / "vocab.json").write_text(json.dumps(numbers))
    change_json(folder, "tokenizer_config.json", source_lang="de", target_lang="en")


def save_marian(folder: Path, *, languages: tuple[str, ...] = (), **changes: object) -> Any:  # noqa: ANN401 (transformers has no types)
    """Save a random MarianMTModel beside its vocabulary; return the model.

    All parameters are moved away from the initialisation, which leaves biases at 0, norms at 1 and
    attention nearly flat: mistakes would hide there. Widths are such that no two can be swapped.
    """
    sizes: dict[str, Any] = {
        "vocab_size": 80,
        "d_model": 24,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 40,
        "decoder_ffn_dim": 40,
        "max_position_embeddings": 64,
        "activation_function": "swish",
        "scale_embedding": True,
        "pad_token_id": START,
        "decoder_start_token_id": START,
        "eos_token_id": END,
        "forced_eos_token_id": END,
    }
    config = transformers.MarianConfig(**{**sizes, **changes})
    torch.manual_seed(0)
    model: Any = transformers.MarianMTModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed_positions" not in name:
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
        model.final_logits_bias.normal_()
    save_vocabulary(folder, languages=languages)
    model.save_pretrained(folder)
    return model


def load(folder: Path) -> zoo.Model:
    """Load a folder as the user does, in the numbers that references compute in."""
    return zoo.load(str(folder), device="cpu", dtype="float32")


def copy_checkpoint(folder: Path, to: Path) -> Path:
    """Copy a folder, so that a test may change it."""
    return Path(shutil.copytree(folder, to))


def change_json(folder: Path, name: str, **changes: object) -> None:
    """Set fields of a JSON file that may be there already; ``...`` removes one."""
    path = folder / name
    fields = json.loads(path.read_text()) if path.exists() else {}
    fields |= changes
    path.write_text(json.dumps({key: value for key, value in fields.items() if value is not ...}))
