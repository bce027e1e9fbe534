"""SentencePiece models of the unigram kind, read from their ``.model`` files.

The file is a protocol buffer (google/sentencepiece, src/sentencepiece_model.proto). What we need of
it are three fields, and the tokenizers library does the rest, so neither the protobuf nor the
sentencepiece package is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import CheckpointError

if TYPE_CHECKING:
    import tokenizers

_UNIGRAM = 1


@dataclass(frozen=True)
class SentencePieceModel:
    """Pieces in their order with log-probabilities, and the table of the text normaliser."""

    pieces: list[tuple[str, float]]
    charsmap: bytes

    def backend(self, vocabulary: list[tuple[str, float]], *, unknown: int) -> tokenizers.Tokenizer:
        """The tokenizer that sentencepiece would be, over a family's arrangement of the pieces."""
        from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

        backend = Tokenizer(models.Unigram(vocabulary, unk_id=unknown))
        steps: list[normalizers.Normalizer] = [
            normalizers.Strip(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
        if self.charsmap:
            steps.insert(0, normalizers.Precompiled(self.charsmap))
        backend.normalizer = normalizers.Sequence(steps)
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
        backend.decoder = decoders.Metaspace(prepend_scheme="always")
        return backend


def read_sentencepiece(path: Path) -> SentencePieceModel:
    """Read a ``.model`` file.

    Raises:
        CheckpointError: It is damaged, or a model of another kind than unigram.
    """
    import struct

    pieces: list[tuple[str, float]] = []
    charsmap = b""
    kind: int | bytes = _UNIGRAM
    try:
        for field, value in _fields(path.read_bytes()):
            if field == 1:  # pieces {1: text, 2: score}
                piece = dict(_fields(_bytes(value)))
                score = struct.unpack("<f", _bytes(piece.get(2, b"\0\0\0\0")))[0]
                pieces.append((_bytes(piece[1]).decode(), score))
            elif field == 2:  # trainer_spec {3: model_type}
                kind = dict(_fields(_bytes(value))).get(3, kind)
            elif field == 3:  # normalizer_spec {2: precompiled_charsmap}
                charsmap = _bytes(dict(_fields(_bytes(value))).get(2, b""))
    except (ValueError, KeyError, IndexError, struct.error) as error:
        raise CheckpointError(f"{path.name} is damaged or no sentencepiece model") from error
    if kind != _UNIGRAM or not pieces:
        raise CheckpointError(f"{path.name} is no sentencepiece model of the unigram kind")
    return SentencePieceModel(pieces, charsmap)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protocol-buffer message, in order.

    https://protobuf.dev/programming-guides/encoding/
    """
    place = 0

    def varint() -> int:
        nonlocal place
        number = shift = 0
        while True:
            byte = message[place]
            place += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7

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
