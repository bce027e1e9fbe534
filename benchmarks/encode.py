"""Sentences a second, on a natural mix of lengths, against sentence-transformers' ``encode``.

Both embed the same 512 sentences in float32 with the same checkpoint, each in a process of its own,
and the vectors are compared. ``python -m benchmarks.encode``
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.checkpoints import SIZES, sentence_model, sentences
from benchmarks.harness import interleaved, machine, program, table

_ZOO = """
import zoo
from benchmarks.checkpoints import sentences
model = zoo.load(sys.argv[1], device="cpu", dtype="float32")
texts = sentences(int(sys.argv[2]))
def run(): return model.embed(texts)
"""

_PEER = """
from benchmarks.checkpoints import sentences
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu")
texts = sentences(int(sys.argv[2]))
def run(): return model.encode(texts)
"""


def difference(path: str, texts: list[str]) -> float:
    """How far the two programs' vectors are apart, at most."""
    from sentence_transformers import SentenceTransformer

    import zoo

    ours = zoo.load(path, device="cpu", dtype="float32").embed(texts)
    theirs = SentenceTransformer(path, device="cpu").encode(texts, convert_to_tensor=True)
    return float((ours - theirs).abs().max())


def main(count: int = 512, rounds: int = 5) -> None:
    """Print the table."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in SIZES:
            path = str(sentence_model(name, Path(folder)))
            apart = difference(path, sentences(count))
            with program(_PEER, path, str(count)) as peer, program(_ZOO, path, str(count)) as ours:
                timings = interleaved({"peer": peer, "zoo": ours}, rounds)
            rows.append(
                (
                    name,
                    f"{count / timings['peer'].median:.1f}",
                    f"{count / timings['zoo'].median:.1f}",
                    f"{timings['zoo'].times_faster(timings['peer']):.2f}",
                    f"{apart:.0e}",
                )
            )
    print(machine())
    print(table(("model", "sentence-transformers /s", "zoo /s", "ratio", "max difference"), rows))


if __name__ == "__main__":
    main()
