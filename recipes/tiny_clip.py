"""Train ``tiny-clip``: CLIP's architecture on Flickr8k at 80 pixels, and 239 pictures of COCO.

    python recipes/tiny_clip.py train ../shared/data plugins/zoo_clip/tiny --minutes 75
    python recipes/tiny_clip.py evaluate ../shared/data plugins/zoo_clip/tiny

Seven thousand pictures are very few for CLIP, and one core is slow, so each pass over them is made
cheap and different:

- half of the patches are left out, until the last tenth of the time (Li et al., "Scaling
  Language-Image Pre-training via Masking", 2023): twice as many pictures an hour, and harder ones
- each picture is seen with two of its five captions, which costs less than a second picture
- pictures are cropped, mirrored, recoloured, turned gray or made coarse; captions lose words, or
  all but their beginning, since labels are short; "a photo of" comes before some
- Muon (Jordan, 2024) learns more from each step than AdamW; the rate falls to zero when the time
  is up

The last thousand of Flickr8k's pictures, by name, are for the test, two hundred before for a look
while it trains. CIFAR-10 and Fashion-MNIST are only ever evaluated on. A run that was interrupted
goes on where it was saved last.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import math
import random
import tarfile
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tokenizers
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.errors import ZooWarning
from zoo.text import TokenBatch
from zoo_clip.blocks import Block, Tower
from zoo_clip.clip import Clip, ClipConfig, VisionTower, build
from zoo_clip.preprocessor import TextEncoder, byte_pair_backend, clean_clip
from zoo_clip.weights import clip

SIZE = 80  # pixels along an edge, of the pictures that are learned from
START, END = "<|startoftext|>", "<|endoftext|>"
CONFIG = ClipConfig(
    image_size=64,
    patch=8,
    vision=Tower(192, 6, 3, 768, "quick_gelu", 1e-5),
    vocabulary=2000,
    max_length=32,
    text=Tower(128, 4, 4, 512, "quick_gelu", 1e-5),
    embedding=128,
    end=1999,
)
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
TEST, LOOK = 1000, 200  # pictures of Flickr8k, the last by name, and those before
COCO_TIMES = 3  # in a pass, since its few pictures show what Flickr8k's do not
KEPT = 0.5  # of the patches
UNMASKED = 0.1  # of the time, at the end, with all patches
HOTTEST = math.log(100)  # of the logit scale, as CLIP has it
SAVE_EVERY = 300  # seconds

TEMPLATE = "a photo of a {}."
CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck".split()  # noqa: SIM905
FASHION = [
    "t-shirt", "pair of trousers", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
]  # fmt: skip


# Data


@dataclass(frozen=True)
class Captioned:
    """Pictures, (N, 3, 80, 80) bytes, and the captions of each."""

    pictures: Tensor
    captions: list[list[str]]

    def __getitem__(self, which: slice) -> Captioned:
        return Captioned(self.pictures[which], self.captions[which])


def read_flickr(data: Path) -> Captioned:
    """All of Flickr8k, in the order of its names."""
    captions: dict[str, list[str]] = defaultdict(list)
    with gzip.open(data / "flickr8k/captions.tsv.gz", "rt", encoding="utf-8") as file:
        for line in file:
            name, caption = line.rstrip("\n").split("\t")
            captions[name].append(caption)
    pictures: dict[str, Tensor] = {}
    with tarfile.open(data / "flickr8k/images-80px.tar.gz") as archive:
        for member in archive:
            file_ = archive.extractfile(member)
            if file_ is not None:
                name = Path(member.name).name
                pictures[name] = to_tensor(Image.open(io.BytesIO(file_.read())))
    names = sorted(pictures)
    return Captioned(torch.stack([pictures[n] for n in names]), [captions[n] for n in names])


def read_coco(data: Path) -> Captioned:
    """The pictures of coco-mini, squeezed into squares as Flickr8k's are."""
    listed = json.loads((data / "coco-mini/captions.json").read_text(encoding="utf-8"))["images"]
    folder = data / "coco-mini/images"
    squares = [Image.open(folder / name).resize((SIZE, SIZE)) for name in listed]
    return Captioned(
        torch.stack([to_tensor(each) for each in squares]),
        [each["captions"] for each in listed.values()],
    )


def to_tensor(picture: Image.Image) -> Tensor:
    """(3, H, W) bytes."""
    return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)


