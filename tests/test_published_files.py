"""The registry against what the publishers' own small files say, as zoo reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from tokenizers import models

import zoo
from tests.marian import save_vocabulary
from tests.published import PUBLISHED
from zoo import plugins
from zoo.checkpoint import Files, published_configs
from zoo.errors import CheckpointError
from zoo.loading import without_weights

# One word each of the vocabularies, with the number it has where a config names one.
SPECIAL = ("<unk>", "<s>", "</s>", "<pad>", "<eos>", "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CLIP_SPECIAL = {"<|startoftext|>": 49406, "<|endoftext|>": 49407}


def checkpoint(folder: Path, published: dict[str, Any]) -> Files:
    """The published files, with a vocabulary of a few words."""
    for name, content in published.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    numbers = {token: number for number, token in enumerate(SPECIAL)} | CLIP_SPECIAL
    backend = tokenizers.Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    backend.save(str(folder / "tokenizer.json"))
    paths = (path for path in folder.rglob("*") if path.is_file())
    return Files({path.relative_to(folder).as_posix(): path for path in paths}, "published")


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_registry_says_what_the_published_files_say(name: str, tmp_path: Path) -> None:
    entry = zoo.show(name)
    architecture = plugins.find_architecture(entry.architecture)
    if entry.architecture == "transformer":
        save_vocabulary(tmp_path)
    files = checkpoint(tmp_path, PUBLISHED[name])
    configs = published_configs(files)
    kind = next(kind for kind in configs if kind in architecture.model_types)

    config = plugins.import_part(architecture, "config")(configs[kind])
    preprocessor = plugins.import_part(architecture, "preprocessor")(files, config)

    facts = getattr(config, "facts", vars(config)) | getattr(preprocessor, "facts", {})
    limit = facts.get("max_length", getattr(config, "max_length", None))
    limit = limit or configs[kind].get("n_positions")  # T5's, whose tokenizer has the limit
    assert {key: facts[key] for key in entry.checkpoint} == dict(entry.checkpoint)
    assert entry.max_length == (limit if entry.languages else None)  # pictures have none
    assert all(key in entry.checkpoint for key in getattr(config, "unstated", ()))


def left_out(published: dict[str, Any]) -> int:
    """The parameters of the published class that serve its training, or no task here."""
    width = published.get("hidden_size", 0)
    pooler = width * (width + 1)
    masked_patch = width
    with_pooler = dict.fromkeys(("BertModel", "ViTModel", "XLMRobertaModel"), pooler)
    with_mask = dict.fromkeys(("Dinov2Model", "Dinov2WithRegistersModel"), masked_patch)
    parts = with_pooler | with_mask
    (name,) = published.get("architectures") or [""]
    return parts.get(name, 0)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_registry_counts_the_parameters_of_the_published_config(
    name: str, tmp_path: Path
) -> None:
    entry = zoo.show(name)
    architecture = plugins.find_architecture(entry.architecture)
    configs = published_configs(checkpoint(tmp_path, PUBLISHED[name]))
    kind = next(kind for kind in configs if kind in architecture.model_types)
    config = plugins.import_part(architecture, "config")(configs[kind])
    network = without_weights(plugins.import_part(architecture, "build"), config)
    weights = plugins.import_part(architecture, "weights")(config)
    tied = getattr(weights, "tied", ())  # timm ties none

    sizes = {each: parameter.numel() for each, parameter in network.named_parameters()}
    sizes = {each: size for each, size in sizes.items() if each not in tied}
    if kind == "marian":
        del sizes["head.bias"]  # what Marian adds to its logits is in the file, and was not learnt
    assert entry.parameters == sum(sizes.values()) + left_out(configs[kind])


def test_every_generating_model_of_the_registry_is_among_them() -> None:
    families = {"gpt2", "gpt-neox", "opt", "llama", "qwen2", "qwen3", "transformer", "t5"}

    ours = {each.name for each in zoo.list_models() if each.architecture in families}

    assert {name for name in ours if not name.startswith("tiny-")} <= set(PUBLISHED)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("dinov2-with-registers-base", "interpolate_offset"),
        ("gpt2-medium", "n_special"),
        ("opus-mt-en-zh", "do_blenderbot_90_layernorm"),
        ("opus-mt-en-zh", "force_bos_token_to_be_generated"),
        ("qwen2.5-0.5b", "use_mrope"),
        ("smollm2-360m", "rope_interleaved"),
    ],
)
def test_a_field_that_is_harmless_as_published_is_refused_where_it_is_not(
    name: str, field: str
) -> None:
    architecture = plugins.find_architecture(zoo.show(name).architecture)
    changed = PUBLISHED[name]["config.json"] | {field: True}

    with pytest.raises(CheckpointError, match=rf"'{field}' is True; .* expects (False|0)"):
        plugins.import_part(architecture, "config")(changed)
