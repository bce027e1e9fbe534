"""What tasks that paint pictures share."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

GRAY = 127
"""What is shown where a model sees nothing, 0 to 255."""

_GAP = 4  # pixels between two pictures
_SMALL = 128  # pixels; a smaller picture is magnified, so that people see it


def side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one size in a row, on white; tiny ones with every pixel as a square of pixels."""
    width, height = pictures[0].size
    scale = max(1, _SMALL // max(width, height))
    width, height = width * scale, height * scale
    sheet = Image.new("RGB", (len(pictures) * (width + _GAP) - _GAP, height), "white")
    for place, picture in enumerate(pictures):
        shown = picture.resize((width, height), Image.Resampling.NEAREST)
        sheet.paste(shown, (place * (width + _GAP), 0))
    return sheet
