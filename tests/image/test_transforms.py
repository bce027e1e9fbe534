"""The pixels are those of the reference libraries, bit by bit."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import timm.data
import torch
from PIL import Image
from timm.data.transforms_factory import transforms_imagenet_eval
from torchvision import transforms
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.chinese_clip.image_processing_pil_chinese_clip import (
    ChineseCLIPImageProcessorPil,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tests.pictures import kinds, noise
from zoo.errors import InputError
from zoo.image import Transform, from_open_clip, from_timm, from_transformers, to_rgb

PROCESSORS = {
    "vit": ViTImageProcessorPil(size={"height": 32, "width": 24}),
    "vit, not normalised": ViTImageProcessorPil(
        size={"height": 32, "width": 32}, do_normalize=False
    ),
    "deit": DeiTImageProcessorPil(size={"height": 40, "width": 40}, crop_size=33),
    "clip": CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32),
    "chinese-clip": ChineseCLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32),
    "siglip": SiglipImageProcessorPil(size={"height": 32, "width": 32}, resample=2),
    "dinov2": BitImageProcessorPil(size={"shortest_edge": 37}, crop_size=32),
    "convnext, cropped": ConvNextImageProcessorPil(size={"shortest_edge": 30}),
    "convnext, squashed": ConvNextImageProcessorPil(size={"shortest_edge": 384}),
    "lanczos": ViTImageProcessorPil(size={"height": 32, "width": 32}, resample=1),
}


def numbers(transform: Transform, image: Image.Image) -> torch.Tensor:
    return transform.normalize(transform.pixels(image).unsqueeze(0))[0]


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize("kind", kinds())
def test_pixels_equal_those_of_transformers(name: str, kind: str) -> None:
    processor, image = PROCESSORS[name], kinds()[kind]
    transform = from_transformers(json.loads(processor.to_json_string()))

    # ViT's and others convert nothing by themselves, and fail at a picture that is not RGB.
    theirs = processor(to_rgb(image, "white"), return_tensors="pt").pixel_values[0]

    assert torch.equal(numbers(transform, image), theirs)


@pytest.mark.parametrize("kind", kinds())
def test_transparency_lies_on_white_as_in_transformers(kind: str) -> None:
    processor, image = PROCESSORS["clip"], kinds()[kind]
    transform = from_transformers(json.loads(processor.to_json_string()))

    theirs = processor(image, return_tensors="pt").pixel_values[0]

    assert torch.equal(numbers(transform, image), theirs)


@pytest.mark.parametrize(
    "config",
    [
        {"input_size": [3, 32, 32]},
        {"input_size": [3, 33, 33], "crop_pct": 0.9, "interpolation": "bilinear"},
        {"input_size": [3, 32, 32], "crop_pct": 0.95, "crop_mode": "squash"},
        {"input_size": [3, 32, 24], "crop_pct": 0.9},
        {"input_size": [3, 32, 32], "crop_pct": 1.0, "crop_mode": "border"},
        {"input_size": [3, 32, 32], "crop_pct": 1.0, "mean": [0.5] * 3, "std": [0.5] * 3},
        {"input_size": [3, 32, 32], "mean": [0.0] * 3, "std": [1.0] * 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", kinds())
def test_pixels_equal_those_of_timm(config: Mapping[str, Any], kind: str) -> None:
    image = kinds()[kind]
    data = timm.data.resolve_data_config(pretrained_cfg=dict(config))

    theirs = timm.data.create_transform(**data)(image.convert("RGB"))

    assert torch.equal(numbers(from_timm({"pretrained_cfg": config}), image), theirs)


def test_a_timm_config_of_the_older_flat_form_is_the_same() -> None:
    config = {"input_size": [3, 32, 32], "crop_pct": 0.9, "interpolation": "bilinear"}
    assert from_timm(config) == from_timm({"pretrained_cfg": config})


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("mode", ["shortest", "squash"])
def test_pixels_equal_those_of_open_clip(kind: str, mode: str) -> None:
    """open_clip composes torchvision's transforms; so does this test, in the same order."""
    image = kinds()[kind]
    config = {"size": 33, "resize_mode": mode, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]}
    size = (33, 33) if mode == "squash" else 33
    composed = transforms.Compose(
        [
            transforms.Resize(size, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(33),
            transforms.Lambda(lambda picture: picture.convert("RGB")),
            transforms.ToTensor(),
            transforms.Normalize(config["mean"], config["std"]),
        ]
    )

    theirs = composed(image)

    assert torch.equal(numbers(from_open_clip({"preprocess_cfg": config}), image), theirs)


def test_open_clip_takes_the_size_from_the_network_and_openai_numbers_by_default() -> None:
    transform = from_open_clip({"model_cfg": {"vision_cfg": {"image_size": 32}}})
    image = noise()
    theirs = transforms_imagenet_eval(
        32,
        crop_pct=1.0,
        interpolation="bicubic",
        mean=(0.48145466, 0.4578275, 0.40821073),
        std=(0.26862954, 0.26130258, 0.27577711),
    )(image)
    assert torch.equal(numbers(transform, image), theirs)


def test_normalised_numbers_become_pixels_again() -> None:
    transform = from_timm({"input_size": [3, 32, 32]})
    pixels = transform.pixels(noise()).unsqueeze(0)
    assert torch.equal(transform.denormalize(transform.normalize(pixels)), pixels)


def test_a_picture_as_thin_as_a_hair_is_refused_before_it_fills_the_memory() -> None:
    transform = from_timm({"input_size": [3, 224, 224]})
    with pytest.raises(InputError, match=r"1x9000 pixels, and would be resized to 256x2304000"):
        transform.pixels(Image.new("RGB", (1, 9000)))


def test_a_crop_larger_than_the_picture_it_is_cut_from_is_refused() -> None:
    with pytest.raises(ValueError, match="resized to 20x20, which holds no crop of 32x32"):
        Transform(
            32, 32, "squash", 20, 20, "bicubic", "down", "before", "drop", (0, 0, 0), (1, 1, 1)
        )


def test_a_checkpoint_that_does_not_resize_takes_pictures_of_its_size_alone() -> None:
    processor = ViTImageProcessorPil(do_resize=False, size={"height": 28, "width": 28})
    published = json.loads(processor.to_json_string())
    transform = from_transformers(published)
    assert transform.pixels(noise(28, 28)).shape == (28, 28, 3)
    with pytest.raises(InputError, match="83x61 pixels; this model takes 28x28"):
        transform.pixels(noise())
