"""A local folder of BERT-base's size to a ready model in eval mode, against transformers.

Each load is a process of its own, files warm in the page cache, with the tokenizer. A first load
also imports what the library imports late; before a second one, all is imported. Memory is the
process's peak less what it was after the imports, so it counts for first loads.

``python -m benchmarks.load``
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.checkpoints import sentence_model
from benchmarks.harness import Timing, in_process, machine, table

_MEASURE = """
import json, re, sys, time
from pathlib import Path

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

{imports}
before = peak()
start = time.perf_counter()
model = {load}
seconds = time.perf_counter() - start
after = peak()
{use}
print(json.dumps({{"seconds": seconds, "load": after - before, "use": peak() - before}}))
"""

# What a user would import, and beside it every module that the load imports late.
_TRANSFORMERS = {
    "imports": "import torch\nfrom transformers import AutoModel, AutoTokenizer",
    "load": "(AutoModel.from_pretrained(sys.argv[1]).eval(), "
    "AutoTokenizer.from_pretrained(sys.argv[1]))",
    "use": "with torch.inference_mode(): model[0](**model[1]('a', return_tensors='pt'))",
}
_ZOO = {
    "imports": "import torch, zoo",
    "load": "zoo.load(sys.argv[1], device='cpu', dtype='float32')",
    "use": "model.embed('a')",
}
_LATE = {
    "transformers": "\nAutoModel.from_pretrained(sys.argv[1]); "
    "AutoTokenizer.from_pretrained(sys.argv[1])",
    "zoo": "\nzoo.load(sys.argv[1])",
}
CONTENDERS = {
    "transformers, first load": _MEASURE.format(**_TRANSFORMERS),
    "zoo, first load": _MEASURE.format(**_ZOO),
    "transformers, second load": _MEASURE.format(
        **{**_TRANSFORMERS, "imports": _TRANSFORMERS["imports"] + _LATE["transformers"]}
    ),
    "zoo, second load": _MEASURE.format(**{**_ZOO, "imports": _ZOO["imports"] + _LATE["zoo"]}),
}


def main(rounds: int = 7) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = sentence_model("BERT-base", Path(folder))
        size = (path / "model.safetensors").stat().st_size
        figures = {
            name: [in_process(code, str(path)) for _ in range(1)]
            for name, code in CONTENDERS.items()
        }
        for _ in range(rounds):
            for name, code in CONTENDERS.items():
                figures[name].append(in_process(code, str(path)))
    runs = {name: each[1:] for name, each in figures.items()}  # the first one warms the page cache
    timings = {name: Timing(tuple(run["seconds"] for run in each)) for name, each in runs.items()}
    rows = [
        (
            name,
            f"{timings[name].median * 1000:.0f}",
            f"{timings[name].times_faster(timings[name.replace('zoo', 'transformers')]):.1f}",
            f"{max(run['load'] for run in each) / size:.2f}",
            f"{max(run['use'] for run in each) / size:.2f}",
        )
        for name, each in runs.items()
    ]
    print(machine())
    print(
        table(
            ("", "load, ms", "ratio", "memory after load ÷ file", "after a first answer ÷ file"),
            rows,
        )
    )


if __name__ == "__main__":
    main()
