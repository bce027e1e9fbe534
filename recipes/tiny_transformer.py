"""Train ``tiny-transformer-de-en`` on multi30k, and ``tiny-transformer-zh-en`` on Tatoeba pairs.

    into=plugins/zoo_transformer/tiny_de_en
    python recipes/tiny_transformer.py train de-en ../shared/data $into --minutes 60
    python recipes/tiny_transformer.py evaluate de-en ../shared/data $into

Needs sentencepiece, and sacrebleu to evaluate.

29,000 sentences are little. Dropout, label smoothing and subword regularisation (Kudo, 2018,
https://arxiv.org/abs/1804.10959: each pass splits the source's words anew) keep the model from
learning them by heart, and what is saved is a moving average of the weights. Targets are split one
way, and the rate is 1e-3: with both sides split anew at 2e-3, 4000 steps gave a BLEU of 6.8, where
1100 steps of this give 19.0. The learning rate falls to zero when
the time is up, on whatever machine. The checkpoint has Marian's form.

Licences. multi30k has no licence file; its captions derive from Flickr30k, which is for research
and not for commerce, and WMT gave them as CC BY-NC-SA 4.0: weights trained on them are to be shared
with the same restriction. The Tatoeba pairs (by way of manythings.org) are CC BY 2.0 FR.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import io
import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_transformer.model import StackConfig, Translator, TranslatorConfig
from zoo_transformer.weights import marian

END, UNKNOWN = 0, 1
STACK = StackConfig(
    width=192,
    layers=3,
    heads=4,
    hidden=768,
    activation="relu",
    norm_eps=1e-5,
    final_norm=False,
)
POSITIONS = 128
SMOOTHING = 0.1
AVERAGING = 0.998  # of the moving average, a step
HELD_OUT = 1000

Pairs = list[tuple[str, str]]


# Data


@dataclass(frozen=True)
class Task:
    """A pair of languages: how many pieces both share, and what is to be learnt and tested."""

    source: str
    target: str
    pieces: int
    train: Pairs
    tests: dict[str, Pairs]


def read(name: str, data: Path) -> Task:
    """The task of this name: de-en or zh-en."""
    if name == "de-en":
        tests = {f"multi30k {x}": multi30k(data, x) for x in TESTS}
        return Task("de", "en", 5000, multi30k(data, "train"), tests)
    train, held_out = tatoeba(data)
    return Task("zh", "en", 6000, train, {f"Tatoeba, {HELD_OUT} held out": held_out})


TESTS = ("test_2016_flickr", "test_2017_flickr")


def multi30k(data: Path, part: str) -> Pairs:
    """German captions and their English ones."""
    sides = [lines(data / f"multi30k/{part}.{language}.gz") for language in ("de", "en")]
    return list(zip(*sides, strict=True))


def tatoeba(data: Path) -> tuple[Pairs, Pairs]:
    """Chinese sentences and their English ones: to train on, and held out.

    Many sentences have several translations. None of those held out, on either side, is trained on.
    """
    rows = [line.split("\t") for line in lines(data / "tatoeba-cmn-eng/cmn.txt.gz")]
    pairs = list(dict.fromkeys((chinese, english) for english, chinese, *_ in rows))
    held_out = random.Random(0).sample(pairs, HELD_OUT)
    seen = {sentence for pair in held_out for sentence in pair}
    return [pair for pair in pairs if seen.isdisjoint(pair)], held_out


def lines(path: Path) -> list[str]:
    """Lines of a gzipped text."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.rstrip("\n") for line in file]


def train_sentencepiece(task: Task) -> bytes:
    """One unigram model for both languages, so that names are split alike."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(sentence for pair in task.train for sentence in pair),
        model_writer=model,
        vocab_size=task.pieces,
        character_coverage=0.9998,
        minloglevel=2,
    )
    return model.getvalue()


class Numbers:
    """Pieces of a sentencepiece model, numbered as OPUS does: end, unknown, pieces, padding.

    The library's first three are unknown, start and end. Padding is also what a translation starts
    with.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._library = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.padding = self._library.get_piece_size() - 1

    def encode(self, text: str, *, regularised: bool) -> list[int]:
        """The numbers of a text; one of its many splits, if regularised."""
        options: dict[str, Any] = (
            {"enable_sampling": True, "alpha": 0.5, "nbest_size": -1} if regularised else {}
        )
        pieces = self._library.encode(text, **options)
        numbers = [piece - 1 if piece > 2 else UNKNOWN for piece in pieces]
        return [*numbers[: POSITIONS - 2], END]

    def table(self) -> dict[str, int]:
        """What vocab.json holds."""
        pieces = (self._library.id_to_piece(piece) for piece in range(3, self.padding + 1))
        return {
            "</s>": END,
            "<unk>": UNKNOWN,
            **{piece: number for number, piece in enumerate(pieces, start=2)},
            "<pad>": self.padding,
        }


