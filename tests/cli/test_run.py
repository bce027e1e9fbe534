from __future__ import annotations

import json
import math
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import LABELS, Zoo

WORDS = ["a", "man", "in", "red", "rides", "the", "brown", "horse", "old", "city", "women", "play"]


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_fill_mask_prints_score_token_text(zoo: Zoo, masked: str) -> None:
    done = zoo("run", masked, "a man rides a [MASK].", "the [MASK] dog", "--top-k", "2")

    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert len(lines) == 4
    for score, token, text in lines[:2]:
        assert 0 < float(score) < 1
        # Which token wins differs with the trained vocabulary: part of a word, a comma, a letter.
        assert text.replace(" ", "") == f"amanridesa{token.removeprefix('##')}."
    assert lines[2][-1].startswith("the")


def test_json_is_one_object_a_text(zoo: Zoo, masked: str) -> None:
    rows = json_lines(
        zoo.works("run", masked, "--json", "--targets", "a,b", stdin="a [MASK]\nthe [MASK]\n")
    )

    assert [row["text"] for row in rows] == ["a [MASK]", "the [MASK]"]
    assert [sorted(fill["token"] for fill in row["gaps"][0]) for row in rows] == [
        ["a", "b"],
        ["a", "b"],
    ]


def test_classification_prints_label_and_score(zoo: Zoo, classifier: str) -> None:
    done = zoo.works("run", classifier, "the dog rides", "--task", "text-classification")

    lines = [line.split("  ") for line in done.splitlines()]
    assert sorted(label for _, label in lines) == sorted(LABELS)
    assert math.isclose(sum(float(score) for score, _ in lines), 1, abs_tol=2e-4)


