"""Tasks that generate text, from the command line; the texts themselves are the library's."""

from __future__ import annotations

import json
import select
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Zoo

PROMPT = "To be, or"


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="session")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random GPT-2 with 66 positions, whose texts end by their length only."""
    from tests.decoders import save_decoder  # imports transformers, which takes seconds

    folder = tmp_path_factory.mktemp("decoder")
    save_decoder("GPT2LMHeadModel", folder, eos_token_id=None)
    return folder


@pytest.fixture(scope="session")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Marian model into two languages."""
    from tests.marian import save_marian

    folder = tmp_path_factory.mktemp("translator")
    save_marian(folder, languages=("deu", "fra"))
    return folder


@pytest.fixture(scope="session")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.test_t5 import save_t5

    folder = tmp_path_factory.mktemp("t5")
    save_t5(folder)
    return folder


def test_one_prompt_is_streamed_and_is_the_text_of_the_library(zoo: Zoo, decoder: Path) -> None:
    from tests.decoders import load

    done = zoo("run", str(decoder), PROMPT, "--max-new-tokens", "12", "--device", "cpu")

    expected = load(decoder).generate(PROMPT, max_new_tokens=12).text
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == shown(expected) + "\n"


def test_several_prompts_have_their_continuations_in_order(zoo: Zoo, decoder: Path) -> None:
    from tests.decoders import load

    prompts = [PROMPT, "Déjà vu", "a"]
    options: dict[str, Any] = {"max_new_tokens": 8, "temperature": 1.5, "top_k": 9}
    options |= {"top_p": 0.9, "min_p": 0.01, "repetition_penalty": 1.2, "logprobs": 2, "seed": 3}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]

    rows = json_lines(zoo.works("run", str(decoder), *prompts, *flags, "--json", "--device", "cpu"))

    expected = load(decoder).generate(prompts, **options)
    assert [row["text"] for row in rows] == prompts
    for row, each in zip(rows, expected, strict=True):
        found = row["continuation"]
        assert (found["text"], found["tokens"], found["finish"]) == (each.text, 8, "length")
        assert [token["logprob"] for token in found["logprobs"]] == pytest.approx(
            [token.logprob for token in each.continuations[0].logprobs]
        )
        assert all(len(token["alternatives"]) == 2 for token in found["logprobs"])


def test_a_text_ends_before_any_of_the_stop_strings(zoo: Zoo, decoder: Path) -> None:
    from tests.decoders import load

    options: dict[str, Any] = {"max_new_tokens": 30, "temperature": 1.5, "seed": 5}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    whole = load(decoder).generate(PROMPT, **options).text
    near, far = [whole[n : n + 2] for n in range(len(whole)) if whole[n].isascii()][1:3]
    command = ("run", str(decoder), PROMPT, *flags, "--stop", far, "--stop", near)

    (row,) = json_lines(zoo.works(*command, "--json", "--device", "cpu"))
    streamed = zoo.works(*command, "--device", "cpu")

    kept = whole[: min(whole.index(near), whole.index(far))]
    assert kept
    assert (row["continuation"]["text"], row["continuation"]["finish"]) == (kept, "stop")
    assert streamed == shown(kept) + "\n"


def test_several_continuations_of_each_prompt(zoo: Zoo, decoder: Path) -> None:
    from tests.decoders import load

    options: dict[str, Any] = {"max_new_tokens": 6, "temperature": 1.5, "seed": 5}
    options |= {"no_repeat_ngram": 1}
    flags = ["--max-new-tokens=6", "--temperature=1.5", "--seed=5", "--no-repeat-ngram-size=1"]
    command = ("run", str(decoder), *flags, "--num-return-sequences=3", "--device", "cpu", PROMPT)

    (row,) = json_lines(zoo.works(*command, "--json"))
    printed = zoo.works(*command)

    expected = [
        each.text for each in load(decoder).generate(PROMPT, sequences=3, **options).continuations
    ]
    assert [each["text"] for each in row["continuations"]] == expected
    assert printed == "".join(f"{shown(each)}\n\n" for each in expected)


def test_several_translations_of_each_text(zoo: Zoo, translator: Path) -> None:
    flags = ("--num-beams=3", "--num-return-sequences=2", "--max-new-tokens=9", "--device=cpu")
    command = ("run", str(translator), "--to", "fra", "abc dä.", "eab!", *flags)

    rows = json_lines(zoo.works(*command, "--json"))
    lines = zoo.works(*command).splitlines()

    assert [len(row["translations"]) for row in rows] == [2, 2]
    assert lines == [shown(each) for row in rows for each in row["translations"]]


