"""Tokens a second of greedy decoding, against transformers' ``generate`` and llama.cpp.

GPT-2's size with random weights, prompts of 128 random tokens, 128 new tokens each, in float32 and
bfloat16; the tokens are compared. ``python -m benchmarks.generate``
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import llama_cpp
import tokenizers
import torch
import transformers

import zoo
from benchmarks.harness import interleaved, machine, table
from benchmarks.llama import Llama, write_gguf
from zoo.generation import CausalDecoder, Settings, generate
from zoo.nn import pack_linears

PROMPT = 128


def gpt2(folder: Path) -> Path:
    """Save a network of GPT-2's size, and a tokenizer of bytes; return the folder."""
    torch.manual_seed(0)
    transformers.GPT2LMHeadModel(transformers.GPT2Config()).save_pretrained(folder)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    numbers = {byte: number for number, byte in enumerate(sorted(alphabet))}
    model = tokenizers.models.BPE(numbers, [])
    tokenizers.Tokenizer(model).save(str(folder / "tokenizer.json"))
    return folder


class Contest:
    """All programs on the same network, prompts and number of new tokens."""

    def __init__(self, folder: Path, dtype: str, batch: int, new: int) -> None:
        ours = zoo.load(str(folder), device="cpu", dtype=dtype)
        pack_linears(ours.network)  # as `Model.generate` does
        network: Any = ours.network  # a GPT-2
        self.decoder = CausalDecoder[Any](network, ours.device)
        self.peer = transformers.GPT2LMHeadModel.from_pretrained(folder, dtype=dtype).eval()
        generator = torch.Generator().manual_seed(batch)
        self.prompts = torch.randint(50_000, (batch, PROMPT), generator=generator)
        self.new = new
        file = write_gguf(self.peer, folder / f"{dtype}.gguf", dtype)
        self.llama = Llama(file, batch, PROMPT + new)

    def zoo(self) -> list[list[int]]:
        """New tokens of each row."""
        settings = Settings(max_new_tokens=self.new)
        return [row.tokens for (row,) in generate(self.decoder, self.prompts.tolist(), settings)]

    def transformers(self) -> list[list[int]]:
        """New tokens of each row."""
        whole = self.peer.generate(
            self.prompts,
            attention_mask=torch.ones_like(self.prompts),
            max_new_tokens=self.new,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
        return whole[:, PROMPT:].tolist()

    def llama_cpp(self) -> list[list[int]]:
        """New tokens of each row."""
        return self.llama.generate(self.prompts.tolist(), self.new)


def main(new: int, rounds: int) -> None:
    """Print the table."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = gpt2(Path(name))
        for dtype in ("float32", "bfloat16"):
            for batch in (1, 8):
                contest = Contest(folder, dtype, batch, new)
                peers = {"transformers": contest.transformers, "llama.cpp": contest.llama_cpp}
                timings = interleaved({**peers, "zoo": contest.zoo}, rounds)
                own, ours = contest.zoo(), timings["zoo"]
                found = [run() for run in peers.values()]
                rows.append(
                    (
                        dtype,
                        str(batch),
                        *(f"{batch * new / timings[each].median:.1f}" for each in timings),
                        *(f"{ours.times_faster(timings[peer]):.2f}" for peer in peers),
                        *(
                            f"{sum(a == b for a, b in zip(own, each, strict=True))} of {batch}"
                            for each in found
                        ),
                    )
                )
    print(machine(), "llama-cpp-python", llama_cpp.__version__)
    header: tuple[str, ...] = (
        "numbers",
        "batch",
        "transformers tok/s",
        "llama.cpp tok/s",
        "zoo tok/s",
    )
    header += ("x transformers", "x llama.cpp", "rows as transformers", "as llama.cpp")
    print(table(header, rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Greedy decoding against the peers.")
    parser.add_argument("--new", type=int, default=128, help="tokens generated for each prompt")
    parser.add_argument("--rounds", type=int, default=3)
    main(**vars(parser.parse_args()))
