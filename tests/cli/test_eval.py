from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Zoo
from tests.cli.test_start_up import HEAVY, imported

PAIRS = [
    ("A man rides a bike.", "A man is riding a bicycle.", 5),
    ("Two dogs play in the snow.", "Two dogs are playing in snow.", 4.5),
    ("A woman plays the guitar.", "A man is eating.", 0.5),
    ("Children run.", "The stock market fell.", 0),
    ("A girl dances.", "A girl is dancing on a stage.", 4),
    ("A boat is on the water.", "The king was crowned.", 0.2),
]


@pytest.fixture
def data(zoo: Zoo) -> Path:
    """A folder with the data of two benchmarks, whose files lie beside it."""
    for name in ("alike", "likewise"):
        folder = zoo.folder / "data" / name
        folder.mkdir(parents=True)
        lines = [json.dumps({"a": a, "b": b, "score": score}) for a, b, score in PAIRS]
        (folder / f"{name}.jsonl").write_text("\n".join([*lines, ""]))
        (zoo.folder / f"{name}.yaml").write_text(
            f"schema: 1\nname: {name}\ntask: sentence-similarity\nsummary: Alike or not\n"
            f"metric: spearman\nchance: 0\ndata: {{test: {{files: [{name}.jsonl]}}}}\n"
            "fields: {first: a, second: b, score: score}\nprotocols: {cosine: {}}\n"
        )
    return zoo.folder / "data"


def kept(zoo: Zoo, folder: str = "runs") -> list[dict[str, object]]:
    paths = sorted((zoo.folder / folder).glob("*/result.json"))
    return [json.loads(path.read_text()) for path in paths]


def test_a_table_says_metric_interval_chance_and_protocol(zoo: Zoo, data: Path) -> None:
    printed = zoo.works("eval", "tiny-bert", "--on", "alike.yaml", "--data", str(data))

    first, header, spearman, pearson = printed.splitlines()
    assert first.startswith("tiny-bert on alike, cosine: ")
    assert header.split("  ")[0] == "METRIC"
    assert spearman.split()[0] == "spearman"
    assert spearman.split()[-2:] == ["0", "6"]  # chance, samples
    assert pearson.split()[0] == "pearson"


def test_a_run_is_kept_with_all_that_it_takes_to_repeat_it(zoo: Zoo, data: Path) -> None:
    printed = zoo.works(
        "eval", "tiny-bert", "--on", "alike.yaml", "--data", str(data), "--output", "runs", "--json"
    )  # fmt: skip

    (result,) = kept(zoo)
    provenance = result["provenance"]
    assert isinstance(provenance, dict)
    assert result["schema_version"] == 1
    assert str(result["finished"]).endswith("+00:00")
    assert set(provenance["model"]["files"]) >= {"config.json", "model.safetensors"}
    assert provenance["benchmark"]["name"] == "alike"
    assert provenance["instruments"]["text"][0] == "text vectors"
    assert provenance["data"]["samples"] == 6
    assert provenance["dtype"] == "float32"
    shown = json.loads(printed)
    assert shown["metrics"] == result["metrics"]
    lines = (zoo.folder / shown["run"] / "samples.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["sample"] for row in rows] == list(range(6))
    assert [row["gold"] for row in rows] == [score for *_, score in PAIRS]


def test_runs_are_kept_with_the_users_data_unless_told_otherwise(zoo: Zoo, data: Path) -> None:
    home = zoo.folder / "share"
    command = ("eval", "tiny-bert", "--on", "alike.yaml", "--data", str(data))

    zoo.works(*command, "--no-save", XDG_DATA_HOME=str(home))
    assert not home.exists()

    zoo.works(*command, XDG_DATA_HOME=str(home))
    (folder,) = (home / "zoo" / "results").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["result.json", "samples.jsonl"]


def test_several_models_on_several_benchmarks(zoo: Zoo, data: Path) -> None:
    done = zoo(
        "eval", "tiny-*", "--on", "alike.yaml,likewise.yaml", "--data", str(data), "--json",
        "--no-save",
    )  # fmt: skip

    pairs = [
        (each["model"], each["benchmark"]) for each in map(json.loads, done.stdout.splitlines())
    ]
    assert ("tiny-bert", "alike") in pairs
    assert ("tiny-bert", "likewise") in pairs
    assert len(set(pairs)) == len(pairs)
    left_out = [line for line in done.stderr.splitlines() if "left out" in line]
    assert len(left_out) == 2
    assert "tiny-gpt" in left_out[0]


def test_one_that_fails_stops_no_other(zoo: Zoo, data: Path) -> None:
    done = zoo(
        "eval", "tiny-gpt", "./nothing", "tiny-bert", "--on", "alike.yaml", "--data", str(data),
        "--no-save",
    )  # fmt: skip

    assert done.returncode == 2  # of the worst
    assert done.stdout.startswith("tiny-bert on alike")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert "takes a model that does feature-extraction" in errors[0]


def test_a_file_is_not_the_data_of_two(zoo: Zoo, data: Path) -> None:
    error = zoo.fails(
        2, "eval", "tiny-bert", "--on", "alike.yaml,likewise.yaml",
        "--data", str(data / "alike" / "alike.jsonl"),
    )  # fmt: skip

    assert "cannot be the data of 2 benchmarks" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("no-such-model --on alike.yaml", "no model named 'no-such-model'"),
        ("'tiny-zzz*' --on alike.yaml", "no model matches"),
        ("tiny-bert --on alike", "no benchmark named 'alike'"),
        ("tiny-bert --on alike.yaml --protocol guessing", "is not measured by 'guessing'"),
        ("tiny-bert --on alike.yaml --data nowhere", "there is no file or folder 'nowhere'"),
        ("tiny-bert --on alike.yaml", "expected --data"),
        ("tiny-bert --on alike.yaml --device tpu", "no device 'tpu'"),
        ("tiny-gpt --on alike.yaml --data data", "cannot be measured on alike"),
        ("tiny-bert --on alike.yaml --data data --check --limit 3", "leave --limit out"),
        ("tiny-bert --on alike.yaml --data data --tolerance 3", "goes with --check"),
    ],
)
def test_mistakes_are_found_before_torch_is_imported(
    zoo: Zoo, data: Path, arguments: str, message: str
) -> None:
    words = [word.strip("'") for word in arguments.split()]

    assert message in zoo.fails(2, "eval", *words)
    if "nowhere" in words:  # the last to be looked at
        assert imported(zoo, HEAVY, "eval", *words) == "imported: []"