def config(numbers: Numbers) -> TranslatorConfig:
    """A network for these pieces: three blocks that read, two that write, one matrix of tokens."""
    return TranslatorConfig(
        encoder=STACK,
        decoder=replace(STACK, layers=2),
        vocabulary=numbers.padding + 1,
        target_vocabulary=numbers.padding + 1,
        positions=POSITIONS,
        scaled=True,
        shared=True,
        tied=True,
        start=numbers.padding,
    )


@dataclass(frozen=True)
class Batch:
    """Sources (B, S) and where they have tokens; targets (B, T + 1), from the start token on."""

    source: Tensor
    mask: Tensor
    target: Tensor


def batches(pairs: Pairs, numbers: Numbers, tokens: int, order: random.Random) -> Iterator[Batch]:
    """Endless batches of about so many target tokens, sentences of like length together."""
    while True:
        rows = [
            (numbers.encode(source, regularised=True), numbers.encode(target, regularised=False))
            for source, target in pairs
        ]
        # Noise, so that a sentence meets others in each pass.
        rows.sort(key=lambda row: len(row[1]) + len(row[0]) / 2 + order.random() * 3)
        cut, start = [], 0
        for end in range(1, len(rows) + 1):
            longest = max(len(row[1]) for row in rows[start:end])
            if end == len(rows) or (end - start + 1) * longest > tokens:
                cut.append(rows[start:end])
                start = end
        order.shuffle(cut)
        for chosen in cut:
            yield batch([row[0] for row in chosen], [row[1] for row in chosen], numbers.padding)


def batch(sources: Sequence[list[int]], targets: Sequence[list[int]], padding: int) -> Batch:
    """Pad both sides."""

    def padded(rows: Sequence[list[int]]) -> Tensor:
        tensors = [torch.tensor(row) for row in rows]
        return nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=padding)

    source = padded(sources)
    return Batch(
        source, (source != padding)[:, None, None], padded([[padding, *row] for row in targets])
    )


# Training


def new_network(config: TranslatorConfig, dropout: float) -> Translator:
    """A network with the paper's initial weights, and dropout after embedding and each sublayer.

    The network itself has no dropout, since it was written to run; hooks add it while it trains.
    """
    network = Translator(config)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
    nn.init.normal_(network.source.token.weight, std=STACK.width**-0.5)
    network.target.token.weight = network.source.token.weight
    network.head.weight = network.source.token.weight

    def drop(module: nn.Module, _: object, output: Tensor) -> Tensor:
        return F.dropout(output, dropout, training=module.training)

    blocks = [*network.encoder.blocks, *network.decoder.blocks]
    sublayers = (part for block in blocks for part in block.children())
    for part in (network.source, network.target, *sublayers):
        if not isinstance(part, nn.LayerNorm):
            part.register_forward_hook(drop)
    return network


def train(
    name: str,
    data: Path,
    out: Path,
    *,
    minutes: float,
    tokens: int,
    rate: float,
    dropout: float,
    seed: int,
) -> None:
    """Train for so many minutes, then save.

    Args:
        name: de-en or zh-en.
        data: The folder that has ``multi30k`` and ``tatoeba-cmn-eng``.
        out: Where the checkpoint goes.
        minutes: How long.
        tokens: Target tokens a batch.
        rate: Highest learning rate: reached after 8 % of the time, zero at its end.
        dropout: Share of numbers set to zero.
        seed: Of initial weights, order, dropout and splits.
    """
    torch.manual_seed(seed)
    sentencepiece.set_random_generator_seed(seed)
    task = read(name, data)
    numbers = Numbers(train_sentencepiece(task))
    network = new_network(config(numbers), dropout)
    average = copy.deepcopy(network).eval()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    start, shown, losses = time.monotonic(), 0.0, []
    for step, each in enumerate(batches(task.train, numbers, tokens, random.Random(seed))):
        done = (time.monotonic() - start) / (60 * minutes)
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, done / 0.08) * (0.5 + 0.5 * math.cos(math.pi * done))
        logits = network(each.source, each.target[:, :-1], mask=each.mask)  # (B, T, V)
        loss = F.cross_entropy(
            logits.flatten(0, 1),
            each.target[:, 1:].flatten(),
            ignore_index=numbers.padding,
            label_smoothing=SMOOTHING,
        )
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        weight = min(AVERAGING, step / (step + 10))  # the first steps are soon forgotten
        with torch.no_grad():
            for kept, new in zip(average.parameters(), network.parameters(), strict=True):
                kept.lerp_(new, 1 - weight)
        losses.append(loss.item())
        if time.monotonic() - shown > 60:
            shown = time.monotonic()
            recent = sum(losses[-200:]) / len(losses[-200:])
            print(f"{done:4.0%}  step {step:6}  loss {recent:.3f}", flush=True)
    save(average, numbers, task, out)


