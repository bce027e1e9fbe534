"""Train ``tiny-bert``: a masked language model on wikitext-2 and the English side of multi30k.

    python recipes/tiny_bert.py --data ../shared/data --out plugins/zoo_bert/tiny --minutes 40
    python recipes/tiny_bert.py --data ../shared/data --evaluate plugins/zoo_bert/tiny

Two million words are little, so the model is small and sees them several times; what keeps it from
learning them by heart is that other tokens are hidden each time (RoBERTa's dynamic masking). The
learning rate falls to zero when the time is up, on whatever machine.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import json
import math
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import safetensors.torch
import tokenizers
import torch
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

import zoo
from zoo.nn import Attention
from zoo_bert.model import BertConfig, MaskedLanguageModel, build
from zoo_bert.weights import bert

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PAD, UNK, CLS, SEP, MASK = range(5)
TINY = BertConfig(
    vocabulary=5000,
    width=192,
    layers=4,
    heads=3,
    hidden=768,
    positions=128,
    first_position=0,
    segments=2,
    activation="gelu",
    norm_eps=1e-12,
    head="masked-language-model",
    head_activation="gelu",
    tied=True,
    labels=(),
    multi_label=False,
)

# Of a query and a key at the start: a head that looks beside gives most of its weight to one token.
SHARPNESS = 1.5

# A model that sees its text but a few times learns more of each pass if more is hidden than BERT's
# 15 % (Wettig et al., 2022, https://arxiv.org/abs/2202.08005). It is judged at 15 %.
TRAINING_SHARE = 0.2
EVALUATION_SHARE = 0.15

HELD_OUT = {
    "wikitext-2 valid": "wikitext-2/valid.txt.gz",
    "wikitext-2 test": "wikitext-2/test.txt.gz",
    "multi30k val": "multi30k/val.en.gz",
    "multi30k test_2016": "multi30k/test_2016_flickr.en.gz",
}


# Data


def read_texts(path: Path) -> list[str]:
    """Captions of a multi30k file; paragraphs of a wikitext-2 file, without its headings."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = file.read().splitlines()
    if path.parent.name == "multi30k":
        return lines
    return [
        detokenised(line) for line in lines if not line.startswith(" =") and len(line.split()) > 10
    ]


def detokenised(line: str) -> str:
    """Undo wikitext's spaces around punctuation: ``5 @,@ 000 ( all )`` -> ``5,000 (all)``."""
    line = re.sub(r" @([,.-])@ ", r"\1", line.strip())
    line = re.sub(r" ([.,;:!?%)\]])", r"\1", line)
    line = re.sub(r"([(\[$£]) ", r"\1", line)
    line = re.sub(r" ('s|'t|'re|'ve|'m|'ll|'d|')(?= |$)", r"\1", line)
    return re.sub(r'" (.*?) "', r'"\1"', line).replace("<unk>", "[UNK]")


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> tokenizers.Tokenizer:
    """A lower-cased WordPiece vocabulary of these texts, with BERT's cleaning."""
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary, special_tokens=SPECIALS, limit_alphabet=100, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", SEP), ("[CLS]", CLS))
    return tokenizer


def tokenize(
    tokenizer: tokenizers.Tokenizer, texts: Sequence[str], max_length: int
) -> list[list[int]]:
    """Token numbers of each text, special ones included; a longer text becomes several."""
    room = max_length - 2
    pieces = []
    for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False):
        ids = encoding.ids
        pieces += [[CLS, *ids[i : i + room], SEP] for i in range(0, len(ids), room)]
    return [piece for piece in pieces if len(piece) > 4]


def endless_batches(
    pieces: Sequence[list[int]], tokens: int, order: random.Random
) -> Iterator[list[list[int]]]:
    """Batches of like length, of at most so many tokens with padding, in a new order each time."""
    while True:
        # Lengths are blurred a little, so that no two passes put the same texts together.
        by_length = sorted(pieces, key=lambda piece: len(piece) + 4 * order.random())
        batches: list[list[list[int]]] = [[]]
        longest = 0
        for piece in by_length:
            longest = max(longest, len(piece))
            if batches[-1] and (len(batches[-1]) + 1) * longest > tokens:
                batches.append([])
                longest = len(piece)
            batches[-1].append(piece)
        order.shuffle(batches)
        yield from batches


