"""``zoo run NAME`` without a text, on a terminal: a chat, or one prompt after the other."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.errors import UsageError, ZooError
from zoo_cli import answers, output
from zoo_cli.files import Row

if TYPE_CHECKING:
    from zoo.model import Model
    from zoo.tasks.streaming import Streamed
    from zoo.text import Message

_QUOTES = '"""'
_ALWAYS = {"/help": "this list", "/exit": "leave, as Ctrl-D does"}
_CHAT = {
    "/clear": "forget the conversation",
    "/system TEXT": "set the system message and begin anew; without TEXT, show it",
}
_KEYS = {
    f"{_QUOTES}TEXT{_QUOTES}": "a text of several lines",
    "Ctrl-C": "stop the answer and keep what came",
}


def is_possible() -> bool:
    """Whether somebody types and reads: both ends are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def loop(model: Model, task: str, options: answers.Options) -> None:
    """Read texts and answer them, until the end of input.

    A model with a chat template answers in the light of all that was said; any other, or one with
    ``--raw``, takes each text for itself.

    Raises:
        UsageError: A chat with options whose result is no single text.
    """
    from zoo_cli.files import from_arguments

    with suppress(ImportError):  # Windows has none, and edits lines itself
        import readline  # noqa: F401 (from now on `input` edits lines and knows earlier ones)

    chatting = answers.chats(model, task, options)
    if chatting and not answers.streams(model, task, options):
        raise UsageError(
            "a chat goes without --num-beams, --num-return-sequences and --logprobs; --raw takes "
            "one prompt after the other"
        )
    commands = _CHAT | _ALWAYS if chatting else _ALWAYS
    conversation = _Conversation(model, options)
    kind = "chat" if chatting else task
    output.note(f"{kind} with {model.entry.name}; /help lists commands, Ctrl-D leaves")
    while (text := _read()) is not None:
        if text.startswith("/"):
            command, _, rest = text.partition(" ")
            if command == "/exit":
                return
            if command not in {each.split()[0] for each in commands}:
                output.note(
                    f"there is no {command}; /help lists commands; a text that begins with / "
                    f"stands between {_QUOTES}"
                )
            elif command == "/help":
                output.emit_table((), list((commands | _KEYS).items()))
            else:
                conversation.obey(command, rest.strip())
            continue
        if text.startswith(_QUOTES):
            text = text.removeprefix(_QUOTES).removesuffix(_QUOTES)
        try:
            (row,) = from_arguments([text]).rows
            if chatting:
                conversation.answer(row.text)
            else:
                _answer(model, task, row.text, options)
        except KeyboardInterrupt:
            output.note("stopped")
        except ZooError as error:
            way_out = "; or /clear to forget the conversation" if conversation.said else ""
            output.note(f"{error}{way_out}", kind="error")


def stream(model: Model, task: str, text: str, options: answers.Options) -> None:
    """Print the answer to one text while it comes up, if `answers.streams` says that it can be."""
    generating = task == "text-generation"
    _show(
        answers.stream(model, task, text, options),
        lines=generating,
        whole=not generating or answers.chats(model, task, options),
    )


def _answer(model: Model, task: str, text: str, options: answers.Options) -> None:
    """Print the answer to one text."""
    if answers.streams(model, task, options):
        stream(model, task, text, options)
    else:
        results = answers.answer(model, task, [Row("text", text, {"text": text})], options).results
        answers.print_plain(task, [text], results, alone=True)


@dataclass
class _Conversation:
    """What was said so far."""

    model: Model
    options: answers.Options
    said: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.system = self.options.get("system")

    def obey(self, command: str, text: str) -> None:
        """Forget what was said, or set or show the system message."""
        if command == "/system" and not text:
            output.emit(output.readable(self.system or "there is no system message"))
            return
        if command == "/system":
            self.system = text
        self.said.clear()

    def answer(self, text: str) -> None:
        """Answer a text, and remember both; of an answer that is stopped, what came."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        asked = [*self.said, {"role": "user", "content": text}]
        streamed = answers.stream_chat(self.model, [*system, *asked], self.options)
        try:
            _show(streamed, whole=True)
        finally:
            if streamed.text:
                self.said = [*asked, {"role": "assistant", "content": streamed.text}]


def _show(streamed: Streamed, *, lines: bool = True, whole: bool) -> None:
    """Print a text while it comes up; then tell people how fast it was.

    A text that should be ``whole`` and reached its allowed length is one to note.
    """
    started = time.monotonic()
    output.emit_pieces(streamed, lines=lines)
    if sys.stderr.isatty() and streamed.tokens:
        pace = output.speed(streamed.tokens, time.monotonic() - started)
        output.note(f"{output.plural(streamed.tokens, 'token')}, {pace}")
    if whole:
        answers.note_cut(int(streamed.finish == "length"))


def _read() -> str | None:
    """The next text that is typed, with its quotes if it has several lines; None at the end."""
    while True:
        try:
            text = input(">>> ").strip()
            while text.startswith(_QUOTES) and not (
                text.endswith(_QUOTES) and len(text) >= 2 * len(_QUOTES)
            ):
                text += "\n" + input("... ").rstrip()
        except EOFError:
            output.emit("")
            return None
        except KeyboardInterrupt:
            output.emit("")
            output.note("Ctrl-D or /exit leaves")
        except UnicodeDecodeError as error:
            output.note(f"what was typed is no {error.encoding}; type it again", kind="error")
        else:
            if text:
                return text
