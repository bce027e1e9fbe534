"""A contact sheet: pictures side by side on one PNG, each with its labels and their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import InputError, UsageError
from zoo_cli.files import Row, check_folder
from zoo_cli.pictures import COLUMN, save

_CELL = 224  # pixels, the longer edge of a picture
_LINE = 18
_MARGIN = 12
_MOST = 1000  # pictures; a sheet of more is hard to open
_BAR = (214, 228, 245)
_SHOWN = 3  # labels a picture


def check_sheet(path: Path, *, overwrite: bool) -> None:
    """Refuse a file that no sheet can be written to.

    Raises:
        UsageError: It is no .png, its folder is missing, or it is there already.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"--contact-sheet {str(path)!r}: expected a file that ends in .png")
    check_folder(path.parent)
    if path.exists() and not overwrite:
        raise UsageError(f"{str(path)!r} is there already; pass --overwrite to replace it")


def draw(path: Path, shown: Sequence[tuple[Row, Sequence[Mapping[str, Any]]]]) -> None:
    """Draw pictures with what was said of them; beyond a thousand, the first thousand.

    Raises:
        ZooError: The sheet cannot be written.
    """
    from PIL import Image, ImageDraw, ImageFont

    from zoo.image import decode, to_rgb

    shown = shown[:_MOST]
    font, small = ImageFont.load_default(13), ImageFont.load_default(11)
    columns = min(len(shown), max(1, round(len(shown) ** 0.5 * 1.25))) or 1
    rows = -(-len(shown) // columns)
    labels = min(_SHOWN, max((len(result) for _, result in shown), default=0))
    height = _CELL + (labels + 1) * _LINE + 2 * _MARGIN
    width = _CELL + 2 * _MARGIN
    sheet = Image.new("RGB", (columns * width, max(1, rows) * height), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (row, result) in enumerate(shown):
        left = number % columns * width + _MARGIN
        top = number // columns * height + _MARGIN
        try:
            picture = to_rgb(decode(row.text), "white")
        except InputError:  # gone since it was classified
            continue
        picture.thumbnail((_CELL, _CELL))
        sheet.paste(
            picture, (left + (_CELL - picture.width) // 2, top + (_CELL - picture.height) // 2)
        )
        y = top + _CELL + 4
        name = _cut(Path(row.fields.get(COLUMN, row.text)).name, pen, small)
        pen.text((left, y), name, fill="gray", font=small)
        for label in result[:labels]:
            y += _LINE
            pen.rectangle((left, y, left + round(_CELL * label["score"]), y + _LINE - 3), fill=_BAR)
            text = _cut(f"{label['score']:.2f}  {label['label']}", pen, font)
            pen.text((left + 3, y), text, fill="black", font=font)
    save(sheet, path)


def _cut(text: str, pen: Any, font: Any) -> str:  # noqa: ANN401 (Pillow is imported late)
    """The beginning of a text that is not wider than a picture."""
    if pen.textlength(text, font=font) <= _CELL:
        return text
    while text and pen.textlength(f"{text}…", font=font) > _CELL:
        text = text[:-1]
    return f"{text}…"
