from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.hub_server import LISTING, Fault, HubServer
from zoo.entry import Entry, File, Source
from zoo.errors import (
    CacheError,
    CheckpointError,
    GatedError,
    HubError,
    IntegrityError,
    NotFoundError,
    PluginError,
    UsageError,
    ZooError,
    ZooWarning,
)
from zoo.hub import Checkpoint, cached, facts, fetch, find_cached, plan, remove, verify
from zoo.hub.files import needed

ROOT = Path(__file__).parent.parent
WEIGHTS = random.Random(0).randbytes(400_000)
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": WEIGHTS,
    "tokenizer.json": b'{"version": "1.0"}',
    "README.md": b"# A model",
    "onnx/model.onnx": b"onnx",
    "pytorch_model.bin": b"pickle",
    "flax_model.msgpack": b"flax",
}
NEEDED = ["config.json", "model.safetensors", "tokenizer.json"]


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer({"org/model": {"main": FILES}}) as server:
        yield server


def model(
    revision: str | None = None, *, files: tuple[File, ...] = (), repository: str = "org/model"
) -> Entry:
    return Entry("a-model", "bert", Source("hf", repository, revision), files=files)


def pin(path: str, data: bytes) -> File:
    return File(path, len(data), hashlib.sha256(data).hexdigest())


def read(checkpoint: Checkpoint) -> dict[str, bytes]:
    return {path: file.read_bytes() for path, file in checkpoint.files.items()}


# A process of its own: huggingface_hub reads its environment when it is imported.
FETCH = """
import sys
from zoo.entry import Entry, Source
from zoo.errors import ZooError
from zoo.hub import fetch
revision, progress = sys.argv[1] or None, len(sys.argv) > 2
entry = Entry("a-model", "bert", Source("hf", "org/model", revision))
try:
    checkpoint = fetch(entry, progress=progress)
except ZooError as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
for path in checkpoint.files.values():
    path.read_bytes()
"""


def start(
    hub: HubServer,
    cache: Path,
    *arguments: str,
    program: str = FETCH,
    wrapper: Sequence[str] = (),
    **environment: str,
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*wrapper, sys.executable, "-c", program, *(arguments or [""])],
        cwd=ROOT,
        env={
            **os.environ,
            "HF_HOME": str(cache.parent / "hf-home"),
            "HF_HUB_CACHE": str(cache),
            "HF_ENDPOINT": hub.url,
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=50)
    return process.returncode, out, err


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


# Which files


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        (list(FILES), NEEDED),
        (
            ["config.json", "pytorch_model.bin", "tf_model.h5", "rust_model.ot", "vocab.txt"],
            ["config.json", "pytorch_model.bin", "vocab.txt"],
        ),
        (
            [
                "model.safetensors.index.json",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
                "model.fp16.safetensors",
                "pytorch_model.bin.index.json",
                "pytorch_model-00001-of-00001.bin",
                "adapter_model.safetensors",
            ],
            [
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
                "model.safetensors.index.json",
            ],
        ),
        (
            [
                "1_Pooling/config.json",
                "2_Dense/config.json",
                "2_Dense/model.safetensors",
                "2_Dense/pytorch_model.bin",
                "config_sentence_transformers.json",
                "modules.json",
                "openvino/openvino_model.xml",
                "sentence_bert_config.json",
                "train_script.py",
            ],
            [
                "1_Pooling/config.json",
                "2_Dense/config.json",
                "2_Dense/model.safetensors",
                "config_sentence_transformers.json",
                "modules.json",
                "sentence_bert_config.json",
            ],
        ),
        (
            [
                "merges.txt",
                "notes.txt",
                "sentencepiece.bpe.model",
                "source.spm",
                "target_vocab.json",
                "vocab.json",
            ],
            [
                "merges.txt",
                "sentencepiece.bpe.model",
                "source.spm",
                "target_vocab.json",
                "vocab.json",
            ],
        ),
        (
            [
                "chat_template.jinja",
                "preprocessor_config.json",
                "processor_config.json",
                "results.json",
            ],
            ["chat_template.jinja", "preprocessor_config.json", "processor_config.json"],
        ),
    ],
    ids=["safetensors first", "pickle last", "shards", "modules", "vocabularies", "processors"],
)
def test_only_the_files_that_loading_reads_are_needed(there: list[str], chosen: list[str]) -> None:
    assert needed(there) == chosen


TWO_FORMS = [
    "config.json",
    "model.safetensors",
    "open_clip_config.json",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
]


def test_open_clips_weights_come_first_where_the_entrys_architecture_reads_them(
    tmp_path: Path,
) -> None:
    for name in TWO_FORMS:
        (tmp_path / name).write_text("{}")

    def weights(architecture: str) -> set[str]:
        entry = Entry(name="two", architecture=architecture, source=Source("folder", str(tmp_path)))
        return {name for name in fetch(entry).files if name.endswith(("safetensors", "bin"))}

    assert weights("open-clip") == {"open_clip_model.safetensors"}
    assert weights("clip") == {"model.safetensors"}
    assert weights("") == {"model.safetensors"}
    assert weights("of-a-plugin-that-is-not-here") == {"model.safetensors"}
    assert needed(TWO_FORMS[2:]) == TWO_FORMS[2:4]


# Download


