"""Train ``tiny-vit``: ViT's architecture on fashion-mnist.

    python recipes/tiny_vit.py train ../shared/data plugins/zoo_vit/tiny --minutes 75
    python recipes/tiny_vit.py evaluate ../shared/data plugins/zoo_vit/tiny

Sixty thousand pictures of 28 x 28 pixels are few for a network that knows nothing of neighbours. So
each is shifted, mirrored and partly erased at random each time it is seen, labels are smoothed, and
what is saved is a moving average of the weights. Muon (Jordan, 2024) learns more from each step
than AdamW. The learning rate falls to zero when the time is up. Products are made in bfloat16 and
attention from separate operations: on a processor with AMX both halve the time of a step.

Every minute the whole state goes to ``training.pt`` beside the checkpoint: started again, a killed
run goes on where it stopped. When the time is up, the file is deleted.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from zoo_vit.model import ImageClassifier, ViTConfig
from zoo_vit.weights import vit

# In the order of the data's numbers. https://github.com/zalandoresearch/fashion-mnist
LABELS = (
    "T-shirt or top", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
MEAN, STD = 0.2860, 0.3530  # of the training pictures' pixels

CONFIG = ViTConfig(
    layout="vit",
    image_height=28,
    image_width=28,
    patch=4,
    width=128,
    layers=6,
    heads=4,
    hidden=256,
    activation="gelu",
    gated=False,
    norm_eps=1e-6,
    class_token=True,
    distillation_token=False,
    registers=0,
    prefix_positions=1,
    layer_scale=False,
    antialias=False,
    pooling="token",
    norm_after_pooling=False,
    labels=LABELS,
    multi_label=False,
)
SMOOTHING = 0.1
AVERAGE = 0.999  # share of the old weights in the moving average, at each step
SHIFT = 2  # pixels


# Data


def read(data: Path, part: str) -> tuple[Tensor, Tensor]:
    """The pictures of ``train`` or ``t10k``, (N, 28, 28) in bytes, and their labels, (N,)."""
    folder = data / "fashion-mnist"
    pictures = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    pixels = torch.frombuffer(bytearray(pictures[16:]), dtype=torch.uint8)  # after the header
    return pixels.view(-1, 28, 28), torch.frombuffer(
        bytearray(labels[8:]), dtype=torch.uint8
    ).long()


def numbers(pictures: Tensor) -> Tensor:
    """(B, 28, 28) in bytes -> (B, 3, 28, 28), as the checkpoint's preprocessing makes them."""
    return ((pictures.float() / 255 - MEAN) / STD).unsqueeze(1).expand(-1, 3, -1, -1)


def changed(pictures: Tensor) -> Tensor:
    """Shift each picture, mirror half of them, blacken a part of some: (B, 28, 28) of the same."""
    B = len(pictures)
    padded = F.pad(pictures, (SHIFT,) * 4)
    span = torch.arange(28)
    top, left = torch.randint(2 * SHIFT + 1, (2, B, 1))
    columns = torch.where(torch.rand(B, 1) < 0.5, span, span.flip(0)) + left  # (B, 28)
    rows = span + top
    moved = padded[torch.arange(B)[:, None, None], rows[:, :, None], columns[:, None, :]]
    size = torch.randint(4, 14, (2, B, 1))
    corner = torch.randint(-4, 24, (2, B, 1))
    inside = (span >= corner) & (span < corner + size)  # (2, B, 28): rows, columns
    erased = inside[0][:, :, None] & inside[1][:, None, :] & (torch.rand(B, 1, 1) < 0.25)
    return moved.masked_fill(erased, 0)