def save(network: Translator, numbers: Numbers, task: Task, out: Path) -> None:
    """Write the checkpoint in Marian's form, weights in bfloat16."""
    out.mkdir(parents=True, exist_ok=True)
    sizes = config(numbers)
    tied = ("target.token.weight", "head.weight")
    state = {k: v.detach().bfloat16() for k, v in network.state_dict().items() if k not in tied}
    save_file(marian(sizes).dump(state), out / "model.safetensors", metadata={"format": "pt"})
    for name in ("source.spm", "target.spm"):
        (out / name).write_bytes(numbers.model)
    tokens = {
        "bos_token_id": END,
        "decoder_start_token_id": sizes.start,
        "eos_token_id": END,
        "forced_eos_token_id": END,
        "pad_token_id": numbers.padding,
    }
    files: dict[str, dict[str, Any]] = {
        "vocab.json": numbers.table(),
        "tokenizer_config.json": {
            "model_max_length": POSITIONS,
            "source_lang": task.source,
            "target_lang": task.target,
            "tokenizer_class": "MarianTokenizer",
        },
        "generation_config.json": {
            **tokens,
            "bad_words_ids": [[numbers.padding]],
            "max_length": POSITIONS,
            "num_beams": 4,
            "renormalize_logits": True,
        },
        "config.json": {
            **tokens,
            "activation_function": STACK.activation,
            "architectures": ["MarianMTModel"],
            "d_model": STACK.width,
            "decoder_attention_heads": sizes.decoder.heads,
            "decoder_ffn_dim": sizes.decoder.hidden,
            "decoder_layers": sizes.decoder.layers,
            "decoder_vocab_size": sizes.target_vocabulary,
            "dtype": "bfloat16",
            "encoder_attention_heads": sizes.encoder.heads,
            "encoder_ffn_dim": sizes.encoder.hidden,
            "encoder_layers": sizes.encoder.layers,
            "is_encoder_decoder": True,
            "max_position_embeddings": POSITIONS,
            "model_type": "marian",
            "scale_embedding": True,
            "share_encoder_decoder_embeddings": True,
            "static_position_embeddings": True,
            "tie_word_embeddings": True,
            "vocab_size": sizes.vocabulary,
        },
    }
    for name, content in files.items():
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (out / name).write_text(text + "\n", encoding="utf-8")


# Evaluation


def evaluate(name: str, data: Path, folder: Path) -> dict[str, dict[str, float | str]]:
    """BLEU of the saved checkpoint on unseen sentences, greedy and with four beams."""
    from sacrebleu.metrics.bleu import BLEU

    import zoo

    model = zoo.load(str(folder.resolve()), device="cpu", dtype="float32")
    results: dict[str, dict[str, float | str]] = {}
    for test, pairs in read(name, data).tests.items():
        references = [target for _, target in pairs]
        results[test] = {"sentences": len(pairs)}
        for num_beams in (1, 4):
            answers = model.translate([source for source, _ in pairs], num_beams=num_beams)
            bleu = BLEU()
            score = bleu.corpus_score([answer.text for answer in answers], [references])
            results[test][f"BLEU, {num_beams} beams"] = score.score
            results[test]["signature"] = str(bleu.get_signature())
    return results


def main() -> None:
    """Train or evaluate, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train")
    training.add_argument("name", choices=("de-en", "zh-en"))
    training.add_argument("data", type=Path)
    training.add_argument("out", type=Path)
    training.add_argument("--minutes", type=float, default=60)
    training.add_argument("--tokens", type=int, default=2048, help="target tokens a batch")
    training.add_argument("--rate", type=float, default=1e-3, help="highest learning rate")
    training.add_argument("--dropout", type=float, default=0.2)
    training.add_argument("--seed", type=int, default=0)
    evaluation = commands.add_parser("evaluate")
    evaluation.add_argument("name", choices=("de-en", "zh-en"))
    evaluation.add_argument("data", type=Path)
    evaluation.add_argument("folder", type=Path)
    options = vars(parser.parse_args())
    command = options.pop("command")
    place = [
        options.pop(key) for key in ("name", "data", "out" if command == "train" else "folder")
    ]
    if command == "train":
        train(*place, **options)
    else:
        print(json.dumps(evaluate(*place), indent=2))


if __name__ == "__main__":
    main()