def test_fetch_brings_the_needed_files_and_no_others(hub: HubServer, tmp_path: Path) -> None:
    checkpoint = fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    assert read(checkpoint) == {path: FILES[path] for path in NEEDED}
    assert checkpoint.revision == hub.commit("org/model")
    assert sorted(hub.sent) == sorted([LISTING, *NEEDED])


def test_the_facts_for_a_lock_are_sha256_also_of_small_files(
    hub: HubServer, tmp_path: Path
) -> None:
    commit, files = facts(Source("hf", "org/model"), cache_dir=tmp_path, endpoint=hub.url)

    assert files == tuple(pin(path, FILES[path]) for path in NEEDED)
    # What they pin can be fetched as pinned.
    pinned = fetch(model(commit, files=files), cache_dir=tmp_path, endpoint=hub.url)
    assert pinned.revision == commit
    assert read(pinned) == {path: FILES[path] for path in NEEDED}


def test_a_pinned_commit_that_is_here_asks_for_nothing(hub: HubServer, tmp_path: Path) -> None:
    pinned = model(hub.commit("org/model"))
    first = fetch(pinned, cache_dir=tmp_path, endpoint=hub.url)
    hub.requests.clear()

    assert fetch(pinned, cache_dir=tmp_path, endpoint=hub.url) == first
    assert hub.requests == []


def test_huggingface_hub_finds_what_zoo_downloads(hub: HubServer, tmp_path: Path) -> None:
    from huggingface_hub import scan_cache_dir, try_to_load_from_cache

    checkpoint = fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    found = try_to_load_from_cache("org/model", "model.safetensors", cache_dir=tmp_path)
    assert found == str(checkpoint.files["model.safetensors"])
    scan = scan_cache_dir(tmp_path)
    assert not scan.warnings
    (repository,) = scan.repos
    assert (repository.repo_id, repository.nb_files) == ("org/model", len(NEEDED))


def test_zoo_finds_what_huggingface_hub_downloads(hub: HubServer, tmp_path: Path) -> None:
    from huggingface_hub import hf_hub_download, snapshot_download

    hf_hub_download("org/model", "model.safetensors", cache_dir=tmp_path, endpoint=hub.url)
    assert find_cached(model(), cache_dir=tmp_path) is None, "a part is taken for the whole"
    sent = hub.sent["model.safetensors"]
    fetch(model(), cache_dir=tmp_path / "other", endpoint=hub.url)
    hub.sent.clear()
    fetch(model(), cache_dir=tmp_path, endpoint=hub.url)
    assert sent == len(WEIGHTS)
    assert hub.sent["model.safetensors"] == 0

    snapshot_download("org/model", cache_dir=tmp_path / "snapshot", endpoint=hub.url)
    whole = fetch(model(), cache_dir=tmp_path / "snapshot", offline=True)
    assert read(whole) == {path: FILES[path] for path in NEEDED}
    states = verify(model(), cache_dir=tmp_path / "snapshot")
    assert {check.path: check.state for check in states} == dict.fromkeys(NEEDED, "ok")


def test_files_come_from_the_second_server_that_the_hub_names_and_it_gets_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    with HubServer({"org/model": {"main": FILES}}, cdn=True) as hub:
        checkpoint = fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

        asked = hub.gets("model.safetensors")
    assert read(checkpoint)["model.safetensors"] == WEIGHTS
    assert [request.token for request in asked] == ["hf_right", None]
    assert asked[0].port != asked[1].port


def test_a_mirror_that_lists_names_alone_will_do(tmp_path: Path) -> None:
    with HubServer({"org/model": {"main": FILES}}, metadata=False) as hub:
        checkpoint = fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    assert read(checkpoint) == {path: FILES[path] for path in NEEDED}
    assert all(check.state == "ok" for check in verify(model(), cache_dir=tmp_path))


