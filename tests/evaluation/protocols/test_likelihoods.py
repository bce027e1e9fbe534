"""Multiple choice, last words and whole texts: on the bundled model, and on made answers."""

from __future__ import annotations

import json
import math
import random
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo.errors import InputError, RegistryError
from zoo.evaluation import Benchmark, Result, evaluate, find_benchmark
from zoo.evaluation.benchmark import read_benchmark
from zoo.evaluation.data import open_rows
from zoo.evaluation.protocol import Measurement, Sample, Setup
from zoo.evaluation.protocols.last_word import LastWord
from zoo.evaluation.protocols.log_likelihood import LogLikelihood
from zoo.evaluation.protocols.rolling import Rolling
from zoo.evaluation.samples import read_samples
from zoo.evaluation.statistics import perplexity

Rows = Sequence[Mapping[str, Any]]


@pytest.fixture(scope="module")
def model() -> zoo.Model:
    return zoo.load("tiny-gpt", device="cpu", dtype="float32")


def write_rows(path: Path, rows: Rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_benchmark(folder: Path, text: str) -> Benchmark:
    path = folder / "mine.yaml"
    path.write_text(
        "schema: 1\nname: mine\nsummary: mine\nmetric: acc\n"
        "data: {test: {files: [rows.jsonl]}}\n" + text,
        encoding="utf-8",
    )
    return read_benchmark(path)


CHOICES = """
task: multiple-choice
fields: {context: query, choices: choices, answer: gold}
protocols: {log-likelihood: {}}
"""
ROWS: list[dict[str, Any]] = [
    {
        "query": f"What is {first} and {first}?",
        "choices": ["My lord!", f"{first} {first}", "a cat, my good sir", f"{first}"][: 2 + n % 3],
        "gold": n % 2,
    }
    for n, first in enumerate(["love", "a king", "the sea", "Rome", "an oath", "the night", "I"])
]


def measured(model: zoo.Model, folder: Path, rows: Rows, **options: Any) -> Result:  # noqa: ANN401
    benchmark = write_benchmark(folder, CHOICES)
    return evaluate(
        model, benchmark, data=write_rows(folder / "rows.jsonl", rows), cache=False, **options
    )


def test_the_report_does_not_depend_on_the_batch(model: zoo.Model, tmp_path: Path) -> None:
    one, all_ = (measured(model, tmp_path, ROWS, batch_size=size) for size in (1, 64))

    assert one.metrics == all_.metrics
    for ours, theirs in zip(one.details, all_.details, strict=True):
        assert ours["log_likelihoods"] == pytest.approx(theirs["log_likelihoods"], abs=1e-4)


def sample(**fields: object) -> Sample:
    return Sample("test", 0, "rows.jsonl:1", fields, "")


def protocol(model: zoo.Model, name: str) -> LogLikelihood:
    return LogLikelihood(Setup(model, find_benchmark(name), {}))


def test_accuracies_are_by_text_by_character_and_by_byte(model: zoo.Model) -> None:
    choices = ["a", "bbbb", "好好"]
    samples = [sample(context="?", choices=choices, answer=gold) for gold in (0, 1, "1", 2, 2, 2)]
    # For each character: -2, -3/4, -5/4; for each byte: -2, -3/4, -5/12.
    answer = [[[-2.0, False, 1, 0], [-3.0, False, 1, 0], [-2.5, False, 1, 0]]]

    findings = protocol(model, "piqa").fold(samples, [answer] * 6)

    values = {metric.name: metric.value for metric in findings.metrics}
    assert values == pytest.approx({"acc": 1 / 6, "acc_norm": 2 / 6, "acc_bytes": 3 / 6})
    assert [detail["predicted"] for detail in findings.details] == [0] * 6
    assert [detail["score"] for detail in findings.details] == [1, 0, 0, 0, 0, 0]


def test_of_equal_choices_the_first_counts(model: zoo.Model) -> None:
    equal = [[[-2.0, False, 1, 0], [-2.0, False, 1, 0]]]
    samples = [sample(choices=["aa", "bb"], answer=gold) for gold in (0, 1)]

    findings = protocol(model, "piqa").fold(samples, [equal, equal])

    assert [detail["score"] for detail in findings.details] == [1, 0]


def test_groups_count_alike(model: zoo.Model) -> None:
    first, second = (
        [[[-1.0, False, 1, 0], [-2.0, False, 1, 0]]],
        [[[-2.0, False, 1, 0], [-1.0, False, 1, 0]]],
    )
    samples = [
        sample(choices=["a", "b"], answer=0, group=group) for group in ("x", "x", "x", "y", "y")
    ]

    findings = protocol(model, "blimp").fold(samples, [first, first, second, second, second])

    values = {metric.name: metric for metric in findings.metrics}
    assert values["acc"].value == pytest.approx((2 / 3 + 0) / 2)
    assert values["acc"].stderr == pytest.approx(math.sqrt(2 / 9 / 2) / 2)
    assert values["acc/x"].value == pytest.approx(2 / 3)
    assert values["acc/y"].value == 0
    assert [values[name].samples for name in ("acc", "acc/x", "acc/y")] == [None, 3, 2]


def test_cut_contexts_are_reported(model: zoo.Model, tmp_path: Path) -> None:
    result = measured(model, tmp_path, [*ROWS, {**ROWS[0], "query": "My lord! " * 200}])

    assert result["truncated"].value == pytest.approx(1 / 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gold": None}, "no answer is given; take a split that has answers"),
        ({"gold": ""}, "no answer is given"),
        ({"gold": 2}, "the answer is 2; expected the number of one of the 2 choices, 0 to 1"),
        ({"gold": -1}, "the answer is -1; expected"),
        ({"gold": "b"}, "the answer is 'b'; expected"),
        ({"gold": True}, "the answer is True; expected"),
        ({"choices": ["a"]}, "expected two choices or more, came 1"),
        ({"choices": ["a", ""]}, "choice 1 is empty"),
        ({"choices": "ab"}, "choices is 'ab'; expected a list of texts"),
        ({"query": 7}, "context is 7; expected a text"),
    ],
)
def test_a_sample_that_is_no_question_is_refused(
    model: zoo.Model, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    good: dict[str, Any] = ROWS[0]
    with pytest.raises(InputError, match=message) as caught:
        measured(model, tmp_path, [good, {**good, "choices": ["a", "b"], **change}])

    assert "rows.jsonl:2: " in str(caught.value)


def test_a_continuation_longer_than_the_model_is_counted_as_failed(
    model: zoo.Model, tmp_path: Path
) -> None:
    long: dict[str, Any] = {"query": "a", "choices": ["b", "My lord! " * 100], "gold": 0}
    result = measured(model, tmp_path, [ROWS[0], long])

    assert result.samples == 1
    assert "the model takes 256" in result.failed[0].reason
    assert result.failed[0].place.endswith("rows.jsonl:2")


def test_classes_may_be_words_after_a_template(model: zoo.Model, tmp_path: Path) -> None:
    benchmark = write_benchmark(
        tmp_path,
        "task: text-classification\nfields: {text: text, label: label}\n"
        "classes: [negative, positive]\n"
        'protocols: {log-likelihood: {context: "{{ text }}\\nIt was", words: [bad, good]}}\n',
    )
    rows: Rows = [{"text": "I like it.", "label": 1}, {"text": "Fie!", "label": "negative"}]
    setup = Setup(model, benchmark, benchmark.protocols["log-likelihood"])
    data = write_rows(tmp_path / "rows.jsonl", rows)
    first = next(iter(read_samples(benchmark, "test", open_rows(benchmark, "test", data))))

    (question,) = LogLikelihood(setup).questions(first)
    result = evaluate(model, benchmark, data=data, cache=False)

    assert question.content == [
        ["I like it.\nIt was", " bad"],
        ["I like it.\nIt was", " good"],
    ]
    assert [detail["gold"] for detail in result.details] == [1, 0]


def test_a_template_and_as_many_words_as_classes_are_needed(
    model: zoo.Model, tmp_path: Path
) -> None:
    start = "task: text-classification\nfields: {text: text, label: label}\nclasses: [a, b]\n"
    for settings, message in (
        ("{}", "lacks 'context'"),
        ('{context: "{{ text }}", words: [c]}', "1 words, but 2 classes"),
    ):
        benchmark = write_benchmark(tmp_path, f"{start}protocols: {{log-likelihood: {settings}}}\n")
        with pytest.raises(RegistryError, match=message):
            LogLikelihood(Setup(model, benchmark, benchmark.protocols["log-likelihood"]))


def questions(model: zoo.Model, name: str, row: Mapping[str, Any]) -> tuple[Any, Any]:
    """What is asked about one row, and which answer is right."""
    benchmark = find_benchmark(name)
    (one,) = read_samples(benchmark, "test", [("rows.jsonl:1", dict(row))])
    setup = Setup(model, benchmark, {})
    protocols: dict[str, Callable[[Setup], Measurement]] = {
        "multiple-choice": LogLikelihood,
        "word-prediction": LastWord,
        "language-modeling": Rolling,
    }
    measurement = protocols[benchmark.task](setup)
    (question,) = measurement.questions(one)
    return question.content, one.fields.get("answer")


ARC = {
    "question": "Why?",
    "choices": {"text": ["so", "no", "yes"], "label": ["A", "B", "C"]},
    "answerKey": "C",
}


@pytest.mark.parametrize(
    ("name", "row", "content", "gold"),
    [
        (
            "hellaswag",
            {
                "activity_label": "Baking",
                "ctx_a": "A man [header] stirs. [title] Stir",
                "ctx_b": "he WAITS",
                "endings": [" a.", "b [step] c  d"],
                "label": "1",
            },
            [
                ["Baking: A man stirs.. Stir He waits", " a."],
                ["Baking: A man stirs.. Stir He waits", " b c d"],
            ],
            "1",
        ),
        (
            "piqa",
            {"goal": "go", "sol1": "run", "sol2": "fly", "label": 0},
            [["Question: go\nAnswer:", " run"], ["Question: go\nAnswer:", " fly"]],
            0,
        ),
        (
            "piqa",
            {"query": "Question: go\n", "choices": ["run", "fly"], "gold": 1},
            [["Question: go\nAnswer:", " run"], ["Question: go\nAnswer:", " fly"]],
            1,
        ),
        (
            "arc-easy",
            ARC,
            [["Question: Why?\nAnswer:", f" {each}"] for each in ("so", "no", "yes")],
            2,
        ),
        (
            "winogrande",
            {"sentence": "Ann saw _ run away. ", "option1": "Bo", "option2": "Cy", "answer": "2"},
            [["Ann saw Bo", " run away."], ["Ann saw Cy", " run away."]],
            1,
        ),
        (
            "winograd",
            {"context_options": ["It a", "It b"], "continuation": "ran.", "gold": 0},
            [["It a", " ran."], ["It b", " ran."]],
            0,
        ),
        (
            "boolq",
            {"passage": "Ice is cold.", "question": "is ice cold", "label": 1},
            [
                ["Ice is cold.\nQuestion: is ice cold?\nAnswer:", " no"],
                ["Ice is cold.\nQuestion: is ice cold?\nAnswer:", " yes"],
            ],
            1,
        ),
        (
            "openbookqa",
            {
                "question_stem": "Fog is",
                "choices": {"text": ["wet", "dry"], "label": ["A", "B"]},
                "answerKey": " B",
            },
            [["Fog is", " wet"], ["Fog is", " dry"]],
            1,
        ),
        (
            "sciq",
            {
                "support": "\nIt is.",
                "question": "What?",
                "distractor1": "a",
                "distractor2": "b",
                "distractor3": "c",
                "correct_answer": "d",
            },
            [["It is.\nQuestion: What?\nAnswer:", f" {each}"] for each in "abcd"],
            3,
        ),
        (
            "copa",
            {
                "premise": "I fell.",
                "question": "cause",
                "choice1": "The ice broke.",
                "choice2": "I ran.",
                "label": 0,
            },
            [["I fell because", "  the ice broke."], ["I fell because", "  i ran."]],
            0,
        ),
        (
            "blimp",
            {"sentence_good": "I am.", "sentence_bad": "I are.", "UID": "x"},
            [["", " I am."], ["", " I are."]],
            0,
        ),
        ("lambada-openai", {"text": "a b c\nd e"}, [["a b c\nd", " e"]], None),
        ("lambada-openai", {"context": "a b", "continuation": "c"}, [["a b", " c"]], None),
        (
            "wikitext-2",
            {"page": " = A ( b ) = \n a @-@ b , 1 @,@ 000 's"},
            " = A (b) =\na-b, 1,000's",
            None,
        ),
    ],
)
def test_prompts_are_those_of_lm_evaluation_harness(
    model: zoo.Model, name: str, row: Mapping[str, Any], content: object, gold: object
) -> None:
    assert questions(model, name, row) == (content, gold)


def test_the_last_word_has_an_accuracy_and_a_perplexity(model: zoo.Model, tmp_path: Path) -> None:
    context = "To be, or not to be: that is"
    greedy = model.generate(context, max_new_tokens=12, temperature=0.0).text.split()[0]
    rows = [{"context": context, "continuation": word} for word in (greedy, "zeal", "Ovid")]
    data = write_rows(tmp_path / "lambada_openai.jsonl", rows)

    result = evaluate(model, find_benchmark("lambada-openai"), data=tmp_path, cache=False)

    assert data.exists()
    totals = [detail["log_likelihood"] for detail in result.details]
    assert result["perplexity"].value == pytest.approx(math.exp(-sum(totals) / 3))
    assert [detail["score"] for detail in result.details] == [1, 0, 0]
    assert result["acc"].value == pytest.approx(1 / 3)


def test_the_perplexitys_error_is_that_of_pythons_own_draws() -> None:
    values = [-1.0, -2.5, -0.25, -4.0]
    found = [
        math.exp(-sum(draw.choices(values, k=4)) / 4)
        for draw in map(random.Random, range(100))
        for _ in range(1000)
    ]
    centre = sum(found) / len(found)
    expected = math.sqrt(sum((each - centre) ** 2 for each in found) / (len(found) - 1))

    metric = perplexity("perplexity", values)

    assert metric.value == pytest.approx(math.exp(7.75 / 4))
    assert metric.stderr == pytest.approx(expected, rel=1e-9)


def test_pages_begin_at_titles_and_are_counted_as_published(
    model: zoo.Model, tmp_path: Path
) -> None:
    text = " \n = One = \n \n A b @-@ c . \n = = Part = = \n d \n = Two = \n e f \n"
    (tmp_path / "wiki.test.raw").write_text(text, encoding="utf-8")
    benchmark = find_benchmark("wikitext-2")

    rows = list(open_rows(benchmark, "test", tmp_path))
    result = evaluate(model, benchmark, data=tmp_path, cache=False)

    assert [row["page"] for _, row in rows] == [
        " = One = \n \n A b @-@ c . \n = = Part = = \n d ",
        " = Two = \n e f \n",
    ]
    assert [place.rpartition(":")[2] for place, _ in rows] == ["2", "7"]
    # Words are counted as lm_eval does: an empty one before the first space, one after the last.
    assert [detail["words"] for detail in result.details] == [16, 7]
    total = sum(detail["log_likelihood"] for detail in result.details)
    assert result["word_perplexity"].value == pytest.approx(math.exp(-total / 23))
    size = sum(len(row["page"].encode()) for _, row in rows)
    assert result["bits_per_byte"].value == pytest.approx(-total / size / math.log(2))
    assert result["byte_perplexity"].value == pytest.approx(math.exp(-total / size))
    assert result["token_perplexity"].value == pytest.approx(
        math.exp(-total / result["tokens"].value)
    )


def test_an_archive_has_its_files_rows(model: zoo.Model, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "blimp.zip", "w") as archive:
        for name in ("b", "a"):
            row = {"sentence_good": f"{name} is.", "sentence_bad": f"{name} are.", "UID": name}
            archive.writestr(f"{name}.jsonl", json.dumps(row) + "\n")

    rows = list(open_rows(find_benchmark("blimp"), "test", tmp_path))
    result = evaluate(model, find_benchmark("blimp"), data=tmp_path, cache=False)

    assert [row["UID"] for _, row in rows] == ["a", "b"]
    assert rows[0][0].endswith("blimp.zip/a.jsonl:1")
    assert {"acc", "acc/a", "acc/b"} <= {metric.name for metric in result.metrics}


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "blimp.zip").write_bytes(b"PK no")

    with pytest.raises(InputError, match=r"blimp\.zip: no archive, damaged or encrypted"):
        list(open_rows(find_benchmark("blimp"), "test", tmp_path))


