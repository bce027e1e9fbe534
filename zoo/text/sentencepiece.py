"""SentencePiece models of the unigram kind, read from their ``.model`` files.

The file is a protocol buffer (google/sentencepiece, src/sentencepiece_model.proto). What we need of
it are three fields, and the tokenizers library does the rest, so neither the protobuf nor the
sentencepiece package is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import CheckpointError

if TYPE_CHECKING:
    import tokenizers

_UNIGRAM = 1

# Kinds of piece. Normal and user-defined ones are found in a text; bytes stand for what has none.
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = range(1, 7)

# Switches of the normaliser, all on by default.
_SWITCHES = {3: "add_dummy_prefix", 4: "remove_extra_whitespaces", 5: "escape_whitespaces"}


@dataclass(frozen=True)
class SentencePieceModel:
    """Pieces in their order with log-probabilities, and the table of the text normaliser.

    ``hidden`` are the numbers of pieces that stand for no text, such as ``</s>``: written out in a
    text, they are text. One of them is ``unknown``, which stands for any text without a piece,
    unless there is a piece for each of the 256 ``bytes``.
    """

    pieces: list[tuple[str, float]]
    charsmap: bytes
    hidden: frozenset[int]
    unknown: int
    bytes: bool

    def processor(self) -> tokenizers.Tokenizer:
        """The tokenizer that sentencepiece would be over its own pieces, without special ones."""
        vocabulary = [
            # A zero byte is in no normalised text, so that such a piece is never found.
            (f"\0{piece}" if number in self.hidden else piece, score)
            for number, (piece, score) in enumerate(self.pieces)
        ]
        return self.backend(vocabulary, unknown=self.unknown)

    def backend(self, vocabulary: list[tuple[str, float]], *, unknown: int) -> tokenizers.Tokenizer:
        """The tokenizer that sentencepiece would be, over a family's arrangement of the pieces."""
        from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

        backend = Tokenizer(models.Unigram(vocabulary, unknown, self.bytes))
        steps: list[normalizers.Normalizer] = [
            normalizers.Strip(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
        if self.charsmap:
            steps.insert(0, normalizers.Precompiled(self.charsmap))
        backend.normalizer = normalizers.Sequence(steps)
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
        joined = decoders.Metaspace(prepend_scheme="always")
        backend.decoder = (
            decoders.Sequence([decoders.ByteFallback(), joined]) if self.bytes else joined
        )
        return backend


def read_sentencepiece(path: Path) -> SentencePieceModel:
    """Read a ``.model`` file.

    Raises:
        CheckpointError: It is damaged, or a model of another kind than unigram.
    """
    import math
    import struct

    pieces: list[tuple[str, float]] = []
    charsmap = b""
    kinds: list[int | bytes] = []
    kind: int | bytes = _UNIGRAM
    try:
        for field, value in _fields(path.read_bytes()):
            if field == 1:  # pieces {1: text, 2: score}
                piece = dict(_fields(_bytes(value)))
                score = struct.unpack("<f", _bytes(piece.get(2, b"\0\0\0\0")))[0]
                pieces.append((_bytes(piece[1]).decode(), score))
                kinds.append(piece.get(3, _NORMAL))
            elif field == 2:  # trainer_spec {3: model_type}
                kind = dict(_fields(_bytes(value))).get(3, kind)
            elif field == 3:  # normalizer_spec {2: precompiled_charsmap}
                normalizer = dict(_fields(_bytes(value)))
                charsmap = _bytes(normalizer.get(2, b""))
                for number, switch in _SWITCHES.items():
                    if normalizer.get(number, 1) != 1:
                        raise CheckpointError(f"{path.name} turns {switch} off, which zoo cannot")
    except (ValueError, KeyError, IndexError, struct.error) as error:
        raise CheckpointError(f"{path.name} is damaged or no sentencepiece model") from error
    if kind != _UNIGRAM or not pieces:
        raise CheckpointError(f"{path.name} is no sentencepiece model of the unigram kind")
    if not all(math.isfinite(score) for _, score in pieces):
        raise CheckpointError(f"{path.name} is damaged: a piece's score is no number")
    if kinds.count(_BYTE) not in (0, 256):
        raise CheckpointError(f"{path.name} has pieces for {kinds.count(_BYTE)} of the 256 bytes")
    own = [text for (text, _), kind in zip(pieces, kinds, strict=True) if kind == _USER_DEFINED]
    changed = [
        text
        for text, same in zip(own, _normalized(own, charsmap, path), strict=True)
        if text != same
    ]
    if changed:
        raise CheckpointError(
            f"{path.name} has a user-defined piece, {changed[0]!r}, that its own normaliser "
            "changes, which zoo cannot"
        )
    return SentencePieceModel(
        _scored(pieces, kinds),
        charsmap,
        frozenset(n for n, kind in enumerate(kinds) if kind in (_UNKNOWN, _CONTROL, _UNUSED)),
        kinds.index(_UNKNOWN) if _UNKNOWN in kinds else 0,
        bytes=kinds.count(_BYTE) == 256,
    )


def _normalized(texts: Sequence[str], charsmap: bytes, path: Path) -> list[str]:
    """Texts after the table, which is thereby known to be whole."""
    if not charsmap:
        return list(texts)
    from tokenizers import normalizers

    try:
        table = normalizers.Precompiled(charsmap)
        table.normalize_str("a")
        return [table.normalize_str(text) for text in texts]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the Rust library may panic, which is no Exception
        raise CheckpointError(f"{path.name} is damaged: its normaliser's table is none") from error


def _scored(
    pieces: list[tuple[str, float]], kinds: Sequence[int | bytes]
) -> list[tuple[str, float]]:
    """Pieces with the scores that make one search find what sentencepiece finds by several rules.

    It takes a user-defined piece wherever there is one, by a score better than that of any pieces
    in its stead (src/unigram_model.cc, EncodeOptimized). The file's 0 of bytes would take them
    where a text spells one out, ``<0x41>``; with the worst score it takes other pieces as a rule.
    """
    normal = [score for (_, score), kind in zip(pieces, kinds, strict=True) if kind == _NORMAL]
    worst, best = min(normal, default=0.0), max(normal, default=0.0)
    rules = {
        _USER_DEFINED: lambda text: max(len(text.encode()) * best - 0.1, worst),
        _BYTE: lambda text: worst,
    }
    return [
        (text, rules[kind](text) if kind in (_USER_DEFINED, _BYTE) else score)
        for (text, score), kind in zip(pieces, kinds, strict=True)
    ]


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protocol-buffer message, in order.

    https://protobuf.dev/programming-guides/encoding/
    """
    place = 0

    def varint() -> int:
        nonlocal place
        number = shift = 0
        while shift < 64:  # a longer one is none, and would take a time that is quadratic
            byte = message[place]
            place += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7
        raise ValueError("a number of more than 64 bits")

    while place < len(message):
        key = varint()
        match key & 7:
            case 0:
                yield key >> 3, varint()
            case 1 | 2 | 5 as wire:
                size = varint() if wire == 2 else {1: 8, 5: 4}[wire]
                if place + size > len(message):
                    raise ValueError("truncated")
                yield key >> 3, message[place : place + size]
                place += size
            case wire:
                raise ValueError(f"wire type {wire}")


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number where bytes were expected")  # noqa: TRY004 (a damaged file)
    return value
