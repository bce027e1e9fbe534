"""zoo_vit against transformers and timm: the same files, the same numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

import zoo
import zoo_vit
import zoo_vit.config
import zoo_vit.model
import zoo_vit.weights
from tests.checkpoints import change_json, change_weights, copy_checkpoint, load
from tests.vision import CONFIGS, TIMM_SIZES, save_timm, save_vision
from zoo.errors import CheckpointError, WeightMapError
from zoo.image import ImagePreprocessor, from_timm

# Both sides compute in float32, in another order: a few units in the last place.
TOLERANCE = 1e-5


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=0)


def pixels(size: int, n: int = 2) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(n, 3, size, size)


@pytest.mark.parametrize("name", [name for name in CONFIGS if "MAE" not in name])
@pytest.mark.parametrize("act", ["gelu", "relu"])
def test_the_numbers_are_those_of_transformers(name: str, act: str, tmp_path: Path) -> None:
    reference = save_vision(tmp_path, name, hidden_act=act, num_labels=7)
    network: Any = load(tmp_path).network
    x = pixels(reference.config.image_size)

    with torch.no_grad():
        theirs = reference(x)
        if "Classification" in name:
            close(network(x), theirs.logits)
        else:
            close(network(x), theirs.last_hidden_state)
            close(network.embed_images(x), theirs.last_hidden_state[:, 0])


def test_the_gated_feed_forward_of_dinov2_is_that_of_transformers(tmp_path: Path) -> None:
    reference = save_vision(tmp_path, "Dinov2Model", use_swiglu_ffn=True)
    with torch.no_grad():
        close(load(tmp_path).network(pixels(28)), reference(pixels(28)).last_hidden_state)


@pytest.mark.parametrize("name", ["ViTModel", "Dinov2Model", "Dinov2WithRegistersModel"])
@pytest.mark.parametrize("shape", [(42, 56), (21, 14), (30, 58)])
def test_pictures_of_another_size_stretch_the_grid_as_transformers_does(
    name: str, shape: tuple[int, int], tmp_path: Path
) -> None:
    reference = save_vision(tmp_path, name, patch_size=7, image_size=28)
    x = torch.randn(1, 3, *shape)
    options = {"interpolate_pos_encoding": True} if name == "ViTModel" else {}
    with torch.no_grad():
        close(load(tmp_path).network(x), reference(x, **options).last_hidden_state)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("vit_tiny_patch16_224", {"num_classes": 7}),
        ("vit_tiny_patch16_224", {"num_classes": 0}),
        ("vit_tiny_patch16_224", {"num_classes": 7, "global_pool": "avg"}),
        ("vit_tiny_patch16_224", {"num_classes": 7, "global_pool": "avg", "class_token": False}),
        ("vit_tiny_patch16_224", {"num_classes": 7, "mlp_ratio": 3}),
        ("deit_tiny_distilled_patch16_224", {"num_classes": 7}),
        ("deit_tiny_distilled_patch16_224", {"num_classes": 0}),
        ("deit3_small_patch16_224", {"num_classes": 7}),
        ("vit_small_patch14_dinov2", {}),
        ("vit_small_patch14_reg4_dinov2", {}),
        ("vit_giant_patch14_dinov2", {}),
        ("vit_giant_patch14_reg4_dinov2", {"num_classes": 7}),
    ],
    ids=str,
)
def test_the_numbers_are_those_of_timm(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    size = 56 if "patch14" in name else 48
    reference = save_timm(tmp_path, name, img_size=size, **TIMM_SIZES, **changes)
    network: Any = load(tmp_path).network
    x = pixels(size)
    with torch.no_grad():
        features = reference.forward_head(reference.forward_features(x), pre_logits=True)
        if isinstance(features, tuple) or "distilled" in name:
            features = reference.forward_features(x)[:, 0]
        close(network.embed_images(x), features)
        if changes.get("num_classes"):
            close(network(x), reference(x))


def test_a_timm_grid_is_stretched_as_timm_does(tmp_path: Path) -> None:
    name = "vit_tiny_patch16_224"
    reference = save_timm(tmp_path, name, img_size=64, dynamic_img_size=True, **TIMM_SIZES)
    x = torch.randn(1, 3, 96, 48)
    with torch.no_grad():
        close(load(tmp_path).network(x), reference(x))


def test_the_layouts_of_one_model_load_to_the_same_network(tmp_path: Path) -> None:
    """The weights of a timm file under transformers' names, and back from our own dump."""
    timm_folder, hf_folder = tmp_path / "timm", tmp_path / "hf"
    save_timm(timm_folder, "vit_tiny_patch16_224", img_size=48, num_classes=7, **TIMM_SIZES)
    ours = load(timm_folder).network.state_dict()

    config = transformers.ViTConfig(
        hidden_size=24, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96,
        image_size=48, layer_norm_eps=1e-6, num_labels=7,
        architectures=["ViTForImageClassification"],
    )  # fmt: skip
    config.save_pretrained(hf_folder)
    weights = zoo_vit.weights.vit(
        zoo_vit.config.vit(json.loads((hf_folder / "config.json").read_text()))
    )
    (hf_folder / "preprocessor_config.json").write_text(
        json.dumps({"image_processor_type": "ViTImageProcessor", "size": 48}), encoding="utf-8"
    )
    save_file(weights.dump(ours), hf_folder / "model.safetensors", metadata={"format": "pt"})
    theirs = transformers.ViTForImageClassification.from_pretrained(hf_folder).eval()
    again = load(hf_folder).network.state_dict()

    assert ours.keys() == again.keys()
    assert all(torch.equal(ours[name], again[name]) for name in ours)
    with torch.no_grad():
        close(load(timm_folder).network(pixels(48)), theirs(pixels(48)).logits)