def test_a_file_system_without_links_will_do(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    fetch(model(), cache_dir=tmp_path, endpoint=hub.url)
    hub.sent.clear()

    checkpoint = fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    assert set(hub.sent) == {LISTING}
    checkpoint.files["model.safetensors"].write_bytes(WEIGHTS[:-1] + b"?")
    states = {check.path: check.state for check in verify(model(), cache_dir=tmp_path)}
    assert states == {**dict.fromkeys(NEEDED, "ok"), "model.safetensors": "damaged"}


def test_the_plan_names_sizes_and_what_is_here(hub: HubServer, tmp_path: Path) -> None:
    before = plan(model(), cache_dir=tmp_path, endpoint=hub.url)
    assert not list(tmp_path.iterdir())
    fetch(model(), cache_dir=tmp_path, endpoint=hub.url)
    after = plan(model(), cache_dir=tmp_path, offline=True)

    expected = [(path, len(FILES[path])) for path in NEEDED]
    assert [(file.path, file.size) for file in before] == expected
    assert [(file.path, file.size) for file in after] == expected
    assert [file.cached for file in before + after] == [False] * 3 + [True] * 3


def test_the_plan_does_with_what_is_here_if_nobody_answers(hub: HubServer, tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9"
    with pytest.raises(HubError, match="cannot reach"):
        plan(model(), cache_dir=tmp_path, endpoint=nobody)
    fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    planned = plan(model(), cache_dir=tmp_path, endpoint=nobody)

    assert [file.path for file in planned] == NEEDED
    assert all(file.cached for file in planned)


def test_a_bar_with_bytes_and_rate_goes_to_standard_error_if_asked_for(
    hub: HubServer, tmp_path: Path
) -> None:
    code, out, err = finish(start(hub, tmp_path / "a", "", "progress"))
    assert (code, out) == (0, "")
    assert "org/model (3 files): 100%" in err
    assert "400k/400k" in err
    assert "B/s" in err

    hub.faults["model.safetensors"] = Fault(status=503, times=1)
    hub.faults["config.json"] = Fault(cut=5, times=1)
    assert finish(start(hub, tmp_path / "b")) == (0, "", "")


# Damage


def test_a_byte_that_flips_on_the_way_is_caught_and_the_file_fetched_again(
    hub: HubServer, tmp_path: Path
) -> None:
    hub.faults["model.safetensors"] = Fault(corrupt=1000, times=1)

    checkpoint = fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    assert read(checkpoint)["model.safetensors"] == WEIGHTS
    assert {path: len(hub.gets(path)) for path in NEEDED} == {
        "config.json": 1,
        "model.safetensors": 2,
        "tokenizer.json": 1,
    }


@pytest.mark.parametrize("path", ["model.safetensors", "config.json"])
def test_a_file_that_comes_damaged_twice_is_named_and_not_kept(
    hub: HubServer, tmp_path: Path, path: str
) -> None:
    hub.faults[path] = Fault(corrupt=3)
    blob = hub.blob(path, FILES[path])

    with pytest.raises(IntegrityError, match=rf"{path} came damaged.*expected {blob.etag}, found"):
        fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    assert find_cached(model(), cache_dir=tmp_path) is None
    assert not list(tmp_path.glob(f"*/blobs/{blob.etag}*"))
    del hub.faults[path]
    assert read(fetch(model(), cache_dir=tmp_path, endpoint=hub.url))[path] == FILES[path]


def test_a_flipped_byte_on_disk_is_caught_by_name_and_only_that_file_is_fetched_again(
    hub: HubServer, tmp_path: Path
) -> None:
    pinned = model(hub.commit("org/model"))
    checkpoint = fetch(pinned, cache_dir=tmp_path, endpoint=hub.url)
    damaged = bytearray(WEIGHTS)
    damaged[12_345] ^= 1
    checkpoint.files["model.safetensors"].write_bytes(damaged)
    hub.requests.clear()

    checks = {check.path: check for check in verify(pinned, cache_dir=tmp_path)}

    assert {path: check.state for path, check in checks.items()} == {
        "config.json": "ok",
        "model.safetensors": "damaged",
        "tokenizer.json": "ok",
    }
    assert checks["model.safetensors"].expected == hashlib.sha256(WEIGHTS).hexdigest()
    assert checks["model.safetensors"].found == hashlib.sha256(damaged).hexdigest()
    assert checks["model.safetensors"].size == len(WEIGHTS)
    assert hub.requests == [], "verify asked the network"

    verify(pinned, repair=True, cache_dir=tmp_path)
    assert [check.state for check in verify(pinned, cache_dir=tmp_path)].count("missing") == 1
    repaired = fetch(pinned, cache_dir=tmp_path, endpoint=hub.url)
    assert read(repaired) == {path: FILES[path] for path in NEEDED}
    assert {request.path for request in hub.requests} == {LISTING, "model.safetensors"}


def test_a_file_cut_short_on_disk_is_fetched_again(hub: HubServer, tmp_path: Path) -> None:
    pinned = model(hub.commit("org/model"))
    checkpoint = fetch(pinned, cache_dir=tmp_path, endpoint=hub.url)
    os.truncate(checkpoint.files["model.safetensors"], 100)
    hub.requests.clear()

    assert find_cached(pinned, cache_dir=tmp_path) is None
    assert read(fetch(pinned, cache_dir=tmp_path, endpoint=hub.url))["model.safetensors"] == WEIGHTS
    assert {request.path for request in hub.requests} == {LISTING, "model.safetensors"}


def test_a_damaged_first_part_does_not_spoil_the_whole(hub: HubServer, tmp_path: Path) -> None:
    blobs = tmp_path / "models--org--model" / "blobs"
    blobs.mkdir(parents=True)
    name = hub.blob("model.safetensors", WEIGHTS).etag
    (blobs / f"{name}.incomplete").write_bytes(b"?" * 1000)

    checkpoint = fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    assert read(checkpoint)["model.safetensors"] == WEIGHTS
    assert [each.range for each in hub.gets("model.safetensors")] == ["bytes=1000-", None]


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    files = {**FILES, "merges.txt": b""}
    with HubServer({"org/model": {"main": files}}) as hub:
        checkpoint = fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    assert read(checkpoint)["merges.txt"] == b""


def test_pins_choose_the_files_and_name_the_one_that_is_another(
    hub: HubServer, tmp_path: Path
) -> None:
    pins = (pin("config.json", FILES["config.json"]), pin("model.safetensors", WEIGHTS))
    commit = hub.commit("org/model")
    assert set(fetch(model(commit, files=pins), cache_dir=tmp_path, endpoint=hub.url).files) == {
        "config.json",
        "model.safetensors",
    }
    assert {check.expected for check in verify(model(commit, files=pins), cache_dir=tmp_path)} == {
        each.sha256 for each in pins
    }

    other = model(files=(pins[0], pin("model.safetensors", WEIGHTS[::-1])))
    hub.sent.clear()
    with pytest.raises(
        IntegrityError, match=r"model\.safetensors is not the one .* pins: expected"
    ):
        fetch(other, cache_dir=tmp_path / "other", endpoint=hub.url)
    small = FILES["config.json"]
    other = model(files=(pin("config.json", small[::-1]),))
    with pytest.raises(IntegrityError, match=r"config\.json came damaged .* expected"):
        fetch(other, cache_dir=tmp_path / "other", endpoint=hub.url)
    assert hub.sent["model.safetensors"] == 0


# Broken connections and processes


def test_a_connection_that_is_cut_goes_on_where_it_was(hub: HubServer, tmp_path: Path) -> None:
    hub.faults["model.safetensors"] = Fault(cut=150_000, times=2)

    checkpoint = fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    assert read(checkpoint)["model.safetensors"] == WEIGHTS
    ranges = [each.range for each in hub.gets("model.safetensors")]
    assert ranges == [None, "bytes=150000-", "bytes=300000-"]
    assert hub.sent["model.safetensors"] == len(WEIGHTS)


def test_a_server_that_ignores_ranges_sends_the_whole_again(hub: HubServer, tmp_path: Path) -> None:
    hub.faults["model.safetensors"] = Fault(cut=150_000, times=1)
    partly = fetch(model(), cache_dir=tmp_path / "resumed", endpoint=hub.url)
    assert read(partly)["model.safetensors"] == WEIGHTS

    blobs = tmp_path / "models--org--model" / "blobs"
    blobs.mkdir(parents=True)
    name = hub.blob("model.safetensors", WEIGHTS).etag
    (blobs / f"{name}.incomplete").write_bytes(WEIGHTS[:1000])
    hub.faults["model.safetensors"] = Fault(whole=True)
    hub.sent.clear()
    whole = fetch(model(), cache_dir=tmp_path, endpoint=hub.url)
    assert read(whole)["model.safetensors"] == WEIGHTS
    assert hub.sent["model.safetensors"] == len(WEIGHTS)


def test_connections_that_break_without_a_byte_are_given_up_and_the_rest_is_kept(
    hub: HubServer, tmp_path: Path
) -> None:
    hub.faults["model.safetensors"] = Fault(cut=0)
    with pytest.raises(HubError, match=f"cannot reach {hub.url}.*what has been downloaded is kept"):
        fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    del hub.faults["model.safetensors"]
    hub.sent.clear()
    fetch(model(), cache_dir=tmp_path, endpoint=hub.url)
    assert set(hub.sent) == {LISTING, "model.safetensors"}


@pytest.mark.parametrize("more", [1000, -1000])
def test_a_file_of_another_length_than_announced_is_not_taken(
    hub: HubServer, tmp_path: Path, more: int
) -> None:
    hub.faults["model.safetensors"] = Fault(size=len(WEIGHTS) + more)

    with pytest.raises(
        ZooError,
        match=r"ends model.safetensors after 400,000 of 401,000|more than the 399,000 bytes",
    ):
        fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    assert find_cached(model(), cache_dir=tmp_path) is None


def test_a_file_that_does_not_end_is_not_waited_for(hub: HubServer, tmp_path: Path) -> None:
    hub.faults["model.safetensors"] = Fault(size=1000, stall=100_000)

    with pytest.raises(IntegrityError, match="has more than the 1,000 bytes that"):
        fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    assert len(hub.gets("model.safetensors")) == 1


def test_a_server_that_goes_silent_is_asked_again(hub: HubServer, tmp_path: Path) -> None:
    hub.faults["model.safetensors"] = Fault(stall=100_000, times=1)

    process = start(hub, tmp_path / "cache", HF_HUB_DOWNLOAD_TIMEOUT="1")

    assert finish(process) == (0, "", "")
    assert [each.range for each in hub.gets("model.safetensors")] == [None, "bytes=100000-"]


def test_a_download_that_was_killed_goes_on_where_it_was(hub: HubServer, tmp_path: Path) -> None:
    hub.faults["model.safetensors"] = Fault(rate=100_000)
    process = start(hub, tmp_path / "cache")
    wait_until(lambda: hub.sent["model.safetensors"] >= 150_000)
    process.send_signal(signal.SIGKILL)
    finish(process)
    (partial,) = (tmp_path / "cache").glob("*/blobs/*.incomplete")
    have = partial.stat().st_size
    assert 100_000 < have < len(WEIGHTS)
    del hub.faults["model.safetensors"]
    wait_until(lambda: hub.serving == 0)
    hub.sent.clear()

    assert finish(start(hub, tmp_path / "cache")) == (0, "", "")

    assert hub.gets("model.safetensors")[-1].range == f"bytes={have}-"
    assert dict(hub.sent) == {LISTING: hub.sent[LISTING], "model.safetensors": len(WEIGHTS) - have}
    assert [check.state for check in verify(model(), cache_dir=tmp_path / "cache")] == ["ok"] * 3


def test_eight_processes_that_ask_at_once_fetch_once(hub: HubServer, tmp_path: Path) -> None:
    hub.faults["model.safetensors"] = Fault(rate=200_000)

    processes = [start(hub, tmp_path / "cache") for _ in range(8)]

    assert [finish(process) for process in processes] == [(0, "", "")] * 8
    assert {path: len(hub.gets(path)) for path in NEEDED} == dict.fromkeys(NEEDED, 1)
    assert hub.sent["model.safetensors"] == len(WEIGHTS)


def test_control_c_ends_a_download_at_once_and_keeps_what_came(
    hub: HubServer, tmp_path: Path
) -> None:
    hub.faults["model.safetensors"] = Fault(rate=40_000)
    process = start(hub, tmp_path / "cache")
    wait_until(lambda: hub.sent["model.safetensors"] >= 40_000)

    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)

    assert code != 0
    assert "KeyboardInterrupt" in err
    assert time.monotonic() - begun < 4
    assert list((tmp_path / "cache").glob("*/blobs/*.incomplete"))


@pytest.mark.parametrize("retry_after", ["0", None, "soon", "-1"])
def test_a_hub_that_is_busy_for_a_moment_is_asked_again(
    hub: HubServer, tmp_path: Path, retry_after: str | None
) -> None:
    hub.faults["config.json"] = Fault(status=503, retry_after=retry_after, times=1)

    checkpoint = fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    assert read(checkpoint)["config.json"] == FILES["config.json"]
    assert len(hub.gets("config.json")) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_nobody_waits_for_hours_without_being_told(
    hub: HubServer, tmp_path: Path, status: int
) -> None:
    hub.faults["config.json"] = Fault(status=status, retry_after="100000")

    with pytest.raises(HubError, match=rf"\({status}\).*run again in 100,000 seconds"):
        fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    assert len(hub.gets("config.json")) == 1


# Refusals


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        (Fault(status=401, code="GatedRepo"), GatedError, r"'org/model' is gated; accept .*log in"),
        (
            Fault(status=403, code="GatedRepo"),
            GatedError,
            r"accept its licence at http.*/org/model",
        ),
        (Fault(status=401), GatedError, r"does not let you read 'org/model' \(401\); log in"),
        (Fault(status=403), GatedError, r"does not let you read 'org/model' \(403\); log in"),
        (Fault(status=404), NotFoundError, "no repository 'org/model'"),
        (Fault(status=429), HubError, r"slow down \(429\)"),
        (Fault(status=503), HubError, r"fails \(503\)"),
        (Fault(status=418), HubError, "answers 418"),
        (Fault(body=b"<html>Welcome to our Wi-Fi"), HubError, "does not answer as a Hugging Face"),
        (Fault(body=b"[]"), HubError, "does not answer as a Hugging Face"),
        (Fault(body=b'{"id": "org/model"}'), HubError, "does not answer as a Hugging Face"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_refusal_is_one_line_that_says_what_to_do(
    hub: HubServer, tmp_path: Path, fault: Fault, kind: type[ZooError], message: str
) -> None:
    hub.faults[LISTING] = fault
    with pytest.raises(kind, match=message) as caught:
        fetch(model(), cache_dir=tmp_path, endpoint=hub.url)
    assert "\n" not in str(caught.value)
    assert "org/model" in str(caught.value)

    del hub.faults[LISTING]
    assert fetch(model(), cache_dir=tmp_path, endpoint=hub.url)


@pytest.mark.parametrize("size", ["1", -1, 1.5, 10**400, True])
def test_a_listing_with_a_size_that_is_none_is_no_listing(
    hub: HubServer, tmp_path: Path, size: object
) -> None:
    rows = [{"rfilename": name, "size": size, "blobId": name} for name in NEEDED]
    answer = {"id": "org/model", "sha": "0" * 40, "siblings": rows}
    hub.faults[LISTING] = Fault(body=json.dumps(answer).encode())

    with pytest.raises(HubError, match="does not answer as a Hugging Face hub"):
        fetch(model(), cache_dir=tmp_path, endpoint=hub.url)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"id": "org/model", "sha": NaN, "siblings": []}',
        b'{"sha": "' + b"0" * 40 + b'", "siblings": [{"rfilename": null}]}',
    ],
    ids=["deep", "no commit", "no name"],
)
def test_a_hostile_listing_is_no_listing(hub: HubServer, tmp_path: Path, body: bytes) -> None:
    hub.faults[LISTING] = Fault(body=body)

    with pytest.raises(HubError, match="does not answer as a Hugging Face hub"):
        fetch(model(), cache_dir=tmp_path, endpoint=hub.url)


