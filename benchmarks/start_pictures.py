"""From the start of a process to the label of a first picture: ViT-B/16 and CLIP B/32.

Against timm, open_clip and transformers' pipelines, with the same random weights from a local
folder in float32. *Memory* is the peak of the process until then. *Load* is a second load of the
model after that, when all is imported. ``python -m benchmarks.start_pictures [ROUNDS]``
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file

from benchmarks import clip, vision
from benchmarks.harness import Timing, in_process, machine, table

_PROGRAM = """
import json, re, sys, time, warnings
from pathlib import Path

warnings.simplefilter("ignore")
folder, picture = sys.argv[1:]
{imports}
{load}
{answer}
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
answered = time.time()
start = time.perf_counter()
{load}
print(json.dumps({{"answered": answered, "load": time.perf_counter() - start, "peak": peak}}))
"""
_LABELS = json.dumps(clip.LABELS)

PROGRAMS: dict[str, dict[str, dict[str, str]]] = {
    "ViT-B/16": {
        "timm": {
            "imports": "import timm, torch\nfrom PIL import Image",
            "load": "model = timm.create_model('vit_base_patch16_224', pretrained=False, "
            "checkpoint_path=folder + '/timm.safetensors').eval()\n"
            "transform = timm.data.create_transform("
            "**timm.data.resolve_model_data_config(model))",
            "answer": "with torch.inference_mode(): "
            "model(transform(Image.open(picture).convert('RGB'))[None]).softmax(1).topk(5)",
        },
        "transformers": {
            "imports": "from transformers import pipeline",
            "load": "pipe = pipeline('image-classification', folder)",
            "answer": "pipe(picture)",
        },
        "zoo": {
            "imports": "import zoo",
            "load": "model = zoo.load(folder, device='cpu', dtype='float32')",
            "answer": "model.classify(picture)",
        },
    },
    "CLIP B/32": {
        "open_clip": {
            "imports": "import open_clip, torch\nfrom PIL import Image",
            "load": "model, _, transform = open_clip.create_model_and_transforms("
            "'ViT-B-32-quickgelu', pretrained=folder + '/open_clip.safetensors')\n"
            "tokenize = open_clip.get_tokenizer('ViT-B-32-quickgelu')\nmodel.eval()",
            "answer": "with torch.inference_mode():\n"
            f"    texts = tokenize(['a photo of a ' + x + '.' for x in {_LABELS}])\n"
            "    model(transform(Image.open(picture))[None], texts)",
        },
        "transformers": {
            "imports": "from transformers import pipeline",
            "load": "pipe = pipeline('zero-shot-image-classification', folder)",
            "answer": f"pipe(picture, candidate_labels={_LABELS})",
        },
        "zoo": {
            "imports": "import zoo",
            "load": "model = zoo.load(folder, device='cpu', dtype='float32')",
            "answer": f"model.zero_shot(Path(picture), {_LABELS})",
        },
    },
}


def save(name: str, folder: Path) -> Path:
    """Save random weights as transformers does, and beside them as the peer does."""
    import zoo

    if name == "ViT-B/16":
        vision.checkpoint(name, folder)
        network = zoo.load(str(folder), device="cpu", dtype="float32").network
        save_file(vision.in_timm(name, network).state_dict(), folder / "timm.safetensors")
    else:
        _, theirs = clip.save(folder)
        state = {key: x.contiguous() for key, x in theirs.state_dict().items()}
        save_file(state, folder / "open_clip.safetensors")
    return folder


def measure(programs: Mapping[str, str], folder: Path, rounds: int) -> list[tuple[str, ...]]:
    """Run each program once a round, after a round that does not count; the rows of a table."""
    picture = str(vision.photographs(1, folder)[0])
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in programs}
    for number in range(rounds + 1):
        for name, code in programs.items():
            start = time.time()
            found = in_process(code, str(folder), picture)
            if number:
                figures[name].append(found | {"whole": found["answered"] - start})

    def timing(name: str, what: str) -> Timing:
        return Timing(tuple(each[what] for each in figures[name]))

    return [
        (
            name,
            f"{timing(name, 'whole').median:.2f}",
            f"{1 / timing('zoo', 'whole').times_faster(timing(name, 'whole')):.2f}",
            f"{timing(name, 'load').median * 1000:.0f}",
            f"{timing('zoo', 'load').times_faster(timing(name, 'load')):.1f}",
            f"{timing(name, 'peak').median / 2**20:.0f}",
            f"{timing('zoo', 'peak').median / timing(name, 'peak').median:.2f}",
        )
        for name in programs
    ]


def main(rounds: int = 5) -> None:
    """Print the tables."""
    print(machine())
    for model, parts in PROGRAMS.items():
        programs = {name: _PROGRAM.format(**each) for name, each in parts.items()}
        with tempfile.TemporaryDirectory() as place:
            rows = measure(programs, save(model, Path(place)), rounds)
        print(
            table(
                (
                    f"{model}, to the first label",
                    "s",
                    "zoo ÷ it",
                    "load, ms",
                    "it ÷ zoo",
                    "memory, MB",
                    "zoo ÷ it",
                ),
                rows,
            )
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
