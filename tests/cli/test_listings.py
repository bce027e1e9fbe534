from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cli.conftest import Zoo

REGISTRY = """
schema: 1
models:
  small-model:
    summary: "一只小模型 with a long summary, so long that it cannot stand on a narrow terminal"
    architecture: bert
    source: hf:org/small
    revision: "0123456789012345678901234567890123456789"
    tasks: [fill-mask, feature-extraction]
    license: {id: cc-by-nc-4.0, commercial: false, gated: true, url: "https://example.org/terms"}
    parameters: 4500000
    languages: ["no", "zh"]
    max_length: 128
    aliases: [smallest]
    tags: [toy]
    paper: https://example.org/paper
    reported:
      - benchmark: masked words
        metric: accuracy
        value: 41.5
        unit: "%"
        source: https://example.org/results
        protocol: one word in seven
    files:
      - {path: config.json, size: 1000, sha256: "AAA"}
      - {path: model.safetensors, size: 18000000, sha256: "BBB"}
  large-model:
    architecture: bert
    source: hf:org/large
    tasks: [text-classification]
    parameters: 2000000000
""".replace("AAA", "a" * 64).replace("BBB", "b" * 64)


@pytest.fixture
def registry(tmp_path: Path) -> str:
    path = tmp_path / "models.yaml"
    path.write_text(REGISTRY, encoding="utf-8")
    return str(path)


def names(zoo: Zoo, *arguments: str) -> list[str]:
    listing = json.loads(zoo.works("list", "--json", *arguments))
    assert listing["schema_version"] == 1
    return [model["name"] for model in listing["models"]]


def test_list_filters(zoo: Zoo, registry: str) -> None:
    given = ("--registry", registry)

    assert names(zoo, "small-m", *given) == ["small-model"]  # a part of a name
    assert names(zoo, "*-model", *given) == ["large-model", "small-model"]  # a glob
    assert names(zoo, "*-model", "--max-params", "5M", *given) == ["small-model"]
    assert names(zoo, "--tag", "toy", *given) == ["small-model"]
    assert names(zoo, "--language", "no", *given) == ["small-model"]
    assert names(zoo, "*-model", "--license", "cc-by-nc-*", *given) == ["small-model"]
    assert names(zoo, "*-model", "--task", "text-classification", *given) == ["large-model"]
    assert names(zoo, "--downloaded", *given, "*-model") == []


def test_list_prints_a_table_that_is_whole_in_a_pipe(zoo: Zoo, registry: str) -> None:
    done = zoo("list", "*-model", "--registry", registry, COLUMNS="40")

    header, large, small = done.stdout.splitlines()
    assert header.split() == ["NAME", "TASKS", "PARAMS", "LICENSE", "LANGUAGES", "SUMMARY"]
    assert large.split() == ["large-model", "text-classification", "2.0B", "-"]
    assert small.endswith("so long that it cannot stand on a narrow terminal")
    assert "4.5M" in small
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_list_says_when_nothing_fits(zoo: Zoo) -> None:
    done = zoo("list", "no-such-name")

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("note: none of ")
    assert "'abc'" in zoo.fails(2, "list", "--max-params", "abc")


def test_show_prints_all_that_is_known(zoo: Zoo, registry: str) -> None:
    shown = zoo.works("show", "smallest", "--registry", registry)
    facts = dict(line.split("  ", 1) for line in shown.splitlines() if "  " in line)
    facts = {name: value.strip() for name, value in facts.items()}

    assert shown.startswith("small-model: 一只小模型 with")
    assert facts["parameters"] == "4.5M (4,500,000)"
    assert facts["license"] == "cc-by-nc-4.0, no commercial use, gated, https://example.org/terms"
    assert facts["source"] == "hf:org/small"
    assert facts["revision"] == "0123456789012345678901234567890123456789 (pinned)"
    assert facts["files"] == "2 pinned, 18.0 MB"
    assert facts["downloaded"] == "no"
    assert facts["languages"] == "no zh"
    assert facts["defined in"] == f"{registry}:4 (option)"
    assert facts["masked words"].split("  ")[:3] == ["accuracy", "41.5 %", "one word in seven"]
    assert facts["model.safetensors"] == f"18.0 MB  {'b' * 64}"


