from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file
from torch import Tensor

from zoo.checkpoint import Files, Tensors, open_tensors
from zoo.errors import CacheError, CheckpointError

CPU = torch.device("cpu")
INDEX = "model.safetensors.index.json"
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def files_in(folder: Path) -> Files:
    return Files({path.name: path for path in folder.iterdir()}, "hf:org/repo")


def refused(folder: Path) -> str:
    """The one line that says why a folder's weights cannot be opened."""
    with pytest.raises(CheckpointError) as raised:
        dict(open_tensors(files_in(folder), CPU))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def write_index(folder: Path, weight_map: object) -> None:
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """Two shards with one tensor each, and their index."""
    for number, shard in enumerate(SHARDS):
        save_file({f"t{number}": torch.full((2,), float(number))}, tmp_path / shard)
    write_index(tmp_path, {"t0": SHARDS[0], "t1": SHARDS[1]})
    return tmp_path


@pytest.fixture
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that nothing has been converted into."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return cache / "zoo" / "converted"


# --- JSON


def test_a_json_file_that_is_not_there_is_empty() -> None:
    assert Files({}, "x").json("config.json") == {}
    assert Files({}, "x").json_list("modules.json") == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not valid JSON"),
        (b"{", "is not valid JSON"),
        (b"\xff\xfe{}", "is not valid JSON"),
        (b"[" * 100_000, "is not valid JSON"),
        (b'{"a": ' * 100_000, "is not valid JSON"),
        (b"[1, 2]", "should hold an object, not [1, 2]"),
        (b"null", "should hold an object, not None"),
        (b"1" * 5000, "is not valid JSON"),  # Python refuses integers of so many digits
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_damaged_json_file_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(content)

    with pytest.raises(CheckpointError) as raised:
        files_in(tmp_path).json("config.json")

    assert f"hf:org/repo: config.json {message}" in str(raised.value)
    assert "\n" not in str(raised.value)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=40))
def test_any_bytes_are_a_json_object_or_an_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(content)

    try:
        value = files_in(tmp_path).json("config.json")
    except CheckpointError:
        return
    assert isinstance(value, dict)


@pytest.mark.parametrize("content", ["{}", "[1]", '[{}, "a"]', "3"])
def test_a_list_of_objects_is_just_that(content: str, tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(content)

    with pytest.raises(CheckpointError, match=r"modules.json should hold a list of objects"):
        files_in(tmp_path).json_list("modules.json")


def test_a_json_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()

    with pytest.raises(CheckpointError, match=r"cannot read config.json: "):
        files_in(tmp_path).json("config.json")


# --- safetensors


def test_tensors_are_read_as_they_were_written(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tensors = {"a": torch.randn(3, 2), "b": torch.randn(4).bfloat16(), "c": torch.tensor(1.5)}
    save_file(tensors, tmp_path / "model.safetensors")

    opened = open_tensors(files_in(tmp_path), CPU)

    assert len(opened) == 3
    assert set(opened) == set(tensors)
    assert all(torch.equal(opened[name], tensors[name]) for name in tensors)
    assert opened.file_of("a") == "model.safetensors"


def test_a_folder_without_weights_says_what_is_expected(tmp_path: Path) -> None:
    assert refused(tmp_path) == (
        "hf:org/repo: no weights; expected model.safetensors, model.safetensors.index.json or "
        "pytorch_model.bin"
    )


def test_safetensors_come_before_pickles(tmp_path: Path) -> None:
    save_file({"new": torch.ones(1)}, tmp_path / "model.safetensors")
    (tmp_path / "pytorch_model.bin").write_bytes(b"never opened")

    assert list(open_tensors(files_in(tmp_path), CPU)) == ["new"]


def header(fields: object, data: bytes = b"") -> bytes:
    """A safetensors file with this header."""
    text = json.dumps(fields).encode()
    return struct.pack("<Q", len(text)) + text + data


def f32(begin: int, end: int, shape: list[int]) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        b"PK\x03\x04 a zip",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 10**9) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        header({"a": f32(0, 8, [2])}),  # no data at all
        header({"a": f32(0, 8, [2])}, b"\0" * 7),  # truncated
        header({"a": f32(0, 8, [2])}, b"\0" * 9),  # more than it says
        header({"a": f32(0, 8, [3])}, b"\0" * 8),  # shape and bytes disagree
        header({"a": f32(8, 0, [2])}, b"\0" * 8),
        header({"a": f32(0, 8, [2]), "b": f32(0, 8, [2])}, b"\0" * 8),  # overlapping
        header({"a": f32(0, 8, [2**62, 2**62])}, b"\0" * 8),
        header({"a": f32(-8, 8, [2])}, b"\0" * 8),
        header({"a": {"dtype": "F33", "shape": [2], "data_offsets": [0, 8]}}, b"\0" * 8),
        header({"a": None}),
    ],
    ids=lambda content: repr(content)[:30],
)
def test_a_damaged_file_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)

    assert "hf:org/repo: model.safetensors is damaged or no safetensors file" in refused(tmp_path)


