"""A benchmark from the library, by names and paths."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import zoo
from zoo.errors import InputError, TaskError, UsageError

PAIRS = [("A man rides.", "A man is riding.", 5), ("Dogs run.", "The king.", 0), ("A", "B", 2)]


def write(folder: Path, rows: list[dict[str, object]], *, beside: str = "rows.jsonl") -> str:
    """A benchmark with its rows beside it."""
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    path = folder / "alike.yaml"
    path.write_text(
        "schema: 1\nname: alike\ntask: sentence-similarity\nsummary: Alike\nmetric: spearman\n"
        f"data: {{test: {{beside: {beside}}}}}\nfields: {{first: a, second: b, score: s}}\n"
        "protocols: {cosine: {}}\n"
    )
    return str(path)


@pytest.fixture
def rows() -> list[dict[str, object]]:
    return [{"a": a, "b": b, "s": s} for a, b, s in PAIRS]


def test_a_model_is_measured_by_its_name(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    result = zoo.evaluate("tiny-bert", on=write(tmp_path, rows), cache=False)

    assert result.samples == 3
    assert result.headline.name == "spearman"
    assert [row["gold"] for row in result.details] == [5, 0, 2]
    facts = result.provenance
    assert set(facts["model"]["files"]) >= {"config.json", "model.safetensors"}
    assert (facts["limit"], facts["seed"], facts["processes"]) == (None, 0, 1)
    json.dumps(result.to_dict())


def test_data_beside_the_file_gives_way_to_data_that_is_named(
    tmp_path: Path, rows: list[dict[str, object]]
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(f"{json.dumps(rows[0])}\n" * 2)
    model = zoo.load("tiny-bert")
    path = write(tmp_path, rows)

    assert zoo.evaluate(model, path, data=other, cache=False).samples == 2
    assert zoo.evaluate(model, path, limit=1, cache=False).samples == 1


def test_data_beside_the_file_never_lies_elsewhere(
    tmp_path: Path, rows: list[dict[str, object]]
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret.jsonl").write_text("{}\n")
    (inner / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")

    with pytest.raises(zoo.ZooError, match="a path below the folder"):
        zoo.evaluate("tiny-bert", write(inner, rows, beside="../secret.jsonl"))
    with pytest.raises(UsageError, match=r"there is no 'link.jsonl' beside it"):
        zoo.evaluate("tiny-bert", write(inner, rows, beside="link.jsonl"))


def test_what_cannot_be_measured_says_why(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    with pytest.raises(TaskError, match="takes a model that does feature-extraction"):
        zoo.evaluate("tiny-gpt", write(tmp_path, rows))
    with pytest.raises(InputError, match=r"rows.jsonl:2: first is ''"):
        zoo.evaluate("tiny-bert", write(tmp_path, [rows[0], {**rows[1], "a": ""}]), cache=False)
    with pytest.raises(InputError, match=r"the split 'test' is empty; .* in .*rows\.jsonl"):
        zoo.evaluate("tiny-bert", write(tmp_path, []))
