"""Train ``tiny-gpt``: GPT-2's architecture on the first 90 % of tiny-shakespeare.

    python recipes/tiny_gpt.py train ../shared/data plugins/zoo_gpt/tiny --minutes 22
    python recipes/tiny_gpt.py evaluate ../shared/data plugins/zoo_gpt/tiny

A million characters are little. Tokens of a small byte-pair vocabulary let the model see twice as
much of the text in the same time as characters would. Merges that are left out at random (Provilkov
et al., "BPE-Dropout", 2020) and dropout keep it from learning the text by heart, and Muon (Jordan,
2024) learns more from each step than AdamW. The learning rate falls to zero when the time is up.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import tokenizers
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_gpt.gpt2 import GPT2, GPT2Config
from zoo_gpt.weights import gpt2

CONFIG = GPT2Config(
    vocabulary=512,
    width=256,
    layers=4,
    heads=4,
    hidden=1024,
    positions=256,
    activation="gelu_new",
    norm_eps=1e-5,
    tied=True,
)
MERGE_DROPOUT = 0.05
HELD_OUT_SHARE = 0.1


# Data


def read(data: Path) -> tuple[str, str]:
    """The text to train on, and its last tenth, which is held out."""
    text = (data / "tiny-shakespeare/input.txt").read_text(encoding="utf-8")
    border = round(len(text) * (1 - HELD_OUT_SHARE))
    return text[:border], text[border:]


def train_tokenizer(text: str) -> tokenizers.Tokenizer:
    """Byte-level BPE, as GPT-2's, without special tokens: the text has no documents to end."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=CONFIG.vocabulary,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def encode(tokenizer: tokenizers.Tokenizer, text: str) -> Tensor:
    """All tokens of a text, (N,)."""
    return torch.tensor(tokenizer.encode(text).ids)


def batches(tokenizer: tokenizers.Tokenizer, text: str, rows: int) -> Iterator[Tensor]:
    """Endless windows at random places, (rows, positions + 1); dropped merges change each pass."""
    while True:
        tokenizer.model.dropout = MERGE_DROPOUT
        tokens = encode(tokenizer, text)
        tokenizer.model.dropout = None
        length = CONFIG.positions + 1
        starts = torch.arange(0, len(tokens) - length, CONFIG.positions)
        starts = starts + torch.randint(CONFIG.positions, (1,))
        starts = starts[starts <= len(tokens) - length]
        for chosen in starts[torch.randperm(len(starts))].split(rows):
            yield tokens[chosen.unsqueeze(1) + torch.arange(length)]


# Training


def new_network(dropout: float) -> GPT2:
    """A network with GPT-2's initial weights, and dropout after embedding, attention, feed-forward.

    The network itself has no dropout, since it was written to run; hooks add it while it trains.
    """
    network = GPT2(CONFIG)
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1:
            narrow = name.endswith(("output.weight", "down.weight"))
            nn.init.normal_(parameter, std=0.02 / (math.sqrt(2 * CONFIG.layers) if narrow else 1))
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
    network.head.weight = network.token_embedding.weight

    def drop(module: nn.Module, _: object, output: Tensor) -> Tensor:
        return F.dropout(output, dropout, training=module.training)

    for part in (network.token_embedding, *(p for b in network.blocks for p in b.children())):
        if not isinstance(part, nn.LayerNorm):
            part.register_forward_hook(drop)
    return network


