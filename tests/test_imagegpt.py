"""ImageGPT against transformers: the same tokens, the same numbers, the same pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from PIL import Image

import zoo
from tests.imagegpt import COLORS, EDGE, save, write_preprocessor
from zoo.errors import CheckpointError, InputError, UsageError


def load(folder: Path) -> zoo.Model:
    return zoo.load(str(folder), device="cpu", dtype="float32")


def pictures() -> list[Image.Image]:
    """Soft blobs of any colour: of noise, little but gray remains when it is made smaller."""
    generator = torch.Generator().manual_seed(3)
    blobs = torch.randint(256, (3, 5, 6, 3), dtype=torch.uint8, generator=generator)
    sizes = [(40, 23), (9, 31), (64, 64)]
    return [
        Image.fromarray(blob.numpy()).resize(size) for blob, size in zip(blobs, sizes, strict=True)
    ]


def test_logits_are_those_of_transformers(tmp_path: Path) -> None:
    theirs = save(tmp_path)
    network: Any = load(tmp_path).network
    tokens = torch.randint(COLORS + 1, (3, EDGE * EDGE))

    with torch.inference_mode():
        ours = network.predict(network(tokens))
        expected = theirs(tokens).logits

    assert ours.shape == (3, EDGE * EDGE, COLORS)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


def test_pixels_become_the_tokens_that_transformers_makes_of_them(tmp_path: Path) -> None:
    save(tmp_path)
    preprocessor = load(tmp_path).preprocessor
    theirs = transformers.ImageGPTImageProcessorPil.from_pretrained(tmp_path)

    ours = preprocessor.tokens(preprocessor.image(pictures()))

    expected = [theirs(each, return_tensors="pt")["input_ids"][0] for each in pictures()]
    assert torch.equal(ours, torch.stack(expected).view(3, -1))
    assert len(ours.unique()) > COLORS // 2


def test_the_lower_half_is_what_transformers_writes(tmp_path: Path) -> None:
    theirs = save(tmp_path)
    model = load(tmp_path)
    seen = 4 * EDGE  # round(0.5 * 7) rows

    results = model.complete(pictures(), temperature=0.0)

    for picture, result in zip(pictures(), results, strict=True):
        assert result is not None
        tokens = model.preprocessor.tokens(model.preprocessor.image([picture]))[:, :seen]
        row = torch.cat([torch.tensor([[COLORS]]), tokens], dim=1)
        with torch.inference_mode():
            while row.size(1) < EDGE * EDGE + 1:
                row = torch.cat([row, theirs(row).logits[:, -1].argmax(1, keepdim=True)], dim=1)
        expected = Image.fromarray(model.preprocessor.pixels(row[:, 1:])[0].numpy())
        assert result.completed[0].tobytes() == expected.tobytes()
        assert result.kept.tobytes()[: 3 * seen] == expected.tobytes()[: 3 * seen]
        assert set(result.kept.tobytes()[3 * seen :]) == {127}


def test_older_files_repeat_the_causal_mask(tmp_path: Path) -> None:
    save(tmp_path)
    model = load(tmp_path)
    state = {
        f"transformer.h.{n}.attn.{name}": value
        for n in range(3)
        for name, value in (
            ("bias", torch.ones(1, 1, EDGE * EDGE, EDGE * EDGE).tril()),
            ("masked_bias", torch.tensor(-1e4)),
        )
    }
    from safetensors.torch import load_file, save_file

    path = tmp_path / "model.safetensors"
    save_file(load_file(path) | state, path, metadata={"format": "pt"})

    again = load(tmp_path)

    tokens = torch.arange(9)[None]
    assert torch.equal(model.network(tokens), again.network(tokens))


def test_draws_depend_on_the_seed_and_the_place_alone(tmp_path: Path) -> None:
    save(tmp_path)
    model = load(tmp_path)

    def drawn(some: list[Image.Image], **options: Any) -> list[list[bytes]]:  # noqa: ANN401
        results = model.complete(some, **options)
        return [[each.tobytes() for each in result.completed] for result in results if result]

    all_three = drawn(pictures(), seed=1, sequences=2)

    assert drawn(pictures(), seed=1, sequences=2, batch_size=1) == all_three
    assert drawn(pictures()[2:], seed=1, sequences=2, first_row=2) == all_three[2:]
    assert drawn(pictures(), seed=2, sequences=2) != all_three
    assert all_three[0][0] != all_three[0][1]
    # of a single colour to choose from, there is nothing to draw
    assert drawn(pictures(), top_k=1) == drawn(pictures(), temperature=0.0)


def test_nothing_kept_is_a_picture_of_its_own(tmp_path: Path) -> None:
    save(tmp_path)
    model = load(tmp_path)

    one, other = model.complete(pictures()[:2], keep=0.0, temperature=0.0)

    assert one is not None
    assert other is not None
    assert one.completed[0].tobytes() == other.completed[0].tobytes()
    assert set(one.kept.tobytes()) == {127}


def test_all_stands_side_by_side_and_is_large_enough_to_be_seen(tmp_path: Path) -> None:
    save(tmp_path)
    result = load(tmp_path).complete(pictures()[0], seed=0, sequences=3)
    assert result is not None

    sheet = result.side_by_side()

    edge = EDGE * (128 // EDGE)
    assert sheet.size == (5 * edge + 4 * 4, edge)
    scale = edge // EDGE
    assert sheet.getpixel((scale // 2, scale // 2)) == result.original.getpixel((0, 0))
    assert sheet.getpixel((edge - 1, edge - 1)) == result.original.getpixel((EDGE - 1, EDGE - 1))


def test_a_picture_that_cannot_be_read_leaves_the_others_alone(tmp_path: Path) -> None:
    save(tmp_path)
    model = load(tmp_path)
    failed: list[int] = []
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    mixed: list[Image.Image | Path] = [pictures()[0], broken, pictures()[1]]

    found = model.complete(
        mixed,
        temperature=0.0,
        on_error=lambda number, error: failed.append(number),
    )

    assert [each is None for each in found] == [False, True, False]
    assert failed == [1]
    with pytest.raises(InputError, match=r"broken\.png"):
        model.complete(broken)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": 1.0}, "keep is 1.0; expected a share of the rows, 0 to below 1"),
        ({"keep": -0.1}, "keep is -0.1"),
        ({"keep": float("nan")}, "keep is nan"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"temperature": 0.0, "top_k": 3}, "top_k without a temperature"),
        ({"temperature": 0.0, "sequences": 2}, "2 sequences a prompt need a temperature"),
    ],
)
def test_options_out_of_range_are_refused(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    save(tmp_path)
    with pytest.raises(UsageError, match=message):
        load(tmp_path).complete(pictures()[0], **options)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "expected 'clusters', a list of the 30 colours"),
        ({"clusters": [[0.0, 0.0, 0.0]] * 29}, "a list of the 30 colours"),
        ({"clusters": [[0.0, 0.0]] * 30}, "a list of the 30 colours"),
        ({"clusters": [[0.0, 0.0, float("nan")]] * 30}, "a list of the 30 colours"),
        ({"clusters": "red"}, "a list of the 30 colours"),
        ({"clusters": [["red"] * 3] * 30}, "a list of the 30 colours"),
        ({"clusters": [[0.0] * 3] * 30, "size": 8}, "8x8 pixels, but the network has positions"),
        ({"clusters": [[0.0] * 3] * 30, "do_color_quantize": False}, "do_color_quantize is false"),
    ],
)
def test_a_palette_of_another_model_is_refused(
    fields: dict[str, Any], message: str, tmp_path: Path
) -> None:
    save(tmp_path)
    write_preprocessor(tmp_path, **fields)
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path)


@pytest.mark.parametrize("field", ["add_cross_attention", "scale_attn_by_inverse_layer_idx"])
def test_a_variant_that_would_change_the_numbers_is_refused(field: str, tmp_path: Path) -> None:
    save(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: True}))
    with pytest.raises(CheckpointError, match=field):
        load(tmp_path)


def test_what_our_registry_says_of_checkpoints_can_be_held_against_them(tmp_path: Path) -> None:
    save(tmp_path)
    model = load(tmp_path)
    network: Any = model.network
    known = {*vars(network.config), *model.preprocessor.facts}
    entries = [entry for entry in zoo.list_models() if entry.architecture == "imagegpt"]
    assert len(entries) == 3
    for entry in entries:
        assert set(entry.checkpoint) <= known, entry.name
