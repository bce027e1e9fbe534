"""What goes to the terminal, or into a pipe: tables, JSON, notes, progress.

Tables are our own: a library for them would cost more to import than a listing may take.
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TextIO

SCHEMA_VERSION = 1
"""Of all JSON that listings print; a change that breaks a reader raises it."""

_OBEYED = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # C1 controls, turns of direction
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)  # but tab, line feed
_GAP = "  "
_NARROWEST = 10  # columns; a cell cut shorter says nothing


def emit(text: str) -> None:
    """Write a line, or several, to standard output."""
    with _standard_output():
        sys.stdout.write(f"{text}\n")


def emit_json(key: str, value: object) -> None:
    """Write a listing as one JSON object: its schema version, and ``key`` with the value."""
    emit(to_json({"schema_version": SCHEMA_VERSION, key: value}, indent=2))


def to_json(value: object, *, indent: int | None = None) -> str:
    """As JSON for standard output, without what a terminal would obey."""
    readable = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = as_json(value, escaped=not readable, indent=indent)
    # JSON escapes some of what a terminal would obey; a checkpoint's labels may hold the rest.
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def as_json(value: object, *, escaped: bool = False, indent: int | None = None) -> str:
    """As JSON. NaN and infinity, which it lacks, become null, and all else a text."""

    def dumped(value: object, *, strict: bool) -> str:
        return json.dumps(
            value, ensure_ascii=escaped, indent=indent, default=as_text, allow_nan=not strict
        )

    try:
        return dumped(value, strict=True)
    except ValueError:  # Python would write NaN, which no other reader takes
        return dumped(_finite(value), strict=False)


def as_text(value: object) -> str:
    """A value that JSON lacks: bytes in base64, all else as Python prints it."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


def _finite(value: object) -> object:
    """The same with null in the place of numbers that are none."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value


def note(message: str, *, kind: str = "note") -> None:
    """Write one line to standard error, above a progress bar if there is one.

    Where standard error takes none, the exit code alone has to tell.
    """
    line = f"{kind}: {printable(message)}"
    tqdm = sys.modules.get("tqdm")
    try:
        if tqdm is not None:
            tqdm.tqdm.write(line, file=sys.stderr)
        else:
            sys.stderr.write(f"{line}\n")
    except OSError:
        _drop(sys.stderr)


def flush() -> None:
    """Write out what is buffered."""
    with _standard_output():
        sys.stdout.flush()


@contextmanager
def _standard_output() -> Iterator[None]:
    """End quietly when the reader has left (``| head -1``), with an error when the disk is full."""
    try:
        yield
    except OSError as error:
        _drop(sys.stdout)
        if isinstance(error, BrokenPipeError):
            sys.exit(141)  # 128 + SIGPIPE, as other programs end
        note(f"cannot write to standard output: {error.strerror}", kind="error")
        sys.exit(1)


def _drop(stream: TextIO) -> None:
    """Let a stream that fails go nowhere: Python flushes it when it ends, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def emit_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, fit: bool = False) -> None:
    """Write rows in columns, under a header if there is one.

    A table that may be cut to ``fit`` is cut on a terminal, to its width: the widest columns become
    narrower, and if that is not enough, the last ones are left out. The first is always whole. In a
    pipe nothing is cut.
    """
    room = shutil.get_terminal_size((0, 0)).columns if fit and sys.stdout.isatty() else 0
    lines = table([header, *rows] if header else rows, room=room or None)
    if lines:
        emit("\n".join(lines))


def table(rows: Sequence[Sequence[str]], *, room: int | None = None) -> list[str]:
    """Lay rows out in columns of equal width, in at most ``room`` places if that is given."""
    cells = [[printable(cell) for cell in row] for row in rows]
    if not cells:
        return []
    natural = [max(map(width, column)) for column in zip(*cells, strict=True)]
    widths = natural if room is None else _fitted(natural, room)
    lines = []
    for row in cells:
        fitted = [_cut(cell, places) for cell, places in zip(row, widths, strict=False)]
        padded = [
            cell + " " * (places - width(cell)) for cell, places in zip(fitted, widths, strict=True)
        ]
        lines.append(_GAP.join(padded).rstrip())
    return lines


