from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from sentence_transformers.sentence_transformer.modules import Pooling as TheirPooling

from tests.checkpoints import change_json
from zoo.checkpoint import Files
from zoo.errors import CheckpointError
from zoo.text import Pooling, TokenBatch
from zoo.text.pooling import Mode, load_pooling
from zoo.text.tokenizer import load_tokenizer

MODES: list[Mode] = ["mean", "cls", "max"]
OLD = "sentence_transformers.models."
NEW = "sentence_transformers.sentence_transformer.modules."


def batch_of(folder: Path, *, packed: bool) -> TokenBatch:
    tokenizer = load_tokenizer(Files({"vocab.txt": folder / "vocab.txt"}, "x"))
    texts = ["two women play music in the park", "a man", "a horse", "cold"]
    encodings = tokenizer.encode(texts, max_length=64)
    return TokenBatch(encodings, packed=packed, device=torch.device("cpu"))


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "padded"])
@pytest.mark.parametrize("mode", MODES)
def test_pooling_equals_sentence_transformers(mode: Mode, packed: bool, wordpiece: Path) -> None:
    torch.manual_seed(0)
    padded = batch_of(wordpiece, packed=False)
    hidden = torch.randn(*padded.tokens.shape, 6) - 5  # below 0, where padding would be the largest
    mask = (torch.arange(hidden.size(1)) < torch.tensor(padded.lengths)[:, None]).long()
    expected = TheirPooling(6, pooling_mode=mode)(
        {"token_embeddings": hidden, "attention_mask": mask}
    )["sentence_embedding"]
    ours = batch_of(wordpiece, packed=packed)
    laid_out = torch.cat(padded.rows(hidden)).unsqueeze(0) if packed else hidden

    pooled = Pooling(mode)(laid_out, ours)

    torch.testing.assert_close(pooled, expected)
    torch.testing.assert_close(
        Pooling(mode, normalize=True)(laid_out, ours),
        expected / expected.norm(dim=1, keepdim=True),
    )


def test_vectors_are_float32_whatever_the_network_computes_in(wordpiece: Path) -> None:
    batch = batch_of(wordpiece, packed=True)
    hidden = torch.randn(1, batch.tokens.size(1), 6).bfloat16()

    assert Pooling()(hidden, batch).dtype == torch.float32


def write(folder: Path, *kinds: str, pooling: Mapping[str, object] | None = None) -> Files:
    """A folder's modules.json, and its pooling config if there is one."""
    modules = [
        {"idx": n, "path": f"{n}_{kind.rpartition('.')[2]}" if n else "", "type": kind}
        for n, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    if pooling is not None:
        change_json(folder, "1_Pooling/config.json", **pooling)
    paths = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return Files(paths, "hf:org/repo")


def modules(prefix: str, *kinds: str) -> list[str]:
    return [f"{prefix}{kind}" for kind in kinds]


def old(mode: str) -> dict[str, object]:
    """The config of versions before 5: a boolean for each mode."""
    names = [
        "cls_token",
        "mean_tokens",
        "max_tokens",
        "mean_sqrt_len_tokens",
        "weightedmean_tokens",
    ]
    return {
        "word_embedding_dimension": 24,
        **{f"pooling_mode_{name}": name.startswith(mode) for name in names},
        "include_prompt": True,
    }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("normalize", [True, False])
def test_the_old_form_of_the_files_is_read(mode: Mode, normalize: bool, tmp_path: Path) -> None:
    kinds = ["Transformer", "Pooling", *["Normalize"] * normalize]
    config = old(mode)
    if mode == "mean":
        config["pooling_mode_mean_sqrt_len_tokens"] = False
    files = write(tmp_path, *modules(OLD, *kinds), pooling=config)

    assert load_pooling(files) == Pooling(mode, normalize)


@pytest.mark.parametrize("mode", MODES)
def test_the_new_form_of_the_files_is_read(mode: Mode, tmp_path: Path) -> None:
    config = {"embedding_dimension": 24, "pooling_mode": mode, "include_prompt": True}
    files = write(tmp_path, *modules(NEW, "Transformer", "Pooling"), pooling=config)

    assert load_pooling(files) == Pooling(mode)


def test_without_files_it_is_the_plain_mean() -> None:
    assert load_pooling(Files({}, "x")) == Pooling("mean", normalize=False, prompt="")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"prompts": {"query": "query: "}, "default_prompt_name": "query"}, "query: "),
        ({"prompts": {"query": "query: "}, "default_prompt_name": None}, ""),
        ({"prompts": {"query": "query: "}}, ""),
        ({"prompts": {}, "default_prompt_name": None}, ""),
        ({"prompts": None}, ""),
        ({}, ""),
    ],
    ids=str,
)
def test_the_default_prompt_is_the_checkpoints(
    settings: dict[str, object], expected: str, tmp_path: Path
) -> None:
    change_json(tmp_path, "config_sentence_transformers.json", **settings)
    files = write(tmp_path, *modules(OLD, "Transformer", "Pooling"), pooling=old("cls"))

    assert load_pooling(files).prompt == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prompts": [1], "default_prompt_name": "q"}, r"is 'q', but prompts are \[1\]"),
        ({"prompts": {"q": 3}, "default_prompt_name": "q"}, r"is 'q', but prompts are \{'q': 3\}"),
        ({"prompts": {}, "default_prompt_name": "q"}, r"is 'q', but prompts are \{\}"),
        ({"default_prompt_name": ["q"]}, r"is \['q'\], but prompts are None"),
    ],
    ids=str,
)
def test_a_default_prompt_that_is_none_is_refused(
    settings: dict[str, object], message: str, tmp_path: Path
) -> None:
    change_json(tmp_path, "config_sentence_transformers.json", **settings)
    files = write(tmp_path, *modules(OLD, "Transformer", "Pooling"), pooling=old("cls"))

    with pytest.raises(CheckpointError, match=message):
        load_pooling(files)


@pytest.mark.parametrize(
    ("kinds", "pooling", "message"),
    [
        (
            ["Transformer"],
            None,
            "has no Pooling step, without which sentence-transformers makes no",
        ),
        (["Transformer", "Normalize"], None, "has no Pooling step"),
        (["Transformer", "Dense"], None, "asks for a 'Dense' step; zoo has Transformer, Pooling"),
        (["Transformer", "Pooling"], None, "names 1_Pooling/config.json, which is missing"),
        (["Transformer", "Pooling"], old("weightedmean"), "the pooling pooling_mode_weightedmean"),
        (["Transformer", "Pooling"], old("nothing"), "the pooling none; zoo has mean, cls, max"),
        (
            ["Transformer", "Pooling"],
            {**old("cls"), "pooling_mode_max_tokens": True},
            "cls.*max",
        ),
        (["Transformer", "Pooling"], {"pooling_mode": "lasttoken"}, "the pooling lasttoken"),
        (["Transformer", "Pooling"], {"pooling_mode": ["cls", "mean"]}, r"cls \+ mean"),
        (["Transformer", "Pooling"], {"pooling_mode": 3}, "the pooling 3"),
        (
            ["Transformer", "Pooling"],
            {"pooling_mode": "mean", "include_prompt": False},
            "leaves the prompt out of the pooling",
        ),
    ],
    ids=str,
)
def test_a_step_that_zoo_lacks_is_refused(
    kinds: list[str], pooling: dict[str, object] | None, message: str, tmp_path: Path
) -> None:
    files = write(tmp_path, *modules(OLD, *kinds), pooling=pooling)

    with pytest.raises(CheckpointError, match=message):
        load_pooling(files)