HARNESS = {
    "arc-challenge": "arc/arc_challenge.yaml",
    "arc-easy": "arc/arc_easy.yaml",
    "blimp": "blimp/adjunct_island.yaml",
    "boolq": "super_glue/boolq/default.yaml",
    "copa": "super_glue/copa/default.yaml",
    "hellaswag": "hellaswag/hellaswag.yaml",
    "lambada-openai": "lambada/lambada_openai.yaml",
    "openbookqa": "openbookqa/openbookqa.yaml",
    "piqa": "piqa/piqa.yaml",
    "sciq": "sciq/sciq.yaml",
    "wikitext-2": "wikitext/wikitext.yaml",
    "winogrande": "winogrande/default.yaml",
}
"""The file of a benchmark's task below ``lm_eval/tasks``."""

AWKWARD: dict[str, dict[str, Any]] = {
    "arc-challenge": {**ARC, "question": " Which? \n"},
    "arc-easy": ARC,
    "blimp": {"sentence_good": "Who's  in?", "sentence_bad": "In who?", "UID": "adjunct_island"},
    "boolq": {"passage": "{{ x }} (ice) -- It's\ncold. ", "question": "is ice cold", "label": 1},
    "copa": {
        "premise": "Ann fell! ",
        "question": "effect",
        "choice1": "ÄRGER came.",
        "choice2": "I ran. ",
        "label": 1,
    },
    "hellaswag": {
        "activity_label": "Health",
        "ctx_a": "[header] How to [title] [step] run . [substeps] Go.  Then",
        "ctx_b": "you AND Bob",
        "endings": ["  run.", "[step] sit  [title] stay .", "é [x] y", "z "],
        "label": "3",
    },
    "lambada-openai": {"text": "«Don't\ngo», she  said to  Bob"},
    "openbookqa": {
        "question_stem": "Fog is ",
        "choices": {"text": ["wet", " dry", "hot", "red"], "label": ["A", "B", "C", "D"]},
        "answerKey": "C",
    },
    "piqa": {"goal": "how to? ", "sol1": " Run & go", "sol2": "fly\n", "label": 1},
    "sciq": {
        "support": " \n",
        "question": "What?",
        **{f"distractor{n}": f"no {n}" for n in (1, 2, 3)},
        "correct_answer": "yes",
    },
    "wikitext-2": {
        "page": " \n = Ä @-@ B ( 1 @.@ 5 ) = \n \n = = c = = \n The \" dogs ' [ x ] \" 's 1 @,@ 000"
        " ° N ; a : b ! c ? { d } ' e ' . \n = = = f = = = \n"
    },
    "winogrande": {
        "sentence": " Ann_b saw _ , who _ran . ",
        "option1": "the Bo",
        "option2": "Cy",
        "answer": "1",
    },
}


