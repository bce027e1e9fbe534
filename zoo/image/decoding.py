"""From files to pictures: the first frame, upright, whatever its format."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from zoo.checkpoint import one_line
from zoo.errors import InputError

Picture = str | Path | bytes | Image.Image
"""A path, the bytes of a file, or a picture that Pillow holds."""

# Pillow's names of formats with more than 8 bits a channel, grayscale all.
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
_UNKNOWN_RANGE = ("I", "F")


def decode(picture: Picture, *, name: str | None = None) -> Image.Image:
    """Decode a picture in its own colour mode: upright, and with 8 bits a channel.

    Of an animation this is the first frame. The orientation that a camera notes in EXIF is applied.
    A grayscale picture of 16 bits keeps its upper 8, as Pillow does for 16-bit RGB; Pillow's own
    conversion would clip it at 255, and leave it white. Everything else is left to
    `zoo.image.Transform`, because it matters in which order it is done.

    JPEG's draft mode is not used: it decodes large pictures faster, and every pixel differs.

    Args:
        picture: Its file may be in any format that Pillow reads.
        name: What messages call it; a path names itself.

    Raises:
        InputError: There is no such file, it is no picture or a damaged one, it has more pixels
            than Pillow takes for honest, or its numbers have no known range.
    """
    if isinstance(picture, str | Path):
        name = name or str(picture)
        picture = _read(Path(picture), name)
    name = name or "the picture"
    if not isinstance(picture, bytes | Image.Image):
        raise InputError(
            f"{name} is {type(picture).__name__}; expected a path, bytes or an image of Pillow's"
        )
    try:
        image = Image.open(BytesIO(picture)) if isinstance(picture, bytes) else picture
        image.load()
        image = ImageOps.exif_transpose(image)
    except UnidentifiedImageError as error:
        raise InputError(f"{name} is no picture in a format that Pillow reads") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(
            f"{name} would unpack to more pixels than is safe ({one_line(error)}); "
            "make it smaller first"
        ) from error
    except Exception as error:  # damaged bytes make decoders raise anything
        raise InputError(f"{name} is damaged or cut off: {one_line(error)}") from error
    if image.mode in _SIXTEEN_BITS:
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in _UNKNOWN_RANGE:
        raise InputError(
            f"{name} holds 32-bit numbers, of which it does not say where white is; "
            "save it with 8 or 16 bits a channel"
        )
    return image


def _read(path: Path, name: str) -> bytes:
    if name.startswith(("http://", "https://")):
        raise InputError(f"{name} is a URL, which is not fetched; download it first")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # a null byte
        raise InputError(f"{name!a} is no path: {error}") from error