def test_two_files_of_one_name_in_the_cache_are_not_mixed_up(
    hub: HubServer, tmp_path: Path
) -> None:
    rows = [{"rfilename": name, "size": n, "blobId": "same"} for n, name in enumerate(NEEDED)]
    answer = {"id": "org/model", "sha": "0" * 40, "siblings": rows}
    hub.faults[LISTING] = Fault(body=json.dumps(answer).encode())

    with pytest.raises(HubError, match="does not answer as a Hugging Face hub"):
        fetch(model(), cache_dir=tmp_path, endpoint=hub.url)


@pytest.mark.parametrize("endpoint", ["hub.example", "ftp://hub.example", "http://hub:99999"])
def test_an_endpoint_is_a_url(tmp_path: Path, endpoint: str) -> None:
    with pytest.raises(UsageError, match=f"HF_ENDPOINT is '{endpoint}'; expected a URL"):
        fetch(model(), cache_dir=tmp_path, endpoint=endpoint)


def test_a_proxy_without_a_port_is_named(hub: HubServer, tmp_path: Path) -> None:
    process = start(hub, tmp_path / "cache", HTTP_PROXY="::::", http_proxy="::::")

    code, _, err = finish(process)

    assert code == 6
    assert "check the proxy and HF_ENDPOINT" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"HF_TOKEN": "日本"}, "HF_TOKEN, or the file that `hf auth login` has written"),
        ({"HF_TOKEN_PATH": "/dev/null/token"}, "cannot read /dev/null/token: Not a directory"),
    ],
)
def test_a_token_that_is_none_is_one_line(
    hub: HubServer, tmp_path: Path, environment: dict[str, str], message: str
) -> None:
    code, _, err = finish(start(hub, tmp_path / "cache", **environment))

    assert code in {1, 2}
    assert message in err
    assert "日本" not in err
    assert len(err.splitlines()) == 1


