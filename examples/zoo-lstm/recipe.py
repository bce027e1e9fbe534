"""Train ``tiny-lstm``: two layers on the first 90 % of tiny-shakespeare.

    python recipe.py train tiny-shakespeare/input.txt zoo_lstm/tiny --minutes 14
    python recipe.py evaluate tiny-shakespeare/input.txt zoo_lstm/tiny

The text is cut into as many streams as a batch has rows, and each is read from left to right with
the memory carried on, as in Mikolov et al., 2010, but through gradients of 64 tokens at a time. The
learning rate falls to zero when the time is up.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import tokenizers
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_lstm.model import LSTM, LSTMConfig
from zoo_lstm.weights import weights

CONFIG = LSTMConfig(vocabulary=512, width=224, layers=2, tied=True)
HELD_OUT_SHARE = 0.1
ROWS = 48
TOKENS = 64


def read(path: Path) -> tuple[str, str]:
    """The text to train on, and its last tenth, which is held out."""
    text = path.read_text(encoding="utf-8")
    border = round(len(text) * (1 - HELD_OUT_SHARE))
    return text[:border], text[border:]


def train_tokenizer(text: str) -> tokenizers.Tokenizer:
    """Byte-level BPE without special tokens: the text has no documents to end."""
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


def new_network() -> LSTM:
    """Small embeddings, forget gates that are open at first (Jozefowicz et al., 2015)."""
    network = LSTM(CONFIG)
    nn.init.normal_(network.token_embedding.weight, std=0.05)
    nn.init.zeros_(network.head.bias)
    network.head.weight = network.token_embedding.weight
    C = CONFIG.width
    for name, parameter in network.recurrence.named_parameters():
        if name.startswith("weight_hh"):
            for gate in parameter.split(C):
                nn.init.orthogonal_(gate)
        elif name.startswith("bias_ih"):
            nn.init.zeros_(parameter)
            nn.init.ones_(parameter[C : 2 * C])
        elif name.startswith("bias_hh"):
            nn.init.zeros_(parameter)
    return network


def train(data: Path, out: Path, *, minutes: float, rate: float, dropout: float, seed: int) -> None:
    """Train for so many minutes, then save.

    Args:
        data: ``input.txt`` of tiny-shakespeare.
        out: Where the checkpoint goes.
        minutes: How long.
        rate: Highest learning rate.
        dropout: Share of numbers set to zero after the embedding and after each layer.
        seed: Of initial weights, where the streams begin, and dropout.
    """
    torch.manual_seed(seed)
    text, held_out = read(data)
    tokenizer = train_tokenizer(text)
    tokens = torch.tensor(tokenizer.encode(text).ids)
    network = new_network().train()
    network.recurrence.dropout = dropout  # between layers; the network itself was written to run
    for part in (network.token_embedding, network.recurrence):
        part.register_forward_hook(lambda module, _, output: _dropped(module, output, dropout))
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, betas=(0.9, 0.98))
    start, shown, step, recent = time.monotonic(), 0.0, 0, 0.0
    while True:
        # Each pass cuts the text elsewhere, so that no token is always the first of a stream.
        shifted = tokens.roll(-int(torch.randint(len(tokens), ())))
        streams = shifted[: len(tokens) // ROWS * ROWS].view(ROWS, -1)
        state = network.new_cache(ROWS, TOKENS)
        for first in range(0, streams.size(1) - TOKENS - 1, TOKENS):
            done = (time.monotonic() - start) / (60 * minutes)
            if done >= 1:
                save(network.eval(), tokenizer, out)
                return
            share = min(1.0, done / 0.02) * (1 + math.cos(math.pi * done)) / 2
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            batch = streams[:, first : first + TOKENS + 1]
            logits = network.predict(network(batch[:, :-1], cache=state))
            state.hidden, state.cell = state.hidden.detach(), state.cell.detach()
            loss = F.cross_entropy(logits.mT, batch[:, 1:])
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            step, recent = step + 1, 0.98 * recent + 0.02 * loss.item()
            if time.monotonic() - shown > 60:
                shown = time.monotonic()
                held = nats_per_character(network, tokenizer, held_out[:30_000])
                print(
                    f"{done:4.0%}  step {step:5}  loss a token {recent:.3f}, "
                    f"held out a character {held:.3f}",
                    flush=True,
                )


def _dropped(module: nn.Module, output: Tensor | tuple[Tensor, object], share: float) -> object:
    if isinstance(output, tuple):
        return F.dropout(output[0], share, training=module.training), output[1]
    return F.dropout(output, share, training=module.training)


def save(network: LSTM, tokenizer: tokenizers.Tokenizer, out: Path) -> None:
    """Write the checkpoint in Hugging Face form, weights in bfloat16."""
    out.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().bfloat16() for name, tensor in network.state_dict().items()}
    state.pop("head.weight")  # tied
    save_file(weights(CONFIG).dump(state), out / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(out / "tokenizer.json"))
    config = {
        "bos_token_id": tokenizer.encode("\n").ids[0],
        "dtype": "bfloat16",
        "emsize": CONFIG.width,
        "model_type": "lstm",
        "nhid": CONFIG.width,
        "nlayers": CONFIG.layers,
        "ntoken": CONFIG.vocabulary,
        "tie_weights": CONFIG.tied,
    }
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


@torch.inference_mode()
def nats_per_character(network: LSTM, tokenizer: tokenizers.Tokenizer, text: str) -> float:
    """The loss of all tokens but the first, over the characters; the memory is carried on."""
    training = network.training
    network.eval()
    tokens = torch.tensor([tokenizer.encode(text).ids])
    state = network.new_cache(1, tokens.size(1))
    logits = network.predict(network(tokens[:, :-1], cache=state))
    total = F.cross_entropy(logits[0].float(), tokens[0, 1:], reduction="sum").item()
    network.train(training)
    return total / len(text)


def evaluate(data: Path, folder: Path) -> dict[str, float]:
    """Nats a character on the held-out tenth, by the saved checkpoint."""
    import zoo

    network = zoo.load(str(folder.resolve()), device="cpu", dtype="float32").network
    assert isinstance(network, LSTM)
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    _, held_out = read(data)
    return {
        "characters": len(held_out),
        "nats a character": nats_per_character(network, tokenizer, held_out),
    }


def main() -> None:
    """Train or evaluate, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train")
    training.add_argument("data", type=Path)
    training.add_argument("out", type=Path)
    training.add_argument("--minutes", type=float, default=14)
    training.add_argument("--rate", type=float, default=4e-3, help="of AdamW, at its highest")
    training.add_argument("--dropout", type=float, default=0.2)
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