WHOLE = save({"a": torch.ones(3, 2), "b": torch.ones(4, dtype=torch.bfloat16)})


def valid_or_refused(content: bytes, folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(content)
    try:
        tensors = dict(Tensors({path.name: path}, "x", CPU))
    except CheckpointError as error:
        message = str(error)
    else:
        message = ""
        assert all(isinstance(tensor, Tensor) for tensor in tensors.values())
    assert "\n" not in message


FUZZ = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(end=st.integers(0, len(WHOLE) - 1))
def test_a_truncated_file_is_refused(end: int, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(WHOLE[:end])

    refused(tmp_path)


@FUZZ
@given(content=st.binary(max_size=200))
def test_any_bytes_are_valid_or_refused(content: bytes, tmp_path: Path) -> None:
    valid_or_refused(content, tmp_path)


@FUZZ
@given(place=st.integers(0, len(WHOLE) - 1), value=st.integers(0, 255))
def test_a_flipped_byte_is_valid_or_refused(place: int, value: int, tmp_path: Path) -> None:
    valid_or_refused(WHOLE[:place] + bytes([value]) + WHOLE[place + 1 :], tmp_path)


sizes = st.sampled_from([0, 1, 2, 3, 4, 8, -1, 2**31, 2**63, 2**64, 1.5, None, "2"])
dtypes = st.sampled_from(
    ["F32", "F16", "BF16", "F64", "I64", "BOOL", "F8_E4M3", "F8_E8M0", "F4", "C64", "U64", "X"]
)
described = st.fixed_dictionaries(
    {
        "dtype": dtypes,
        "shape": st.lists(sizes, max_size=3),
        "data_offsets": st.lists(sizes, min_size=1, max_size=3),
    }
)


@FUZZ
@given(
    fields=st.dictionaries(st.sampled_from(["a", "", "__metadata__", "\n"]), described, max_size=3),
    data=st.binary(max_size=16),
)
@example(fields={"\n": {"dtype": "F32", "shape": [], "data_offsets": [1, 0]}}, data=b"")
@example(fields={"a": {"dtype": "F4", "shape": [2, 2], "data_offsets": [0, 2]}}, data=b"\0\0")
@example(fields={"a": {"dtype": "F8_E8M0", "shape": [2], "data_offsets": [0, 2]}}, data=b"\0\0")
@example(fields={"a": {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]}}, data=b"\0" * 8)
@example(fields={"a": {"dtype": "BOOL", "shape": [2], "data_offsets": [0, 2]}}, data=b"\7\xff")
def test_a_hostile_header_is_valid_or_refused(
    fields: Mapping[str, object], data: bytes, tmp_path: Path
) -> None:
    valid_or_refused(header(fields, data), tmp_path)


# --- shards


def test_shards_are_one_table(sharded: Path) -> None:
    tensors = open_tensors(files_in(sharded), CPU)

    assert {name: tensor.tolist() for name, tensor in tensors.items()} == {
        "t0": [0.0, 0.0],
        "t1": [1.0, 1.0],
    }


def test_a_missing_shard_is_named(sharded: Path) -> None:
    (sharded / SHARDS[1]).unlink()

    assert f"{INDEX} names '{SHARDS[1]}', which is missing" in refused(sharded)


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "a/b", "..", "", "\0"])
def test_an_index_cannot_lead_out_of_its_folder(name: str, sharded: Path) -> None:
    save_file({"t1": torch.ones(2)}, sharded.parent / "secret.safetensors")
    write_index(sharded, {"t0": SHARDS[0], "t1": name})

    assert f"{INDEX} names {name!r}, which is missing" in refused(sharded)