def test_show_as_json_has_raw_numbers(zoo: Zoo, registry: str) -> None:
    shown = json.loads(zoo.works("show", "small-model", "--registry", registry, "--json"))

    model: dict[str, Any] = shown["model"]
    assert shown["schema_version"] == 1
    assert model["parameters"] == 4_500_000
    assert model["files"][1] == {
        "path": "model.safetensors",
        "size": 18_000_000,
        "sha256": "b" * 64,
    }
    assert model["source"] == {
        "scheme": "hf",
        "location": "org/small",
        "revision": "0123456789012345678901234567890123456789",
    }
    assert model["summary"].startswith("一只小模型")
    assert model["downloaded"] is None


def test_registry_commands(zoo: Zoo, registry: str, tmp_path: Path) -> None:
    schema = json.loads(zoo.works("registry", "schema"))
    layers = json.loads(zoo.works("registry", "paths", "--registry", registry, "--json"))["layers"]
    good = zoo("registry", "check", registry)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("schema: 1\nmodels:\n  a:\n    architecture: bert\n    sauce: hf:a/b\n")
    bad = zoo("registry", "check", str(wrong))
    problems = json.loads(zoo("registry", "check", str(wrong), "--json").stdout)["problems"]

    assert schema["type"] == "object"
    assert [layer["layer"] for layer in layers] == ["packaged", "option"]
    assert layers[-1]["path"] == registry
    assert (good.returncode, good.stdout) == (0, "")
    assert bad.returncode == 1
    assert f"{wrong}:5: " in bad.stdout
    assert problems[0]["file"] == str(wrong)
    assert zoo.fails(1, "list", "--registry", str(wrong)).startswith(f"{wrong}:")


def test_plugins_are_listed_with_their_architectures(zoo: Zoo) -> None:
    found = json.loads(zoo.works("plugins", "list", "--json"))["plugins"]
    disabled = json.loads(zoo.works("plugins", "list", "--json", ZOO_DISABLE_PLUGINS="zoo_bert"))[
        "plugins"
    ]

    bert = next(each for each in found if each["module"] == "zoo_bert")
    assert (bert["state"], bert["error"]) == ("ok", None)
    assert set(bert["architectures"]) >= {"bert", "distilbert", "roberta"}
    assert [each["state"] for each in disabled if each["module"] == "zoo_bert"] == ["disabled"]


def test_an_empty_cache(zoo: Zoo, tmp_path: Path) -> None:
    assert json.loads(zoo.works("cache", "ls", "--json"))["repositories"] == []
    assert zoo.works("cache", "ls") == ""
    assert zoo.works("cache", "path") == f"{tmp_path / 'huggingface' / 'hub'}\n"
    assert zoo.works("cache", "path", HF_HUB_CACHE="/elsewhere") == "/elsewhere\n"
    assert "'org/name'" in zoo.fails(2, "cache", "rm", "org/name")


def test_doctor_finds_a_sound_installation_and_a_broken_registry(zoo: Zoo, tmp_path: Path) -> None:
    findings = json.loads(zoo.works("doctor", "--json"))["findings"]
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("models: 5\n")
    error = zoo.fails(1, "doctor", ZOO_REGISTRY=str(wrong))

    states = {finding["check"]: finding["state"] for finding in findings}
    assert states["torch"] == states["plugin zoo_bert"] == states["registry"] == "ok"
    assert error == "1 check failed: registry"


def test_doctor_says_where_the_cpu_is_faster_in_bfloat16(zoo: Zoo) -> None:
    findings = json.loads(zoo.works("doctor", "--json"))["findings"]
    detail = next(finding["detail"] for finding in findings if finding["check"] == "torch")

    assert ("--dtype bfloat16" in detail) == bool(torch.cpu.get_capabilities().get("amx_bf16"))
