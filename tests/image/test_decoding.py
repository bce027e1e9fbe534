from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.pictures import encoded, kinds, noise, sixteen_bits
from zoo.errors import InputError
from zoo.image import decode

ORIENTATION = 0x0112


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.mode == other.mode and np.array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("turned", range(1, 9))
def test_a_camera_held_sideways_gives_an_upright_picture(turned: int) -> None:
    upright = noise()
    as_stored = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # the camera's 6 asks for a quarter clockwise
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[turned]
    stored = upright if as_stored is None else upright.transpose(as_stored)
    exif = Image.Exif()
    exif[ORIENTATION] = turned

    assert same(decode(encoded(stored, "PNG", exif=exif)), upright)


@pytest.mark.parametrize("kind", ["rgb", "grayscale", "bilevel", "palette", "rgba", "gray-alpha"])
def test_a_picture_keeps_its_colour_mode(kind: str) -> None:
    image = kinds()[kind]
    assert same(decode(encoded(image, "PNG")), image)


def test_a_cmyk_jpeg_is_read_as_pillow_reads_it() -> None:
    data = encoded(kinds()["cmyk"], "JPEG")
    image = decode(data)
    assert image.mode == "CMYK"
    assert same(image, Image.open(BytesIO(data)))


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_of_sixteen_bits_the_upper_eight_are_kept(format_: str) -> None:
    image = decode(encoded(sixteen_bits(), format_))
    wanted = (np.asarray(sixteen_bits()) >> 8).astype(np.uint8)
    assert image.mode == "L"
    assert np.array_equal(np.asarray(image), wanted)


def test_of_an_animation_it_is_the_first_frame() -> None:
    frames = [noise(seed=seed).quantize(16) for seed in range(3)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert same(decode(data).convert("RGB"), frames[0].convert("RGB"))


def test_a_path_the_bytes_and_an_open_picture_are_the_same(tmp_path: Path) -> None:
    data = encoded(noise(), "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    for picture in (path, str(path), data, Image.open(path)):
        assert same(decode(picture), noise())


def test_numbers_without_a_known_white_are_refused() -> None:
    image = Image.fromarray(np.ones((4, 4), dtype=np.float32))
    with pytest.raises(InputError, match=r"x\.tiff holds 32-bit numbers, of which it does not say"):
        decode(encoded(image, "TIFF"), name="x.tiff")


def test_each_unreadable_file_is_an_error_of_one_line_that_names_it(tmp_path: Path) -> None:
    jpeg = encoded(noise(400, 300), "JPEG")
    png = encoded(noise(400, 300), "PNG")
    broken = {
        "cut.jpg": (jpeg[: len(jpeg) // 2], "is damaged or cut off"),
        "cut.png": (png[: len(png) // 2], "is damaged or cut off"),
        "garbled.png": (png[:60] + bytes(60) + png[120:], "is damaged or cut off"),
        "text.jpg": (b"no picture at all", "is no picture in a format that Pillow reads"),
        "empty.jpg": (b"", "is no picture in a format that Pillow reads"),
    }
    for name, (data, reason) in broken.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(InputError) as caught:
            decode(path)
        assert str(caught.value).startswith(f"{path} {reason}")
        assert "\n" not in str(caught.value)


def test_a_missing_file_a_folder_and_a_url_say_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        decode(tmp_path / "nothing.jpg")
    with pytest.raises(InputError, match="Is a directory"):
        decode(tmp_path)
    with pytest.raises(InputError, match="is a URL, which is not fetched"):
        decode("https://example.org/cat.jpg")
    with pytest.raises(InputError, match="is no path"):
        decode("a\0b")


def test_a_decompression_bomb_is_refused_unopened(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(noise(), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InputError, match="photo would unpack to more pixels than is safe"):
        decode(data, name="photo")
