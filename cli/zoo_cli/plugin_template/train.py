"""Train a tiny checkpoint on a text file: ``python train.py TEXT zoo_acme/tiny --minutes 2``."""

import argparse
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from zoo.testing import write_byte_tokenizer, write_json
from zoo_acme.model import Acme, read_config
from zoo_acme.weights import weights

PUBLISHED = {
    "model_type": "acme",
    "vocab_size": 256,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
}


def main() -> None:
    """Minimise the loss of the next byte, then write config, tokenizer and weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=2)
    options = parser.parse_args()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    write_byte_tokenizer(out)
    write_json(out, "config.json", **PUBLISHED)

    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    tokens = torch.tensor(tokenizer.encode(options.text.read_text(encoding="utf-8")).ids)
    torch.manual_seed(0)
    config = read_config(PUBLISHED)
    network = Acme(config).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    length, start = config.positions + 1, time.monotonic()
    while (done := (time.monotonic() - start) / (60 * options.minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * (1 - done)
        starts = torch.randint(len(tokens) - length, (16, 1))
        batch = tokens[starts + torch.arange(length)]  # (B, T + 1)
        logits = network.predict(network(batch[:, :-1]))  # (B, T, V)
        loss = F.cross_entropy(logits.mT, batch[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    state = {name: x.detach().bfloat16() for name, x in network.state_dict().items()}
    save_file(weights(config).dump(state), out / "model.safetensors", metadata={"format": "pt"})
    print(f"loss {loss.item():.2f} nats a byte")


if __name__ == "__main__":
    main()