def test_zero_shot_takes_labels_from_a_file(zoo: Zoo, classifier: str, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("red\ngreen\n")

    (row,) = json_lines(
        zoo.works(
            *("run", classifier, "a dog", "--task", "zero-shot-classification", "--json"),
            *("--labels", "@labels.txt", "--template", "on {}"),
        )
    )

    assert row["text"] == "a dog"
    assert {label["label"] for label in row["labels"]} == {"red", "green"}


def test_vectors_are_a_json_array_a_line(zoo: Zoo, masked: str) -> None:
    command = ("run", masked, "--task", "feature-extraction")

    done = zoo(*command, "--normalize", "a dog", "dog " * 100)
    tokens = json_lines(zoo.works(*command, "--pooling", "none", "--json", "a dog", "the man"))

    vectors = [json.loads(line) for line in done.stdout.splitlines()]
    assert [len(vector) for vector in vectors] == [24, 24]
    assert math.isclose(sum(x * x for x in vectors[0]), 1, rel_tol=1e-5)
    assert done.stderr.startswith("note: 1 text is longer than the model's 66 tokens; cut ")
    assert done.stderr.count("\n") == 1
    assert all(len(row["embeddings"]) > 2 for row in tokens)  # [CLS], the text's, [SEP]
    assert all(len(vector) == 24 for row in tokens for vector in row["embeddings"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no text: pass it as an argument, by --input FILE or on standard input"),
        (["a", "--input", "texts.txt"], "texts come as arguments or by --input, not both"),
        (["a", "--column", "b"], "--column goes with --input FILE"),
        (["a", "--overwrite"], "--overwrite and --restart go with --output FILE"),
        (["a", "--json", "--output", "a.csv"], "--json prints results; --output writes them"),
        (["a", "--device", "tpu"], "no device 'tpu'"),
        (["a", "--dtype", "int8"], "no dtype 'int8'"),
        (["a", "--task", "translate"], "no task 'translate'; expected one of fill-mask, "),
        (["a", "--task", "fill-mask", "--labels", "b"], "--labels is no option of fill-mask"),
        (["a", "--task", "zero-shot-classification"], "expected --labels A,B"),
        (["a", "--task", "zero-shot-classification", "--labels", "b,b"], "different labels"),
        (
            ["a", "--task", "zero-shot-classification", "--labels", "b", "--template", "c"],
            "--template: expected a sentence with {}",
        ),
        (["a", "--labels", "@missing.txt"], "--labels: cannot read missing.txt: No such file"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    zoo: Zoo, masked: str, arguments: list[str], message: str
) -> None:
    assert message in zoo.fails(2, "run", masked, *arguments)


def test_every_row_is_checked_before_any_is_computed(zoo: Zoo, masked: str, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("a [MASK]\n" * 3 + "no gap\n")
    (tmp_path / "empty.txt").write_text("a [MASK]\n\n")
    (tmp_path / "clash.jsonl").write_text('{"text": "a [MASK]", "gaps": 1}\n')
    into = ("--output", "out.jsonl")

    gap = zoo.fails(1, "run", masked, "--input", "texts.txt", *into)
    empty = zoo.fails(1, "run", masked, "--input", "empty.txt", *into)
    clash = zoo.fails(2, "run", masked, "--input", "clash.jsonl", *into)

    assert gap.startswith("texts.txt:4: no gap in the text; write [MASK]")
    assert empty == "empty.txt:2: the text is empty; expected at least one word"
    assert "the input has a field 'gaps'" in clash
    assert not list(tmp_path.glob("out*"))


def test_results_are_not_written_over_their_texts(zoo: Zoo, masked: str, tmp_path: Path) -> None:
    texts = '{"text": "a [MASK]"}\n'
    (tmp_path / "texts.jsonl").write_text(texts)
    (tmp_path / "same.jsonl").symlink_to("texts.jsonl")

    for name in ("texts.jsonl", "same.jsonl"):
        both = ("--input", "texts.jsonl", "--output", name, "--overwrite")
        assert "is --input too" in zoo.fails(2, "run", masked, *both)

    assert (tmp_path / "texts.jsonl").read_text() == texts


def test_a_file_keeps_its_order_and_its_other_fields(
    zoo: Zoo, classifier: str, tmp_path: Path
) -> None:
    lengths = [5, 1, 9, 2, 7]
    rows = [{"id": str(n), "review": " ".join(WORDS[:n])} for n in lengths]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    command = ("run", classifier, "--column", "review", "--input", "in.jsonl", "--output")
    done = zoo(*command, "out.jsonl")
    refused = zoo.fails(2, *command, "out.jsonl")

    written = json_lines((tmp_path / "out.jsonl").read_text())
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "note: out.jsonl: 5 texts\n"
    assert [{"id": row["id"], "review": row["review"]} for row in written] == rows
    assert all({label["label"] for label in row["labels"]} == set(LABELS) for row in written)
    assert "pass --overwrite" in refused
    assert not list(tmp_path.glob("*.partial"))


def test_a_killed_run_goes_on_and_loses_nothing(zoo: Zoo, masked: str, tmp_path: Path) -> None:
    random.seed(0)
    rows = [
        {"id": number, "text": " ".join(random.choices(WORDS, k=random.randint(1, 40)))}
        for number in range(8_000)
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = (
        *("run", masked, "--task", "feature-extraction", "--device", "cpu"),
        *("--input", "in.jsonl", "--output"),
    )
    partial = tmp_path / "out.jsonl.partial"

    zoo.works(*command, "whole.jsonl")
    interrupted = zoo.start(*command, "out.jsonl")
    wait_for_rows(interrupted, partial, 1024)
    interrupted.send_signal(signal.SIGINT)
    _, message = interrupted.communicate(timeout=30)
    rows_then = lines_of(partial)
    killed = zoo.start(*command, "out.jsonl")
    wait_for_rows(killed, partial, rows_then + 1024)
    killed.kill()
    killed.communicate()
    with partial.open("ab") as file:
        file.write(b"[0.1, 0.2")  # torn, as a kill in the middle of a write leaves it
    other = zoo.fails(2, *command, "out.jsonl", "--pooling", "max")
    resumed = zoo(*command, "out.jsonl")

    assert interrupted.returncode == 130
    assert message.startswith("note: interrupted; run the same again to go on")
    assert "out.jsonl.partial' was begun with another options" in other
    assert "delete it, or pass --restart" in other
    assert resumed.returncode == 0
    assert resumed.stderr.startswith("note: going on after ")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert [row["id"] for row in json_lines((tmp_path / "out.jsonl").read_text())] == [
        *range(8_000)
    ]
    assert not partial.exists()


def lines_of(path: Path) -> int:
    """Rows in a journal, which has one line more."""
    return max(0, path.read_bytes().count(b"\n") - 1) if path.exists() else 0


def wait_for_rows(process: subprocess.Popen[str], path: Path, rows: int) -> None:
    """Wait until a run has written so many rows, and is in the middle of the rest."""
    until = time.monotonic() + 30
    while lines_of(path) < rows:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.005)
    assert process.poll() is None
