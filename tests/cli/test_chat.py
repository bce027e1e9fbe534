"""Chats: the checkpoint's template around a text, and the loop that a terminal opens."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Zoo
from zoo_cli.output import readable

TEMPLATE = (
    "{% for message in messages %}{% if loop.previtem and loop.previtem.role == message.role %}"
    "{{ raise_exception('two in a row') }}{% endif %}"
    "{{ message.role[0] }}:{{ message.content }}|{% endfor %}a:"
)
USER = {"role": "user", "content": "Hi, you!"}
LONG = ("--max-new-tokens", "50000", "--device", "cpu")
# Drawn, since the best token of a random network hardly depends on what was said before.
DRAWN: dict[str, Any] = {"max_new_tokens": 6, "temperature": 1.5, "seed": 3}
SHORT = ("--max-new-tokens=6", "--temperature=1.5", "--seed=3", "--device=cpu")


@pytest.fixture(scope="session")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random GPT-2 with a chat template; its texts end by their length only."""
    from tests.decoders import save_decoder  # imports transformers, which takes seconds

    folder = tmp_path_factory.mktemp("talker")
    save_decoder("GPT2LMHeadModel", folder, eos_token_id=None, n_positions=60_000)
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    return folder


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random GPT-2 without a template, and 66 positions."""
    from tests.decoders import save_decoder

    folder = tmp_path_factory.mktemp("plain")
    save_decoder("GPT2LMHeadModel", folder, eos_token_id=None)
    return folder


class Terminal:
    """The real command on a terminal of its own, with somebody who types."""

    # The first terminal that the leader of a session opens is its own, whose Ctrl-C it gets.
    OPEN = (
        "import os, sys; terminal = os.open(sys.argv[1], os.O_RDWR); "
        "[os.dup2(terminal, number) for number in (0, 1, 2)]; "
        "os.execv(sys.executable, [sys.executable, '-m', 'zoo_cli', *sys.argv[2:]])"
    )

    def __init__(self, zoo: Zoo, *arguments: str) -> None:
        import pty
        import termios

        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (40, 160))  # a new one has no size, so no room for a bar
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.OPEN, os.ttyname(theirs), *arguments],
            cwd=zoo.folder,
            env={**zoo.environment, "TERM": "dumb", "LC_ALL": "C.UTF-8"},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        self._theirs = theirs  # kept open: the last to close it would lose what is not yet read

    def until(self, mark: str) -> str:
        """What is shown up to a mark, which is taken away."""
        shown = b""
        deadline = time.monotonic() + 60
        while mark.encode() not in shown:
            assert select.select([self._ours], [], [], deadline - time.monotonic())[0], shown
            shown += os.read(self._ours, 1)
        return shown.decode(errors="replace").replace("\r\n", "\n").removesuffix(mark)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def says(self, text: str) -> str:
        """Type a line at the prompt; return all that is shown before the next prompt."""
        self.type(f"{text}\n")
        return self.until(">>> ").partition("\n")[2]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


@pytest.fixture
def terminal(zoo: Zoo) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal(zoo, *arguments))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def answer(shown: str) -> str:
    """The answer alone, without the notes below it."""
    return re.split(r"\nnote: \d+ tokens?, [\d.]+ tokens/s\n", shown)[0]


def test_a_text_gets_the_chat_template_unless_it_is_raw(zoo: Zoo, talker: Path) -> None:
    from tests.decoders import load

    model = load(talker)
    system = {"role": "system", "content": "Be kind."}

    whole = zoo("run", str(talker), "Hi, you!", *SHORT)
    advised = zoo.works("run", str(talker), "Hi, you!", *SHORT, "--system", "Be kind.")
    raw = zoo("run", str(talker), "Hi, you!", *SHORT, "--raw")

    assert whole.stdout == readable(model.chat([USER], **DRAWN).text) + "\n"
    assert whole.stderr.startswith("note: 1 result reached the most tokens allowed")
    assert advised == readable(model.chat([system, USER], **DRAWN).text) + "\n"
    assert raw.stdout == readable(model.generate("Hi, you!", **DRAWN).text) + "\n"
    assert raw.stderr == "", "nobody expects a text that is merely continued to end"
    assert len({whole.stdout, advised, raw.stdout}) == 3


def test_each_text_of_a_file_is_a_conversation_of_its_own(
    zoo: Zoo, talker: Path, tmp_path: Path
) -> None:
    from tests.decoders import load

    texts = ["Hi, you!", "天", "a b c"]
    (tmp_path / "in.txt").write_text("\n".join(texts))

    zoo.works("run", str(talker), *SHORT, "--input", "in.txt", "--output", "out.jsonl")

    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    expected = load(talker).chat([[{**USER, "content": text}] for text in texts], **DRAWN)
    assert [row["text"] for row in rows] == texts
    assert [row["continuation"]["text"] for row in rows] == [each.text for each in expected]


@pytest.mark.parametrize(
    ("template", "code", "message"),
    [
        (None, 2, "--system: ./plain has no chat template, so put it into the prompt"),
        ("{{ raise_exception('no system here') }}", 1, "text 1: the chat template refuses these"),
        ("{% for i in range(10**9) %}{% endfor %}", 1, "the chat template fails: OverflowError"),
        ("{% for %}", 1, "the chat template is no Jinja: line 1: "),
    ],
)
def test_a_template_that_cannot_write_the_chat_is_one_line(
    zoo: Zoo, plain: Path, tmp_path: Path, template: str | None, code: int, message: str
) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    for file in plain.iterdir():
        (folder / file.name).symlink_to(file)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)

    error = zoo.fails(code, "run", "./plain", "Hi", *SHORT, "--system", "x")

    assert message in error


def test_a_chat_goes_on_until_it_is_cleared(
    terminal: Callable[..., Terminal], talker: Path
) -> None:
    from tests.decoders import load

    model = load(talker)
    said: list[Any] = []

    def expected(text: str, *before: dict[str, str]) -> str:
        said.append({"role": "user", "content": text})
        reply = model.chat([*before, *said], **DRAWN).text
        said.append({"role": "assistant", "content": reply})
        return readable(reply)

    screen = terminal("run", str(talker), *SHORT)

    begin = screen.until(">>> ")
    assert begin == f"note: chat with {talker}; /help lists commands, Ctrl-D leaves\n"
    assert answer(screen.says("Hi, you!")) == expected("Hi, you!")
    assert answer(screen.says("  And then? ")) == expected("And then?")
    assert answer(screen.says('"""one\n  two\n/clear"""').partition("... /clear")[2][4:]) == (
        expected("one\n  two\n/clear")
    )
    screen.says("/clear")
    said.clear()
    assert answer(screen.says("Hi, you!")) == expected("Hi, you!")
    screen.says("/system Be kind.")
    said.clear()
    assert screen.says("/system") == "Be kind.\n"
    assert answer(screen.says("Hi, you!")) == expected(
        "Hi, you!", {"role": "system", "content": "Be kind."}
    )
    assert screen.says("/what") == (
        "note: there is no /what; /help lists commands; a text that begins with / stands between "
        '"""\n'
    )
    helped = screen.says("/help")
    assert [line.split()[0] for line in helped.splitlines()] == [
        *("/clear", "/system", "/help", "/exit", '"""TEXT"""', "Ctrl-C")
    ]
    screen.type("/exit\n")
    assert screen.process.wait(30) == 0


