"""zoo_clip against transformers and open_clip: the same files, the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import zoo
from tests import clip
from zoo.text import TokenBatch

# Both sides compute in float32, in another order: a few units in the last place.
TOLERANCE = 1e-5

TEXTS = ["A man rides a horse.", "Two women play music in the park.", "cold", "a " * 40]

Saved = tuple[Path, Any]


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=TOLERANCE)


def pixels() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(3, 3, clip.IMAGE_SIZE, clip.IMAGE_SIZE)


@torch.inference_mode()
def ours(model: zoo.Model, texts: Sequence[str], *, packed: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures' and texts' embeddings and their logits."""
    network: Any = model.network
    batch = TokenBatch(clip.rows(model, texts), packed=packed, device=torch.device("cpu"))
    pictures, words = network.embed_images(pixels()), network.embed_texts(batch)
    similarity = F.normalize(pictures, dim=1) @ F.normalize(words, dim=1).T
    return pictures, words, network.logits(similarity)


@torch.inference_mode()
def theirs(model: Callable[..., Any], tokens: Tensor, mask: Tensor | None = None) -> tuple[Tensor, ...]:
    """What transformers says: embeddings before they are normalised, and logits."""
    inputs = {"input_ids": tokens, "attention_mask": mask}
    features: Any = model
    return (
        features.get_image_features(pixels()).pooler_output,
        features.get_text_features(**inputs).pooler_output,
        model(pixel_values=pixels(), **inputs).logits_per_image,
    )


def padded(rows: list[list[int]], value: int) -> Tensor:
    most = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (most - len(row))] for row in rows])


@pytest.fixture(scope="module")
def openai(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp("clip")
    return folder, clip.save_clip(folder)


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp("siglip")
    return folder, clip.save_siglip(folder)


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory, wordpiece: Path) -> Saved:
    folder = tmp_path_factory.mktemp("chinese")
    return folder, clip.save_chinese_clip(folder, wordpiece)


@pytest.mark.filterwarnings("ignore:.*longer than the model")
@pytest.mark.parametrize("packed", [True, False])
def test_clip_gives_the_numbers_of_transformers(openai: Saved, packed: bool) -> None:
    folder, model = openai
    loaded = clip.load(folder)
    tokens = padded(clip.rows(loaded, TEXTS), loaded.preprocessor.text.end)

    for one, other in zip(ours(loaded, TEXTS, packed=packed), theirs(model, tokens), strict=True):
        close(one, other)


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
def test_the_activation_is_the_files(tmp_path: Path, activation: str) -> None:
    model = clip.save_clip(tmp_path, activation=activation)
    loaded = clip.load(tmp_path)
    tokens = padded(clip.rows(loaded, TEXTS[:3]), loaded.preprocessor.text.end)

    expected = theirs(model, tokens)

    for one, other in zip(ours(loaded, TEXTS[:3], packed=True), expected, strict=True):
        close(one, other)


@pytest.mark.filterwarnings("ignore:.*longer than the model")
@pytest.mark.parametrize("packed", [True, False])
def test_siglip_gives_the_numbers_of_transformers(siglip: Saved, packed: bool) -> None:
    folder, model = siglip
    loaded = clip.load(folder)

    expected = theirs(model, torch.tensor(clip.rows(loaded, TEXTS)))

    for one, other in zip(ours(loaded, TEXTS, packed=packed), expected, strict=True):
        close(one, other)


@pytest.mark.filterwarnings("ignore:.*longer than the model")
@pytest.mark.parametrize("packed", [True, False])
def test_chinese_clip_gives_the_numbers_of_transformers(chinese: Saved, packed: bool) -> None:
    folder, model = chinese
    loaded = clip.load(folder)
    texts = [*TEXTS, "我喜欢在公园里听音乐。", "好" * 80]
    tokens = padded(clip.rows(loaded, texts), 0)

    expected = theirs(model, tokens, (tokens != 0).long())

    for one, other in zip(ours(loaded, texts, packed=packed), expected, strict=True):
        close(one, other)


