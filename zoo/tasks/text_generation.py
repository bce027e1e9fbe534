"""``text-generation``: how a text goes on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Unpack

from zoo.errors import CheckpointError, TaskError, UsageError, ZooWarning
from zoo.generation import CausalDecoder, Finish, Generated, Settings, Step
from zoo.generation import generate as generate_tokens
from zoo.generation import steps as generate_steps
from zoo.generation.engine import SLOTS
from zoo.generation.settings import Choices
from zoo.loading import Loaded
from zoo.nn import pack_linears
from zoo.tasks import require
from zoo.tasks.streaming import Streamed
from zoo.text import Message, PromptPreprocessor, TextStream
from zoo.text.preprocessor import check_unicode
from zoo.text.stream import stopper

TASK = "text-generation"


class Options(Choices, total=False):
    """How tokens are chosen and when to stop: as `zoo.generation.Settings`, in texts.

    ``stop`` are strings that end a text and are no part of it; ``bad_words`` words that never come,
    at a beginning or after a space.
    """

    logprobs: int | None
    stop: Sequence[str]
    bad_words: Sequence[str]


@dataclass(frozen=True)
class TokenLogprob:
    """One token, its log-probability by the model, and the most probable tokens with theirs."""

    token: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Continuation:
    """One way that a prompt goes on.

    ``text`` is the new text alone; ``tokens`` how many were generated for it; ``finish`` why it
    ends: a token that ends texts (``end``), a stop string (``stop``) or ``length``. ``score`` is
    what beams compare; ``logprobs`` are there if asked for.
    """

    text: str
    tokens: int
    finish: Finish
    score: float | None
    logprobs: tuple[TokenLogprob, ...]


@dataclass(frozen=True)
class Generation:
    """A prompt and its continuations, best first where beams compare them."""

    prompt: str
    continuations: tuple[Continuation, ...]

    @property
    def text(self) -> str:
        """The text of the first continuation."""
        return self.continuations[0].text

    def to_dict(self) -> dict[str, Any]:
        """As plain lists, dicts and numbers."""
        return asdict(self)


def generate(
    loaded: Loaded, prompts: Sequence[str], **options: Unpack[Options]
) -> list[Generation]:
    """Continue each prompt.

    Prompts of different lengths share batches; the texts are those of one by one.

    Args:
        loaded: Its network is a `zoo.generation.CausalNetwork`.
        prompts: n of them.
        options: See `Options` and `zoo.generation.Settings`.

    Raises:
        InputError: A prompt is empty, or leaves no room in the model's context.
        TaskError: The model does not generate text.
        CheckpointError: The checkpoint's authors ask for a rule that zoo lacks.
        UsageError: An option is out of range, or two contradict each other.
    """
    _, preprocessor = _parts(loaded)
    return _continue(loaded, prompts, [preprocessor.encode(each) for each in prompts], options)


def chat(
    loaded: Loaded, conversations: Sequence[Sequence[Message]], **options: Unpack[Options]
) -> list[Generation]:
    """Answer each conversation, written as the checkpoint's chat template has it.

    Args:
        loaded: As of `generate`, and its checkpoint has a chat template.
        conversations: n lists of messages, each a dict with ``role`` and ``content``.
        options: As of `generate`.

    Raises:
        InputError: The template refuses the messages, or they leave no room in the context.
        CheckpointError: The template fails, or does what no template may.
        TaskError: There is no template, or the model does not generate text.
        UsageError: An option is out of range, or two contradict each other.
    """
    preprocessor = _chatting(loaded)
    written = [preprocessor.encode_chat(messages) for messages in conversations]
    return _continue(loaded, [text for text, _ in written], [row for _, row in written], options)


def _continue(
    loaded: Loaded,
    prompts: Sequence[str],
    encoded: Sequence[Sequence[int]],
    options: Options,
) -> list[Generation]:
    """Continue each prompt from its tokens."""
    decoder, preprocessor = _parts(loaded)
    stops = _words("stop", options)
    settings = _settings(preprocessor, options)
    rows = generate_tokens(
        decoder,
        encoded,
        settings,
        stop=stopper(preprocessor.tokenizer, stops),
        slots=options.get("slots", SLOTS),
    )
    if "max_new_tokens" in options:
        full = [
            each for row in rows for each in row if _is_full(each.finish, each.tokens, settings)
        ]
        _warn_of_full(len(full), decoder, settings)
    return [
        Generation(prompt, tuple(_continuation(each, tokens, preprocessor, stops) for each in row))
        for prompt, tokens, row in zip(prompts, encoded, rows, strict=True)
    ]


def stream(loaded: Loaded, prompt: str, **options: Unpack[Options]) -> Streamed:
    """Continue one prompt, and yield pieces of text as soon as they are certain.

    A piece holds whole characters. All pieces together are the text that `generate` returns.
    Arguments and errors are those of `generate`; without beams, and one sequence.
    """
    _, preprocessor = _parts(loaded)
    return _stream(loaded, preprocessor.encode(prompt), options)


def stream_chat(
    loaded: Loaded, messages: Sequence[Message], **options: Unpack[Options]
) -> Streamed:
    """Answer one conversation piece by piece: to `chat` what `stream` is to `generate`."""
    return _stream(loaded, _chatting(loaded).encode_chat(messages)[1], options)


def _stream(loaded: Loaded, tokens: Sequence[int], options: Options) -> Streamed:
    if options.get("num_beams", 1) != 1 or options.get("sequences", 1) != 1:
        raise UsageError("only a single text can be streamed: without num_beams and sequences")
    decoder, preprocessor = _parts(loaded)
    stops = _words("stop", options)
    settings = _settings(preprocessor, options)
    text = TextStream(preprocessor.tokenizer, tokens, stops)
    stop = stopper(preprocessor.tokenizer, stops)
    steps = generate_steps(decoder, [tokens], settings, stop=stop)
    return Streamed(
        _noted(steps, decoder, settings) if "max_new_tokens" in options else steps, text
    )


def _noted(
    steps: Iterator[Step], decoder: CausalDecoder[Any], settings: Settings
) -> Iterator[Step]:
    """The steps of one text, and a warning where the context ends it."""
    tokens = []
    for step in steps:
        tokens.append(step.token)
        yield step
        _warn_of_full(int(_is_full(step.finish, tokens, settings)), decoder, settings)


def _is_full(finish: Finish | None, tokens: Sequence[int], settings: Settings) -> bool:
    """Whether a text ends because the context does."""
    return finish == "length" and len(tokens) < settings.max_new_tokens


def _warn_of_full(count: int, decoder: CausalDecoder[Any], settings: Settings) -> None:
    """Warn of so many texts that the context has ended."""
    if count:
        texts = "1 text ends" if count == 1 else f"{count} texts end"
        warnings.warn(
            f"{texts} before the {settings.max_new_tokens:,} new tokens asked for: the model's "
            f"context of {decoder.max_length} tokens is full",
            ZooWarning,
            stacklevel=2,
        )


def _chatting(loaded: Loaded) -> PromptPreprocessor:
    """The preprocessor of a model whose checkpoint has a chat template."""
    _, preprocessor = _parts(loaded)
    if preprocessor.chat is None:
        raise TaskError(
            f"{loaded.entry.name} has no chat template, so it was hardly made for chats; "
            "use generate with a prompt"
        )
    return preprocessor


def _parts(loaded: Loaded) -> tuple[CausalDecoder[Any], PromptPreprocessor]:
    require(loaded, TASK)
    network: Any = loaded.network
    preprocessor = loaded.preprocessor
    if not isinstance(preprocessor, PromptPreprocessor):
        raise TypeError(f"{TASK} needs a PromptPreprocessor, not {type(preprocessor).__name__}")
    pack_linears(network)
    return CausalDecoder(network, loaded.device), preprocessor


def _words(name: Literal["stop", "bad_words"], options: Options) -> Sequence[str]:
    """The texts of an option.

    Raises:
        UsageError: It is one text, whose letters would be taken for texts, or one is empty.
        InputError: One is no Unicode.
    """
    words = options.get(name, ())
    if not isinstance(words, list | tuple) or not all(words):
        raise UsageError(f"{name} is {words!r}; expected a list of strings, none of them empty")
    for word in words:
        check_unicode(word, f"{name} {word!r}")
    return words


def _settings(preprocessor: PromptPreprocessor, options: Options) -> Settings:
    """The checkpoint's rules, but for what was chosen, in tokens."""
    if preprocessor.refusal:
        raise CheckpointError(preprocessor.refusal)
    plain: dict[str, Any] = {
        name: value for name, value in options.items() if name not in ("stop", "bad_words", "slots")
    }
    backend = preprocessor.tokenizer.backend
    words = [form for word in _words("bad_words", options) for form in (word, f" {word}")]
    encodings = backend.encode_batch(words, add_special_tokens=False)
    if words:
        plain["bad_words"] = tuple(dict.fromkeys(tuple(encoding.ids) for encoding in encodings))
    return replace(preprocessor.rules, ends=preprocessor.ends, **plain)


def _continuation(
    generated: Generated,
    prompt: Sequence[int],
    preprocessor: PromptPreprocessor,
    stops: Sequence[str],
) -> Continuation:
    stream = TextStream(preprocessor.tokenizer, prompt, stops)
    text = "".join([stream.push(token) for token in generated.tokens]) + stream.finish()

    def shown(token: int) -> str:
        return preprocessor.tokenizer.backend.decode([token], skip_special_tokens=False)

    return Continuation(
        text,
        len(generated.tokens),
        generated.finish,
        generated.score,
        tuple(
            TokenLogprob(shown(token), logprob, tuple((shown(t), p) for t, p in alternatives))
            for token, logprob, alternatives in zip(
                generated.tokens, generated.logprobs, generated.alternatives, strict=False
            )
        ),
    )