def test_not_even_if_the_files_include_such_a_path(sharded: Path) -> None:
    outside = sharded.parent / "secret.safetensors"
    save_file({"t1": torch.ones(2)}, outside)
    write_index(sharded, {"t0": SHARDS[0], "t1": "../secret.safetensors"})
    files = Files({**files_in(sharded).paths, "../secret.safetensors": outside}, "x")

    with pytest.raises(CheckpointError, match=r"names '\.\./secret.safetensors', which is missing"):
        open_tensors(files, CPU)


@pytest.mark.parametrize(
    "weight_map", [None, [], "a", {"t0": 1}, {"t0": [SHARDS[0]]}, {"t0": None}]
)
def test_an_index_without_file_names_is_refused(weight_map: object, sharded: Path) -> None:
    write_index(sharded, weight_map)

    assert f"{INDEX} has no weight_map of file names" in refused(sharded)


@pytest.mark.parametrize(
    "weight_map",
    [
        {"t0": SHARDS[1], "t1": SHARDS[0]},
        {"t0": SHARDS[0], "t1": SHARDS[1], "t2": SHARDS[1]},
        {"t0": SHARDS[0], "other": SHARDS[1]},
    ],
    ids=["swapped", "a tensor too many", "another name"],
)
def test_an_index_that_disagrees_with_its_shards_is_refused(
    weight_map: dict[str, str], sharded: Path
) -> None:
    write_index(sharded, weight_map)

    assert "the shards and their index disagree about 't" in refused(sharded).replace(
        "'other'", "'t"
    )


def test_one_tensor_in_two_shards_is_refused(sharded: Path) -> None:
    save_file({"t0": torch.ones(2)}, sharded / SHARDS[1])

    assert f"tensor 't0' is in {SHARDS[0]} and in {SHARDS[1]}" in refused(sharded)


# --- pickles


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_a_pickled_table_is_converted_once(zipped: bool, tmp_path: Path, own_cache: Path) -> None:
    shared = torch.ones(2, 3)
    state = {"a": shared, "tied": shared, "turned": torch.arange(6.0).view(2, 3).t()}
    torch.save(state, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)

    first = dict(open_tensors(files_in(tmp_path), CPU))
    (twin,) = own_cache.iterdir()
    made = twin.stat().st_mtime_ns
    second = dict(open_tensors(files_in(tmp_path), CPU))

    assert set(first) == set(state)
    assert all(torch.equal(first[name], state[name]) for name in state)
    assert all(torch.equal(second[name], state[name]) for name in state)
    assert [path.stat().st_mtime_ns for path in own_cache.iterdir()] == [made]