def split(flickr: Captioned) -> tuple[Captioned, Captioned, Captioned]:
    """Pictures to learn from, to look at while training, and for the test."""
    border = len(flickr.captions) - TEST
    return flickr[: border - LOOK], flickr[border - LOOK : border], flickr[border:]


def join(flickr: Captioned, coco: Captioned) -> Captioned:
    """Both, with COCO's few pictures several times."""
    return Captioned(
        torch.cat([flickr.pictures, *[coco.pictures] * COCO_TIMES]),
        flickr.captions + coco.captions * COCO_TIMES,
    )


def train_tokenizer(texts: Sequence[str]) -> tokenizers.Tokenizer:
    """Byte pairs in CLIP's form, with a small vocabulary whose last token ends a text."""
    from tokenizers import pre_tokenizers, trainers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    symbols = [*alphabet, *(f"{each}</w>" for each in alphabet)]
    learner = byte_pair_backend({}, [])
    trainer = trainers.BpeTrainer(
        vocab_size=CONFIG.vocabulary,  # more merges than there is room for; the first are kept
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    learner.train_from_iterator([clean_clip(text) for text in texts], trainer)
    merges = [(a, b) for a, b in json.loads(learner.to_str())["model"]["merges"]]
    vocabulary = {symbol: number for number, symbol in enumerate(symbols)}
    used = []
    for left, right in merges:
        if len(vocabulary) == CONFIG.vocabulary - 2:
            break
        vocabulary.setdefault(left + right, len(vocabulary))
        used.append((left, right))
    for token in (START, END):
        vocabulary[token] = len(vocabulary)
    assert len(vocabulary) == CONFIG.vocabulary, "the texts are too few for so many tokens"
    return byte_pair_backend(vocabulary, used)


def text_encoder(backend: tokenizers.Tokenizer) -> TextEncoder:
    """As the checkpoint's preprocessor will be."""
    end = CONFIG.vocabulary - 1
    return TextEncoder(backend, clean_clip, end - 1, end, None, CONFIG.max_length)


def varied(caption: str) -> str:
    """A caption as somebody else might put it: shorter, or with words left out."""
    words = caption.rstrip(" .").split()
    if random.random() < 0.25:
        words = words[: random.randint(2, 6)]
    elif random.random() < 0.5:
        words = [word for word in words if random.random() > 0.15] or words[:1]
    words = words[: CONFIG.max_length - 12]  # tokens; a long word may have several
    before = "a photo of " if random.random() < 0.15 else ""
    return before + " ".join(words) + "."


def augmented(pictures: Tensor) -> Tensor:
    """(B, 3, 80, 80) bytes -> (B, 3, 64, 64), normalised: cropped, mirrored, recoloured, coarse."""
    x = pictures.float() / 255
    B = len(x)
    area, aspect = torch.empty(B).uniform_(0.4, 1), torch.empty(B).uniform_(-0.25, 0.25).exp()
    height = (area / aspect).sqrt().clamp(max=1)
    width = (area * aspect).sqrt().clamp(max=1)
    mirror = torch.randint(2, (B,)) * 2.0 - 1
    theta = torch.zeros(B, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = width * mirror, height
    theta[:, 0, 2] = (1 - width) * torch.empty(B).uniform_(-1, 1)
    theta[:, 1, 2] = (1 - height) * torch.empty(B).uniform_(-1, 1)
    edge = CONFIG.image_size
    grid = F.affine_grid(theta, [B, 3, edge, edge], align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    brightness = torch.empty(B, 3, 1, 1).uniform_(0.8, 1.2)
    contrast = torch.empty(B, 1, 1, 1).uniform_(0.7, 1.3)
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    x = ((x - middle) * contrast + middle) * brightness
    gray = torch.rand(B, 1, 1, 1) < 0.1
    x = torch.where(gray, x.mean(dim=1, keepdim=True), x).clamp(0, 1)
    coarse = torch.rand(B) < 0.3
    if coarse.any():
        small = F.interpolate(x[coarse], size=random.randint(28, 48), mode="area")
        x[coarse] = F.interpolate(small, size=edge, mode="bicubic").clamp(0, 1)
    return normalised(x)


def plain(pictures: Tensor) -> Tensor:
    """(B, 3, 80, 80) bytes -> (B, 3, 64, 64), normalised."""
    x = pictures.float() / 255
    x = F.interpolate(x, size=CONFIG.image_size, mode="bicubic", antialias=True).clamp(0, 1)
    return normalised(x)


def normalised(x: Tensor) -> Tensor:
    """Pixels, 0 to 1, as the network's numbers."""
    return (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


# Training


def new_network(dropout: float) -> Clip:
    """A network with CLIP's initial weights, and dropout after attention and feed-forward.

    The network itself has no dropout, since it was written to run; hooks add it while it trains.
    """
    network = build(CONFIG)
    for tower, sizes in ((network.vision, CONFIG.vision), (network.text, CONFIG.text)):
        narrow = sizes.width**-0.5 * (2 * sizes.layers) ** -0.5
        for name, parameter in tower.named_parameters():
            if name.endswith(("output.weight", "down.weight")):
                nn.init.normal_(parameter, std=narrow)
            elif name.endswith(("query.weight", "key.weight", "value.weight")):
                nn.init.normal_(parameter, std=sizes.width**-0.5)
            elif name.endswith("up.weight"):
                nn.init.normal_(parameter, std=(2 * sizes.width) ** -0.5)
            elif name == "projection.weight" or "class_token" in name:
                nn.init.normal_(parameter, std=sizes.width**-0.5)
            elif name.endswith(("positions", "token_embedding.weight")):
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
    nn.init.constant_(network.logit_scale, math.log(1 / 0.07))

    def drop(module: nn.Module, _: object, output: Tensor) -> Tensor:
        return F.dropout(output, dropout, training=module.training)

    for block in blocks_of(network):
        for part in block.children():
            if not isinstance(part, nn.LayerNorm):
                part.register_forward_hook(drop)
    return network


def blocks_of(network: Clip) -> list[Block]:
    """The blocks of both towers."""
    return [module for module in network.modules() if isinstance(module, Block)]


def see(network: Clip, pixels: Tensor, kept: float) -> Tensor:
    """What the vision tower computes, from a random share of the patches: (B, E)."""
    vision = network.vision
    assert isinstance(vision, VisionTower)
    x = vision.patches(pixels) + vision.positions[1:]  # (B, N, C)
    if kept < 1:
        chosen = torch.rand(x.shape[:2]).argsort(dim=1)[:, : round(x.size(1) * kept)]
        x = x.gather(1, chosen.unsqueeze(-1).expand(-1, -1, x.size(2)))
    first = (vision.class_token + vision.positions[0]).expand(x.size(0), 1, -1)
    x = vision.pre_norm(torch.cat([first, x], dim=1))
    for block in vision.blocks:
        x = block(x)
    return vision.projection(vision.norm(x[:, 0]))


def read(network: Clip, encode: TextEncoder, texts: Sequence[str]) -> Tensor:
    """Texts, n of them -> (n, E)."""
    return network.embed_texts(TokenBatch(encode(texts), packed=False, device=torch.device("cpu")))


def loss_of(network: Clip, pictures: Tensor, texts: Tensor) -> Tensor:
    """CLIP's loss: each picture finds its text in the batch, each text its picture."""
    logits = network.logits(F.normalize(pictures, dim=1) @ F.normalize(texts, dim=1).T)
    right = torch.arange(len(logits))
    return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2


def batches(captioned: Captioned, rows: int) -> Iterator[tuple[Tensor, list[list[str]]]]:
    """Endless random pictures, (rows, 3, 80, 80), with all their captions; no pass is the same."""
    while True:
        for chosen in torch.randperm(len(captioned.captions)).split(rows):
            if len(chosen) == rows:
                yield captioned.pictures[chosen], [captioned.captions[n] for n in chosen.tolist()]


def optimizers_of(
    network: Clip, rate: float, matrix_rate: float
) -> list[tuple[torch.optim.Optimizer, float]]:
    """Muon for the blocks' matrices, AdamW for the rest; each with its highest rate."""
    matrices = [p for block in blocks_of(network) for p in block.parameters() if p.dim() == 2]
    rest = [p for p in network.parameters() if all(p is not matrix for matrix in matrices)]
    return [
        (torch.optim.Muon(matrices, lr=matrix_rate, weight_decay=0.1), matrix_rate),
        (torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.05), rate),
    ]


def train(
    data: Path,
    out: Path,
    *,
    minutes: float,
    rows: int,
    rate: float,
    matrix_rate: float,
    dropout: float,
    seed: int,
) -> None:
    """Train for so many minutes, with those of an interrupted run, then save.

    Args:
        data: The folder that has ``flickr8k`` and ``coco-mini``.
        out: Where the checkpoint goes.
        minutes: How long.
        rows: Pictures a batch.
        rate: Highest learning rate of AdamW, for embeddings, norms and biases.
        matrix_rate: Highest learning rate of Muon, for the blocks' matrices.
        dropout: Share of numbers set to zero.
        seed: Of initial weights, order and all that is random.
    """
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ZooWarning)  # the longest captions lose their ends
    torch.manual_seed(seed)
    random.seed(seed)
    flickr, look, _ = split(read_flickr(data))
    coco = read_coco(data)
    # COCO's other captions have no pictures here, but words that labels are made of.
    with gzip.open(data / "coco-mini/captions_val2017.json.gz", "rt", encoding="utf-8") as file:
        words = [each["caption"] for each in json.load(file)["annotations"]]
    captioned = join(flickr, coco)
    backend = train_tokenizer([c for all_ in captioned.captions for c in all_] + words)
    encode = text_encoder(backend)
    network = new_network(dropout)
    optimizers = optimizers_of(network, rate, matrix_rate)

    kept_state = out / "training.pt"
    before, steps, best = 0.0, 0, 0.0
    if kept_state.exists():
        state = torch.load(kept_state, weights_only=True)
        network.load_state_dict(state["network"])
        for (optimizer, _), its in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(its)
        before, steps = state["seconds"], state["steps"]
        print(f"going on after {before / 60:.1f} minutes, step {steps}", flush=True)
    start, shown, losses = time.monotonic(), 0.0, []
    saved = start
    for pictures, captions in batches(captioned, rows):
        seconds = before + time.monotonic() - start
        done = seconds / (60 * minutes)
        if done >= 1:
            break
        share = min(1.0, done / 0.02) * min(1.0, (1 - done) / 0.7)  # up, level, down to zero
        for optimizer, highest in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = highest * share
        texts = [varied(each) for all_ in captions for each in random.sample(all_, 2)]
        seen = see(network, augmented(pictures), 1 if done > 1 - UNMASKED else KEPT)
        one, two = read(network, encode, texts).unflatten(0, (-1, 2)).unbind(1)
        loss = (loss_of(network, seen, one) + loss_of(network, seen, two)) / 2
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimizer, _ in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        with torch.no_grad():
            network.logit_scale.clamp_(max=HOTTEST)
        steps += 1
        losses.append(loss.item())
        now = time.monotonic()
        if now - saved > SAVE_EVERY:
            saved = now
            out.mkdir(parents=True, exist_ok=True)
            state = {
                "network": network.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer, _ in optimizers],
                "seconds": before + now - start,
                "steps": steps,
            }
            torch.save(state, kept_state.with_suffix(".tmp"))
            kept_state.with_suffix(".tmp").replace(kept_state)
        if now - shown > 60:
            shown = now
            recent = sum(losses[-50:]) / len(losses[-50:])
            network.eval()
            with torch.inference_mode():
                vectors = network.embed_images(plain(look.pictures))
                texts = [caption for all_ in look.captions for caption in all_]
                best = recall(vectors, read(network, encode, texts), (1,))["text to picture R@1"]
            network.train()
            print(
                f"{done:4.0%}  step {steps:5}  loss {recent:.3f}, scale "
                f"{network.logit_scale.exp().item():.1f}, R@1 among {LOOK}: {best:.1f} %",
                flush=True,
            )
    save(network.eval(), backend, out)
    kept_state.unlink(missing_ok=True)


def save(network: Clip, backend: tokenizers.Tokenizer, out: Path) -> None:
    """Write the checkpoint in Hugging Face form, weights in bfloat16."""
    out.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().bfloat16() for name, tensor in network.state_dict().items()}
    save_file(clip(CONFIG).dump(state), out / "model.safetensors", metadata={"format": "pt"})
    backend.save(str(out / "tokenizer.json"))

    def part(tower: Tower, **more: object) -> dict[str, object]:
        return {
            "hidden_act": tower.activation,
            "hidden_size": tower.width,
            "intermediate_size": tower.hidden,
            "layer_norm_eps": tower.norm_eps,
            "num_attention_heads": tower.heads,
            "num_hidden_layers": tower.layers,
            "projection_dim": CONFIG.embedding,
            **more,
        }

    end = CONFIG.vocabulary - 1
    text = {"vocab_size": CONFIG.vocabulary, "max_position_embeddings": CONFIG.max_length}
    text |= {"bos_token_id": end - 1, "eos_token_id": end, "pad_token_id": end}
    config = {
        "architectures": ["CLIPModel"],
        "dtype": "bfloat16",
        "model_type": "clip",
        "projection_dim": CONFIG.embedding,
        "text_config": part(CONFIG.text, model_type="clip_text_model", **text),
        "vision_config": part(
            CONFIG.vision,
            model_type="clip_vision_model",
            image_size=CONFIG.image_size,
            num_channels=3,
            patch_size=CONFIG.patch,
        ),
    }
    edge = CONFIG.image_size
    pictures = {
        "crop_size": {"height": edge, "width": edge},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": MEAN,
        "image_processor_type": "CLIPImageProcessor",
        "image_std": STD,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"shortest_edge": edge},
    }
    texts = {
        "bos_token": START,
        "eos_token": END,
        "model_max_length": CONFIG.max_length,
        "pad_token": END,
        "tokenizer_class": "CLIPTokenizer",
        "unk_token": END,
    }
    for name, content in (
        ("config.json", config),
        ("preprocessor_config.json", pictures),
        ("tokenizer_config.json", texts),
    ):
        (out / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


# Evaluation


def recall(pictures: Tensor, texts: Tensor, ks: Sequence[int]) -> dict[str, float]:
    """R@k in percent: of N pictures, (N, E), and five captions each, (5 N, E).

    A picture counts if any of its captions is among the k nearest, a caption if its picture is.
    """
    scores = F.normalize(pictures.float(), dim=1) @ F.normalize(texts.float(), dim=1).T
    own = torch.arange(len(texts)) // (len(texts) // len(pictures))  # (5 N,)
    results = {}
    for k in ks:
        found = own[scores.topk(k, dim=1).indices] == torch.arange(len(pictures)).unsqueeze(1)
        results[f"picture to text R@{k}"] = 100 * found.any(dim=1).float().mean().item()
        found = scores.T.topk(k, dim=1).indices == own.unsqueeze(1)
        results[f"text to picture R@{k}"] = 100 * found.any(dim=1).float().mean().item()
    return results


def read_cifar10(data: Path) -> list[tuple[Image.Image, str]]:
    """The test pictures of CIFAR-10 with their classes."""
    found: list[tuple[Image.Image, str]] = []
    with tarfile.open(data / "cifar10/cifar10-jpg-test.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                picture = Image.open(io.BytesIO(file.read()))
                found.append((picture, Path(member.name).parent.name))
    return found


def read_fashion(data: Path) -> list[tuple[Image.Image, str]]:
    """The test pictures of Fashion-MNIST with their classes."""

    def numbers(name: str, offset: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        raw = gzip.decompress((data / "fashion-mnist" / name).read_bytes())
        return np.frombuffer(raw, np.uint8, offset=offset)

    pictures = numbers("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    labels = numbers("t10k-labels-idx1-ubyte.gz", 8)
    return [
        (Image.fromarray(picture), FASHION[label])
        for picture, label in zip(pictures, labels, strict=True)
    ]


def evaluate(data: Path, folder: Path) -> dict[str, float]:
    """Retrieval on Flickr8k's test pictures, zero-shot accuracy on CIFAR-10 and Fashion-MNIST."""
    import zoo

    model = zoo.load(str(folder.resolve()), device="cpu", dtype="float32")
    _, _, test = split(read_flickr(data))
    pictures = [Image.fromarray(each.permute(1, 2, 0).numpy()) for each in test.pictures]
    texts = [caption for captions in test.captions for caption in captions]
    results = recall(model.embed(pictures), model.embed(texts), (1, 5, 10))
    for name, labels, examples in (
        ("CIFAR-10", CIFAR10, read_cifar10(data)),
        ("Fashion-MNIST", FASHION, read_fashion(data)),
    ):
        found = model.zero_shot([each for each, _ in examples], labels, template=TEMPLATE, top_k=1)
        right = [
            one.labels[0].label == label for one, (_, label) in zip(found, examples, strict=True)
        ]
        results[f"{name} accuracy"] = 100 * sum(right) / len(right)
    return {name: round(value, 2) for name, value in results.items()}


def main() -> None:
    """Train or evaluate, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train")
    training.add_argument("data", type=Path)
    training.add_argument("out", type=Path)
    training.add_argument("--minutes", type=float, default=75)
    training.add_argument("--rows", type=int, default=128, help="pictures a batch")
    training.add_argument("--rate", type=float, default=1e-3, help="of AdamW, at its highest")
    training.add_argument("--matrix-rate", type=float, default=0.02, help="of Muon")
    training.add_argument("--dropout", type=float, default=0.1)
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