@pytest.mark.parametrize("name", CONFIGS)
def test_dumping_gives_back_the_file(name: str, tmp_path: Path) -> None:
    save_vision(tmp_path, name)
    model = load(tmp_path)
    published = json.loads((tmp_path / "config.json").read_text())
    read: Any
    weights: Any
    read, weights = (
        (zoo_vit.config.mae, zoo_vit.weights.mae)
        if "MAE" in name
        else (zoo_vit.config.vit, zoo_vit.weights.vit)
    )
    dumped = weights(read(published)).dump(model.network.state_dict())
    stored = {
        key.replace("decoder_encoder.layer", "decoder_layers"): tensor
        for key, tensor in load_file(tmp_path / "model.safetensors").items()
        if "pooler" not in key and "embeddings.mask_token" not in key
    }
    assert dumped.keys() == stored.keys()
    assert all(torch.equal(dumped[key], stored[key]) for key in stored)


@pytest.mark.parametrize("normalized", [False, True])
def test_mae_paints_what_transformers_paints(normalized: bool, tmp_path: Path) -> None:
    reference = save_vision(tmp_path, "ViTMAEForPreTraining", norm_pix_loss=normalized)
    network: Any = load(tmp_path).network
    x, noise = pixels(32), torch.rand(2, 16)

    with torch.no_grad():
        theirs = reference(x, noise=noise)
        painted, mask = network.reconstruct(x, noise)
        close(network.predict(x, noise), theirs.logits)

    hidden = reference.unpatchify(theirs.mask.unsqueeze(-1).expand(-1, -1, 192))[:, :1]
    assert torch.equal(mask, hidden)
    assert torch.equal(painted * (1 - mask), x * (1 - mask))
    target = theirs.logits
    if normalized:
        patches = reference.patchify(x)
        deviation = (patches.var(dim=-1, keepdim=True) + 1e-6).sqrt()
        target = target * deviation + patches.mean(dim=-1, keepdim=True)
    close(painted * mask, reference.unpatchify(target) * mask)


def test_the_encoder_of_mae_sees_the_whole_picture_when_it_embeds(tmp_path: Path) -> None:
    reference = save_vision(tmp_path, "ViTMAEModel")
    reference.config.mask_ratio = 0.0
    network: Any = load(tmp_path).network
    x, in_order = pixels(32), torch.arange(16).float().expand(2, -1)
    with torch.no_grad():
        theirs = reference(x, noise=in_order).last_hidden_state
    close(network(x), theirs)


def test_every_timm_name_is_one_of_timms_with_the_sizes_we_say() -> None:
    for name in zoo_vit.TIMM:
        with torch.device("meta"):
            reference: Any = timm.create_model(name, pretrained=False)
        published = {
            "architecture": name,
            "num_classes": reference.num_classes,
            "global_pool": reference.global_pool,
            "pretrained_cfg": {"input_size": (3, *reference.patch_embed.img_size)},
        }
        config = zoo_vit.config.vit(published)
        with torch.device("meta"):
            network = zoo_vit.model.build(config)
        ours = zoo_vit.weights.vit(config).dump(network.state_dict())
        theirs = reference.state_dict()
        assert {key: value.shape for key, value in ours.items()} == {
            key: value.shape for key, value in theirs.items()
        }, name
        assert config.heads == reference.blocks[0].attn.num_heads, name