def test_a_gated_repository_opens_with_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated = frozenset({"org/model"})
    with HubServer({"org/model": {"main": FILES}}, gated=gated, cdn=True) as hub:
        with pytest.raises(GatedError, match=f"accept its licence at {hub.url}/org/model"):
            fetch(model(), cache_dir=tmp_path, endpoint=hub.url)
        monkeypatch.setenv("HF_TOKEN", "hf_wrong")
        with pytest.raises(GatedError, match="HF_TOKEN"):
            fetch(model(), cache_dir=tmp_path, endpoint=hub.url)
        monkeypatch.setenv("HF_TOKEN", "hf_right")
        assert read(fetch(model(), cache_dir=tmp_path, endpoint=hub.url))["config.json"]


def test_what_the_hub_does_not_have_is_named(hub: HubServer, tmp_path: Path) -> None:
    def message(entry: Entry) -> str:
        with pytest.raises(NotFoundError) as caught:
            fetch(entry, cache_dir=tmp_path, endpoint=hub.url)
        return str(caught.value)

    assert "no repository 'org/none' at" in message(model(repository="org/none"))
    assert "'org/model' has no revision 'v9' at" in message(model("v9"))
    assert "has no revision '" + "0" * 40 in message(model("0" * 40))
    assert "no file 'vocab.txt'" in message(model(files=(pin("vocab.txt", b"x"),)))
    hub.faults["config.json"] = Fault(status=404, code="EntryNotFound")
    assert "has no file 'config.json' at revision" in message(model())


