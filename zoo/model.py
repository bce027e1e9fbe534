"""A loaded model with the things it can do as methods: what ``zoo.load`` returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, cast, overload

from zoo import registry
from zoo.loading import Loaded
from zoo.loading import load as load_entry

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.tasks.fill_mask import FilledText
    from zoo.tasks.sequence_to_sequence import Answer
    from zoo.tasks.sequence_to_sequence import Options as SequenceOptions
    from zoo.tasks.streaming import Streamed
    from zoo.tasks.text_classification import Classified
    from zoo.tasks.text_generation import Generation, Options
    from zoo.text import Message
    from zoo.text.pooling import Mode


class Model(Loaded):
    """A network with its weights, its preprocessor, and its tasks.

    One input gives one result, a list gives a list in the same order. A task that the model cannot
    do raises a `TaskError`; a text longer than the model's limit is cut with a `ZooWarning`.
    """

    @overload
    def fill_mask(
        self,
        text: str,
        *,
        top_k: int = ...,
        targets: Sequence[str] | None = ...,
        batch_tokens: int | None = ...,
    ) -> FilledText: ...
    @overload
    def fill_mask(
        self,
        text: list[str],
        *,
        top_k: int = ...,
        targets: Sequence[str] | None = ...,
        batch_tokens: int | None = ...,
    ) -> list[FilledText]: ...
    def fill_mask(
        self,
        text: str | list[str],
        *,
        top_k: int = 5,
        targets: Sequence[str] | None = None,
        batch_tokens: int | None = None,
    ) -> FilledText | list[FilledText]:
        """Fill each ``[MASK]`` of a text; see `zoo.tasks.fill_mask`.

        Example::

            model.fill_mask("A man rides a [MASK].").gaps[0][0].token
        """
        from zoo.tasks.fill_mask import fill_mask

        results = fill_mask(
            self, _listed(text), top_k=top_k, targets=targets, batch_tokens=batch_tokens
        )
        return results[0] if isinstance(text, str) else results

    def embed(
        self,
        text: str | list[str],
        *,
        pooling: Mode | None = None,
        normalize: bool | None = None,
        prompt: str | None = None,
        batch_tokens: int | None = None,
    ) -> Tensor:
        """Embed one text as (C,), or n as (n, C), float32 on the CPU.

        See `zoo.tasks.feature_extraction.embed`.
        """
        from zoo.tasks.feature_extraction import embed

        vectors = embed(
            self,
            _listed(text),
            pooling=pooling,
            normalize=normalize,
            prompt=prompt,
            batch_tokens=batch_tokens,
        )
        return vectors[0] if isinstance(text, str) else vectors

    @overload
    def embed_tokens(
        self, text: str, *, prompt: str | None = ..., batch_tokens: int | None = ...
    ) -> Tensor: ...
    @overload
    def embed_tokens(
        self, text: list[str], *, prompt: str | None = ..., batch_tokens: int | None = ...
    ) -> list[Tensor]: ...
    def embed_tokens(
        self,
        text: str | list[str],
        *,
        prompt: str | None = None,
        batch_tokens: int | None = None,
    ) -> Tensor | list[Tensor]:
        """Embed each of the L tokens of a text: (L, C); see `zoo.tasks.feature_extraction`."""
        from zoo.tasks.feature_extraction import embed_tokens

        results = embed_tokens(self, _listed(text), prompt=prompt, batch_tokens=batch_tokens)
        return results[0] if isinstance(text, str) else results

    @overload
    def classify(
        self, text: str, *, top_k: int = ..., batch_tokens: int | None = ...
    ) -> Classified: ...
    @overload
    def classify(
        self, text: list[str], *, top_k: int = ..., batch_tokens: int | None = ...
    ) -> list[Classified]: ...
    def classify(
        self, text: str | list[str], *, top_k: int = 5, batch_tokens: int | None = None
    ) -> Classified | list[Classified]:
        """Classify with the checkpoint's own classes; see `zoo.tasks.text_classification`."""
        from zoo.tasks.text_classification import classify

        results = classify(self, _listed(text), top_k=top_k, batch_tokens=batch_tokens)
        return results[0] if isinstance(text, str) else results

    @overload
    def zero_shot(
        self,
        text: str,
        labels: Sequence[str],
        *,
        template: str | None = ...,
        multi_label: bool = ...,
        batch_tokens: int | None = ...,
    ) -> Classified: ...
    @overload
    def zero_shot(
        self,
        text: list[str],
        labels: Sequence[str],
        *,
        template: str | None = ...,
        multi_label: bool = ...,
        batch_tokens: int | None = ...,
    ) -> list[Classified]: ...
    def zero_shot(
        self,
        text: str | list[str],
        labels: Sequence[str],
        *,
        template: str | None = None,
        multi_label: bool = False,
        batch_tokens: int | None = None,
    ) -> Classified | list[Classified]:
        """Classify with labels of your own; see `zoo.tasks.zero_shot_classification`."""
        from zoo.tasks.zero_shot_classification import TEMPLATE, zero_shot

        results = zero_shot(
            self,
            _listed(text),
            labels,
            template=TEMPLATE if template is None else template,
            multi_label=multi_label,
            batch_tokens=batch_tokens,
        )
        return results[0] if isinstance(text, str) else results

    @overload
    def generate(self, prompt: str, **options: Unpack[Options]) -> Generation: ...
    @overload
    def generate(self, prompt: list[str], **options: Unpack[Options]) -> list[Generation]: ...
    def generate(
        self, prompt: str | list[str], **options: Unpack[Options]
    ) -> Generation | list[Generation]:
        """Continue a prompt; see `zoo.tasks.text_generation` for the options.

        Example::

            model.generate("To be or not", max_new_tokens=20, temperature=0.8, seed=1).text
        """
        from zoo.tasks.text_generation import generate

        results = generate(self, _listed(prompt), **options)
        return results[0] if isinstance(prompt, str) else results

    def stream(self, prompt: str, **options: Unpack[Options]) -> Streamed:
        """Continue a prompt piece by piece, as `generate` does.

        Example::

            for piece in model.stream("To be or not"):
                print(piece, end="", flush=True)
        """
        from zoo.tasks.text_generation import stream

        return stream(self, prompt, **options)

    @overload
    def chat(self, messages: Sequence[Message], **options: Unpack[Options]) -> Generation: ...
    @overload
    def chat(
        self, messages: Sequence[Sequence[Message]], **options: Unpack[Options]
    ) -> list[Generation]: ...
    def chat(
        self, messages: Sequence[Message] | Sequence[Sequence[Message]], **options: Unpack[Options]
    ) -> Generation | list[Generation]:
        """Answer a conversation, or each of a list of them; see `zoo.tasks.text_generation.chat`.

        Example::

            model.chat([{"role": "user", "content": "Name three rivers."}]).text
        """
        from zoo.tasks.text_generation import chat

        if not messages or isinstance(messages[0], Mapping):
            return chat(self, [cast("Sequence[Message]", messages)], **options)[0]
        return chat(self, cast("Sequence[Sequence[Message]]", messages), **options)

    def stream_chat(self, messages: Sequence[Message], **options: Unpack[Options]) -> Streamed:
        """Answer a conversation piece by piece, as `chat` does."""
        from zoo.tasks.text_generation import stream_chat

        return stream_chat(self, messages, **options)

    @overload
    def answer(self, text: str, **options: Unpack[SequenceOptions]) -> Answer: ...
    @overload
    def answer(self, text: list[str], **options: Unpack[SequenceOptions]) -> list[Answer]: ...
    def answer(
        self, text: str | list[str], **options: Unpack[SequenceOptions]
    ) -> Answer | list[Answer]:
        """Answer a text that says what to do; see `zoo.tasks.text2text_generation`.

        Example::

            model.answer("translate English to German: A dog runs.").text
        """
        from zoo.tasks.text2text_generation import answer

        results = answer(self, _listed(text), **options)
        return results[0] if isinstance(text, str) else results

    def stream_answer(self, text: str, **options: Unpack[SequenceOptions]) -> Streamed:
        """Answer a text piece by piece, as `answer` does without beams."""
        from zoo.tasks.text2text_generation import stream

        return stream(self, text, **options)

    @overload
    def translate(
        self, text: str, *, to: str | None = ..., **options: Unpack[SequenceOptions]
    ) -> Answer: ...
    @overload
    def translate(
        self, text: list[str], *, to: str | None = ..., **options: Unpack[SequenceOptions]
    ) -> list[Answer]: ...
    def translate(
        self, text: str | list[str], *, to: str | None = None, **options: Unpack[SequenceOptions]
    ) -> Answer | list[Answer]:
        """Translate a text; see `zoo.tasks.translation`.

        Example::

            model.translate("Ein Hund rennt.", num_beams=4).text
        """
        from zoo.tasks.translation import translate

        results = translate(self, _listed(text), to=to, **options)
        return results[0] if isinstance(text, str) else results

    def stream_translation(
        self, text: str, *, to: str | None = None, **options: Unpack[SequenceOptions]
    ) -> Streamed:
        """Translate a text piece by piece, as `translate` does without beams."""
        from zoo.tasks.translation import stream

        return stream(self, text, to=to, **options)