def batches(pictures: Tensor, labels: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches in random order; no picture comes again before all others came."""
    while True:
        for chosen in torch.randperm(len(pictures)).split(size):
            yield numbers(changed(pictures[chosen])), labels[chosen]


# Training


def new_network() -> ImageClassifier:
    """A network with ViT's initial weights."""
    network = ImageClassifier(CONFIG)
    for name, parameter in network.named_parameters():
        if "norm" not in name and parameter.dim() > 1:
            nn.init.trunc_normal_(parameter, std=0.02)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
    return network


def train(
    data: Path,
    out: Path,
    *,
    minutes: float,
    size: int,
    rate: float,
    matrix_rate: float,
    seed: int,
) -> None:
    """Train for so many minutes, those of a run that was killed included, then save.

    Args:
        data: The folder that has ``fashion-mnist/``.
        out: Where the checkpoint goes.
        minutes: How long.
        size: Pictures a batch.
        rate: Highest learning rate of AdamW, for embeddings, norms, biases and the head.
        matrix_rate: Highest learning rate of Muon, for the blocks' matrices.
        seed: Of initial weights, order and changes; of those after a kill as well.
    """
    torch.set_num_threads(1)
    # attention's gradient in one fused operation takes 40 % of a step on a CPU
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
    torch.manual_seed(seed)
    pictures, labels = read(data, "train")
    held_out = pictures[-2000:], labels[-2000:]  # to watch; the test set is left alone
    pictures, labels = pictures[:-2000], labels[:-2000]
    network = new_network()
    average = deepcopy(network).eval()
    matrices = [p for p in network.encoder.blocks.parameters() if p.dim() == 2]
    rest = [p for p in network.parameters() if all(p is not matrix for matrix in matrices)]
    optimizers: list[tuple[torch.optim.Optimizer, float]] = [
        (torch.optim.Muon(matrices, lr=matrix_rate, weight_decay=0.1), matrix_rate),
        (torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.05), rate),
    ]
    out.mkdir(parents=True, exist_ok=True)
    state = out / "training.pt"
    step, spent = 0, 0.0  # seconds
    if state.exists():
        step, spent = resume(state, network, average, optimizers)
        torch.manual_seed(seed + step)
        print(f"going on after {spent / 60:.1f} minutes, step {step}", flush=True)
    start, saved, losses = time.monotonic() - spent, time.monotonic(), []
    for batch, wanted in batches(pictures, labels, size):
        spent = time.monotonic() - start
        done = spent / (60 * minutes)
        if done >= 1:
            break
        share = min(1.0, done / 0.03) * min(1.0, (1 - done) / 0.7)  # up, level, down to zero
        for optimizer, highest in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = highest * share
        with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(network(batch), wanted, label_smoothing=SMOOTHING)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimizer, _ in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        step += 1
        losses.append(loss.item())
        weight = min(AVERAGE, (step + 1) / (step + 10))  # at the beginning, the past is worthless
        with torch.no_grad():
            for old, new in zip(average.parameters(), network.parameters(), strict=True):
                old.lerp_(new, 1 - weight)
        if time.monotonic() - saved > 60:
            saved = time.monotonic()
            parts = {"network": network.state_dict(), "average": average.state_dict()}
            steps = [optimizer.state_dict() for optimizer, _ in optimizers]
            write(state, {**parts, "optimizers": steps, "step": step, "spent": spent})
            recent = sum(losses[-50:]) / len(losses[-50:])
            print(
                f"{done:4.0%}  step {step:5} ({step * size / len(pictures):.1f} epochs)  "
                f"loss {recent:.3f}, held out {accuracy(average, *held_out):.2%}",
                flush=True,
            )
    save(average, out)
    state.unlink(missing_ok=True)


def write(path: Path, content: dict[str, Any]) -> None:  # Any: what torch.save takes
    """Write a state whole or not at all."""
    temporary = path.with_suffix(".tmp")
    torch.save(content, temporary)
    temporary.replace(path)


def resume(
    path: Path,
    network: nn.Module,
    average: nn.Module,
    optimizers: list[tuple[torch.optim.Optimizer, float]],
) -> tuple[int, float]:
    """Take up the state of a killed run; return its steps and seconds."""
    content = torch.load(path, weights_only=True)
    network.load_state_dict(content["network"])
    average.load_state_dict(content["average"])
    for (optimizer, _), state in zip(optimizers, content["optimizers"], strict=True):
        optimizer.load_state_dict(state)
    return content["step"], content["spent"]


def save(network: ImageClassifier, out: Path) -> None:
    """Write the checkpoint in Hugging Face form, weights in bfloat16."""
    out.mkdir(parents=True, exist_ok=True)
    weights = vit(CONFIG).dump({k: v.detach().bfloat16() for k, v in network.state_dict().items()})
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["ViTForImageClassification"],
        "dtype": "bfloat16",
        "hidden_act": CONFIG.activation,
        "hidden_size": CONFIG.width,
        "id2label": {str(number): label for number, label in enumerate(LABELS)},
        "image_size": CONFIG.image_height,
        "intermediate_size": CONFIG.hidden,
        "label2id": {label: number for number, label in enumerate(LABELS)},
        "layer_norm_eps": CONFIG.norm_eps,
        "model_type": "vit",
        "num_attention_heads": CONFIG.heads,
        "num_hidden_layers": CONFIG.layers,
        "patch_size": CONFIG.patch,
    }
    preprocessing = {
        "do_convert_rgb": True,
        "image_mean": [MEAN] * 3,
        "image_processor_type": "ViTImageProcessor",
        "image_std": [STD] * 3,
        "resample": 2,
        "size": {"height": CONFIG.image_height, "width": CONFIG.image_width},
    }
    for name, content in (("config.json", config), ("preprocessor_config.json", preprocessing)):
        (out / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


# Evaluation


@torch.inference_mode()
def accuracy(network: ImageClassifier, pictures: Tensor, labels: Tensor) -> float:
    """How many of the pictures are recognised, 0 to 1."""
    right = 0
    for some, wanted in zip(pictures.split(500), labels.split(500), strict=True):
        right += int((network(numbers(some)).argmax(dim=1) == wanted).sum())
    return right / len(labels)


def evaluate(data: Path, folder: Path) -> dict[str, float]:
    """The accuracy on the test set, through the whole of zoo: pictures to labels."""
    from PIL import Image

    import zoo

    model = zoo.load(str(folder.resolve()), device="cpu", dtype="float32")
    pictures, labels = read(data, "t10k")
    found = model.classify([Image.fromarray(each.numpy()) for each in pictures], top_k=1)
    right = [
        result.labels[0].label == LABELS[wanted]
        for result, wanted in zip(found, labels.tolist(), strict=True)
    ]
    return {"pictures": len(right), "accuracy": sum(right) / len(right)}


def main() -> None:
    """Train or evaluate, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train")
    training.add_argument("data", type=Path)
    training.add_argument("out", type=Path)
    training.add_argument("--minutes", type=float, default=75)
    training.add_argument("--size", type=int, default=256, help="pictures a batch")
    training.add_argument("--rate", type=float, default=2e-3, help="of AdamW, at its highest")
    training.add_argument("--matrix-rate", type=float, default=0.01, help="of Muon")
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