@pytest.mark.parametrize(
    "repository", ["../../etc", "org/../model", "a/b/c", "org\\model", "", "-"]
)
def test_a_name_that_no_repository_has_is_a_usage_error(
    hub: HubServer, tmp_path: Path, repository: str
) -> None:
    with pytest.raises(UsageError, match="expected"):
        fetch(model(repository=repository), cache_dir=tmp_path, endpoint=hub.url)


@pytest.mark.parametrize("path", ["../x.json", "/etc/config.json", "a\\b", "a//b", "C:x", "./x"])
def test_paths_that_lead_out_of_the_repository_are_refused(tmp_path: Path, path: str) -> None:
    with (
        HubServer({"org/model": {"main": {**FILES, path: b"{}"}}}) as hub,
        pytest.raises(IntegrityError, match="no path inside a repository"),
    ):
        fetch(model(), cache_dir=tmp_path, endpoint=hub.url)
    with pytest.raises(IntegrityError, match="no path inside a repository"):
        fetch(model("0" * 40, files=(pin(path, b"{}"),)), cache_dir=tmp_path, offline=True)


def test_a_hostile_blob_name_is_refused(hub: HubServer, tmp_path: Path) -> None:
    row = {"rfilename": "config.json", "size": 2, "blobId": "../../../../x"}
    answer = {"id": "org/model", "sha": "0" * 40, "siblings": [row]}
    hub.faults[LISTING] = Fault(body=json.dumps(answer).encode())

    with pytest.raises(IntegrityError, match="no path inside a repository"):
        fetch(model(), cache_dir=tmp_path, endpoint=hub.url)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"model.safetensors": b""}, "has no config.json"),
        ({"config.json": b"{}", "tf_model.h5": b"", "onnx/model.onnx": b""}, "of weights it has "),
        ({"config.json": b"{}", "model.gguf": b""}, "it has model.gguf"),
        ({"config.json": b"{}"}, "none at all"),
    ],
)
def test_a_repository_without_a_model_says_what_it_lacks(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    with (
        HubServer({"org/model": {"main": files}}) as hub,
        pytest.raises(CheckpointError, match=message),
    ):
        fetch(model(), cache_dir=tmp_path, endpoint=hub.url)


# Offline

NO_SOCKETS = """
import sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        print(event, arguments, file=sys.stderr)
sys.addaudithook(watch)
"""


def test_offline_opens_no_connection(hub: HubServer, tmp_path: Path) -> None:
    online = finish(start(hub, tmp_path / "cache", program=NO_SOCKETS + FETCH))
    assert "socket.connect" in online[2]
    hub.requests.clear()

    offline = start(hub, tmp_path / "cache", program=NO_SOCKETS + FETCH, HF_HUB_OFFLINE="1")
    assert finish(offline) == (0, "", "")
    pinned = start(hub, tmp_path / "cache", hub.commit("org/model"), program=NO_SOCKETS + FETCH)
    assert finish(pinned) == (0, "", "")
    code, _, err = finish(
        start(hub, tmp_path / "none", program=NO_SOCKETS + FETCH, HF_HUB_OFFLINE="1")
    )
    assert code == HubError.exit_code
    assert err.startswith("HubError: offline, and hf:org/model is not in the cache")
    assert "zoo download a-model" in err
    assert hub.requests == []


@pytest.mark.parametrize("status", [None, 503, 429])
def test_without_an_answer_the_last_download_is_used_and_said_to_be(
    hub: HubServer, tmp_path: Path, status: int | None
) -> None:
    before = fetch(model(), cache_dir=tmp_path, endpoint=hub.url)
    endpoint = "http://127.0.0.1:9" if status is None else hub.url
    hub.faults[LISTING] = Fault(status=status)

    with pytest.warns(ZooWarning, match=f"as last downloaded, commit {before.revision}"):
        assert fetch(model(), cache_dir=tmp_path, endpoint=endpoint) == before


def test_a_hub_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"cannot reach http://127\.0\.0\.1:9 \(ConnectError\)"):
        fetch(model(), cache_dir=tmp_path, endpoint="http://127.0.0.1:9")