@dataclass(frozen=True)
class Gaps:
    """Texts with hidden tokens.

    Shapes: B texts, T tokens of the longest, G gaps in all of them.

    Args:
        tokens: What the network sees, (B, T).
        real: False on padding, (B, 1, 1, T).
        places: True where a token is to be guessed, (B, T).
        answers: What was there, (G,).
    """

    tokens: Tensor
    real: Tensor
    places: Tensor
    answers: Tensor


def hide(pieces: Sequence[list[int]], share: float, generator: torch.Generator) -> Gaps:
    """Replace a share of the tokens by [MASK]."""
    T = max(map(len, pieces))
    original = torch.tensor([piece + [PAD] * (T - len(piece)) for piece in pieces])
    places = (torch.rand(original.shape, generator=generator) < share) & (original > MASK)
    tokens = original.masked_fill(places, MASK)
    return Gaps(tokens, (original != PAD)[:, None, None, :], places, original[places])


def disguise(gaps: Gaps, vocabulary: int, generator: torch.Generator) -> Gaps:
    """Put the answer back into 10 % of the gaps, and any token into 10 %.

    Devlin et al., 2018, appendix A.1: else the network would learn nothing about words it sees.
    """
    kind = torch.rand(gaps.answers.shape, generator=generator)
    anything = torch.randint(MASK + 1, vocabulary, gaps.answers.shape, generator=generator)
    shown = torch.where(kind < 0.8, MASK, torch.where(kind < 0.9, anything, gaps.answers))
    return replace(gaps, tokens=gaps.tokens.masked_scatter(gaps.places, shown))


def guess(network: MaskedLanguageModel, gaps: Gaps) -> Tensor:
    """Logits for the gaps, (G, V): other tokens need not go through the vocabulary."""
    hidden = network.encoder(gaps.tokens, mask=gaps.real)  # (B, T, C)
    return network.predict(hidden[gaps.places])


# Training


def train(
    data: Path,
    out: Path,
    *,
    start: Path | None,
    minutes: float,
    tokens: int,
    rate: float,
    seed: int,
) -> None:
    """Train on both sources, saving once a minute: stopped at any time, it leaves a checkpoint.

    With ``start`` the weights of an earlier run go on learning, under a new seed: with the old one
    they would see the same gaps again.
    """
    sources = [
        read_texts(data / "wikitext-2/train.txt.gz"),
        read_texts(data / "multi30k/train.en.gz"),
    ]
    torch.manual_seed(seed)
    if start is None:
        texts = [text for source in sources for text in source]
        tokenizer, network = train_tokenizer(texts, TINY.vocabulary), initialised(TINY)
    else:
        # Its own tokenizer: training one numbers the letters inside words anew each time.
        tokenizer = tokenizers.Tokenizer.from_file(str(start / "tokenizer.json"))
        network = loaded(start)
    pieces = [tokenize(tokenizer, source, TINY.positions) for source in sources]
    for progress in fit(network, pieces, minutes=minutes, tokens=tokens, rate=rate, seed=seed):
        print(progress, flush=True)
        save(network, TINY, tokenizer, out)


def loaded(folder: Path) -> MaskedLanguageModel:
    """The network of a checkpoint in float32, ready to learn."""
    network = zoo.load(str(folder.resolve()), device="cpu", dtype="float32").network
    assert isinstance(network, MaskedLanguageModel)
    return network.requires_grad_()


