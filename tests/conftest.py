"""What several tests share: a cache of their own, and tiny checkpoints made once a session."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.checkpoints import Save

# The tensors of tests are tiny: threads would only wait for each other. Read when torch starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked ``gpu`` where there is none."""
    if item.get_closest_marker("gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture(autouse=True, scope="session")
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's cache, registry and switches out of the tests, and the tests out of them."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        for name in ("ZOO_REGISTRY", "ZOO_DISABLE_PLUGINS", "ZOO_LOAD_PLUGINS"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def wordpiece(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with BERT's kind of tokenizer: tokenizer.json, tokenizer_config.json, vocab.txt."""
    folder = tmp_path_factory.mktemp("wordpiece")
    from tests import checkpoints  # imports transformers, which takes seconds

    checkpoints.save_wordpiece(folder)
    return folder


@pytest.fixture(scope="session")
def byte_level_bpe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with RoBERTa's kind: tokenizer.json, vocab.json, merges.txt, …."""
    folder = tmp_path_factory.mktemp("byte_level_bpe")
    from tests import checkpoints

    checkpoints.save_byte_level_bpe(folder)
    return folder


@pytest.fixture(scope="session")
def save(tmp_path_factory: pytest.TempPathFactory, wordpiece: Path, byte_level_bpe: Path) -> Save:
    """Save a model of a transformers class: ``save("BertModel", num_labels=3)`` -> folder, model.

    The same call gives the same folder all session long; tests copy it before they change it.
    """
    from tests import checkpoints

    saved: dict[str, tuple[Path, Callable[..., Any]]] = {}

    def save(class_name: str, **changes: object) -> tuple[Path, Callable[..., Any]]:
        key = repr((class_name, sorted(changes.items())))
        if key not in saved:
            folder = tmp_path_factory.mktemp(class_name)
            tokenizer = byte_level_bpe if "Roberta" in class_name else wordpiece
            model = checkpoints.save_checkpoint(class_name, folder, tokenizer, **changes)  # type: ignore[arg-type]
            saved[key] = folder, model
        return saved[key]

    return save