def test_a_part_of_a_snapshot_is_not_taken_for_the_whole(hub: HubServer, tmp_path: Path) -> None:
    hub.faults["tokenizer.json"] = Fault(status=404, code="EntryNotFound")
    with pytest.raises(NotFoundError):
        fetch(model(), cache_dir=tmp_path, endpoint=hub.url, workers=1)
    commit = hub.commit("org/model")
    assert list(tmp_path.glob(f"*/snapshots/{commit}/config.json"))

    for entry in (model(), model(commit)):
        assert find_cached(entry, cache_dir=tmp_path) is None
        with pytest.raises(HubError, match="not in the cache, or not as a whole"):
            fetch(entry, cache_dir=tmp_path, offline=True)
        with pytest.raises(CacheError, match=r"not in the cache .*, or not as a whole"):
            verify(entry, cache_dir=tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"format": 1}', '{"format": 2, "files": {}}', "[" * 200_000, "\udcff"],
    ids=lambda text: text[:12],
)
def test_a_spoilt_record_is_no_record(hub: HubServer, tmp_path: Path, text: str) -> None:
    pinned = model(hub.commit("org/model"))
    fetch(pinned, cache_dir=tmp_path, endpoint=hub.url)
    (record,) = tmp_path.glob("*/zoo/*.json")
    record.write_text(text, errors="surrogateescape")

    assert find_cached(pinned, cache_dir=tmp_path) is None
    assert fetch(pinned, cache_dir=tmp_path, endpoint=hub.url)
    assert find_cached(pinned, cache_dir=tmp_path) is not None


def test_a_spoilt_branch_is_asked_for_anew(hub: HubServer, tmp_path: Path) -> None:
    fetch(model(), cache_dir=tmp_path, endpoint=hub.url)
    (branch,) = tmp_path.glob("*/refs/main")
    branch.write_bytes(b"\xff\xfe")

    assert find_cached(model(), cache_dir=tmp_path) is None
    assert fetch(model(), cache_dir=tmp_path, endpoint=hub.url)
    assert find_cached(model(), cache_dir=tmp_path) is not None


# The disk


def test_a_disk_that_fills_up_is_one_line_and_the_cache_stays_usable(
    hub: HubServer, tmp_path: Path
) -> None:
    blobs = tmp_path / "models--org--model" / "blobs"
    blobs.mkdir(parents=True)
    name = hub.blob("model.safetensors", WEIGHTS).etag
    # The kernel says ENOSPC to whoever writes to /dev/full.
    (blobs / f"{name}.incomplete").symlink_to("/dev/full")

    with pytest.raises(CacheError, match=f"the disk of {tmp_path} is full; free some space"):
        fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    (blobs / f"{name}.incomplete").unlink()
    assert (
        read(fetch(model(), cache_dir=tmp_path, endpoint=hub.url))["model.safetensors"] == WEIGHTS
    )


def test_a_download_that_the_disk_cannot_hold_does_not_begin(
    hub: HubServer, tmp_path: Path
) -> None:
    hub.faults["model.safetensors"] = Fault(size=10**18)

    with pytest.raises(CacheError, match=r"needs 1,000,000,000,000,000,\d+ bytes, [\d,]+ are free"):
        fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    assert set(hub.sent) == {LISTING}


def in_mount_namespace(script: str) -> list[str]:
    """A wrapper that runs a command after a shell script that may mount."""
    wrapper = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*wrapper, "true"]).returncode:
        pytest.skip("needs unshare and user namespaces to mount a file system")
    return [*wrapper, f'{script} && exec "$@"', "sh"]


