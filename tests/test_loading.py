from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import zoo
from tests.checkpoints import Save, change_json, change_weights, copy_checkpoint
from tests.checkpoints import load as load_folder
from zoo.entry import Entry, Origin, Source
from zoo.errors import CheckpointError, PluginError, UsageError, WeightMapError, ZooError
from zoo.loading import load
from zoo.nn import OneDnnLinear
from zoo.nn.linear import _beside_guest_mkl


def entry(
    folder: Path, architecture: str = "bert", **checkpoint: str | int | float | bool
) -> Entry:
    """A registry's entry for a folder, with what it claims of the files."""
    return Entry(
        "acme",
        architecture,
        Source("folder", str(folder)),
        checkpoint=checkpoint,
        origin=Origin("user", "registry.yaml", 7),
    )


def test_an_entrys_facts_are_held_against_the_files(save: Save) -> None:
    folder, _ = save("BertModel")

    loaded = load(entry(folder, activation="gelu", norm_eps=1e-12, layers=3), device="cpu")

    assert loaded.architecture.name == "bert"
    assert loaded.device == torch.device("cpu")
    assert loaded.dtype == torch.float32


def test_the_entrys_length_is_held_against_the_positions(save: Save) -> None:
    folder, _ = save("BertModel")

    load(replace(entry(folder), max_length=66), device="cpu")
    with pytest.raises(
        CheckpointError, match=r"^acme: the registry says max_length is 512, the files say 66; "
    ):
        load(replace(entry(folder), max_length=512), device="cpu")


@pytest.mark.parametrize("head", ["BertModel", "BertForMaskedLM", "BertForSequenceClassification"])
def test_what_tasks_call_is_compiled(save: Save, head: str) -> None:
    network: Any = load(entry(save(head)[0]), compile=True).network

    assert network.encoder._compiled_call_impl is not None  # torch has no public way to ask
    assert network is network.encoder or network._compiled_call_impl is None


def test_a_config_that_cannot_be_read_is_named_with_its_source(save: Save, tmp_path: Path) -> None:
    folder = copy_checkpoint(save("BertModel")[0], tmp_path / "copy")
    change_json(folder, "config.json", hidden_size="wide")

    with pytest.raises(CheckpointError, match=rf"^{folder}: config.json: 'hidden_size' is 'wide'"):
        load(entry(folder), device="cpu")


@pytest.mark.parametrize(
    "mark",
    [
        {"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"},
        {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}},
    ],
    ids=lambda mark: next(iter(mark)),
)
def test_a_cross_encoder_is_refused_and_the_line_says_why(
    save: Save, tmp_path: Path, mark: dict[str, object]
) -> None:
    folder = copy_checkpoint(save("BertForSequenceClassification")[0], tmp_path / "copy")
    change_json(folder, "config.json", **mark)

    with pytest.raises(CheckpointError, match="a cross-encoder, which scores pairs of texts; zoo"):
        load(entry(folder), device="cpu")


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        (
            {"activation": "gelu_new"},
            r"^acme: the registry says activation is 'gelu_new', the files say 'gelu'; ",
        ),
        ({"norm_eps": 1e-5}, "says norm_eps is 1e-05, the files say 1e-12"),
        (
            {"activaton": "gelu"},
            r"^registry.yaml:7: acme says activaton is 'gelu', but architecture 'bert' has no such "
            r"fact; it has activation, ",
        ),
    ],
    ids=str,
)
def test_facts_that_differ_are_an_error(
    checkpoint: dict[str, Any], message: str, save: Save
) -> None:
    with pytest.raises(CheckpointError, match=message):
        load(entry(save("BertModel")[0], **checkpoint), device="cpu")


def test_a_checkpoint_of_another_architecture_is_refused(save: Save) -> None:
    folder, _ = save("RobertaModel")

    with pytest.raises(
        CheckpointError, match="has model_type 'roberta'; architecture 'bert' reads bert"
    ):
        load(entry(folder, "bert"), device="cpu")
    with pytest.raises(PluginError, match="no installed plugin has architecture 'mamba'"):
        load(entry(folder, "mamba"), device="cpu")


def test_weights_of_another_model_are_refused(save: Save, tmp_path: Path) -> None:
    copy = copy_checkpoint(save("BertModel")[0], tmp_path / "copy")
    other, _ = save("DistilBertModel")
    (copy / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())

    with pytest.raises(WeightMapError, match="match no rule of the bert layout") as raised:
        load_folder(copy)
    assert "missing" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_device_and_dtype_are_checked_before_any_file_is_looked_at(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no device 'gpu'"):
        load(entry(tmp_path / "nothing here"), device="gpu")
    with pytest.raises(UsageError, match="no dtype 'int4'"):
        load(entry(tmp_path / "nothing here"), device="cpu", dtype="int4")


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16])
def test_stored_numbers_become_those_that_are_asked_for(
    stored: torch.dtype, save: Save, tmp_path: Path
) -> None:
    folder, _ = save("BertForMaskedLM")
    copy = copy_checkpoint(folder, tmp_path / "copy")
    change_weights(copy, lambda tensors: {name: x.to(stored) for name, x in tensors.items()})

    loaded = load_folder(copy)
    whole = load_folder(folder)

    for name, parameter in loaded.network.named_parameters():
        expected = whole.network.get_parameter(name).to(stored).float()
        assert torch.equal(parameter, expected)
    network = loaded.network
    assert network.get_parameter("decoder.weight") is network.get_parameter(
        "encoder.embeddings.token.weight"
    )


def test_loading_leaves_the_random_numbers_alone(save: Save) -> None:
    folder, _ = save("BertModel")
    torch.manual_seed(0)
    expected = torch.rand(3)

    torch.manual_seed(0)
    load_folder(folder)

    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)],
)
def test_networks_on_a_cpu_may_have_onednn_multiply(
    save: Save, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    folder, _ = save("BertModel")
    texts = ["a man rides a horse", "a woman"]
    expected = load_folder(folder).embed(texts)

    everything = _beside_guest_mkl(bfloat16=False)._replace(large=1)
    monkeypatch.setattr("zoo.nn.linear._policy", lambda: everything)
    model = zoo.load(str(folder), device=device, dtype="float32")

    kinds = {type(x) for x in model.network.modules() if isinstance(x, torch.nn.Linear)}
    assert kinds == {OneDnnLinear if device == "cpu" else torch.nn.Linear}
    torch.testing.assert_close(model.embed(texts), expected, rtol=0, atol=1e-5)


def test_a_deleted_file_after_loading_harms_nothing(save: Save, tmp_path: Path) -> None:
    copy = copy_checkpoint(save("BertModel")[0], tmp_path / "copy")
    model = load_folder(copy)
    expected = model.embed("a man")

    for path in copy.iterdir():
        path.unlink()

    assert torch.equal(model.embed("a man"), expected)


def test_what_lacks_is_told_as_one_line(tmp_path: Path, save: Save) -> None:
    copy = copy_checkpoint(save("BertModel")[0], tmp_path / "copy")
    for name in ("model.safetensors", "config.json"):
        (copy / name).unlink()
        with pytest.raises(ZooError, match=r"model.safetensors|config.json") as raised:
            zoo.load(str(copy), device="cpu")
        assert "\n" not in str(raised.value)
