"""Chat templates: how a conversation is written as the one text that a model was trained with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zoo.checkpoint import Files, one_line
from zoo.errors import CheckpointError, InputError

if TYPE_CHECKING:
    from zoo.text.sandbox import Sandbox

Message = Mapping[str, Any]
"""``role`` (``system``, ``user``, ``assistant``, or what else a template knows) and ``content``."""

_SHOWN = 200  # characters of what a template says
_TOKENS = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)


@dataclass(frozen=True)
class ChatTemplate:
    """A checkpoint's own template, a small program in Jinja.

    It writes what ``apply_chat_template`` of transformers writes, with ``add_generation_prompt``:
    the text ends where the model's answer begins. Special tokens are in the text, so it is encoded
    without adding any.

    Args:
        text: The program.
        tokens: Special tokens that it may write, by their names: ``bos_token``, ``eos_token``, ….
        source: What the checkpoint is called in messages.
    """

    text: str
    tokens: Mapping[str, str]
    source: str

    def render(self, messages: Sequence[Message]) -> str:
        """Write a conversation.

        Raises:
            InputError: It is empty or no conversation, or the template refuses it: many want
                ``user`` and ``assistant`` to take turns.
            CheckpointError: The template is no Jinja, fails, or wants more than a template may.
        """
        from jinja2 import TemplateSyntaxError

        from zoo.text.sandbox import RefusedError

        values = {"messages": _checked(messages), "tools": None, "documents": None}
        try:
            return self._sandbox.render({**self.tokens, **values, "add_generation_prompt": True})
        except RefusedError as error:
            raise InputError(
                f"the chat template refuses these messages: {one_line(error):.{_SHOWN}}"
            ) from error
        except TemplateSyntaxError as error:
            raise CheckpointError(
                f"{self.source}: the chat template is no Jinja: line {error.lineno}: "
                f"{one_line(error):.{_SHOWN}}"
            ) from error
        except Exception as error:  # a template can raise anything
            raise CheckpointError(
                f"{self.source}: the chat template fails: {type(error).__name__}: "
                f"{one_line(error):.{_SHOWN}}; generate without it"
            ) from error

    @cached_property
    def _sandbox(self) -> Sandbox:
        from zoo.text.sandbox import Sandbox

        return Sandbox(self.text)


def load_chat_template(files: Files) -> ChatTemplate | None:
    """Read ``chat_template.jinja``, else what ``tokenizer_config.json`` has; None without any.

    Of several with names it is the one named ``default``.

    Raises:
        CheckpointError: There is something else in its place.
    """
    settings = files.json("tokenizer_config.json")
    if "added_tokens_decoder" not in settings:  # the layout of older days
        settings = {**settings, **files.json("special_tokens_map.json")}
    text = settings.get("chat_template")
    if path := files.side_file("chat_template.jinja"):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CheckpointError(
                f"{files.source}: chat_template.jinja cannot be read as UTF-8: {error}"
            ) from error
    elif isinstance(text, list):
        named = [each for each in text if isinstance(each, dict)]
        text = next((each.get("template") for each in named if each.get("name") == "default"), None)
    if text is None:
        return None
    if not isinstance(text, str):
        raise CheckpointError(
            f"{files.source}: tokenizer_config.json: 'chat_template' is {text!r:.60}; expected a "
            "text, or a list of objects with name and template"
        )
    tokens = {name: settings.get(name) for name in _TOKENS}
    contents = {
        name: token.get("content") if isinstance(token, dict) else token
        for name, token in tokens.items()
    }
    texts = {name: token for name, token in contents.items() if isinstance(token, str)}
    return ChatTemplate(text, texts, files.source)


def _checked(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages as plain JSON, which is all that a template may see; without empty fields."""
    if isinstance(messages, str) or not messages:
        raise InputError(
            f"the messages are {messages!r:.40}; expected a list such as "
            "[{'role': 'user', 'content': 'Hello!'}]"
        )
    for message in messages:
        if not isinstance(message, Mapping) or not {"role", "content"} <= message.keys():
            raise InputError(f"a message is {message!r:.60}; expected a dict with role and content")
    kept = [{key: each for key, each in one.items() if each is not None} for one in messages]
    try:
        plain: list[dict[str, Any]] = json.loads(json.dumps(kept))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"a message holds what is no JSON: {one_line(error)}") from error
    return plain