def reported(zoo: Zoo, *rows: str) -> str:
    """A registry whose model `mine` is tiny-bert with reported results."""
    text = Path(__file__).parents[2].joinpath("registry.yaml").read_text()
    files = text[text.index("    files:\n") : text.index("    tasks:")]
    path = zoo.folder / "registry.yaml"
    path.write_text(
        "schema: 1\nmodels:\n  mine:\n    architecture: bert\n    source: bundled:zoo_bert/tiny\n"
        f"{files}    tasks: [feature-extraction]\n" + ("    reported:\n" if rows else "")
        + "".join(f"      - {{{row}, source: here, protocol: cosine}}\n" for row in rows)
    )  # fmt: skip
    return str(path)


def test_a_check_compares_with_what_is_reported(zoo: Zoo, data: Path) -> None:
    command = ("eval", "mine", "--on", "alike.yaml", "--data", str(data), "--no-save", "--check")
    (value,) = [
        each["value"]
        for each in json.loads(
            zoo.works(*command[:-1], "--json", "--registry", reported(zoo))
        )["metrics"]
        if each["name"] == "spearman"
    ]  # fmt: skip
    row = "benchmark: Alike, metric: Spearman correlation, value: {}, unit: '%'"

    agrees = zoo(*command, "--registry", reported(zoo, row.format(round(100 * value, 1))))
    differs = zoo(*command, "--registry", reported(zoo, row.format(round(100 * value - 1, 1))))
    generous = row.format(round(100 * value - 1, 1)) + ", tolerance: 1.5"
    tolerant = zoo(*command, "--registry", reported(zoo, generous))
    option = zoo(*command, "--registry", reported(zoo, generous), "--tolerance", "0.5")
    none = zoo(*command, "--registry", reported(zoo))

    assert agrees.returncode == 0, agrees
    assert "ok     spearman" in agrees.stdout
    assert differs.returncode == 3
    assert "DIFFERS  spearman" in differs.stdout
    assert tolerant.returncode == 0
    assert option.returncode == 3
    assert none.returncode == 2
    assert "nothing is reported that could be compared" in none.stderr


def test_benchmarks_are_listed_and_shown(zoo: Zoo) -> None:
    listed = json.loads(zoo.works("benchmarks", "list", "--json"))["benchmarks"]
    shown = zoo.works("benchmarks", "show", "stsb")

    assert "stsb" in [each["name"] for each in listed]
    assert "license     cc-by-sa-4.0" in shown.replace("license       ", "license     ")
    assert "cosine  the cosine of the sentences' vectors" in shown
    assert "did you mean 'stsb'" in zoo.fails(2, "benchmarks", "show", "stsbb")