def initialised(config: BertConfig) -> MaskedLanguageModel:
    """A new network that is quick to learn what a neighbour says.

    BERT's 0.02 for all matrices suits a width of 768; at 192 it makes each block next to nothing
    beside its input, so here layers keep the size of what goes through them. BERT also learns from
    nothing which position is beside which. Here positions begin as waves, and two heads of each of
    the first two layers look at the token 1 or 2 places to the left and to the right.
    """
    network = build(config)
    assert isinstance(network, MaskedLanguageModel)
    for module in network.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
            nn.init.zeros_(module.bias)
    with torch.no_grad():
        positions = network.encoder.embeddings.position.weight
        positions.copy_(0.02 * math.sqrt(2) * waves(torch.arange(config.positions), config.width))
        for distance, block in enumerate(network.encoder.blocks[:2], start=1):
            attention = block.attention
            assert isinstance(attention, Attention)
            look_beside(attention, 0, -distance)
            look_beside(attention, 1, distance)
    network.decoder.weight = network.encoder.embeddings.token.weight
    return network


def waves(places: Tensor, width: int) -> Tensor:
    """Sines, then cosines, of each place; from 2 to 200 tokens long: (P,) -> (P, width)."""
    angles = places[:, None] * _frequencies(width)
    return torch.cat((angles.sin(), angles.cos()), dim=1)


def _frequencies(width: int) -> Tensor:
    return math.pi * 100 ** -(torch.arange(0, width, 2) / width)


