"""Tokens a second of greedy decoding, against transformers' ``generate`` and llama.cpp.

GPT-2's size with random weights, prompts of 128 random tokens, 128 new tokens each, in float32 and
bfloat16. Each program has a process of its own; the tokens are compared.
``python -m benchmarks.generate``
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import interleaved, machine, program, table

PROMPT = 128

Rows = list[list[int]]
Generate = Callable[[Tensor], Rows]


def gpt2(folder: Path) -> Path:
    """Save a network of GPT-2's size, with a tokenizer of bytes; return the folder."""
    import tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config()).save_pretrained(folder)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    numbers = {byte: number for number, byte in enumerate(sorted(alphabet))}
    model = tokenizers.models.BPE(numbers, [])
    tokenizers.Tokenizer(model).save(str(folder / "tokenizer.json"))
    return folder


def converted(folder: Path, dtype: str) -> Path:
    """Write llama.cpp's form of the checkpoint beside it; return its path."""
    from transformers import GPT2LMHeadModel

    from benchmarks.llama import write_gguf

    model = GPT2LMHeadModel.from_pretrained(folder, dtype=dtype)
    return write_gguf(model, folder / f"{dtype}.gguf", dtype)


def prompts(count: int) -> Tensor:
    """As many of random tokens, always the same: (count, PROMPT)."""
    return torch.randint(50_000, (count, PROMPT), generator=torch.Generator().manual_seed(count))


def zoo(folder: Path, dtype: str, batch: int, new: int) -> Generate:
    """Load zoo's network; how it continues prompts."""
    import zoo
    from zoo.generation import CausalDecoder, Settings, generate
    from zoo.nn import pack_linears

    ours = zoo.load(str(folder), device="cpu", dtype=dtype)
    network: Any = ours.network  # a GPT-2
    pack_linears(network)  # as `Model.generate` does
    decoder = CausalDecoder[Any](network, ours.device)
    settings = Settings(max_new_tokens=new)
    return lambda rows: [
        row.tokens for (row,) in generate(decoder, rows.tolist(), settings, slots=batch)
    ]


def transformers(folder: Path, dtype: str, batch: int, new: int) -> Generate:
    """The same of transformers."""
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel.from_pretrained(folder, dtype=dtype).eval()

    def run(rows: Tensor) -> Rows:
        whole = model.generate(
            rows,
            attention_mask=torch.ones_like(rows),
            max_new_tokens=new,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
        found: Rows = whole[:, PROMPT:].tolist()
        return found

    return run


def llama_cpp(folder: Path, dtype: str, batch: int, new: int) -> Generate:
    """The same of llama.cpp."""
    from benchmarks.llama import Llama

    llama = Llama(folder / f"{dtype}.gguf", batch, PROMPT + new)
    return lambda rows: llama.generate(rows.tolist(), new)


_PROGRAM = """
from pathlib import Path
from benchmarks import generate
name, folder, dtype, batch, new = sys.argv[1:]
rows = generate.prompts(int(batch))
continued = getattr(generate, name)(Path(folder), dtype, int(batch), int(new))
def run(): return continued(rows)
"""


def main(new: int, rounds: int) -> None:
    """Print the table."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = gpt2(Path(name))
        for dtype in ("float32", "bfloat16"):
            converted(folder, dtype)
            for batch in (1, 8):
                rest = (str(folder), dtype, str(batch), str(new))
                with ExitStack() as stack:
                    contenders = {
                        each: stack.enter_context(program(_PROGRAM, each, *rest))
                        for each in ("transformers", "llama_cpp", "zoo")
                    }
                    timings = interleaved(contenders, rounds)
                    found = {name: run() for name, run in contenders.items()}
                *peers, ours = timings
                rows.append(
                    (
                        dtype,
                        str(batch),
                        *(f"{batch * new / timings[each].median:.1f}" for each in timings),
                        *(f"{timings[ours].times_faster(timings[peer]):.2f}" for peer in peers),
                        *(
                            f"{sum(map(list.__eq__, found[ours], found[peer]))} of {batch}"
                            for peer in peers
                        ),
                    )
                )
    print(machine(), "llama-cpp-python", version("llama-cpp-python"))
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
