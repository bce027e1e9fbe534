"""A loaded model with the things it can do as methods: what ``zoo.load`` returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, Unpack, cast, overload

from zoo import registry
from zoo.errors import InputError, UsageError
from zoo.loading import Loaded
from zoo.loading import load as load_entry

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.image import Picture
    from zoo.tasks.fill_mask import FilledText
    from zoo.tasks.image_completion import Completion
    from zoo.tasks.image_completion import Options as CompletionOptions
    from zoo.tasks.masked_image_modeling import Reconstruction
    from zoo.tasks.picture_search import Ranking
    from zoo.tasks.seeing import OnError
    from zoo.tasks.sequence_to_sequence import Answer
    from zoo.tasks.sequence_to_sequence import Options as SequenceOptions
    from zoo.tasks.streaming import Streamed
    from zoo.tasks.text_classification import Classified
    from zoo.tasks.text_generation import Generation, Options
    from zoo.tasks.zero_shot_image_classification import Classes
    from zoo.text import Message
    from zoo.text.pooling import Mode

P = TypeVar("P", bound="Picture")


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
            self, _texts(text), top_k=top_k, targets=targets, batch_tokens=batch_tokens
        )
        return results if _are_several(text) else results[0]

    def embed(
        self,
        inputs: Picture | list[P],
        *,
        pooling: Mode | None = None,
        normalize: bool | None = None,
        prompt: str | None = None,
        batch_tokens: int | None = None,
        batch_size: int | None = None,
        on_error: OnError | None = None,
    ) -> Tensor:
        """Embed a text or a picture as (C,), or n as (n, C), float32 on the CPU.

        For a model that sees, a string is the path of a picture; for one that reads too, such as a
        CLIP, a string is a text and a ``Path`` a picture. ``pooling``, ``prompt`` and
        ``batch_tokens`` are for texts, ``batch_size`` and ``on_error`` for pictures; see
        `zoo.tasks.feature_extraction`, `zoo.tasks.image_feature_extraction` and
        `zoo.tasks.two_towers`.
        """
        alone = not _are_several(inputs)
        listed = _several(inputs)
        if self._sees_and_reads:
            from zoo.tasks import two_towers

            _only_for("models that read texts alone", pooling=pooling, prompt=prompt)
            vectors = two_towers.embed(
                self,
                listed,
                normalize=bool(normalize),
                batch_tokens=batch_tokens,
                batch_size=batch_size,
                on_error=on_error,
            )
            return vectors[0] if alone else vectors
        if self._sees:
            from zoo.tasks.image_feature_extraction import embed_pictures

            _only_for("texts", pooling=pooling, prompt=prompt, batch_tokens=batch_tokens)
            vectors = embed_pictures(
                self, listed, normalize=bool(normalize), batch_size=batch_size, on_error=on_error
            )
            return vectors[0] if alone else vectors
        from zoo.tasks.feature_extraction import embed

        _only_for("pictures", batch_size=batch_size, on_error=on_error)
        vectors = embed(
            self,
            _texts(inputs),
            pooling=pooling,
            normalize=normalize,
            prompt=prompt,
            batch_tokens=batch_tokens,
        )
        return vectors[0] if alone else vectors

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

        results = embed_tokens(self, _texts(text), prompt=prompt, batch_tokens=batch_tokens)
        return results if _are_several(text) else results[0]

    @overload
    def classify(
        self,
        inputs: Picture,
        *,
        top_k: int = ...,
        batch_tokens: int | None = ...,
        batch_size: int | None = ...,
        on_error: OnError | None = ...,
    ) -> Classified: ...
    @overload
    def classify(
        self,
        inputs: list[P],
        *,
        top_k: int = ...,
        batch_tokens: int | None = ...,
        batch_size: int | None = ...,
        on_error: OnError | None = ...,
    ) -> list[Classified]: ...
    def classify(
        self,
        inputs: Picture | list[P],
        *,
        top_k: int = 5,
        batch_tokens: int | None = None,
        batch_size: int | None = None,
        on_error: OnError | None = None,
    ) -> Classified | list[Classified]:
        """Classify texts or pictures with the checkpoint's own classes.

        For a model that sees, a string is the path of a picture. ``batch_tokens`` is for texts,
        ``batch_size`` and ``on_error`` for pictures; see `zoo.tasks.text_classification` and
        `zoo.tasks.image_classification`.
        """
        listed = _several(inputs)
        if self._sees:
            from zoo.tasks.image_classification import classify_pictures

            _only_for("texts", batch_tokens=batch_tokens)
            results = classify_pictures(
                self, listed, top_k=top_k, batch_size=batch_size, on_error=on_error
            )
        else:
            from zoo.tasks.text_classification import classify

            _only_for("pictures", batch_size=batch_size, on_error=on_error)
            results = classify(self, _texts(inputs), top_k=top_k, batch_tokens=batch_tokens)
        return results if _are_several(inputs) else results[0]

    @overload
    def zero_shot(
        self,
        inputs: Picture,
        labels: Sequence[str] | Classes,
        *,
        template: str | Sequence[str] | None = ...,
        multi_label: bool | None = ...,
        top_k: int | None = ...,
        batch_tokens: int | None = ...,
        batch_size: int | None = ...,
        on_error: OnError | None = ...,
    ) -> Classified: ...
    @overload
    def zero_shot(
        self,
        inputs: list[P],
        labels: Sequence[str] | Classes,
        *,
        template: str | Sequence[str] | None = ...,
        multi_label: bool | None = ...,
        top_k: int | None = ...,
        batch_tokens: int | None = ...,
        batch_size: int | None = ...,
        on_error: OnError | None = ...,
    ) -> list[Classified]: ...
    def zero_shot(
        self,
        inputs: Picture | list[P],
        labels: Sequence[str] | Classes,
        *,
        template: str | Sequence[str] | None = None,
        multi_label: bool | None = None,
        top_k: int | None = None,
        batch_tokens: int | None = None,
        batch_size: int | None = None,
        on_error: OnError | None = None,
    ) -> Classified | list[Classified]:
        """Classify texts or pictures with labels of your own.

        For a model that sees, a string is the path of a picture, and labels may come from
        `prepare_classes`. ``multi_label`` is for texts, ``top_k``, ``batch_size``, ``on_error`` and
        several templates are for pictures; see `zoo.tasks.zero_shot_classification` and
        `zoo.tasks.zero_shot_image_classification`.

        Example::

            model.zero_shot("photo.jpg", ["a dog", "a cat"]).labels[0].label
        """
        listed = _several(inputs)
        if self._sees_and_reads:
            from zoo.tasks.zero_shot_image_classification import Classes, zero_shot_pictures

            _only_for("texts", multi_label=multi_label)
            classes = (
                labels
                if isinstance(labels, Classes)
                else self.prepare_classes(labels, template=template, batch_tokens=batch_tokens)
            )
            results = zero_shot_pictures(
                self, listed, classes, top_k=top_k, batch_size=batch_size, on_error=on_error
            )
        else:
            from zoo.tasks.zero_shot_classification import TEMPLATE, zero_shot

            _only_for("pictures", top_k=top_k, batch_size=batch_size, on_error=on_error)
            results = zero_shot(
                self,
                _texts(inputs),
                cast("Sequence[str]", labels),
                template=TEMPLATE if template is None else cast("str", template),
                multi_label=bool(multi_label),
                batch_tokens=batch_tokens,
            )
        return results if _are_several(inputs) else results[0]

    def prepare_classes(
        self,
        labels: Sequence[str],
        *,
        template: str | Sequence[str] | None = None,
        batch_tokens: int | None = None,
    ) -> Classes:
        """Embed labels once, for many calls of `zero_shot` on pictures.

        See `zoo.tasks.zero_shot_image_classification`.
        """
        from zoo.tasks.zero_shot_image_classification import prepare_classes

        return prepare_classes(self, labels, template=template, batch_tokens=batch_tokens)

    def search(
        self,
        pictures: Sequence[str | Path],
        query: str | Picture,
        *,
        top_k: int | None = None,
        batch_size: int | None = None,
        on_error: OnError | None = None,
        cache: bool = True,
        advance: Callable[[int], object] = lambda count: None,
    ) -> Ranking:
        """Rank files of pictures by how well a text describes them; see `zoo.tasks.picture_search`.

        Example::

            model.search([*Path("photos").rglob("*.jpg")], "a dog on a beach").matches[0].path
        """
        from zoo.tasks.picture_search import search

        if isinstance(pictures, str | Path):
            raise TypeError(f"pictures are a list of paths, not the path {str(pictures)!r}")
        return search(
            self,
            [Path(each) for each in pictures],
            query,
            top_k=top_k,
            batch_size=batch_size,
            on_error=on_error,
            cache=cache,
            advance=advance,
        )

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

        results = generate(self, _texts(prompt), **options)
        return results if _are_several(prompt) else results[0]

    def stream(self, prompt: str, **options: Unpack[Options]) -> Streamed:
        """Continue a prompt piece by piece, as `generate` does.

        Example::

            for piece in model.stream("To be or not"):
                print(piece, end="", flush=True)
        """
        from zoo.tasks.text_generation import stream

        return stream(self, *_texts([prompt]), **options)

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

        results = answer(self, _texts(text), **options)
        return results if _are_several(text) else results[0]

    def stream_answer(self, text: str, **options: Unpack[SequenceOptions]) -> Streamed:
        """Answer a text piece by piece, as `answer` does without beams."""
        from zoo.tasks.text2text_generation import stream

        return stream(self, *_texts([text]), **options)

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

        results = translate(self, _texts(text), to=to, **options)
        return results if _are_several(text) else results[0]

    def stream_translation(
        self, text: str, *, to: str | None = None, **options: Unpack[SequenceOptions]
    ) -> Streamed:
        """Translate a text piece by piece, as `translate` does without beams."""
        from zoo.tasks.translation import stream

        return stream(self, *_texts([text]), to=to, **options)

    @overload
    def reconstruct(
        self,
        picture: Picture,
        *,
        seed: int = ...,
        batch_size: int | None = ...,
        on_error: OnError | None = ...,
    ) -> Reconstruction | None: ...
    @overload
    def reconstruct(
        self,
        picture: list[P],
        *,
        seed: int = ...,
        batch_size: int | None = ...,
        on_error: OnError | None = ...,
    ) -> list[Reconstruction | None]: ...
    def reconstruct(
        self,
        picture: Picture | list[P],
        *,
        seed: int = 0,
        batch_size: int | None = None,
        on_error: OnError | None = None,
    ) -> Reconstruction | list[Reconstruction | None] | None:
        """Hide most of a picture and paint it again; see `zoo.tasks.masked_image_modeling`.

        Example::

            model.reconstruct("photo.jpg").side_by_side().save("painted.png")
        """
        from zoo.tasks.masked_image_modeling import reconstruct

        results = reconstruct(
            self, _several(picture), seed=seed, batch_size=batch_size, on_error=on_error
        )
        return results if _are_several(picture) else results[0]

    @overload
    def complete(
        self, picture: Picture, **options: Unpack[CompletionOptions]
    ) -> Completion | None: ...
    @overload
    def complete(
        self, picture: list[P], **options: Unpack[CompletionOptions]
    ) -> list[Completion | None]: ...
    def complete(
        self, picture: Picture | list[P], **options: Unpack[CompletionOptions]
    ) -> Completion | list[Completion | None] | None:
        """Keep a picture's upper half and write the other; see `zoo.tasks.image_completion`.

        Example::

            model.complete("photo.jpg", sequences=3).side_by_side().save("completed.png")
        """
        from zoo.tasks.image_completion import complete

        results = complete(self, _several(picture), **options)
        return results if _are_several(picture) else results[0]

    @property
    def _sees_and_reads(self) -> bool:
        """Whether the model's inputs are pictures and texts."""
        from zoo.tasks.two_towers import is_two_towers

        return is_two_towers(self)

    @property
    def _sees(self) -> bool:
        """Whether the model's inputs are pictures."""
        from zoo.image import ImagePreprocessor

        return isinstance(self.preprocessor, ImagePreprocessor)


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


def _are_several(inputs: object) -> bool:
    return isinstance(inputs, list | tuple)


def _several(inputs: Picture | Sequence[Picture]) -> list[Picture]:
    return [*inputs] if isinstance(inputs, list | tuple) else [cast("Picture", inputs)]


def _texts(inputs: Picture | Sequence[Picture]) -> list[str]:
    """The inputs of a model that reads.

    Raises:
        InputError: One is no text.
    """
    texts = _several(inputs)
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            place = f", {number} of {len(texts)}" if _are_several(inputs) else ""
            raise InputError(
                f"this model reads texts, and got {type(text).__name__}{place}; expected a text or "
                "a list of texts"
            )
    return cast("list[str]", texts)


def _only_for(kind: str, **options: object) -> None:
    """Refuse options of another kind of input, or of model.

    Raises:
        UsageError: One is given.
    """
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise UsageError(f"{', '.join(given)}: only for {kind}")