def test_classes_of_imagenet_have_their_names() -> None:
    labels = zoo_vit.config.vit(
        {"architecture": "vit_tiny_patch16_224", "num_classes": 1000}
    ).labels
    assert labels[207] == "golden retriever"
    assert len(labels) == 1000


def test_what_our_registry_says_of_checkpoints_can_be_held_against_them() -> None:
    published = {"architecture": "vit_tiny_patch16_224", "pretrained_cfg": {}}
    facts = {*ImagePreprocessor(from_timm(published)).facts}
    known = {
        "vit": facts | {*vars(zoo_vit.config.vit(published))},
        "vit-mae": facts | {*vars(zoo_vit.config.mae({"architectures": ["ViTMAEForPreTraining"]}))},
        "timm": facts,
    }
    entries = [entry for entry in zoo.list_models() if entry.architecture in known]
    assert len(entries) > 30
    for entry in entries:
        assert set(entry.checkpoint) <= known[entry.architecture], entry.name


def test_what_the_registry_says_of_timms_checkpoints_is_what_timm_says() -> None:
    for entry in zoo.list_models():
        _, _, name = entry.source.location.partition("timm/")
        if name and entry.architecture in ("timm", "vit"):
            record = timm.get_pretrained_cfg(name).to_dict()
            facts = ImagePreprocessor(from_timm({"pretrained_cfg": record})).facts
            said = {key: value for key, value in entry.checkpoint.items() if key in facts}
            assert said == {key: facts[key] for key in said}, entry.name
            assert len(said) >= 6


def test_a_config_that_makes_no_vit_is_refused(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    save_vision(saved, "ViTForImageClassification")
    for change, message in (
        ({"num_channels": 1}, "'num_channels' is 1"),
        ({"patch_size": [8, 4]}, "patches of 8x4; expected squares"),
        ({"image_size": [32, 32, 3]}, "expected two numbers"),
        ({"rope_theta": 100}, "'rope_theta' is not a field"),
        ({"architectures": ["ViTForMaskedImageModeling"]}, "'architectures' is"),
    ):
        folder = copy_checkpoint(saved, tmp_path / message[:9])
        change_json(folder, "config.json", **change)
        with pytest.raises(CheckpointError, match=message):
            load(folder)


def test_other_timm_networks_are_left_to_timm() -> None:
    with pytest.raises(CheckpointError, match="timm:vit_base_patch16_clip_224 runs it by timm"):
        zoo_vit.config.vit({"architecture": "vit_base_patch16_clip_224"})


def test_pictures_smaller_than_a_patch_are_refused_at_loading(tmp_path: Path) -> None:
    save_vision(tmp_path, "ViTModel")
    change_json(tmp_path, "preprocessor_config.json", size={"height": 6, "width": 6})
    with pytest.raises(CheckpointError, match="resized to 6x6 pixels, less than one patch of 8x8"):
        load(tmp_path)


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    save_vision(tmp_path, "ViTModel")
    change_weights(
        tmp_path,
        lambda tensors: {k: v for k, v in tensors.items() if k != "embeddings.cls_token"},
    )
    with pytest.raises(WeightMapError, match=r"embeddings\.cls_token"):
        load(tmp_path)


def test_a_vit_stays_below_one_percent_of_error_in_bfloat16(tmp_path: Path) -> None:
    save_vision(tmp_path, "ViTModel")
    exact: Any = load(tmp_path).network
    rough: Any = zoo.load(str(tmp_path), dtype="bfloat16", device="cpu").network
    with torch.no_grad():
        one, other = exact.embed_images(pixels(32)), rough.embed_images(pixels(32).bfloat16())
    assert torch.cosine_similarity(one, other.float()).min() > 0.99


def test_a_timm_config_with_a_field_that_nobody_knows_is_refused() -> None:
    published = {
        "architecture": "vit_tiny_patch16_224",
        "num_classes": 1000,
        "global_pool": "token",
    }
    zoo_vit.config.vit(published)
    with pytest.raises(CheckpointError, match="'stem' is not a field that architecture 'vit'"):
        zoo_vit.config.vit(published | {"stem": "wide"})