@pytest.mark.parametrize("name", HARNESS)
def test_prompts_are_what_lm_evaluation_harness_makes_of_the_same_row(
    name: str, model: zoo.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness pulls in a hundred packages")
    import datasets
    import lm_eval
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks._yaml_loader import load_yaml

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    row = AWKWARD[name]
    config = load_yaml(Path(lm_eval.__file__).parent / "tasks" / HARNESS[name])
    benchmark = find_benchmark(name)
    source = benchmark.data["test"]
    split = config.get("test_split") or config["validation_split"]
    repository, part = config.pop("dataset_path"), config.pop("dataset_name", None)
    if name != "blimp":  # which the harness has as 67 tasks
        assert source.config == (part or "")
    assert (source.hub, source.split) == (repository, split)
    if benchmark.task == "multiple-choice":
        assert benchmark.metric in {each["metric"] for each in config["metric_list"]}
    for each in ("training_split", "validation_split", "metadata"):
        config.pop(each, None)
    data = {split: datasets.Dataset.from_list([row])}
    theirs = ConfigurableTask(config=config | {"test_split": split, "custom_dataset": lambda: data})

    (seen,) = theirs.eval_docs
    context = theirs.fewshot_context(seen, 0)
    requests = theirs.construct_requests(seen, context, metadata=(name, 0, 1))
    content, gold = questions(model, name, row)

    if benchmark.task == "multiple-choice":
        right = theirs.doc_to_text(seen) if theirs.multiple_input else theirs.doc_to_target(seen)
        assert content == [list(each.args) for each in requests]
        assert int(gold) == (
            right if isinstance(right, int) else theirs.doc_to_choice(seen).index(right)
        )
    elif benchmark.task == "word-prediction":
        assert content == [list(requests.args)]
    else:
        assert (content,) == requests.args