def look_beside(attention: Attention, head: int, offset: int) -> None:
    """Let a head's query match the key of the token so many places to the right.

    The key is the shortest waves of a token's position. The query is the same waves, each turned by
    its angle between the two places.
    """
    width, D = attention.query.in_features, attention.head_width
    rows = torch.arange(head * D, head * D + D // 2)
    sines = torch.arange(D // 2)
    cosines = sines + width // 2
    angle = offset * _frequencies(width)[: D // 2]
    query, key = attention.query.weight, attention.key.weight
    query[head * D : head * D + D] = 0
    key[head * D : head * D + D] = 0
    key[rows, sines] = key[rows + D // 2, cosines] = SHARPNESS
    query[rows, sines] = query[rows + D // 2, cosines] = SHARPNESS * angle.cos()
    query[rows, cosines] = SHARPNESS * angle.sin()
    query[rows + D // 2, sines] = -SHARPNESS * angle.sin()


@dataclass(frozen=True)
class Progress:
    """How far training is: share of the time, steps, tokens seen, and the loss since last time.

    ``loss`` is the mean over batches, in nats a gap.
    """

    done: float
    steps: int
    tokens: int
    loss: float

    def __str__(self) -> str:
        seen = f"{self.tokens / 1e6:.2f} M tokens"
        return f"{self.done:4.0%}  {self.steps} steps  {seen}  loss {self.loss:.3f}"


def fit(
    network: MaskedLanguageModel,
    sources: Sequence[Sequence[list[int]]],
    *,
    minutes: float,
    tokens: int,
    rate: float,
    seed: int,
    every: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Progress]:
    """Train within a given time. All sources have an equal part in each step, whatever their size.

    Args:
        network: To be trained.
        sources: Token numbers of texts.
        minutes: How long.
        tokens: Of each source in a step, with padding.
        rate: Highest learning rate: reached after 4 % of the time, zero at its end.
        seed: Of the order and of what is hidden.
        every: Seconds between two reports; the last comes at the end.
        clock: Tells the seconds; asked once a step.
    """
    matrices = [p for p in network.parameters() if p.dim() > 1]
    vectors = [p for p in network.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)
    vocabulary = network.decoder.out_features
    generator = torch.Generator().manual_seed(seed)
    order = random.Random(seed)
    streams = [endless_batches(source, tokens, order) for source in sources]
    losses: list[float] = []
    steps = seen = 0
    start = reported = clock()
    network.train()
    while (done := ((now := clock()) - start) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * min(done / 0.04, 0.5 + 0.5 * math.cos(math.pi * done))
        for stream in streams:
            gaps = disguise(hide(next(stream), TRAINING_SHARE, generator), vocabulary, generator)
            if not len(gaps.answers):
                continue
            # On a CPU with AMX, bfloat16 is 1.5 times as fast; but the backward pass of torch's
            # fused attention is not, and takes nearly half of the time: so the plain one.
            with torch.autocast("cpu", dtype=torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
                logits = guess(network, gaps)
            loss = F.cross_entropy(logits.float(), gaps.answers)
            (loss / len(streams)).backward()
            losses.append(loss.item())
            seen += int(gaps.real.sum())
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
        if now - reported >= every:
            reported = now
            yield Progress(done, steps, seen, sum(losses) / len(losses))
            losses.clear()
    network.eval()
    if losses:
        yield Progress(1.0, steps, seen, sum(losses) / len(losses))


def save(
    network: MaskedLanguageModel, config: BertConfig, tokenizer: tokenizers.Tokenizer, out: Path
) -> None:
    """Write a checkpoint in Hugging Face form, its weights in bfloat16."""
    out.mkdir(parents=True, exist_ok=True)
    weights = bert(config).dump(copy.deepcopy(network).bfloat16().state_dict())
    # Not by save_file, which leaves a file that only its owner may read.
    (out / "model.safetensors").write_bytes(safetensors.torch.save(weights, {"format": "pt"}))
    tokenizer.save(str(out / "tokenizer.json"))
    published = {
        "architectures": ["BertForMaskedLM"],
        "attention_probs_dropout_prob": 0.0,
        "dtype": "bfloat16",
        "hidden_act": config.activation,
        "hidden_dropout_prob": 0.0,
        "hidden_size": config.width,
        "initializer_range": 0.02,
        "intermediate_size": config.hidden,
        "layer_norm_eps": config.norm_eps,
        "max_position_embeddings": config.positions,
        "model_type": "bert",
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
        "pad_token_id": PAD,
        "tie_word_embeddings": True,
        "type_vocab_size": config.segments,
        "vocab_size": config.vocabulary,
    }
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    settings = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "model_max_length": config.positions,
        **dict(zip(names, SPECIALS, strict=True)),
    }
    for name, content in (("config.json", published), ("tokenizer_config.json", settings)):
        (out / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


# Evaluation


class Neighbours:
    """Guess a token from the two beside it, by counting: the baseline that has no network.

    P(w | left, right) is the share of w among what stood between these two, smoothed with
    P(w | left) · P(right | w), both smoothed with P(w). How much of each is smoothing depends on
    how many different tokens were seen in that place (Witten and Bell, 1991), so that there is
    nothing to tune. A neighbour that is hidden itself says nothing.

    Shapes: G gaps, V vocabulary.
    """

    def __init__(self, pieces: Sequence[list[int]], vocabulary: int) -> None:
        pairs = torch.tensor([pair for piece in pieces for pair in pairwise(piece)])
        counts = torch.zeros(vocabulary * vocabulary)
        counts += torch.bincount(pairs[:, 0] * vocabulary + pairs[:, 1], minlength=len(counts))
        counts = counts.view(vocabulary, vocabulary)  # what came, and what came next
        single = counts.sum(dim=0).clamp(min=0.5)
        single[: MASK + 1] = 0  # special tokens are never hidden
        self.single = single / single.sum()
        kinds = (counts > 0).sum(dim=1, keepdim=True)
        total = counts.sum(dim=1, keepdim=True) + kinds
        back_off = counts.sum(dim=0) / counts.sum()
        self.next = (counts + kinds * back_off) / total.clamp(min=1)  # (V, V): P(next | this)
        self.between: defaultdict[tuple[int, int], Counter[int]] = defaultdict(Counter)
        for piece in pieces:
            for left, word, right in zip(piece, piece[1:], piece[2:], strict=False):
                self.between[left, right][word] += 1

    def __call__(self, left: Tensor, right: Tensor) -> Tensor:
        """(G,) twice -> (G, V): the probability of each token."""
        before = torch.where((left == MASK)[:, None], self.single, self.next[left])
        after = torch.where((right == MASK)[:, None], 1.0, self.next[:, right].T)
        scores = before * after
        scores[:, : MASK + 1] = 0
        scores /= scores.sum(dim=1, keepdim=True)
        for row, pair in zip(scores, zip(left.tolist(), right.tolist(), strict=True), strict=True):
            if seen := self.between.get(pair):
                counts = torch.zeros_like(row)
                counts[list(seen)] = torch.tensor(list(seen.values()), dtype=row.dtype)
                counts[: MASK + 1] = 0
                row.copy_((counts + len(seen) * row) / (counts.sum() + len(seen)))
        return scores


def evaluate(data: Path, folder: Path) -> dict[str, dict[str, float]]:
    """Accuracy in unseen texts, a fraction, of the model and of two baselines.

    Of each text's tokens 15 % become [MASK], with a fixed seed; the same gaps for all three. The
    baselines count the model's own training texts, in its tokens. ``top-5`` says how often the
    answer is among the best five.
    """
    model = zoo.load(str(folder.resolve()), device="cpu", dtype="float32")
    network, tokenizer = model.network, model.preprocessor.tokenizer.backend
    assert isinstance(network, MaskedLanguageModel)
    length = model.preprocessor.max_length
    tokenizer.no_truncation()
    training = [
        piece
        for name in ("wikitext-2/train.txt.gz", "multi30k/train.en.gz")
        for piece in tokenize(tokenizer, read_texts(data / name), length)
    ]
    neighbours = Neighbours(training, network.decoder.out_features)
    results = {}
    for name, file in HELD_OUT.items():
        pieces = sorted(tokenize(tokenizer, read_texts(data / file), length), key=len)
        generator = torch.Generator().manual_seed(0)
        hits: Counter[str] = Counter()
        count = 0
        for start in range(0, len(pieces), 32):
            gaps = hide(pieces[start : start + 32], EVALUATION_SHARE, generator)
            rows, columns = gaps.places.nonzero(as_tuple=True)
            left, right = gaps.tokens[rows, columns - 1], gaps.tokens[rows, columns + 1]
            with torch.inference_mode():
                guesses = {
                    "model": guess(network, gaps),
                    "n-gram": neighbours(left, right),
                    "unigram": neighbours.single.expand(len(rows), -1),
                }
            for guesser, scores in guesses.items():
                right_at = scores.topk(5).indices == gaps.answers[:, None]  # (G, 5)
                hits[f"{guesser} top-1"] += int(right_at[:, 0].sum())
                hits[f"{guesser} top-5"] += int(right_at.sum())
            count += len(rows)
        results[name] = {"gaps": float(count), **{key: n / count for key, n in hits.items()}}
    return results


def table(results: dict[str, dict[str, float]]) -> str:
    """The results in Markdown, in percent."""
    columns = [key for key in next(iter(results.values())) if key != "gaps"]
    lines = ["| held-out text | gaps | " + " | ".join(columns) + " |", "|---" * 8 + "|"]
    for name, row in results.items():
        cells = [name, f"{row['gaps']:.0f}", *(f"{100 * row[key]:.1f}" for key in columns)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Train or evaluate, as the command line says."""
    parser = argparse.ArgumentParser(description="Train or evaluate tiny-bert.")
    parser.add_argument("--data", type=Path, required=True, help="holds wikitext-2/ and multi30k/")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, help="train, and write the checkpoint there")
    what.add_argument("--evaluate", type=Path, metavar="FOLDER", help="measure a checkpoint")
    parser.add_argument("--start", type=Path, metavar="FOLDER", help="go on from a checkpoint")
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--tokens", type=int, default=1280, help="of each source in a step")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    options = vars(parser.parse_args())
    folder = options.pop("evaluate")
    if folder is None:
        train(options.pop("data"), options.pop("out"), **options)
    else:
        results = evaluate(options["data"], folder)
        print(table(results), json.dumps(results, indent=2), sep="\n\n")


if __name__ == "__main__":
    main()
