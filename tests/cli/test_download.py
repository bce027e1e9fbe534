from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.cli.conftest import Zoo
from tests.hub_server import HubServer

REGISTRY = """
schema: 1
models:
  my-bert:
    architecture: bert
    source: hf:org/my-bert
    tasks: [fill-mask]
    license: {id: cc-by-nc-4.0, commercial: false, gated: true}
"""


@pytest.fixture
def hub(masked: str, environment: dict[str, str]) -> Iterator[HubServer]:
    files = {path.name: path.read_bytes() for path in Path(masked).iterdir()}
    with HubServer({"org/my-bert": {"main": files}}) as server:
        environment["HF_ENDPOINT"] = server.url
        yield server


def test_from_download_to_removal(zoo: Zoo, hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "registry.yaml").write_text(REGISTRY)
    zoo.environment["ZOO_REGISTRY"] = str(tmp_path / "registry.yaml")

    planned = json.loads(zoo.works("download", "my-bert", "--dry-run", "--json"))["files"]
    assert {file["path"] for file in planned} >= {"config.json", "model.safetensors"}
    assert not any(file["cached"] for file in planned)
    assert hub.gets("model.safetensors") == []

    done = zoo("download", "my-bert")
    folder = Path(done.stdout.removesuffix("\n"))
    assert (folder / "config.json").is_file()
    assert "note: my-bert: hf:org/my-bert, licence cc-by-nc-4.0, no commercial use\n" in done.stderr
    assert "note: my-bert is gated: accept its licence" in done.stderr
    assert f"note: my-bert: {len(planned)} files to download, " in done.stderr
    assert "it/s" not in done.stderr  # no bar: standard error is no terminal

    assert zoo.works("download", "my-bert", "--offline") == f"{folder}\n"
    assert zoo.works("list", "--downloaded", "my-").splitlines()[1].startswith("my-bert")
    assert json.loads(zoo.works("show", "my-bert", "--json"))["model"]["downloaded"] == str(folder)
    assert len(zoo.works("run", "my-bert", "a [MASK]", "--offline").splitlines()) == 5

    checked = json.loads(zoo.works("verify", "my-bert", "--json"))["files"]
    assert {file["state"] for file in checked} == {"ok"}
    weights = (folder / "model.safetensors").resolve()
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    error = zoo.fails(3, "verify", "--all")
    assert "damaged or missing: my-bert: model.safetensors; `zoo verify --repair my-bert`" in error
    before = len(hub.gets("model.safetensors"))
    zoo.works("verify", "my-bert", "--repair")
    assert len(hub.gets("model.safetensors")) == before + 1
    assert len(hub.gets("tokenizer.json")) == 1

    (repository,) = json.loads(zoo.works("cache", "ls", "--json"))["repositories"]
    assert repository["id"] == "org/my-bert"
    assert repository["size"] > len(data)
    assert datetime.fromisoformat(repository["last_used"]).utcoffset() is not None
    assert "add -y" in zoo.fails(2, "cache", "rm", "my-bert")
    assert zoo("cache", "rm", "my-bert", "-y").stderr.splitlines()[-1].startswith("note: freed ")
    assert json.loads(zoo.works("cache", "ls", "--json"))["repositories"] == []


def test_registry_lock_pins_what_the_hub_has(zoo: Zoo, hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "registry.yaml").write_text(REGISTRY)

    assert zoo.works("registry", "lock", "registry.yaml") == "my-bert\n"

    model = json.loads(zoo.works("show", "my-bert", "--json", "--registry", "registry.yaml"))
    pins = model["model"]["files"]
    assert {pin["path"] for pin in pins} >= {"config.json", "model.safetensors"}
    assert all(len(pin["sha256"]) == 64 for pin in pins)
    assert zoo.works("registry", "lock", "registry.yaml") == ""


def test_what_other_programs_cached_is_no_obstacle(
    zoo: Zoo, hub: HubServer, tmp_path: Path
) -> None:
    zoo.works("download", "hf:org/my-bert")
    cache = tmp_path / "huggingface" / "hub"
    (cache / "models--gpt2" / "snapshots").mkdir(parents=True)  # from before organisations
    commit = "a" * 40
    tokenizer = cache / "models--org--tokenizer"
    for name, text in {
        "refs/main": commit,
        f"snapshots/{commit}/tokenizer.json": "{}",
        f"zoo/{commit}.json": json.dumps(
            {"format": 1, "files": {"tokenizer.json": {"size": 2, "etag": "b" * 40}}}
        ),
    }.items():
        (tokenizer / name).parent.mkdir(parents=True, exist_ok=True)
        (tokenizer / name).write_text(text)

    done = zoo("verify", "--all", "--json")

    assert done.returncode == 0, done
    assert {file["model"] for file in json.loads(done.stdout)["files"]} >= {"hf:org/my-bert"}
    assert "note: hf:gpt2 is not in the cache" in done.stderr
    assert "note: hf:org/tokenizer has no config.json" in done.stderr
    assert "freed" in zoo("cache", "rm", "gpt2", "-y").stderr
    assert not (cache / "models--gpt2").exists()
