"""From pictures to numbers: all that happens between a decoded picture and the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from PIL import Image
from torch import Tensor

from zoo.errors import InputError

Resize = Literal["shortest", "squash", "inside", "none"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]

# A picture of 1 x 10000 whose shorter edge becomes 224 would have 500 million pixels.
_MOST_PIXELS = 2**27


@dataclass(frozen=True)
class Transform:
    """The record of everything that changes a number, and what it does to a picture.

    Resize, crop, RGB, rescale, normalise. Pillow resizes, with a filter that covers all pixels it
    shrinks (what others call antialiasing), as the reference libraries do on Pillow pictures: the
    result is equal to theirs, bit by bit.

    Shapes: N pictures, H and W what the network gets.

    Args:
        height: H, pixels.
        width: W, pixels.
        resize: ``shortest``: keep the aspect, the shorter edge becomes ``resize_height``;
            ``squash``: to ``resize_height`` x ``resize_width``, whatever the aspect; ``inside``:
            keep the aspect, as large as fits into them; ``none``: the picture has to have the size.
        resize_height: Before the crop, pixels.
        resize_width: Before the crop, pixels.
        interpolation: Of the resize. Pillow takes the nearest pixel for palette pictures, always.
        crop_offset: Where an odd number of pixels is cut off, the corner moves ``down``
            (transformers) or to the ``even`` number (torchvision, timm, open_clip).
        fill: Colour around a picture that was fitted ``inside``, 0 to 255 each.
        convert: To RGB ``before`` the resize or ``after`` it; for palette and transparent pictures
            the results differ.
        alpha: Transparent pixels lie on ``white``, or transparency is a layer to ``drop``.
        rescale: What a pixel's 0 to 255 is multiplied with.
        mean: Subtracted from each channel after that.
        std: What each channel is divided by after that.

    Raises:
        ValueError: The crop is larger than what is resized to.
    """

    height: int
    width: int
    resize: Resize
    resize_height: int
    resize_width: int
    interpolation: Interpolation
    crop_offset: Literal["down", "even"]
    convert: Literal["before", "after"]
    alpha: Literal["white", "drop"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    rescale: float = 1 / 255
    fill: tuple[int, int, int] = (0, 0, 0)

    def __post_init__(self) -> None:
        if self.resize_height < self.height or self.resize_width < self.width:
            raise ValueError(
                f"pictures are resized to {self.resize_height}x{self.resize_width}, which holds no "
                f"crop of {self.height}x{self.width}"
            )

    def pixels(self, image: Image.Image) -> Tensor:
        """A picture as the network's size: (H, W, 3), 0 to 255.

        Raises:
            InputError: The picture is so long that resizing would explode it; or it has not the
                size that the network wants, and its checkpoint says not to resize.
        """
        if self.convert == "before":
            image = to_rgb(image, self.alpha)
        image = self._crop(self._resized(image))
        if self.convert == "after":
            image = to_rgb(image, self.alpha)
        flat = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
        return flat.view(self.height, self.width, 3)

    def normalize(self, pixels: Tensor) -> Tensor:
        """Pixels, 0 to 255, as the network's numbers: (N, H, W, 3) -> (N, 3, H, W) in float32.

        Wherever the pixels are: moving a byte to a device is cheaper than moving a float.
        """
        tables = self._table.to(pixels.device)
        found = [
            table.index_select(0, channel.flatten().int()).view(channel.shape)  # (N, H, W)
            for table, channel in zip(tables, pixels.unbind(-1), strict=True)
        ]
        return torch.stack(found, dim=1)

    def denormalize(self, values: Tensor) -> Tensor:
        """The network's numbers as pixels again: (N, 3, H, W) -> (N, H, W, 3), 0 to 255."""
        mean = torch.tensor(self.mean, device=values.device).view(3, 1, 1)
        std = torch.tensor(self.std, device=values.device).view(3, 1, 1)
        pixels = (values.float() * std + mean) / self.rescale
        return pixels.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)

    def _resized(self, image: Image.Image) -> Image.Image:
        height, width = self._resized_size(image.height, image.width)
        if height * width > _MOST_PIXELS:
            raise InputError(
                f"it has {image.width}x{image.height} pixels, and would be resized to "
                f"{width}x{height}; cut it to a shape nearer to a square"
            )
        return image.resize((width, height), Image.Resampling[self.interpolation.upper()])

    def _resized_size(self, height: int, width: int) -> tuple[int, int]:
        match self.resize:
            case "squash":
                return self.resize_height, self.resize_width
            case "shortest" if self.resize_height == self.resize_width:
                short, long = sorted((height, width))
                edges = self.resize_height, int(self.resize_height * long / short)
                return edges if height <= width else (edges[1], edges[0])
            case "shortest":
                shrink = min(height / self.resize_height, width / self.resize_width)
            case "inside":
                shrink = max(height / self.resize_height, width / self.resize_width)
            case "none":
                if (height, width) != (self.height, self.width):
                    raise InputError(
                        f"it has {width}x{height} pixels; this model takes {self.width}x"
                        f"{self.height}, and its checkpoint says not to resize"
                    )
                return height, width
        return max(1, round(height / shrink)), max(1, round(width / shrink))

    def _crop(self, image: Image.Image) -> Image.Image:
        """Cut out the middle; what lies outside of the picture is filled."""
        if image.width < self.width or image.height < self.height:
            image = _padded(image, self.width, self.height, self.fill)
        top, left = (
            spare // 2 if self.crop_offset == "down" else round(spare / 2)
            for spare in (image.height - self.height, image.width - self.width)
        )
        return image.crop((left, top, left + self.width, top + self.height))

    @property
    def _table(self) -> Tensor:
        """What each of a channel's 256 values becomes, (3, 256): looked up, it costs the least.

        Rescaled in float64, as transformers does it; for 1/255 that equals a division in float32.
        """
        rescaled = (torch.arange(256, dtype=torch.float64) * self.rescale).float()
        mean, std = torch.tensor(self.mean), torch.tensor(self.std)
        return (rescaled - mean.unsqueeze(1)) / std.unsqueeze(1)


def to_rgb(image: Image.Image, alpha: Literal["white", "drop"]) -> Image.Image:
    """Convert to RGB: transparent pixels lie on ``white``, or transparency is a layer to drop."""
    transparent = "A" in image.getbands() or image.info.get("transparency") is not None
    if alpha == "white" and transparent:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _padded(image: Image.Image, width: int, height: int, fill: tuple[int, int, int]) -> Image.Image:
    """At least so large, with the picture in the middle."""
    size = max(width, image.width), max(height, image.height)
    left, top = (size[0] - image.width) // 2, (size[1] - image.height) // 2
    canvas = Image.new("RGB", size, fill)
    canvas.paste(to_rgb(image, "drop"), (left, top))
    return canvas