def test_a_small_file_system_that_is_full_is_one_line(hub: HubServer, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    wrapper = in_mount_namespace(f"mount -t tmpfs -o size=200k none {cache}")

    code, out, err = finish(start(hub, cache, wrapper=wrapper))

    assert (code, out) == (CacheError.exit_code, "")
    assert err.startswith("CacheError: org/model needs 400,040 bytes, ")
    assert err.count("\n") == 1


def read_only_mount(cache: Path) -> list[str]:
    return in_mount_namespace(f"mount --bind {cache} {cache} && mount -o remount,bind,ro {cache}")


def without_permission(cache: Path) -> list[str]:
    for folder in (cache, *(path for path in cache.rglob("*") if path.is_dir())):
        folder.chmod(0o555)
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv, to be a root that permissions bind")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.mark.parametrize("protect", [read_only_mount, without_permission])
def test_a_cache_that_cannot_be_written_serves_what_it_holds(
    hub: HubServer, tmp_path: Path, protect: Callable[[Path], list[str]]
) -> None:
    cache = tmp_path / "cache"
    fetch(model(), cache_dir=cache, endpoint=hub.url)
    # As if another program had filled it: no record of zoo's.
    shutil.rmtree(cache / "models--org--model" / "zoo")
    assert finish(start(hub, cache, wrapper=protect(cache))) == (0, "", "")

    shutil.copytree(cache, tmp_path / "part", symlinks=True)
    part = tmp_path / "part"
    for folder in (part, *(path for path in part.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    next(part.glob("*/snapshots/*/config.json")).unlink()
    code, out, err = finish(start(hub, part, wrapper=protect(part)))
    assert (code, out) == (CacheError.exit_code, "")
    assert err.startswith("CacheError: cannot write ")
    assert "set HF_HOME to a folder that you may write" in err
    assert err.count("\n") == 1


def test_the_cache_lists_and_removes_whole_repositories(hub: HubServer, tmp_path: Path) -> None:
    assert cached(cache_dir=tmp_path) == []
    fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    (found,) = cached(cache_dir=tmp_path)

    size = sum(len(FILES[path]) for path in NEEDED)
    assert found.id == "org/model"
    assert size <= found.size < size + 4000  # and zoo's record
    assert found.revisions == (hub.commit("org/model"),)
    assert abs(found.last_used.timestamp() - time.time()) < 60
    with pytest.raises(UsageError, match="no repository 'org/other'"):
        remove("org/other", cache_dir=tmp_path)
    assert remove("org/model", cache_dir=tmp_path) == found.size
    assert cached(cache_dir=tmp_path) == []
    assert find_cached(model(), cache_dir=tmp_path) is None


# Folders and packages


def folder_entry(folder: Path, *files: File) -> Entry:
    return Entry("local", "bert", Source("folder", str(folder)), files=files)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def test_a_folder_is_used_where_it_is(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", {**FILES, "1_Pooling/config.json": b"{}"})

    checkpoint = fetch(folder_entry(folder), offline=True)

    assert checkpoint.folder == folder
    assert sorted(checkpoint.files) == ["1_Pooling/config.json", *NEEDED]
    assert checkpoint.revision is None
    assert {check.state for check in verify(folder_entry(folder))} == {"unverifiable"}
    pins = (pin("config.json", FILES["config.json"]), pin("model.safetensors", WEIGHTS))
    os.truncate(folder / "model.safetensors", 10)
    assert [check.state for check in verify(folder_entry(folder, *pins))] == ["ok", "damaged"]
    with pytest.raises(IntegrityError, match=r"model.safetensors is damaged: expected 400,000"):
        fetch(folder_entry(folder, *pins))


def test_a_folder_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        fetch(folder_entry(tmp_path / "none"))
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"is no folder; expected one that holds a config\.json"):
        fetch(folder_entry(tmp_path / "file"))
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        fetch(folder_entry(write(tmp_path / "empty", {"model.safetensors": b""})))
    assert find_cached(folder_entry(tmp_path / "none")) is None


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that must not be imported."""
    site = tmp_path / "site"
    write(site / "zoo_bomb", {"__init__.py": b"raise RuntimeError('imported')"})
    write(site / "zoo_bomb" / "tiny", FILES)
    write(site / "outside", FILES)
    (site / "zoo_bomb" / "link").symlink_to(site / "outside")
    monkeypatch.syspath_prepend(str(site))
    return site / "zoo_bomb"


def bundled(location: str) -> Entry:
    return Entry("tiny", "bert", Source("bundled", location))


def test_a_bundled_folder_is_found_without_importing_its_package(package: Path) -> None:
    checkpoint = fetch(bundled("zoo_bomb/tiny"), offline=True)

    assert checkpoint.folder == package / "tiny"
    assert sorted(checkpoint.files) == NEEDED
    assert "zoo_bomb" not in sys.modules


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("zoo_bomb/../outside", UsageError),
        ("/zoo_bomb/tiny", UsageError),
        ("zoo_bomb", UsageError),
        ("zoo_bomb.tiny/x", UsageError),
        ("zoo_bomb/link", CheckpointError),
        ("zoo_bomb/none", CheckpointError),
        ("zoo_not_installed/tiny", PluginError),
    ],
)
def test_a_bundled_source_stays_in_its_package(
    package: Path, location: str, kind: type[ZooError]
) -> None:
    with pytest.raises(kind):
        fetch(bundled(location))


def test_importing_the_hub_imports_nothing_heavy() -> None:
    program = "import sys, zoo.hub; print(*sorted(sys.modules))"
    modules = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert "zoo.hub" in modules
    heavy = {"huggingface_hub", "httpx", "httpx2", "tqdm", "torch", "numpy", "pydantic", "yaml"}
    assert not heavy & set(modules)


def test_no_warning_is_raised_in_silence(hub: HubServer, tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fetch(model(), cache_dir=tmp_path, endpoint=hub.url)

    assert [str(each.message) for each in caught] == []