def _fitted(natural: Sequence[int], room: int) -> list[int]:
    """The columns' widths: the widest gives way first, then the last are left out."""
    least = [natural[0], *(min(width, _NARROWEST) for width in natural[1:])]
    while len(least) > 1 and sum(least) + len(_GAP) * (len(least) - 1) > room:
        least.pop()
    widths = list(natural[: len(least)])
    while sum(widths) + len(_GAP) * (len(widths) - 1) > room:
        spare = [now - low for now, low in zip(widths, least, strict=True)]
        if not any(spare):
            break
        widest = max((n for n in range(len(widths)) if spare[n]), key=lambda n: widths[n])
        widths[widest] -= 1
    return widths


def _cut(text: str, places: int) -> str:
    if width(text) <= places:
        return text
    kept, used = "", 1  # one place for the dots
    for character in text:
        used += width(character)
        if used > places:
            break
        kept += character
    return f"{kept}…"


def width(text: str) -> int:
    """How many places a text takes on a terminal: a Chinese character two, an accent none."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(
        0 if category(each) in ("Mn", "Me", "Cf") else 1 + (east_asian_width(each) in "WF")
        for each in text
    )


def printable(text: str) -> str:
    """On one line, and without what a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else " " for each in text)


def readable(text: str, *, lines: bool = True) -> str:
    """A generated text without what a terminal would obey; on one line if ``lines`` is not set.

    Unlike `printable` it keeps what joins characters: emoji, Persian and Indian scripts need it.
    """
    shown = _CONTROLS.sub(" ", text)
    return shown if lines else shown.replace("\n", " ")


def emit_pieces(pieces: Iterable[str], *, lines: bool = True) -> None:
    """Write a text as it comes up, and a line feed after it even if it is interrupted.

    It is shown as `readable` says.
    """
    try:
        for piece in pieces:
            with _standard_output():
                sys.stdout.write(readable(piece, lines=lines))
                sys.stdout.flush()
    except KeyboardInterrupt:
        emit("")
        flush()
        raise
    emit("")


def as_count(number: int) -> str:
    """As people say it: 109514298 -> 109.5M."""
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if number >= size:
            return f"{number / size:.1f}{letter}"
    return str(number)


def as_size(number: int) -> str:
    """Bytes as people say them: 440449768 -> 440.4 MB."""
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} B"


def number(value: float | None) -> str:
    """A measured number."""
    return "-" if value is None else f"{value:.4f}"


def interval(low: float | None, high: float | None) -> str:
    """``0.3147 to 0.4094``."""
    return "-" if low is None or high is None else f"{low:.4f} to {high:.4f}"


def shown(value: object) -> str:
    """A text as it is, all else as JSON."""
    return value if isinstance(value, str) else to_json(value)


def plural(number: int, thing: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


@contextmanager
def progress(
    total: int, *, done: int, unit: str, about: str | None = None
) -> Iterator[Callable[[int, int], None]]:
    """Give a function to call with each number of things done, and of tokens generated for them.

    A terminal shows a bar, before it what it is ``about``, and beside it, if any were generated,
    the tokens in a second.
    """
    if not sys.stderr.isatty():
        yield lambda count, tokens: None
        return
    from tqdm import tqdm

    with tqdm(total=total, initial=done, unit=f" {unit}", desc=about, dynamic_ncols=True) as bar:
        started, generated = time.monotonic(), 0

        def advance(count: int, tokens: int) -> None:
            nonlocal generated
            generated += tokens
            if generated:
                bar.set_postfix_str(speed(generated, time.monotonic() - started), refresh=False)
            bar.update(count)

        yield advance


def speed(tokens: int, seconds: float) -> str:
    """``56.7 tokens/s``."""
    return f"{tokens / max(seconds, 1e-9):.1f} tokens/s"