def load(
    name: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    compile: bool = False,
    offline: bool | None = None,
    progress: bool = False,
    registries: Sequence[Path] = (),
) -> Model:
    """Load a model by name or source: files, network, weights, preprocessor.

    Example::

        model = zoo.load("all-minilm-l6-v2")
        model.embed(["a dog", "a puppy"])           # (2, 384)

    Args:
        name: A registry's name or alias, ``name@revision``, ``hf:org/repo[@revision]`` or a folder
            that begins with ``./``, ``../``, ``/`` or ``~``.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``; auto is bfloat16 on a GPU that
            computes in it, else float32.
        compile: Whether torch compiles the network at its first use.
        offline: True to ask no network; None to follow ``HF_HUB_OFFLINE``.
        progress: Whether a download shows bars on standard error.
        registries: Further registry files, of which the last counts most.

    Raises:
        ZooError: Of many kinds; see `zoo.errors`.
    """
    # A folder or a repository needs no registry, so none is read unless files were named.
    entry = registry.resolve(name, registry.load_registry(registries) if registries else None)
    loaded = load_entry(
        entry, device=device, dtype=dtype, compile=compile, offline=offline, progress=progress
    )
    return Model(**vars(loaded))


def _listed(text: str | list[str]) -> list[str]:
    return [text] if isinstance(text, str) else text
