"""What users and plugins may rely on: a change here is a change of what zoo promises."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import zoo
from zoo import hookspecs

ROOT = Path(__file__).parent.parent


def test_programs_may_rely_on_these_names() -> None:
    assert sorted(zoo.__all__) == [
        "Model",
        "ZooError",
        "ZooWarning",
        "__version__",
        "evaluate",
        "list_models",
        "load",
        "show",
    ]
    assert all(hasattr(zoo, name) for name in zoo.__all__)


def test_the_contract_changes_only_with_its_version() -> None:
    # A hook or a field that goes, or that a plugin must now give, needs a higher API.
    hooks = {name for name in vars(hookspecs) if name.startswith("zoo_")}
    required = [
        name
        for name, field in hookspecs.Architecture.__dataclass_fields__.items()
        if not hasattr(hookspecs.Architecture, name) and field.init
    ]

    assert hookspecs.API == 1
    assert hooks == {"zoo_architectures"}
    assert required == [
        "name",
        "model_types",
        "tasks",
        "config",
        "build",
        "weights",
        "preprocessor",
    ]


def test_the_reference_is_what_the_code_says() -> None:
    path = ROOT / "docs" / "plugin_reference.py"
    spec = importlib.util.spec_from_file_location("plugin_reference", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    written = (ROOT / "docs" / "plugin-reference.md").read_text(encoding="utf-8")

    assert script.reference() == written, "run: python docs/plugin_reference.py"


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_a_plugin_author_finds_the_way(name: str) -> None:
    assert "docs/plugins.md" in (ROOT / name).read_text(encoding="utf-8")
