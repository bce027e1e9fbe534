"""Sentences a second, on a natural mix of lengths, against sentence-transformers' ``encode``.

Both embed the same 512 sentences with the same checkpoint and in the same numbers, each in a
process of its own; the vectors are compared with the peer's in float32.
``python -m benchmarks.encode``
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.checkpoints import SIZES, sentence_model, sentences
from benchmarks.harness import interleaved, machine, program, table

if TYPE_CHECKING:
    from torch import Tensor

_ZOO = """
import zoo
from benchmarks.checkpoints import sentences
model = zoo.load(sys.argv[1], device="cpu", dtype=sys.argv[2])
texts = sentences(int(sys.argv[3]))
def run(): model.embed(texts)
"""

_PEER = """
from benchmarks.checkpoints import sentences
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu", model_kwargs={"dtype": sys.argv[2]})
texts = sentences(int(sys.argv[3]))
def run(): model.encode(texts)
"""


def vectors(path: str, texts: list[str]) -> Tensor:
    """The peer's, in float32."""
    from sentence_transformers import SentenceTransformer

    found: Tensor = SentenceTransformer(path, device="cpu").encode(texts, convert_to_tensor=True)
    return found


def main(count: int, rounds: int) -> None:
    """Print the table."""
    import zoo

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in SIZES:
            path, texts = str(sentence_model(name, Path(folder))), sentences(count)
            expected = vectors(path, texts)
            for dtype in ("float32", "bfloat16"):
                found = zoo.load(path, device="cpu", dtype=dtype).embed(texts).float()
                arguments = (path, dtype, str(count))
                with program(_PEER, *arguments) as peer, program(_ZOO, *arguments) as ours:
                    timings = interleaved({"peer": peer, "zoo": ours}, rounds)
                rows.append(
                    (
                        name,
                        dtype,
                        f"{count / timings['peer'].median:.1f}",
                        f"{count / timings['zoo'].median:.1f}",
                        f"{timings['zoo'].times_faster(timings['peer']):.2f}",
                        f"{(found - expected).abs().max():.0e}",
                    )
                )
    print(machine())
    header = ("model", "numbers", "sentence-transformers /s", "zoo /s", "ratio", "max difference")
    print(table(header, rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--sentences", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    main(arguments.sentences, arguments.rounds)
