"""zoo_timm against timm: the same networks, the same numbers, and a table of all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.models import get_arch_pretrained_cfgs, get_pretrained_cfg

from tests.checkpoints import change_json, change_weights, load
from tests.pictures import noise
from tests.vision import save_timm
from zoo.errors import CheckpointError, PluginError, UnknownModelError, UsageError, WeightMapError
from zoo.registry import resolve
from zoo.registry.catalogs import Catalog, catalogs
from zoo_timm.model import build, config

# timm's own tiny networks, one of each kind: normalised by batches, layers, groups, weights; and
# one with tables that no checkpoint holds.
NETWORKS = [
    "test_resnet",
    "test_convnext",
    "test_efficientnet",
    "test_efficientnet_gn",
    "test_nfnet",
    "test_byobnet",
    "test_vit2",
    "test_vit_relpos",
]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_numbers_are_those_of_timm(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    reference = save_timm(tmp_path, name, num_classes=7)
    network: Any = load(tmp_path).network
    x = torch.randn(2, 3, 160, 160)
    with torch.no_grad():
        logits = reference(x)
        features = reference.forward_head(reference.forward_features(x), pre_logits=True)
        # The random network may make large numbers; both sides sum in the same order.
        torch.testing.assert_close(network(x), logits, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(
            network.embed_images(x), features.flatten(1), rtol=1e-5, atol=1e-5
        )


def test_a_picture_goes_through_timms_own_preprocessing(tmp_path: Path) -> None:
    reference = save_timm(tmp_path, "test_resnet", num_classes=7)
    model = load(tmp_path)
    data = timm.data.resolve_model_data_config(reference)
    pixels = timm.data.create_transform(**data)(noise().convert("RGB")).unsqueeze(0)

    assert torch.equal(model.preprocessor([noise()]), pixels)
    with torch.no_grad():
        scores = reference(pixels).softmax(-1)[0]
    found = {label.label: label.score for label in model.classify(noise(), top_k=7).labels}
    assert [found[str(number)] for number in range(7)] == pytest.approx(scores.tolist(), abs=1e-5)


def test_a_network_without_classes_embeds_only(tmp_path: Path) -> None:
    reference = save_timm(tmp_path, "test_resnet", num_classes=0)
    network: Any = load(tmp_path).network
    assert not hasattr(network, "classify_images")
    x = torch.randn(1, 3, 160, 160)
    with torch.no_grad():
        torch.testing.assert_close(network.embed_images(x), reference(x))


def test_a_file_that_wants_more_than_a_network_is_refused(tmp_path: Path) -> None:
    save_timm(tmp_path, "test_resnet")
    change_json(tmp_path, "config.json", model_args={"checkpoint_path": "/etc/passwd"})
    with pytest.raises(CheckpointError, match="holds checkpoint_path, which is no argument"):
        load(tmp_path)
    change_json(tmp_path, "config.json", model_args={}, architecture="resnet999")
    with pytest.raises(CheckpointError, match="has no network 'resnet999'"):
        load(tmp_path)


def test_a_config_that_says_what_nobody_knows_is_refused(tmp_path: Path) -> None:
    save_timm(tmp_path, "test_resnet")
    change_json(tmp_path, "config.json", num_classes="many")
    with pytest.raises(CheckpointError, match="'num_classes' is 'many'"):
        load(tmp_path)
    change_json(tmp_path, "config.json", num_classes=1000, stem="wide")
    with pytest.raises(CheckpointError, match="'stem' is not a field that architecture 'timm'"):
        load(tmp_path)


def test_what_checkpoints_hold_takes_no_memory_before(tmp_path: Path) -> None:
    save_timm(tmp_path, "test_vit_relpos")
    network = build(config(json.loads((tmp_path / "config.json").read_text())))
    assert all(parameter.is_meta for parameter in network.parameters())
    tables = [*network.buffers()]  # that no file holds
    assert tables
    assert not any(table.is_meta for table in tables)


def test_tensors_that_are_missing_or_left_over_are_named(tmp_path: Path) -> None:
    save_timm(tmp_path, "test_resnet")
    change_weights(
        tmp_path,
        lambda tensors: {("stray" if k == "conv1.0.weight" else k): v for k, v in tensors.items()},
    )
    with pytest.raises(WeightMapError, match=r"'stray' left over; 'conv1\.0\.weight' missing"):
        load(tmp_path)


@pytest.fixture
def catalog() -> Catalog:
    (only,) = [each for each in catalogs() if each.scheme == "timm"]
    return only


def test_the_table_is_that_of_the_installed_timm(catalog: Catalog) -> None:
    ours = {entry.name: entry for entry in catalog}
    for architecture in timm.list_models():
        published = {
            name: cfg
            for name, cfg in get_arch_pretrained_cfgs(architecture).items()
            if (cfg.hf_hub_id or "").startswith("timm/")
        }
        for name, cfg in published.items():
            entry = ours.pop(f"timm:{name}", None)
            assert entry is not None, f"{name} is missing: run recipes/timm_models.py"
            assert entry.source.location == cfg.hf_hub_id
            assert (entry.license.id if entry.license else None) == cfg.license
            assert ("image-classification" in entry.tasks) == bool(cfg.num_classes)
        default = get_pretrained_cfg(architecture)
        if default is not None and f"{architecture}.{default.tag}" in published:
            assert catalog.find(architecture).source.location == default.hf_hub_id
    assert not ours, f"gone from timm: {sorted(ours)}; run recipes/timm_models.py"


def test_a_name_leads_to_its_repository() -> None:
    entry = resolve("timm:resnet50.a1_in1k@v2")
    assert (str(entry.source), entry.architecture) == ("hf:timm/resnet50.a1_in1k@v2", "timm")
    assert entry.parameters == 25_557_032
    with pytest.raises(UnknownModelError, match=r"did you mean 'timm:resnet5"):
        resolve("timm:resnet5")
    with pytest.raises(UsageError, match="expected a branch"):
        resolve("timm:resnet50@..")
    with pytest.raises(UsageError, match="expected a name, hf:org/repo"):
        resolve("torchvision:resnet50")


def test_a_damaged_table_says_where(tmp_path: Path) -> None:
    table = tmp_path / "models.tsv"
    table.write_text("name\trepository\n")
    with pytest.raises(PluginError, match=r"models\.tsv:1: expected the columns name"):
        list(Catalog("x", table, "x 1.0"))
    header = "name\trepository\tparameters\tlicense\tclasses\tpixels"
    table.write_text(f"{header}\na\tb\tmany\t\t0\t0\n")
    with pytest.raises(PluginError, match=r"models\.tsv:2: not of the form"):
        list(Catalog("x", table, "x 1.0"))


def test_listing_all_imports_neither_torch_nor_timm() -> None:
    code = (
        "import sys; from zoo_cli.main import app\n"
        "try: app(['list', '--all', 'timm:resnet50*', '--json'])\n"
        "except SystemExit: pass\n"
        "print(' '.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = [model["name"] for model in json.loads(done.stdout)["models"]]
    assert "timm:resnet50.a1_in1k" in names
    assert {"torch", "timm", "numpy"}.isdisjoint(done.stderr.split())