def test_a_changed_pickle_is_converted_again(tmp_path: Path, own_cache: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save({"a": torch.zeros(2)}, path)
    assert open_tensors(files_in(tmp_path), CPU)["a"].tolist() == [0, 0]
    torch.save({"a": torch.ones(2)}, path)
    os.utime(path, ns=(1, 1))

    assert open_tensors(files_in(tmp_path), CPU)["a"].tolist() == [1, 1]


def test_sharded_pickles_are_one_table(tmp_path: Path, own_cache: Path) -> None:
    names = [f"pytorch_model-0000{number}-of-00002.bin" for number in (1, 2)]
    for number, name in enumerate(names):
        torch.save({f"t{number}": torch.full((2,), float(number))}, tmp_path / name)
    (tmp_path / "pytorch_model.bin.index.json").write_text(
        json.dumps({"weight_map": {"t0": names[0], "t1": names[1]}})
    )

    assert open_tensors(files_in(tmp_path), CPU)["t1"].tolist() == [1, 1]


class Hostile:
    """Unpickled, it makes a folder: what runs as code shows itself."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.mark),)


def as_torch(path: Path, value: object) -> None:
    torch.save(value, path)


def as_old_torch(path: Path, value: object) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=False)


def as_plain_pickle(path: Path, value: object) -> None:
    path.write_bytes(pickle.dumps(value))


@pytest.mark.parametrize("write", [as_torch, as_old_torch, as_plain_pickle])
def test_a_pickle_that_holds_code_is_refused_and_does_not_run(
    write: Callable[[Path, object], None], tmp_path: Path, own_cache: Path
) -> None:
    mark = tmp_path / "ran"
    folder = tmp_path / "model"
    folder.mkdir()
    write(folder / "pytorch_model.bin", {"a": torch.ones(2), "b": Hostile(mark)})

    message = refused(folder)

    assert (
        "pytorch_model.bin is damaged, or holds more than tensors, which zoo never loads" in message
    )
    assert not mark.exists()
    assert not own_cache.exists()
    pickle.loads(pickle.dumps(Hostile(mark)))  # the trap does work
    assert mark.exists()


@pytest.mark.parametrize("value", [[torch.ones(2)], {"a": 1}, torch.ones(2), {"a": {"b": 1}}])
def test_a_pickle_that_is_no_table_of_tensors_is_refused(
    value: object, tmp_path: Path, own_cache: Path
) -> None:
    torch.save(value, tmp_path / "pytorch_model.bin")

    assert "pytorch_model.bin holds no plain table of tensors" in refused(tmp_path)


@pytest.mark.filterwarnings("ignore:Validating sparse")  # torch tells that it takes time
@pytest.mark.parametrize(
    "tensor",
    [torch.eye(2).to_sparse(), torch.empty(2, device="meta")],
    ids=["sparse", "without numbers"],
)
def test_a_tensor_without_all_its_numbers_is_refused(
    tensor: torch.Tensor, tmp_path: Path, own_cache: Path
) -> None:
    torch.save({"a": torch.ones(2), "b": tensor}, tmp_path / "pytorch_model.bin")

    assert "pytorch_model.bin holds no plain table of tensors" in refused(tmp_path)


def test_a_small_pickle_that_unfolds_to_terabytes_is_refused(
    tmp_path: Path, own_cache: Path
) -> None:
    torch.save({"a": torch.zeros(1).expand(2**40)}, tmp_path / "pytorch_model.bin")

    assert "and its tensors 4,398,046,511,104; is it damaged?" in refused(tmp_path)


def damaged_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", b"\x80\x02}.")


@pytest.mark.parametrize(
    "write",
    [
        damaged_zip,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04"),
        lambda path: path.write_bytes(b"\x80\x02]"),
        lambda path: path.write_bytes(b"<html>not found</html>"),
        lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0"),
    ],
    ids=["odd zip", "empty", "zip head", "pickle head", "a web page", "an LFS pointer"],
)
def test_a_damaged_pickle_is_refused(
    write: Callable[[Path], None], tmp_path: Path, own_cache: Path
) -> None:
    write(tmp_path / "pytorch_model.bin")

    refused(tmp_path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.binary(max_size=60), protocol=st.sampled_from([b"", b"\x80\x02", b"PK\x03\x04"]))
def test_any_bytes_as_a_pickle_are_refused(
    content: bytes, protocol: bytes, tmp_path: Path, own_cache: Path
) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(protocol + content)

    refused(tmp_path)


def test_a_truncated_pickle_is_refused(tmp_path: Path, own_cache: Path) -> None:
    for zipped in (True, False):
        path = tmp_path / "pytorch_model.bin"
        torch.save({"a": torch.ones(50)}, path, _use_new_zipfile_serialization=zipped)
        whole = path.read_bytes()
        for part in range(1, 10):
            path.write_bytes(whole[: len(whole) * part // 10])
            refused(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, own_cache: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "pytorch_model.bin")
    own_cache.parent.mkdir(mode=0o500)

    with pytest.raises(CacheError, match="cannot write"):
        open_tensors(files_in(tmp_path), CPU)


def test_a_cache_that_is_no_folder_is_named(tmp_path: Path, own_cache: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "pytorch_model.bin")
    own_cache.parent.parent.mkdir(exist_ok=True)
    own_cache.parent.write_text("a file where a folder belongs")

    with pytest.raises(CacheError, match="cannot write"):
        open_tensors(files_in(tmp_path), CPU)
