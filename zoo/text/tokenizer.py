"""Tokenizers, by the Rust library that wrote ``tokenizer.json``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.checkpoint import Files, one_line
from zoo.errors import CheckpointError, InputError
from zoo.text.sentencepiece import read_sentencepiece

if TYPE_CHECKING:
    import tokenizers

# How byte-level BPE and sentencepiece mark a token that begins a word.
_WORD_STARTS = ("Ġ", "▁")


class Tokenizer:
    """Text to token numbers, and back.

    Args:
        backend: Of the tokenizers library; what it was saved with of truncation and padding is
            dropped, since those depend on the use, not on the vocabulary.
        mask_token: What stands for a hidden token, if the vocabulary has such a thing.
        source: What the checkpoint is called in messages.
    """

    def __init__(
        self, backend: tokenizers.Tokenizer, *, mask_token: str | None, source: str
    ) -> None:
        backend.no_truncation()
        backend.no_padding()
        self.backend = backend
        self.mask_token = mask_token
        self._source = source
        self._vocabulary: int | None = None
        self.mask_id = None if mask_token is None else backend.token_to_id(mask_token)
        if mask_token is not None and self.mask_id is None:
            raise CheckpointError(f"{source}: mask token {mask_token!r} is not in the vocabulary")

    def fit(self, vocabulary: int) -> None:
        """Say how many tokens the network knows.

        Numbers may have gaps, and to look at each takes as long as to load a small model; so one
        that is too large is found when it comes up, by `checked`.

        Raises:
            CheckpointError: There are more tokens than that.
        """
        tokens = self.backend.get_vocab_size()
        if tokens > vocabulary:
            raise CheckpointError(
                f"{self._source}: the tokenizer has {tokens} tokens, "
                f"but the network knows {vocabulary} only"
            )
        self._vocabulary = vocabulary

    def checked(self, ids: list[int]) -> list[int]:
        """Token numbers that the network knows.

        Raises:
            CheckpointError: One is not.
        """
        if self._vocabulary is not None and max(ids, default=0) >= self._vocabulary:
            raise CheckpointError(
                f"{self._source}: the tokenizer gives {self.backend.id_to_token(max(ids))!r} the "
                f"number {max(ids)}, but the network knows {self._vocabulary} tokens only"
            )
        return ids

    def encode(
        self, texts: Sequence[str] | Sequence[tuple[str, str]], *, max_length: int
    ) -> list[tokenizers.Encoding]:
        """Tokenize texts, or pairs of texts, with the special tokens the model was trained with.

        What exceeds ``max_length`` tokens is cut from the end of the (first) text and kept in the
        encoding's ``overflowing``.

        Raises:
            InputError: The second text of a pair leaves no room for the first, or a text has no
                tokens at all, such as one of control characters.
        """
        self.backend.enable_truncation(max_length, strategy="only_first")
        try:
            encodings = self.backend.encode_batch(list(texts))
        except Exception as error:  # the Rust library raises no narrower type
            if "truncat" not in str(error).lower():
                raise
            raise InputError(
                f"a pair's second text does not fit into {max_length} tokens beside the first; "
                "shorten it"
            ) from error
        for text, encoding in zip(texts, encodings, strict=True):
            if not encoding.ids:
                raise InputError(f"{text!r:.40} has no tokens; expected at least one word")
            self.checked(encoding.ids)
        return encodings

    def lower_case(self) -> None:
        """Lower-case all text from now on, before any other step but the search for special tokens.

        As sentence-transformers does for a checkpoint that asks for it.
        """
        from tokenizers import normalizers

        normalizer = self.backend.normalizer
        if isinstance(normalizer, normalizers.BertNormalizer) and normalizer.lowercase:
            return
        steps: list[normalizers.Normalizer] = [normalizers.Lowercase()]
        self.backend.normalizer = normalizers.Sequence(
            steps if normalizer is None else [*steps, normalizer]
        )

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without special ones."""
        text: str = self.backend.decode(list(tokens), skip_special_tokens=True)
        return text

    def word_ids(self, word: str) -> list[int]:
        """The tokens of a word as it stands after a space, without special ones.

        What is no single token there may be one as it is written: ``##s``, ``Ġthe``.
        """
        encoding = self.backend.encode(f" {word}", add_special_tokens=False)
        ids = [token for token in encoding.ids if self.word(token)]
        as_written = self.backend.token_to_id(word)
        return self.checked(ids if len(ids) == 1 or as_written is None else [as_written])

    @property
    def unknown_id(self) -> int | None:
        """What stands for all that the vocabulary lacks, if there is such a token."""
        token: str | int | None = getattr(self.backend.model, "unk_token", None)
        return None if token is None else self.backend.token_to_id(str(token))

    def word(self, token: int) -> str:
        """One token as a person reads it: without the mark of a word's beginning."""
        return self.backend.decode([token], skip_special_tokens=False).strip()

    def fill(self, text: str, gap: int, token: int) -> str:
        """The text with its mask number ``gap``, counted from 0, replaced by a token."""
        masks = str(self.mask_token)
        parts = text.split(masks)
        before, after = masks.join(parts[: gap + 1]), masks.join(parts[gap + 1 :])
        piece = str(self.backend.id_to_token(token))
        if piece.startswith("##"):  # WordPiece's mark of a word that goes on
            return f"{before.rstrip()}{piece[2:]}{after}"
        if not piece.startswith(_WORD_STARTS):
            return f"{before}{self.word(token)}{after}"
        space = " " if before.strip() else ""
        return f"{before.rstrip()}{space}{self.word(token)}{after}"