def test_a_file_of_prompts_gets_a_column(zoo: Zoo, decoder: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("".join(f'{{"id": {n}, "text": "a{n}"}}\n' for n in (3, 1)))

    zoo.works(
        *("run", str(decoder), "--input", "in.jsonl", "--output", "out.jsonl"),
        *("--max-new-tokens", "4", "--num-beams", "2"),
    )

    rows = json_lines((tmp_path / "out.jsonl").read_text())
    assert [row["id"] for row in rows] == [3, 1]
    assert [row["continuation"]["tokens"] for row in rows] == [4, 4]
    assert all(row["continuation"]["score"] < 0 for row in rows)


def test_a_long_file_has_the_draws_of_one_call(zoo: Zoo, decoder: Path, tmp_path: Path) -> None:
    from tests.decoders import load

    prompts = ["ab" * (n % 5 + 1) for n in range(131)]  # more than are computed at once
    (tmp_path / "in.txt").write_text("".join(f"{prompt}\n" for prompt in prompts))

    zoo.works(
        *("run", str(decoder), "--input", "in.txt", "--output", "out.jsonl", "--seed", "3"),
        *("--max-new-tokens", "3", "--temperature", "1.5", "--device", "cpu"),
    )

    rows = json_lines((tmp_path / "out.jsonl").read_text())
    expected = load(decoder).generate(prompts, max_new_tokens=3, temperature=1.5, seed=3)
    assert [row["continuation"]["text"] for row in rows] == [each.text for each in expected]


def test_a_prompt_that_fills_the_context_is_named_before_any_is_computed(
    zoo: Zoo, decoder: Path, tmp_path: Path
) -> None:
    (tmp_path / "in.txt").write_text("short\n" + "xyz " * 100 + "\n")

    error = zoo.fails(1, "run", str(decoder), "--input", "in.txt", "--output", "out.jsonl")

    assert error.startswith("in.txt:2: the prompt has ")
    assert "the model's context 66" in error
    assert not list(tmp_path.glob("out*"))


def test_ctrl_c_ends_a_stream_with_what_was_generated(zoo: Zoo, tmp_path: Path) -> None:
    from tests.decoders import save_decoder

    folder = tmp_path / "long"
    save_decoder("GPT2LMHeadModel", folder, eos_token_id=None, n_positions=60_000)
    process = zoo.start("run", str(folder), PROMPT, "--max-new-tokens", "50000", "--device", "cpu")

    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 60)[0], "nothing came while it generates"
    process.send_signal(signal.SIGINT)
    text, error = process.communicate(timeout=30)

    assert (process.returncode, error) == (130, "")
    assert len(text) > 1
    assert text.endswith("\n")


def test_translations_are_a_line_each(zoo: Zoo, translator: Path) -> None:
    from tests.marian import load

    texts = ["abc dä.", "eab!", "cc öü"]
    command = ("run", str(translator), "--to", "fra", "--device", "cpu", "--max-new-tokens", "9")

    done = zoo(*command, "--num-beams", "2", stdin="\n".join(texts))
    refused = zoo.fails(1, *command[:2], "--to", "xyz", "abc")

    answers = load(translator).translate(texts, to="fra", num_beams=2, max_new_tokens=9)
    assert done.returncode == 0
    assert done.stdout.split("\n") == [*(shown(each.text) for each in answers), ""]
    cut = sum(each.candidates[0].finish == "length" for each in answers)
    assert cut == 0 or done.stderr.startswith(f"note: {cut} result")
    assert refused == "no target language 'xyz'; this model has deu, fra"


def test_an_unknown_language_is_named_before_any_row_is_computed(
    zoo: Zoo, translator: Path, tmp_path: Path
) -> None:
    (tmp_path / "in.txt").write_text(">>deu<< ab\n" * 130 + ">>xx<< ab\n")

    error = zoo.fails(1, "run", str(translator), "--input", "in.txt", "--output", "out.jsonl")

    assert error == "in.txt:131: no target language 'xx'; this model has deu, fra"
    assert not list(tmp_path.glob("out*"))


def test_one_translation_without_beams_is_a_stream_of_the_same_text(
    zoo: Zoo, translator: Path
) -> None:
    from tests.marian import load

    command = ("run", str(translator), "--to", "fra", "--device", "cpu", "abc dä.", "--seed", "4")

    done = zoo(*command, "--temperature", "3", "--max-new-tokens", "5")

    expected = load(translator).translate(
        "abc dä.", to="fra", temperature=3.0, seed=4, max_new_tokens=5
    )
    assert done.stdout == shown(expected.text) + "\n"
    cut = expected.candidates[0].finish == "length"
    assert done.stderr.startswith("note: 1 result reached") == cut


@pytest.mark.parametrize("task", ["text-generation", "fill-mask"])
def test_a_task_that_a_folder_cannot_do_is_one_line(zoo: Zoo, translator: Path, task: str) -> None:
    error = zoo.fails(2, "run", str(translator), "a", "--task", task)

    assert f"cannot do {task}" in error


def test_text_becomes_another_text(zoo: Zoo, t5: Path) -> None:
    from tests.checkpoints import load

    (row,) = json_lines(
        zoo.works("run", str(t5), "--json", "--device", "cpu", "--max-new-tokens", "7", "abc dä")
    )

    assert row == {"text": "abc dä", "answer": load(t5).answer("abc dä", max_new_tokens=7).text}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--labels", "a"], "--labels is no option of text-generation"),
        (["--batch-tokens", "9"], "--batch-tokens is no option of text-generation"),
        (["--to", "fra"], "did you mean --task translation?"),
        (["--top-p", "0.9"], "--top-p: without --temperature the most probable token is taken"),
        (["--num-beams", "2", "--temperature", "1"], "--num-beams searches for the best text, "),
        (["--num-beams", "2", "--logprobs", "1"], "--logprobs goes without --num-beams"),
        (["--top-p", "0", "--temperature", "1"], "--top-p is 0.0; expected above 0"),
        (["--num-return-sequences", "2"], "--num-return-sequences 2 needs --temperature above 0"),
        (["--stop", ""], "--stop: expected a text that is not empty"),
        (["--raw", "--system", "x"], "--raw leaves the chat template out"),
        (["--temperature", "-1"], "Invalid value for '--temperature'"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    zoo: Zoo, arguments: list[str], message: str
) -> None:
    """By the name of a registry's model, so that nothing needs to be loaded."""
    done = zoo("run", "gpt2", "a", *arguments)

    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def shown(text: str) -> str:
    """As a terminal may show it."""
    from zoo_cli.output import readable

    return readable(text)
