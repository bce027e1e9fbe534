"""A dataset's splits from a hub on loopback: found by the card or by names, offline once cached."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from tests.hub_server import Fault, HubServer
from zoo.errors import HubError, IntegrityError, NotFoundError, UsageError
from zoo.hub.datasets import Split, fetch_split

ROOT = Path(__file__).parent.parent
CARD = b"""---
license: mit
configs:
- config_name: small
  data_files:
  - split: train
    path: small/train-*.parquet
  - split: test
    path: [small/test-00000*, small/test-00001*]
- config_name: whole
  default: true
  data_files:
  - split: test
    path: "**/whole.jsonl"
---
# A dataset
"""


def table(*texts: str) -> bytes:
    data = io.BytesIO()
    rows = [{"text": text, "label": len(text) % 2} for text in texts]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), data)
    return data.getvalue()


def lines(*texts: str) -> bytes:
    return "".join(f"{json.dumps({'text': each, 'label': 0})}\n" for each in texts).encode()


FILES = {
    "README.md": CARD,
    "small/test-00000-of-00002.parquet": table("a", "bb"),
    "small/test-00001-of-00002.parquet": table("ccc"),
    "small/train-00000-of-00001.parquet": table("train"),
    "deep/er/whole.jsonl": lines("x", "y"),
    "made.py": b"raise SystemExit('a program ran')",
}


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer({"datasets/org/data": {"main": FILES}}, large=(".parquet",)) as server:
        yield server


def fetched(hub: HubServer, cache: Path, split: str = "test", **options: object) -> Split:
    return fetch_split(
        "org/data",
        split=split,
        cache_dir=cache,
        endpoint=hub.url,
        **options,  # type: ignore[arg-type]  # those of fetch_split
    )


def names(split: Split) -> list[str]:
    return [path.name for path in split.files]


def test_the_card_says_which_files_a_split_is(hub: HubServer, tmp_path: Path) -> None:
    small = fetched(hub, tmp_path, config="small")

    assert names(small) == ["test-00000-of-00002.parquet", "test-00001-of-00002.parquet"]
    assert [path.read_bytes() for path in small.files] == [
        FILES[f"small/{name}"] for name in names(small)
    ]
    assert small.commit == hub.commit("datasets/org/data")
    assert names(fetched(hub, tmp_path)) == ["whole.jsonl"]  # of the default config
    assert not hub.gets("small/train-00000-of-00001.parquet")
    assert not hub.gets("made.py")


def test_all_configs_are_one_after_the_other(tmp_path: Path) -> None:
    card = "---\nconfigs:\n" + "".join(
        f"- config_name: {each}\n  data_files:\n  - split: train\n    path: {each}/train-*\n"
        for each in ("island", "agreement")
    )
    files = {
        "README.md": f"{card}---\n".encode(),
        "agreement/train-0.parquet": table("a"),
        "island/train-0.parquet": table("b"),
    }

    with HubServer({"datasets/org/data": {"main": files}}) as hub:
        found = fetched(hub, tmp_path, "train", config="*")
        with pytest.raises(UsageError, match="no config 'default', but agreement, island"):
            fetched(hub, tmp_path, "train")

    assert [path.parent.name for path in found.files] == ["agreement", "island"]


def test_what_is_cached_needs_no_network(hub: HubServer, tmp_path: Path) -> None:
    online = fetched(hub, tmp_path, config="small")
    asked = len(hub.requests)

    assert fetched(hub, tmp_path, config="small", offline=True) == online
    assert fetched(hub, tmp_path, config="small", revision=online.commit) == online
    assert len(hub.requests) == asked
    with pytest.raises(HubError, match="offline, and the split 'train' of the dataset org/data is"):
        fetched(hub, tmp_path, "train", config="small", offline=True)


def test_a_hub_that_fails_leaves_what_is_cached(hub: HubServer, tmp_path: Path) -> None:
    online = fetched(hub, tmp_path, config="small")
    hub.faults["/api"] = Fault(status=503)

    assert fetched(hub, tmp_path, config="small") == online
    with pytest.raises(HubError):
        fetched(hub, tmp_path / "another", config="small")


def test_a_damaged_file_is_not_kept(hub: HubServer, tmp_path: Path) -> None:
    hub.faults["small/test-00000-of-00002.parquet"] = Fault(corrupt=3)

    with pytest.raises(IntegrityError, match="came damaged"):
        fetched(hub, tmp_path, config="small")


@pytest.mark.parametrize(
    ("paths", "split", "config", "expected"),
    [
        (["data/test-0-of-1.parquet", "data/train-0.parquet"], "test", "", ["test-0-of-1.parquet"]),
        (["test.csv", "train.csv", "latest.csv"], "test", "", ["test.csv"]),
        (["dev.tsv", "test.tsv"], "validation", "", ["dev.tsv"]),
        (["sst2/validation/0.jsonl", "cola/validation/1.jsonl"], "validation", "sst2", ["0.jsonl"]),
        (["my_held-out.csv", "train.csv"], "held-out", "", ["my_held-out.csv"]),
        (["test/0.tar", "test/1.tar", "test/nshards.txt"], "test", "", ["0.tar", "1.tar"]),
        (["en/test/en.parquet", "de/test/de.parquet"], "test", "en", ["en.parquet"]),
    ],
)
def test_without_a_card_names_say_it(
    paths: list[str], split: str, config: str, expected: list[str], tmp_path: Path
) -> None:
    files = dict.fromkeys(paths, b"text,label\na,b\n")

    with HubServer({"datasets/org/data": {"main": files}}) as hub:
        assert names(fetched(hub, tmp_path, split, config=config)) == expected


@pytest.mark.parametrize(
    ("split", "config", "message"),
    [
        ("test", "large", "has no config 'large', but small, whole"),
        ("validation", "small", "has no split 'validation' of 'small', but test, train"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    split: str, config: str, message: str, hub: HubServer, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        fetched(hub, tmp_path, split, config=config)


def test_a_dataset_that_is_a_program_is_refused(tmp_path: Path) -> None:
    repositories = {"datasets/org/data": {"main": {"data.py": b"print()", "README.md": b"# It"}}}

    with (
        HubServer(repositories) as hub,
        pytest.raises(NotFoundError, match=r"zoo runs no program of a dataset: .* give --data"),
    ):
        fetched(hub, tmp_path)


def test_a_dataset_that_is_not_there_is_told(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no repository 'org/other'"):
        fetch_split("org/other", split="test", cache_dir=tmp_path, endpoint=hub.url)


# A process of its own: huggingface_hub reads its environment when it is imported.
EVALUATE = """
import sys, json
import zoo
from pathlib import Path
from zoo.evaluation import evaluate, find_benchmark
result = evaluate(zoo.load("tiny-bert", device="cpu"), find_benchmark(sys.argv[1]), cache=False)
print(json.dumps([result.metrics[0].value, result.provenance["origin"], result.details]))
"""


def test_a_benchmark_is_evaluated_from_the_hub_and_then_offline(
    hub: HubServer, tmp_path: Path
) -> None:
    document = {
        "schema": 1,
        "name": "made",
        "task": "text-classification",
        "summary": "Made for a test",
        "metric": "acc",
        "data": {"test": {"hub": "org/data", "config": "small", "split": "test"}},
        "fields": {"text": "text", "label": "label"},
        "classes": ["man", "dog"],
        "protocols": {"embedding": {}},
    }
    (tmp_path / "made.yaml").write_text(json.dumps(document))

    def run(**environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", EVALUATE, str(tmp_path / "made.yaml")],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={
                **os.environ,
                "HF_HOME": str(tmp_path / "hf"),
                "HF_HUB_OFFLINE": "0",
                "HF_ENDPOINT": hub.url,
                **environment,
            },
        )

    first = run()
    assert first.returncode == 0, first.stderr
    asked = len(hub.requests)
    second = run(HF_HUB_OFFLINE="1")

    value, origin, details = json.loads(first.stdout)
    assert len(details) == 3
    assert origin["test"] == {
        "hub": "org/data",
        "config": "small",
        "split": "test",
        "commit": hub.commit("datasets/org/data"),
    }
    assert 0 <= value <= 1
    assert second.stdout == first.stdout
    assert len(hub.requests) == asked


def test_a_shards_pictures_are_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants
    from PIL import Image

    from zoo.evaluation.benchmark import Benchmark, Source
    from zoo.evaluation.data import open_rows

    picture, tar = io.BytesIO(), io.BytesIO()
    Image.new("L", (2, 2)).save(picture, "PNG")
    with tarfile.open(fileobj=tar, mode="w") as packed:
        for name, data in (("s0.cls", b"7"), ("s0.png", picture.getvalue())):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    files = {"test/0.tar": tar.getvalue(), "test/nshards.txt": b"1", "classnames.txt": b"a"}
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    source = Source(hub="org/data", split="test")
    made = Benchmark("made", "image-classification", "", "acc1", {"test": source}, (), {})

    with HubServer({"datasets/org/data": {"main": files}}) as hub:
        fetched(hub, tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    ((place, row),) = open_rows(made, "test", None)

    assert place.startswith("hf:org/data@")
    assert place.endswith(" test row 1")
    assert (row["cls"], row["picture"].source) == ("7", picture.getvalue())


def test_places_name_commit_split_and_row(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    from zoo.evaluation.benchmark import Benchmark, Source
    from zoo.evaluation.data import open_rows

    fetched(hub, tmp_path, config="small")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    source = Source(hub="org/data", config="small", split="test", rows=(1, None))
    made = Benchmark("made", "text-classification", "", "acc", {"test": source}, (), {})

    rows = [*open_rows(made, "test", None)]

    commit = hub.commit("datasets/org/data")[:7]
    assert [place for place, _ in rows] == [
        f"hf:org/data@{commit} test row 2",
        f"hf:org/data@{commit} test row 3",
    ]
    assert rows[1][1] == {"text": "ccc", "label": 1}
