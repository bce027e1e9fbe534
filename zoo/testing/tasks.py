"""What must hold of each task: a row of sample inputs, how to run them, and further laws.

A new task is a row of `CASES`: all rows are held to the same laws (a result for each input, the
same result twice, in a batch as alone, no error but a ZooError), and to those that they name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image, ImageChops
from torch import Tensor

from zoo.errors import ZooError
from zoo.generation import CausalDecoder
from zoo.generation.engine import Refillable
from zoo.image import PalettePreprocessor, image_preprocessor
from zoo.model import Model
from zoo.tasks.two_towers import is_two_towers
from zoo.testing.check import Check, ContractError, described
from zoo.text import TokenBatch

# Of one number computed in two ways, in float32: sums in another order.
TOLERANCE = 1e-4

TEXTS = [
    "A dog runs.",
    "Two women play music in the park while children dance around them.",
    "Paris",
    "我喜欢 café 🙂",
]
# What users send by mistake. None of it is a reason for a traceback.
ODD_TEXTS = ["", " \n", "\ud800", "\0", "word " * 200]


def _cut_off() -> bytes:
    """A picture's file that lacks its second half."""
    file = BytesIO()
    Image.linear_gradient("L").save(file, "PNG")
    return file.getvalue()[: file.tell() // 2]


# What is no picture, or one that cannot be read.
ODD_PICTURES: list[Any] = [
    b"",
    b"no picture",
    _cut_off(),
    Image.new("F", (9, 7)),
    Path("no-such-picture.png"),
    "https://example.com/picture.png",
]
_NEW = 8  # tokens that are generated
_LABELS = ["a dog", "two women and their children", "rain"]  # of different lengths


class HasModel(Protocol):
    """What a check takes its model from, when it runs."""

    @property
    def model(self) -> Model:
        """A model that does the task."""


Law = Callable[[Model, Sequence[Any]], None]


@dataclass(frozen=True)
class Case:
    """How to run one task.

    ``inputs`` are of different sizes, and may depend on the model; ``run`` gives a result for each.
    ``odd`` inputs may be refused, with a ZooError. ``laws`` are what else must hold, by their
    checks' names.
    """

    inputs: Callable[[Model], Sequence[Any]]
    run: Callable[[Model, Sequence[Any]], Sequence[Any]]
    odd: Sequence[Any]
    laws: Mapping[str, Law]


def _texts(model: Model) -> list[str]:
    return TEXTS


def _gaps(model: Model) -> list[str]:
    """The texts, with a gap at the end of each, and one with two."""
    mask = model.preprocessor.tokenizer.mask_token
    if mask is None:
        raise ContractError("the sample's tokenizer has no mask token, which fill-mask needs")
    return [*(f"{text} {mask}" for text in TEXTS), f"{mask} runs {mask}."]


def _pictures(model: Model) -> list[Image.Image]:
    """Colours that change across a picture; wide, tall, tiny, large, gray and transparent ones."""
    sizes = [(83, 61), (40, 97), (5, 3), (640, 480)]
    pictures = [_picture(width, height, seed) for seed, (width, height) in enumerate(sizes)]
    return [*pictures, _picture(50, 50, 7).convert("L"), _picture(64, 32, 8).convert("RGBA")]


def _picture(width: int, height: int, seed: int) -> Image.Image:
    """Soft blobs of any colour: neither flat nor noise, so that resizing leaves something."""
    generator = torch.Generator().manual_seed(seed)
    blobs = torch.randint(256, (5, 6, 3), dtype=torch.uint8, generator=generator)
    return Image.fromarray(blobs.numpy()).resize((width, height), Image.Resampling.BICUBIC)


# Laws


def _close(one: Tensor, other: Tensor, what: str) -> None:
    """Refuse numbers that differ by more than the order of sums explains."""
    if one.shape != other.shape:
        raise ContractError(f"{what} has shape {tuple(other.shape)}, not {tuple(one.shape)}")
    if not (one.isfinite().all() and other.isfinite().all()):
        raise ContractError(f"{what}: some numbers are not finite")
    worst = ((one - other).abs() / (1 + one.abs())).max().item() if one.numel() else 0.0
    if worst > TOLERANCE:
        raise ContractError(
            f"{what}: numbers differ by {worst:.2g}, relative to 1 + their size; at most "
            f"{TOLERANCE:.0e} is rounding"
        )


@torch.inference_mode()
def padding_of_encoders(model: Model, texts: Sequence[str]) -> None:
    """Texts in padded rows, packed into one row, and alone: the same vectors."""
    network: Any = model.network
    two_towers = is_two_towers(model)
    encodings = (model.preprocessor.text if two_towers else model.preprocessor.encode)(texts)

    def vectors(chosen: Sequence[Any], *, packed: bool) -> Sequence[Tensor]:
        batch = TokenBatch(chosen, packed=packed, device=model.device)
        if two_towers:
            return network.embed_texts(batch)
        hidden = network.encoder(
            batch.tokens, positions=batch.positions, segments=batch.segments, mask=batch.mask
        )
        return batch.rows(hidden)

    alone = [vectors([each], packed=False)[0] for each in encodings]
    for packed, where in ((False, "a padded row"), (True, "a row with others")):
        for one, other in zip(alone, vectors(encodings, packed=packed), strict=True):
            _close(one, other, f"encoder: a text in {where}; does attention get mask, untouched?")


def padding_of_labels(model: Model, pictures: Sequence[Any]) -> None:
    """Labels of different lengths are read side by side as each alone."""
    padding_of_encoders(model, TEXTS)


@torch.inference_mode()
def what_is_seen_stays(model: Model, pictures: Sequence[Any]) -> None:
    """A reconstruction paints what was hidden, which is some of a picture, and nothing else."""
    network: Any = model.network
    pixels = image_preprocessor(model.preprocessor)(pictures)
    noise = torch.rand(len(pixels), network.patches, generator=torch.Generator().manual_seed(0))
    painted, hidden = network.reconstruct(pixels, noise)
    if not 0 < hidden.mean() < 1 or not ((hidden == 0) | (hidden == 1)).all():
        raise ContractError(
            "reconstruct: its mask is to be 1 where a patch was hidden, 0 elsewhere"
        )
    _close(pixels * (1 - hidden), painted * (1 - hidden), "reconstruct: what was not hidden")


def _decoder(model: Model) -> Any:  # noqa: ANN401 (a Decoder with a state of its own kind)
    network: Any = model.network
    return network if hasattr(network, "prefill") else CausalDecoder(network, model.device)


def _rows(model: Model, inputs: Sequence[Any]) -> list[list[int]]:
    """The tokens of each text; those of pictures that are cut off, each elsewhere."""
    network: Any = model.network
    if isinstance(model.preprocessor, PalettePreprocessor):
        tokens = model.preprocessor.tokens(model.preprocessor.image(inputs)).tolist()
        return [[network.start, *row[: 5 + 2 * place]] for place, row in enumerate(tokens)]
    texts: Sequence[str] = inputs
    encode = model.preprocessor.encode
    if hasattr(model.network, "prefill"):
        return [list(row) for row in encode(list(texts))]
    return [list(encode(text)) for text in texts]


def _token(number: int, model: Model, logits: Tensor) -> int:
    """Some token; not the most probable, which random networks like to repeat."""
    return (7 * number + 3) % logits.size(-1)


@torch.inference_mode()
def padding_of_decoders(model: Model, inputs: Sequence[Any]) -> None:
    """Prompts of different lengths are read side by side as each alone."""
    decoder, rows = _decoder(model), _rows(model, inputs)
    room = max(map(len, rows)) + 2
    together, _ = decoder.prefill(rows, room=room)
    for row, logits in zip(rows, decoder.predict(together), strict=True):
        alone, _ = decoder.prefill([row], room=room)
        _close(
            decoder.predict(alone)[0],
            logits,
            "a prompt beside longer ones: are the lengths of `expect` heeded, and padding hidden?",
        )


@torch.inference_mode()
def cache_of_causal_decoders(model: Model, inputs: Sequence[Any]) -> None:
    """Tokens read one by one after a prompt give the logits of all at once."""
    network: Any = model.network
    decoder = CausalDecoder(network, model.device)
    row = _rows(model, inputs[:1])[0]
    hidden, state = decoder.prefill([row], room=len(row) + _NEW)
    for number in range(_NEW):
        logits = decoder.predict(hidden)
        whole = network.predict(network(torch.tensor([row])))[:, -1]
        _close(whole, logits, f"logits after {number} cached tokens")
        row = [*row, _token(number, model, logits)]
        hidden = decoder.decode(torch.tensor(row[-1:]), state)


@torch.inference_mode()
def cache_of_encoder_decoders(model: Model, texts: Sequence[str]) -> None:
    """Target tokens one by one give the logits of ``network(source, target)``."""
    network: Any = model.network
    source = _rows(model, texts[:1])[0]
    target = list(network.begin(source))
    hidden, state = network.prefill([source], room=len(target) + _NEW)
    for number in range(_NEW):
        logits = network.predict(hidden)
        whole = network(torch.tensor([source]), torch.tensor([target]))[:, -1]
        _close(whole, logits, f"logits after {number} cached tokens")
        target.append(_token(number, model, logits))
        hidden = network.decode(torch.tensor(target[-1:]), state)


@torch.inference_mode()
def states(model: Model, inputs: Sequence[Any]) -> None:
    """Beams and slots: rows copied, swapped, dropped and replaced go on as if alone."""
    decoder, rows = _decoder(model), _rows(model, inputs[:3])
    room = max(map(len, rows)) + _NEW

    def alone(row: Sequence[int], tokens: Sequence[int]) -> Tensor:
        hidden, state = decoder.prefill([row], room=room)
        for token in tokens:
            hidden = decoder.decode(torch.tensor([token]), state)
        return decoder.predict(hidden)[0]

    def compare(pasts: Sequence[tuple[int, list[int]]], hidden: Tensor, after: str) -> None:
        for (prompt, tokens), ours in zip(pasts, decoder.predict(hidden), strict=True):
            _close(alone(rows[prompt], tokens), ours, f"a row after State.{after}")

    _, state = decoder.prefill(rows[:2], room=room)
    state.expand(2)
    compare(
        [(0, [1]), (0, [2]), (1, [3]), (1, [4])],
        decoder.decode(torch.tensor([1, 2, 3, 4]), state),
        "expand",
    )
    state.reorder(torch.tensor([1, 0, 3, 3]))
    compare(
        [(0, [2, 5]), (0, [1, 6]), (1, [4, 7]), (1, [4, 8])],
        decoder.decode(torch.tensor([5, 6, 7, 8]), state),
        "reorder",
    )
    state.keep([1])
    compare([(1, [4, 7, 1]), (1, [4, 8, 2])], decoder.decode(torch.tensor([1, 2]), state), "keep")

    _, state = decoder.prefill(rows[:2], room=room)
    if isinstance(state, Refillable):
        _, other = decoder.prefill(rows[2:3], room=len(rows[2]))
        state.put(0, other, 0)
        compare([(2, [5]), (1, [6])], decoder.decode(torch.tensor([5, 6]), state), "put")


_PADDING = "padding changes nothing"
_CACHED = "cached = uncached"
_STATES = "beams and slots keep rows apart"
_ENCODER: dict[str, Law] = {_PADDING: padding_of_encoders}


def _labels(model: Model, pictures: Sequence[Any]) -> Sequence[Any]:
    return [each.labels for each in model.classify(list(pictures))]


def _own_labels(model: Model, pictures: Sequence[Any]) -> Sequence[Any]:
    return [each.labels for each in model.zero_shot(list(pictures), _LABELS)]


def _painted(model: Model, pictures: Sequence[Any]) -> Sequence[Any]:
    """What is shown of each, without its name, which has its number in the batch."""
    results = model.reconstruct(list(pictures))
    return [each and (each.original, each.masked, each.reconstructed) for each in results]


def _completed(model: Model, pictures: Sequence[Any]) -> Sequence[Any]:
    """What is shown of each; nothing is drawn, so that its place in a batch does not count."""
    results = model.complete(list(pictures), temperature=0.0)
    return [each and (each.original, each.kept, list(each.completed)) for each in results]


def _vectors(model: Model, pictures: Sequence[Any]) -> Sequence[Any]:
    # To a model that reads too, a string is a text.
    seen = [Path(each) if isinstance(each, str) else each for each in pictures]
    return model.embed(seen)  # type: ignore[return-value]  # a tensor's rows


# How each task is run. Results must be comparable: numbers, texts, tensors, dataclasses of them.
CASES: dict[str, Case] = {
    "fill-mask": Case(_gaps, lambda model, x: model.fill_mask(list(x)), ODD_TEXTS, _ENCODER),
    "text-classification": Case(
        _texts, lambda model, x: model.classify(list(x)), ODD_TEXTS, _ENCODER
    ),
    "zero-shot-classification": Case(
        _texts, lambda model, x: model.zero_shot(list(x), ["music", "sport"]), ODD_TEXTS, _ENCODER
    ),
    "feature-extraction": Case(_texts, lambda model, x: model.embed(list(x)), ODD_TEXTS, _ENCODER),  # type: ignore[arg-type, return-value]  # a tensor's rows
    "image-classification": Case(_pictures, _labels, ODD_PICTURES, {}),
    "image-completion": Case(
        _pictures,
        _completed,
        ODD_PICTURES,
        {_PADDING: padding_of_decoders, _CACHED: cache_of_causal_decoders, _STATES: states},
    ),
    "image-feature-extraction": Case(_pictures, _vectors, ODD_PICTURES, {}),
    "masked-image-modeling": Case(
        _pictures, _painted, ODD_PICTURES, {"what is not hidden stays": what_is_seen_stays}
    ),
    "zero-shot-image-classification": Case(
        _pictures, _own_labels, ODD_PICTURES, {_PADDING: padding_of_labels}
    ),
    "text-generation": Case(
        _texts,
        lambda model, x: model.generate(list(x), max_new_tokens=_NEW),
        ODD_TEXTS,
        {_PADDING: padding_of_decoders, _CACHED: cache_of_causal_decoders, _STATES: states},
    ),
    "text2text-generation": Case(
        _texts,
        lambda model, x: model.answer(list(x), max_new_tokens=_NEW),
        ODD_TEXTS,
        {_PADDING: padding_of_decoders, _CACHED: cache_of_encoder_decoders, _STATES: states},
    ),
    "translation": Case(
        _texts,
        lambda model, x: model.translate(list(x), max_new_tokens=_NEW),
        ODD_TEXTS,
        {_PADDING: padding_of_decoders, _CACHED: cache_of_encoder_decoders, _STATES: states},
    ),
}


def checks_of_task(about: str, task: str, sample: HasModel) -> Iterator[Check]:
    """List the checks of one task."""
    case = CASES[task]
    yield Check(about, "gives a result for each input", partial(_runs, case, sample))
    yield Check(about, "gives the same results twice", partial(_is_deterministic, case, sample))
    yield Check(about, "batch = one by one", partial(_batch_is_single, case, sample))
    for name, law in case.laws.items():
        yield Check(about, name, partial(_obeys, law, case, sample))
    yield Check(about, "refuses odd inputs with a ZooError", partial(_survives, case, sample))


def _runs(case: Case, sample: HasModel) -> str:
    inputs = case.inputs(sample.model)
    results = case.run(sample.model, inputs)
    if len(results) != len(inputs):
        raise ContractError(f"{len(inputs)} inputs gave {len(results)} results")
    for result in results:
        _finite(result)
    return f"{len(inputs)} inputs"


def _is_deterministic(case: Case, sample: HasModel) -> None:
    inputs = case.inputs(sample.model)
    first, second = case.run(sample.model, inputs), case.run(sample.model, inputs)
    for one, other in zip(first, second, strict=True):
        if found := difference(one, other, tolerance=0.0):
            raise ContractError(
                f"the same input twice: {found}; is dropout on, or is a state kept between calls?"
            )


def _batch_is_single(case: Case, sample: HasModel) -> None:
    inputs = case.inputs(sample.model)
    for number, together in enumerate(case.run(sample.model, inputs)):
        (alone,) = case.run(sample.model, [inputs[number]])
        if found := difference(alone, together):
            raise ContractError(
                f"input {number} in a batch: {found}, alone the first; does the mask reach every "
                "layer that mixes positions?"
            )


def _obeys(law: Law, case: Case, sample: HasModel) -> None:
    law(sample.model, case.inputs(sample.model))


def _survives(case: Case, sample: HasModel) -> None:
    model = sample.model
    for odd in case.odd:
        try:
            case.run(model, [odd])
        except ZooError:
            pass
        except Exception as error:
            raise ContractError(
                f"{odd!r:.40} raises {described(error)}; users are to see a ZooError: an "
                "InputError that says what is wrong with the input"
            ) from error


def _finite(result: object) -> None:
    for path, value in _leaves(result):
        if isinstance(value, Tensor) and not value.isfinite().all():
            raise ContractError(f"result{path} has numbers that are not finite")
        if isinstance(value, float) and not torch.tensor(value).isfinite():
            raise ContractError(f"result{path} is {value}")


def difference(one: object, other: object, *, tolerance: float = TOLERANCE) -> str:
    """Where two results differ, numbers by more than a tolerance; empty if they do not."""
    first, second = dict(_leaves(one)), dict(_leaves(other))
    if first.keys() != second.keys():
        path = sorted(first.keys() ^ second.keys())[0]
        return f"only one has result{path}"
    for path, value in first.items():
        twin = second[path]
        if isinstance(value, Tensor) and isinstance(twin, Tensor):
            same = value.shape == twin.shape and torch.allclose(
                value, twin, rtol=tolerance, atol=tolerance
            )
        elif isinstance(value, Image.Image) and isinstance(twin, Image.Image):
            same = value.size == twin.size and _steps_apart(value, twin) <= (tolerance > 0)
        elif isinstance(value, float) and isinstance(twin, float):
            same = abs(value - twin) <= tolerance * (1 + abs(value))
        else:
            same = value == twin
        if not same:
            return f"result{path} is {value!r:.60} and {twin!r:.60}"
    return ""


def _steps_apart(one: Image.Image, other: Image.Image) -> int:
    """By how many of 256 steps pixels differ at most; one step is what rounding may make of a hair.

    Both are RGB, and of one size.
    """
    extrema: Any = ImageChops.difference(one, other).getextrema()
    return max(high for _, high in extrema)


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """The numbers, texts and tensors of a result, and where they stand in it."""
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _leaves(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}[{key!r}]")
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{number}]")
    else:
        yield path, value