def load_tokenizer(files: Files) -> Tokenizer:
    """Read ``tokenizer.json``, or build a tokenizer from the vocabulary files of older days.

    Raises:
        CheckpointError: There is none, or it is damaged.
    """
    import tokenizers

    settings = files.json("tokenizer_config.json")
    for name in ("add_prefix_space", "do_lower_case", "strip_accents", "tokenize_chinese_chars"):
        given = settings.get(name, False)
        if not isinstance(given, bool) and (name, given) != ("strip_accents", None):
            raise CheckpointError(
                f"{files.source}: tokenizer_config.json: {name!r} is {given!r:.60}; "
                "expected true or false"
            )
    if path := files.side_file("tokenizer.json"):
        try:
            backend = tokenizers.Tokenizer.from_file(str(path))
            backend.encode("a", "a")  # special tokens that it lacks show here only
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the Rust library may panic, which is no Exception
            raise CheckpointError(
                f"{files.source}: tokenizer.json is damaged: {one_line(error)}"
            ) from error
        _apply_bert_settings(backend, settings)
    elif path := files.side_file("vocab.txt"):
        backend = _wordpiece(_lines(path, files.source), settings, files.source)
    elif (found := _byte_level_bpe(files, settings)) is not None:
        backend = found
    elif path := files.side_file("sentencepiece.bpe.model"):
        backend = _xlm_roberta(path)
    elif path := files.side_file("spiece.model"):
        backend = _t5(path, settings, files.source)
    else:
        raise CheckpointError(
            f"{files.source}: no tokenizer; expected tokenizer.json, vocab.txt, vocab.json with "
            "merges.txt, sentencepiece.bpe.model or spiece.model"
        )
    mask = settings.get("mask_token") or files.json("special_tokens_map.json").get("mask_token")
    if isinstance(mask, dict):
        mask = mask.get("content")
    if not isinstance(mask, str | None):
        raise CheckpointError(f"{files.source}: mask_token is {mask!r:.60}; expected a string")
    if mask is None:
        mask = next((x for x in ("[MASK]", "<mask>") if backend.token_to_id(x) is not None), None)
    return Tokenizer(backend, mask_token=mask, source=files.source)


