"""Pictures of every kind that decoders and transforms treat differently, made here."""

import io

import numpy as np
from PIL import Image


def noise(width: int = 83, height: int = 61, seed: int = 0) -> Image.Image:
    """Blobs and noise in RGB: neither smooth nor flat, so that each filter shows."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (7, 9, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    rough = smooth + random.integers(-40, 41, smooth.shape)
    return Image.fromarray(rough.clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def sixteen_bits(width: int = 40, height: int = 30) -> Image.Image:
    """A grayscale ramp over the whole range of 16 bits."""
    ramp = np.linspace(0, 65535, width * height).astype(np.uint16).reshape(height, width)
    return Image.fromarray(ramp)


def kinds() -> dict[str, Image.Image]:
    """One picture of each colour mode, by what is special about it."""
    rgb = noise()
    mask = Image.fromarray(np.asarray(noise(seed=1))[:, :, 0].copy())
    rgba = rgb.copy()
    rgba.putalpha(mask)
    gray_alpha = rgb.convert("L")
    gray_alpha.putalpha(mask)
    palette = rgb.quantize(16)
    keyed = palette.copy()
    keyed.info["transparency"] = 3
    return {
        "rgb": rgb,
        "tall": noise(40, 97, seed=2),
        "tiny": noise(5, 3, seed=3),
        "grayscale": rgb.convert("L"),
        "bilevel": rgb.convert("1"),
        "palette": palette,
        "palette-transparent": keyed,
        "rgba": rgba,
        "gray-alpha": gray_alpha,
        "cmyk": rgb.convert("CMYK"),
        "ycbcr": rgb.convert("YCbCr"),
    }