def test_ctrl_c_stops_an_answer_and_keeps_what_came(
    terminal: Callable[..., Terminal], talker: Path
) -> None:
    """Kept: the next turn's user follows an assistant, or the template would refuse it."""
    screen = terminal("run", str(talker), *LONG)
    screen.until(">>> ")
    for _ in range(2):
        screen.type("Hi\n")
        screen.until("\n")
        assert os.read(screen._ours, 1), "nothing came"
        time.sleep(0.3)
        screen.type("\x03")
        assert "note: stopped\n" in screen.until(">>> ")

    screen.type("half a line")
    screen.until("half a line")
    time.sleep(0.3)  # readline waits for keys again; a signal just before would wait with it
    screen.type("\x03")
    assert "note: Ctrl-D or /exit leaves" in screen.until(">>> ")
    screen.type("\x04")

    assert screen.process.wait(30) == 0


def test_a_full_context_is_no_end_of_the_loop(
    terminal: Callable[..., Terminal], plain: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    for file in plain.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    screen = terminal("run", "./small", *SHORT)
    screen.until(">>> ")

    first = screen.says("Hi, you!")
    full = screen.says("x y z " * 20)
    screen.says("/clear")

    assert "error: the prompt has " in full
    assert "; or /clear to forget the conversation\n" in full
    assert screen.says("Hi, you!").split("note:")[0] == first.split("note:")[0]


def test_other_models_answer_text_after_text(
    terminal: Callable[..., Terminal], plain: Path, masked: str
) -> None:
    from tests.decoders import load

    expected = readable(load(plain).generate("To be", **DRAWN).text)
    screen = terminal("run", str(plain), *SHORT)
    screen.until(">>> ")
    first = screen.says("To be")
    assert answer(first) == expected
    assert answer(screen.says("To be")) == expected, "one text knows nothing of another"
    assert "there is no /clear" in screen.says("/clear")
    screen.type("\x04")
    assert screen.process.wait(30) == 0

    screen = terminal("run", masked, "--top-k", "2", "--device", "cpu")
    screen.until(">>> ")
    assert screen.says("A [MASK] rides.").count("\n") == 2
    assert screen.says("no gap").startswith("error: ")
    assert screen.says("A [MASK] rides.").count("\n") == 2


def test_a_chat_is_of_single_answers(terminal: Callable[..., Terminal], talker: Path) -> None:
    screen = terminal("run", str(talker), "--num-beams", "2", "--device", "cpu")

    assert screen.process.wait(60) == 2
    assert "error: a chat goes without --num-beams" in screen.until("\n")


def test_where_nobody_types_no_loop_is_opened(zoo: Zoo, talker: Path) -> None:
    assert zoo.fails(2, "run", str(talker)).startswith("no text: pass it as an argument")


def test_how_fast_it_was_is_for_people_only(
    terminal: Callable[..., Terminal], zoo: Zoo, plain: Path, tmp_path: Path
) -> None:
    (tmp_path / "in.txt").write_text("a\nb\n")
    alone = terminal("run", str(plain), "a", *SHORT)
    several = terminal("run", str(plain), *SHORT, "--input", "in.txt", "--output", "out.jsonl")

    shown = alone.until("tokens/s")
    bar = several.until("out.jsonl: 2 texts")
    piped = zoo("run", str(plain), "a", *SHORT)

    assert re.search(r"\nnote: 6 tokens, [\d.]+ $", shown)
    assert re.search(r"2/2 .* texts/s, [\d.]+ tokens/s\]", bar)
    assert piped.stderr == ""


@pytest.mark.parametrize("kind", ["chat", "translation"])
def test_ctrl_c_ends_a_stream_with_what_was_generated(
    zoo: Zoo, talker: Path, tmp_path: Path, kind: str
) -> None:
    if kind == "chat":
        arguments = [str(talker), "Hi"]
    else:
        from tests.marian import save_marian

        save_marian(
            tmp_path / "m",
            eos_token_id=None,
            forced_eos_token_id=None,
            max_position_embeddings=60_000,
        )
        arguments = ["./m", "abc dä.", "--num-beams", "1"]
    process = zoo.start("run", *arguments, *LONG)
    assert process.stdout is not None

    assert select.select([process.stdout], [], [], 60)[0], "nothing came while it generates"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    text, error = process.communicate(timeout=30)

    assert (process.returncode, error) == (130, "")
    assert len(text) > 1
    assert text.endswith("\n")
