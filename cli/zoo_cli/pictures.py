"""Pictures on the command line: files, folders, patterns, lists, URLs; and painted ones."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import HubError, InputError, UsageError
from zoo_cli.files import Inputs, Row, check_folder, read

if TYPE_CHECKING:
    from zoo.model import Model

COLUMN = "picture"

# What is taken of a folder; a file that is named is tried whatever it is called.
_SUFFIXES = frozenset(
    """
    .apng .avif .bmp .dib .gif .jp2 .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .tga .tif .tiff .webp
    """.split()  # noqa: SIM905 (a list of words reads better)
)
_LARGEST = 256 * 2**20  # bytes that one URL may hold
_PATIENCE = 30.0  # seconds without a byte


def find(
    arguments: Sequence[str],
    listed: Path | None,
    column: str | None,
    *,
    lines: Sequence[str],
    allow_url: bool,
) -> Inputs:
    """Find the pictures that a command line names, in order.

    Args:
        arguments: Files, folders (with all below them), patterns, URLs; ``-`` is for ``lines``.
        listed: ``--input``: a folder, or a file with a path a row.
        column: Of that file.
        lines: Paths on standard input.
        allow_url: Whether URLs are fetched, into a folder that goes with the process.

    Raises:
        UsageError: One is a URL that may not be fetched or has no name, or there is no picture.
        InputError: The file with paths is not of its format, or none of the pictures is there.
        HubError: A URL cannot be fetched.
    """
    if listed is not None and not listed.is_dir():
        # A .txt file has no columns to choose from.
        own = None if listed.suffix.lower() == ".txt" else COLUMN
        table = read(listed, column or own)
        schema = table.schema
        rows = [
            Row(row.place, path, row.fields) for row in table.rows for path in _expanded(row.text)
        ]
    else:
        named = [str(listed)] if listed is not None else arguments
        schema = None
        paths = [
            path
            for each in named
            for one in (lines if each == "-" else [each])
            for path in _expanded(one)
        ]
        rows = [Row(path, path, {COLUMN: path}) for path in paths]
    if not rows:
        where = ", ".join(map(repr, arguments)) or repr(str(listed))
        raise UsageError(f"no picture in {where}; expected files such as .jpg or .png")
    urls = [row.text for row in rows if _is_url(row.text)]
    if urls and not allow_url:
        raise UsageError(f"{urls[0]!r} is a URL; pass --allow-url to fetch what it names")
    if not urls and not any(os.path.exists(row.text) for row in rows):  # noqa: PTH110
        others = f", nor any other of the {len(rows):,}" if len(rows) > 1 else ""
        raise InputError(f"no file {rows[0].text!r}{others}; expected a picture such as a .jpg")
    fetched = _fetch(urls)
    return Inputs(
        [Row(row.place, fetched.get(row.text, row.text), row.fields) for row in rows],
        {"pictures": len(rows), "sha256": _fingerprint([row.text for row in rows])},
        schema,
    )


def _expanded(name: str) -> Iterator[str]:
    """A file as it is; of a folder all pictures below it; of a pattern what it matches."""
    if not name.strip():  # Path("") is the working directory
        raise UsageError("a picture without a name; is a variable or a line empty?")
    # Path's own methods raise where a folder may not be searched.
    if _is_url(name) or os.path.isfile(name):  # noqa: PTH113
        yield name
    elif os.path.isdir(name):  # noqa: PTH112
        yield from (
            str(each)
            for each in sorted(Path(name).rglob("*"))
            if each.suffix.lower() in _SUFFIXES and each.is_file()
        )
    elif any(sign in name for sign in "*?["):
        from glob import glob

        for each in sorted(glob(name, recursive=True)):  # noqa: PTH207 (absolute patterns too)
            yield from _expanded(each)
    else:
        yield name  # decoding says what is wrong with it, and goes on with the rest


def _is_url(name: str) -> bool:
    return name.startswith(("http://", "https://"))


def _fetch(urls: Sequence[str]) -> dict[str, str]:
    """Fetch each URL into a file; where it lies, by URL."""
    if not urls:
        return {}
    import atexit
    import shutil
    from urllib.error import URLError
    from urllib.request import urlopen

    folder = tempfile.mkdtemp(prefix="zoo-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    found = {}
    for number, url in enumerate(dict.fromkeys(urls)):
        try:
            with urlopen(url, timeout=_PATIENCE) as answer:
                data = answer.read(_LARGEST + 1)
        except (URLError, OSError, ValueError) as error:
            raise HubError(f"cannot fetch {url}: {getattr(error, 'reason', error)}") from error
        if len(data) > _LARGEST:
            raise HubError(f"{url} is larger than {_LARGEST:,} bytes; download it yourself")
        path = Path(folder, f"{number}{Path(url.partition('?')[0]).suffix}")
        path.write_bytes(data)
        found[url] = str(path)
    return found


def _fingerprint(paths: Sequence[str]) -> str:
    """What tells these pictures from others: names, sizes, times."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            state = Path(path).stat()
            digest.update(f"{path}\0{state.st_size}\0{state.st_mtime_ns}\0".encode())
        except (OSError, ValueError):
            digest.update(f"{path!r}\0".encode())
    return digest.hexdigest()


def check_painting(
    task: str, inputs: Inputs, output: Path | None, *, overwrite: bool
) -> list[Path]:
    """Where each picture that is painted goes: a .png for one, a folder for several.

    Raises:
        UsageError: There is no --output, or it is not that, or a file is there already.
    """
    if output is None or (not output.is_dir() and output.suffix.lower() != ".png"):
        raise UsageError(f"{task}: --output says where to: a .png, or a folder")
    if not output.is_dir() and len(inputs.rows) > 1:
        raise UsageError(
            f"{str(output)!r} is one file, and there are {len(inputs.rows)} pictures; "
            "expected a folder that is there"
        )
    paths = [output]
    check_folder(output if output.is_dir() else output.parent)
    if output.is_dir():
        paths = [output / f"{Path(row.fields[COLUMN]).stem}-painted.png" for row in inputs.rows]
        twice = [str(path) for path in paths if paths.count(path) > 1]
        if twice:
            raise UsageError(f"two pictures would both become {twice[0]!r}; rename one")
    there = [str(path) for path in paths if path.exists()]
    if there and not overwrite:
        raise UsageError(f"{there[0]!r} is there already; pass --overwrite to replace it")
    return paths


def paint(
    model: Model,
    task: str,
    rows: Sequence[Row],
    paths: Sequence[Path],
    options: dict[str, Any],
) -> list[Path | None]:
    """Paint each picture's hidden parts; write original, what is seen and painted as one PNG.

    Returns:
        The file of each picture; None for those that could not be read.
    """
    from zoo_cli import answers

    pictures = [Path(row.text) for row in rows]
    painter: Any = model.complete if task == "image-completion" else model.reconstruct
    results = painter(pictures, on_error=answers.noted(), **options)
    written: list[Path | None] = []
    for result, path in zip(results, paths, strict=True):
        if result is not None:
            save(result.side_by_side(), path)
        written.append(None if result is None else path)
    return written


def save(image: Any, path: Path) -> None:  # noqa: ANN401 (Pillow is imported late)
    """Write a picture whole or not at all.

    Raises:
        ZooError: It cannot be written.
    """
    from zoo_cli.files import whole

    with whole(path) as temporary:
        image.save(temporary, "PNG")