def train(
    data: Path,
    out: Path,
    *,
    minutes: float,
    rows: int,
    rate: float,
    matrix_rate: float,
    dropout: float,
    seed: int,
) -> None:
    """Train for so many minutes, then save.

    Args:
        data: The folder that has ``tiny-shakespeare/input.txt``.
        out: Where the checkpoint goes.
        minutes: How long.
        rows: Windows a batch.
        rate: Highest learning rate of AdamW, for embeddings, norms and biases.
        matrix_rate: Highest learning rate of Muon, for the blocks' matrices.
        dropout: Share of numbers set to zero.
        seed: Of initial weights, order, dropped merges and dropout.
    """
    torch.manual_seed(seed)
    text, held_out = read(data)
    tokenizer = train_tokenizer(text)
    network = new_network(dropout)
    matrices = [p for p in network.blocks.parameters() if p.dim() == 2]
    rest = [p for p in network.parameters() if all(p is not matrix for matrix in matrices)]
    optimizers: list[tuple[torch.optim.Optimizer, float]] = [
        (torch.optim.Muon(matrices, lr=matrix_rate, weight_decay=0.1), matrix_rate),
        (torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.01), rate),
    ]
    start, shown, losses = time.monotonic(), 0.0, []
    for step, batch in enumerate(batches(tokenizer, text, rows)):
        done = (time.monotonic() - start) / (60 * minutes)
        if done >= 1:
            break
        share = min(1.0, done / 0.02) * min(1.0, (1 - done) / 0.6)  # up, level, down to zero
        for optimizer, highest in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = highest * share
        loss = F.cross_entropy(network.predict(network(batch[:, :-1])).mT, batch[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimizer, _ in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
        if time.monotonic() - shown > 60:
            shown = time.monotonic()
            recent = sum(losses[-50:]) / len(losses[-50:])
            held = nats_per_character(network, tokenizer, held_out[:30_000])
            print(
                f"{done:4.0%}  step {step:5}  loss a token {recent:.3f}, "
                f"held out a character {held:.3f}",
                flush=True,
            )
    save(network.eval(), tokenizer, out)


def save(network: GPT2, tokenizer: tokenizers.Tokenizer, out: Path) -> None:
    """Write the checkpoint in Hugging Face form, weights in bfloat16."""
    out.mkdir(parents=True, exist_ok=True)
    weights = gpt2(CONFIG).dump({k: v.detach().bfloat16() for k, v in _untied(network).items()})
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(out / "tokenizer.json"))
    config = {
        "activation_function": CONFIG.activation,
        "architectures": ["GPT2LMHeadModel"],
        "bos_token_id": tokenizer.encode("\n").ids[0],
        "dtype": "bfloat16",
        "eos_token_id": None,
        "layer_norm_epsilon": CONFIG.norm_eps,
        "model_type": "gpt2",
        "n_embd": CONFIG.width,
        "n_head": CONFIG.heads,
        "n_inner": CONFIG.hidden,
        "n_layer": CONFIG.layers,
        "n_positions": CONFIG.positions,
        "tie_word_embeddings": True,
        "vocab_size": CONFIG.vocabulary,
    }
    settings = {"model_max_length": CONFIG.positions, "tokenizer_class": "GPT2Tokenizer"}
    for name, content in (("config.json", config), ("tokenizer_config.json", settings)):
        (out / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _untied(network: GPT2) -> dict[str, Tensor]:
    """The state without the head's matrix, which is the token embeddings'."""
    return {name: x for name, x in network.state_dict().items() if name != "head.weight"}


# Evaluation


@torch.inference_mode()
def nats_per_character(
    network: GPT2, tokenizer: tokenizers.Tokenizer, text: str, *, stride: int = CONFIG.positions
) -> float:
    """The loss of all tokens but the first, over the text's characters.

    Windows of 256 tokens begin every ``stride`` tokens, and each token counts once, in the first
    window that has it. Disjoint windows are what nanoGPT measures; half-overlapping ones let each
    token see at least 128 before it.
    """
    training = network.training
    network.eval()
    tokens = encode(tokenizer, text)
    total, counted = 0.0, 1
    for start in range(0, len(tokens) - 1, stride):
        window = tokens[start : start + CONFIG.positions + 1]
        logits = network.predict(network(window[None, :-1]))[0].float()
        losses = F.cross_entropy(logits, window[1:], reduction="none")
        new = start + len(window) - counted
        total += losses[len(losses) - new :].sum().item()
        counted += new
        if counted == len(tokens):
            break
    network.train(training)
    return total / len(text)


def evaluate(data: Path, folder: Path) -> dict[str, float]:
    """Nats a character on the held-out tenth, by the saved checkpoint."""
    import zoo

    network = zoo.load(str(folder.resolve()), device="cpu", dtype="float32").network
    assert isinstance(network, GPT2)
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    _, held_out = read(data)
    return {
        "characters": len(held_out),
        "nats a character, disjoint windows": nats_per_character(network, tokenizer, held_out),
        "nats a character, half-overlapping windows": nats_per_character(
            network, tokenizer, held_out, stride=CONFIG.positions // 2
        ),
    }


def main() -> None:
    """Train or evaluate, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train")
    training.add_argument("data", type=Path)
    training.add_argument("out", type=Path)
    training.add_argument("--minutes", type=float, default=22)
    training.add_argument("--rows", type=int, default=16, help="windows of 256 tokens a batch")
    training.add_argument("--rate", type=float, default=3e-3, help="of AdamW, at its highest")
    training.add_argument("--matrix-rate", type=float, default=0.02, help="of Muon")
    training.add_argument("--dropout", type=float, default=0.1)
    training.add_argument("--seed", type=int, default=0)
    evaluation = commands.add_parser("evaluate")
    evaluation.add_argument("data", type=Path)
    evaluation.add_argument("folder", type=Path)
    options = vars(parser.parse_args())
    if options.pop("command") == "train":
        train(options.pop("data"), options.pop("out"), **options)
    else:
        print(json.dumps(evaluate(options["data"], options["folder"]), indent=2))


if __name__ == "__main__":
    main()
