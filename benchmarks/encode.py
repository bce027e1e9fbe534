"""Sentences a second, on a natural mix of lengths, against sentence-transformers' ``encode``.

Both embed the same 512 sentences in float32 with the same checkpoint, and the vectors are compared.
``python -m benchmarks.encode``
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.checkpoints import SIZES, sentence_model, sentences
from benchmarks.harness import interleaved, machine, table


def main(count: int = 512, rounds: int = 5) -> None:
    """Print the table."""
    from sentence_transformers import SentenceTransformer

    import zoo

    texts = sentences(count)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in SIZES:
            path = sentence_model(name, Path(folder))
            ours = zoo.load(str(path), device="cpu", dtype="float32")
            peer = SentenceTransformer(str(path), device="cpu")
            timings = interleaved(
                {
                    "sentence-transformers": lambda peer=peer: peer.encode(texts),
                    "zoo": lambda ours=ours: ours.embed(texts),
                },
                rounds,
            )
            difference = (
                (ours.embed(texts) - peer.encode(texts, convert_to_tensor=True)).abs().max()
            )
            rows.append(
                (
                    name,
                    f"{count / timings['sentence-transformers'].median:.1f}",
                    f"{count / timings['zoo'].median:.1f}",
                    f"{timings['zoo'].times_faster(timings['sentence-transformers']):.2f}",
                    f"{difference.item():.0e}",
                )
            )
    print(machine())
    print(table(("model", "sentence-transformers /s", "zoo /s", "ratio", "max difference"), rows))


if __name__ == "__main__":
    main()