@torch.inference_mode()
def their_open_clip(model: Callable[..., Any], tokens: Tensor) -> tuple[Tensor, ...]:
    tower: Any = model
    pictures, texts = tower.encode_image(pixels()), tower.encode_text(tokens)
    return pictures, texts, tower.get_logits(pixels(), tokens)[0]


@pytest.mark.filterwarnings("ignore:.*longer than the model")
@pytest.mark.parametrize("changes", [{"quick_gelu": True}, {"quick_gelu": False}], ids=str)
@pytest.mark.parametrize("custom", [False, True], ids=["as OpenAI's", "text. before texts"])
def test_open_clips_layout_gives_its_numbers(
    tmp_path: Path, changes: dict[str, Any], custom: bool
) -> None:
    vocabulary = clip.save_byte_pairs(tmp_path)
    changes = {**changes, "custom_text": True} if custom else changes
    model = clip.save_open_clip(tmp_path, clip.open_clip_config(vocabulary, **changes))
    loaded = clip.load(tmp_path)
    tokens = padded(clip.rows(loaded, TEXTS), 0)  # as open_clip pads
    tokens = F.pad(tokens, (0, 17 - tokens.size(1)))

    for packed in (True, False):
        found = ours(loaded, TEXTS, packed=packed)
        for one, other in zip(found, their_open_clip(model, tokens), strict=True):
            close(one, other)


SIGLIP = {
    "embed_dim": 192,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {
        "image_size": clip.IMAGE_SIZE,
        "timm_model_name": "vit_tiny_siglip_like",
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": "none",
    },
    "text_cfg": {
        "context_length": 17,
        "hf_tokenizer_name": "unused",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": 20,
        "heads": 5,
        "layers": 2,
        "mlp_ratio": 3.7362,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
    },
}


@pytest.fixture(scope="module")
def timm_name() -> str:
    """A Vision Transformer of timm's that is SigLIP's in all but its size."""
    import timm

    def tiny_siglip(pretrained: bool = False, **changes: Any) -> Any:  # noqa: ANN401
        sizes = {"patch_size": 8, "embed_dim": 192, "depth": 2, "num_heads": 3}
        return timm.models.vision_transformer._create_vision_transformer(
            "vit_base_patch16_siglip_224",
            pretrained=False,
            **{
                **sizes,
                "img_size": clip.IMAGE_SIZE,
                "class_token": False,
                "global_pool": "map",
                **changes,
            },
        )

    tiny_siglip.__name__ = "vit_tiny_siglip_like"
    tiny_siglip.__module__ = "timm.models.vision_transformer"
    timm.models.register_model(tiny_siglip)
    return tiny_siglip.__name__


@pytest.mark.filterwarnings("ignore:.*longer than the model")
@pytest.mark.parametrize("tanh", [False, True], ids=["exact GELU", "GELU by tanh"])
def test_siglip_in_open_clips_layout_gives_its_numbers(
    tmp_path: Path, timm_name: str, tanh: bool
) -> None:
    vocabulary = clip.save_sentencepiece(tmp_path)
    text: dict[str, Any] = {**SIGLIP["text_cfg"], "vocab_size": vocabulary}  # type: ignore[dict-item]
    if tanh:
        text["act_kwargs"] = {"approximate": "tanh"}
    model = clip.save_open_clip(
        tmp_path, {**SIGLIP, "text_cfg": text}, resize_mode="squash", mean=[0.5] * 3, std=[0.5] * 3
    )
    loaded = clip.load(tmp_path)
    tokens = torch.tensor(clip.rows(loaded, TEXTS))

    found = ours(loaded, TEXTS, packed=True)

    for one, other in zip(found, their_open_clip(model, tokens), strict=True):
        close(one, other)