def _lines(path: Path, source: str) -> list[str]:
    """The lines of a file; not by splitlines, which also ends them at tokens such as U+2028.

    Raises:
        CheckpointError: The file is no text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{source}: {path.name} is no text in UTF-8: {error}") from error
    return text.removesuffix("\n").split("\n")


def _wordpiece(
    vocabulary: list[str], settings: dict[str, Any], source: str
) -> tokenizers.Tokenizer:
    """BERT's tokenizer from ``vocab.txt``. google-research/bert, tokenization.py."""
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

    numbers = {token: number for number, token in enumerate(vocabulary)}
    missing = [token for token in ("[UNK]", "[CLS]", "[SEP]") if token not in numbers]
    if missing:
        raise CheckpointError(f"{source}: vocab.txt has no {', '.join(missing)}")
    backend = Backend(models.WordPiece(numbers, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(
        lowercase=settings.get("do_lower_case", True),
        strip_accents=settings.get("strip_accents"),
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.post_processor = processors.BertProcessing(
        ("[SEP]", numbers["[SEP]"]), ("[CLS]", numbers["[CLS]"])
    )
    backend.add_special_tokens(
        [token for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if token in numbers]
    )
    return backend


def from_byte_pairs(
    files: Files,
    make: Callable[[dict[str, Any], list[tuple[str, str]]], tokenizers.Tokenizer],
) -> tokenizers.Tokenizer | None:
    """Make a tokenizer of the tokens in ``vocab.json`` and the pairs in ``merges.txt``, if there.

    Raises:
        CheckpointError: One is damaged, or they do not fit together.
    """
    vocabulary, merges = files.path("vocab.json"), files.side_file("merges.txt")
    if vocabulary is None or merges is None:
        return None
    numbers, lines = files.json("vocab.json"), _lines(merges, files.source)
    rows = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    try:
        return make(numbers, [(left, right) for left, right in rows])
    except Exception as error:  # the Rust library raises no narrower type
        raise CheckpointError(
            f"{files.source}: vocab.json and merges.txt do not fit together: {one_line(error)}"
        ) from error


def _byte_level_bpe(files: Files, settings: dict[str, Any]) -> tokenizers.Tokenizer | None:
    """Byte-level BPE from ``vocab.json`` and ``merges.txt``: RoBERTa's tokenizer or GPT-2's."""
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, pre_tokenizers

    backend = from_byte_pairs(files, lambda numbers, merges: Backend(models.BPE(numbers, merges)))
    if backend is None:
        return None
    numbers = files.json("vocab.json")
    prefix = settings.get("add_prefix_space", False)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    backend.decoder = decoders.ByteLevel()
    # OPT has RoBERTa's tokens and GPT-2's way with them; what the files say counts.
    if str(settings.get("tokenizer_class")).startswith("GPT2") or "<|endoftext|>" in numbers:
        _as_gpt2(backend, numbers, settings | files.json("special_tokens_map.json"))
    else:
        _as_roberta(backend, numbers, files.source)
    return backend


def _as_roberta(backend: tokenizers.Tokenizer, numbers: dict[str, Any], source: str) -> None:
    """Put a text between ``<s>`` and ``</s>``."""
    from tokenizers import AddedToken, processors

    missing = [token for token in ("<s>", "</s>") if token not in numbers]
    if missing:
        raise CheckpointError(f"{source}: vocab.json has no {', '.join(missing)}")
    backend.post_processor = processors.RobertaProcessing(
        ("</s>", numbers["</s>"]), ("<s>", numbers["<s>"]), add_prefix_space=False
    )
    specials = [token for token in ("<s>", "<pad>", "</s>", "<unk>") if token in numbers]
    backend.add_special_tokens(specials)
    if "<mask>" in numbers:
        # The mask takes the space before it, as a word would.
        backend.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])


def _as_gpt2(
    backend: tokenizers.Tokenizer, numbers: dict[str, Any], settings: dict[str, Any]
) -> None:
    """Put nothing around a text, or the first token alone where the settings say so."""
    from tokenizers import processors

    tokens = {
        name: value.get("content") if isinstance(value, dict) else value
        for name, value in settings.items()
        if name in ("bos_token", "eos_token", "unk_token", "pad_token")
    }
    specials = dict.fromkeys(["<|endoftext|>", *tokens.values()])
    backend.add_special_tokens([token for token in specials if token in numbers])
    begin = tokens.get("bos_token", "<|endoftext|>")
    if settings.get("add_bos_token") and begin in numbers:
        backend.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A",
            pair=f"{begin} $A {begin} $B",
            special_tokens=[(begin, numbers[begin])],
        )


def _xlm_roberta(path: Path) -> tokenizers.Tokenizer:
    """XLM-R's tokenizer: sentencepiece's pieces after fairseq's four special tokens."""
    from tokenizers import AddedToken, processors

    model = read_sentencepiece(path)
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    # The file's own first three, <unk>, <s> and </s>, stand among them.
    vocabulary = [(token, 0.0) for token in specials] + model.pieces[3:] + [("<mask>", 0.0)]
    backend = model.backend(vocabulary, unknown=specials.index("<unk>"))
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(token, specials.index(token)) for token in ("<s>", "</s>")],
    )
    backend.add_special_tokens(specials)
    # The mask takes the space before it, as a word would.
    backend.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    return backend


def _t5(path: Path, settings: dict[str, Any], source: str) -> tokenizers.Tokenizer:
    """T5's tokenizer: sentencepiece's pieces, then the marks of gaps, from the last to the first.

    google-research/text-to-text-transfer-transformer, t5/data/preprocessors.py, sentinel_id
    """
    from tokenizers import processors

    model = read_sentencepiece(path)
    count = settings.get("extra_ids", 100)  # 0 in mT5, whose pieces have them
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= 10_000:
        raise CheckpointError(
            f"{source}: tokenizer_config.json: 'extra_ids' is {count!r:.60}; expected 0 or more"
        )
    gaps = [f"<extra_id_{number}>" for number in reversed(range(count))]
    backend = model.backend([*model.pieces, *((gap, 0.0) for gap in gaps)], unknown=model.unknown)
    end = backend.token_to_id("</s>")
    if end is None:
        raise CheckpointError(f"{source}: {path.name} has no </s>")
    backend.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", end)]
    )
    backend.add_special_tokens([*(model.pieces[number][0] for number in model.hidden), *gaps])
    return backend


def _apply_bert_settings(backend: tokenizers.Tokenizer, settings: dict[str, Any]) -> None:
    """Let ``tokenizer_config.json`` decide BERT's cleaning where ``tokenizer.json`` differs.

    transformers does so, and published checkpoints were evaluated that way.
    """
    from tokenizers import normalizers

    if not isinstance(backend.normalizer, normalizers.BertNormalizer):
        return
    for theirs, ours in (
        ("do_lower_case", "lowercase"),
        ("strip_accents", "strip_accents"),
        ("tokenize_chinese_chars", "handle_chinese_chars"),
    ):
        if theirs in settings and settings[theirs] != getattr(backend.normalizer, ours):
            setattr(backend.normalizer, ours, settings[theirs])
