"""What CLIP's, SigLIP's and Chinese-CLIP's files say of their inputs: transform and tokenizer.

Each was trained on texts that were cleaned in its own way, and is points worse on others.
"""

from __future__ import annotations

import html
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.checkpoint import Files
from zoo.errors import CheckpointError, InputError
from zoo.image import ImagePreprocessor, load_preprocessor
from zoo.text.preprocessor import check_texts, warn_of_cut
from zoo.text.sentencepiece import read_sentencepiece
from zoo.text.tokenizer import from_byte_pairs, load_tokenizer

if TYPE_CHECKING:
    import tokenizers

    from zoo_clip.chinese_clip import ChineseClipConfig
    from zoo_clip.clip import ClipConfig
    from zoo_clip.siglip import SiglipConfig
    from zoo_clip.timm_clip import TimmClipConfig

# What openai/CLIP's tokenizer takes for a word: simple_tokenizer.py.
_WORD = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


@dataclass(frozen=True)
class TextEncoder:
    """Texts to token numbers.

    Args:
        backend: Of the tokenizers library.
        clean: What is done to a text before.
        start: The token before each text, if there is one.
        end: The token after each.
        padding: The token that fills a text up, where the network wants all equally long.
        max_length: The most tokens of a text, special ones included.
    """

    backend: tokenizers.Tokenizer
    clean: Callable[[str], str]
    start: int | None
    end: int
    padding: int | None
    max_length: int

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenize; warn of what is cut.

        Raises:
            InputError: A text is empty, no Unicode, or cleaning leaves nothing of it.
        """
        check_texts(texts)
        cleaned = [self.clean(text) for text in texts]
        for number, text in enumerate(cleaned):
            if not text:
                raise InputError(
                    f"the text {texts[number]!r:.60} has no letter or digit, and the model reads "
                    "nothing else; expected at least one word"
                )
        before = [] if self.start is None else [self.start]
        room = self.max_length - len(before) - 1
        rows, cut = [], []
        for encoding in self.backend.encode_batch(cleaned, add_special_tokens=False):
            row = [*before, *encoding.ids[:room], self.end]
            if len(encoding.ids) > room:
                cut.append(len(encoding.ids) - room)
            if self.padding is not None:
                row += [self.padding] * (self.max_length - len(row))
            rows.append(row)
        warn_of_cut(cut, self.max_length)
        return rows


@dataclass(frozen=True)
class ClipPreprocessor:
    """How a checkpoint wants its pictures and its texts.

    ``template`` is a sentence with ``{}`` for a label, in the language of the checkpoint's texts.
    """

    image: ImagePreprocessor
    text: TextEncoder
    template: str = "a photo of a {}."

    @property
    def facts(self) -> dict[str, str | int | bool]:
        """What a registry's entry may state of these files, beside the network's config."""
        return self.image.facts


def clip(files: Files, config: ClipConfig) -> ClipPreprocessor:
    """Read the files beside a CLIP.

    Raises:
        CheckpointError: One is missing or damaged, or contradicts the network.
    """
    image = check_size(files, load_preprocessor(files, config), config.image_size)
    return ClipPreprocessor(image, clip_text(files, config))


def clip_text(files: Files, config: ClipConfig | TimmClipConfig) -> TextEncoder:
    """Read the tokenizer of a CLIP, in whichever layout."""
    backend = _backend(files, config.vocabulary)
    backend.encode_special_tokens = True  # such a token in a text is text, as OpenAI has it
    start = _special(files, backend, "bos_token", "<|startoftext|>")
    end = _special(files, backend, "eos_token", "<|endoftext|>")
    expected = config.vocabulary - 1 if config.end is None else config.end
    if end != expected:
        raise CheckpointError(
            f"{files.source}: texts end with token {end}, but the network reads them off at "
            f"{expected}; the tokenizer is another model's"
        )
    return TextEncoder(backend, clean_clip, start, end, None, config.max_length)


def siglip(files: Files, config: SiglipConfig) -> ClipPreprocessor:
    """Read the files beside a SigLIP.

    Raises:
        CheckpointError: One is missing or damaged, or contradicts the network.
    """
    image = check_size(files, load_preprocessor(files, config), config.image_size)
    return ClipPreprocessor(image, siglip_text(files, config))


def siglip_text(files: Files, config: SiglipConfig) -> TextEncoder:
    """Read the tokenizer of a SigLIP, in whichever layout."""
    backend = _backend(files, config.vocabulary)
    end = _special(files, backend, "eos_token", "</s>")
    padding = _special(files, backend, "pad_token", None)
    return TextEncoder(backend, clean_siglip, None, end, padding, config.max_length)


def chinese_clip(files: Files, config: ChineseClipConfig) -> ClipPreprocessor:
    """Read the files beside a Chinese-CLIP, whose texts are cleaned by BERT's tokenizer itself.

    Raises:
        CheckpointError: One is missing or damaged, or contradicts the network.
    """
    backend = _backend(files, config.vocabulary)
    start = _special(files, backend, "cls_token", "[CLS]")
    end = _special(files, backend, "sep_token", "[SEP]")
    text = TextEncoder(backend, str.strip, start, end, None, config.max_length)
    image = check_size(files, load_preprocessor(files, config), config.image_size)
    return ClipPreprocessor(image, text, "{}的照片。")


def clean_clip(text: str) -> str:
    """Repair broken characters, unescape HTML, join spaces, lower-case: as in training.

    openai/CLIP, simple_tokenizer.py.
    """
    return " ".join(_repaired(text).split()).lower()


def clean_siglip(text: str) -> str:
    """As `clean_clip`, and without punctuation; big_vision calls the result canonical.

    big_vision, evaluators/proj/image_text/prompt_engineering.py.
    """
    spaced = _repaired(text).replace("_", " ")
    return " ".join(spaced.translate(_NO_PUNCTUATION).lower().split())


_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def _repaired(text: str) -> str:
    import ftfy

    return html.unescape(html.unescape(ftfy.fix_text(text))).strip()


def byte_pair_backend(
    vocabulary: dict[str, int], merges: list[tuple[str, str]]
) -> tokenizers.Tokenizer:
    """CLIP's tokenizer over a vocabulary: byte pairs inside words, the last with ``</w>``."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    backend = Tokenizer(models.BPE(vocabulary, merges, end_of_word_suffix="</w>"))
    backend.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(
        [token for token in ("<|startoftext|>", "<|endoftext|>") if token in vocabulary]
    )
    return backend


def check_size(files: Files, image: ImagePreprocessor, size: int) -> ImagePreprocessor:
    """Return it, if it makes pictures as large as the network takes them.

    Raises:
        CheckpointError: It makes others.
    """
    height, width = image.transform.height, image.transform.width
    if (height, width) != (size, size):
        raise CheckpointError(
            f"{files.source}: pictures are prepared with {width}x{height} pixels, but the network "
            f"takes {size}x{size}; the preprocessing is another model's"
        )
    return image


def _backend(files: Files, vocabulary: int) -> tokenizers.Tokenizer:
    """The tokenizer in ``tokenizer.json``, or over the vocabulary in an older file.

    Raises:
        CheckpointError: There is none, it is damaged, or has more tokens than the network.
    """
    if files.path("tokenizer.json"):
        backend = load_tokenizer(files).backend
    elif (found := from_byte_pairs(files, byte_pair_backend)) is not None:
        backend = found
    elif path := files.side_file("spiece.model"):
        backend = read_sentencepiece(path).processor()
    else:
        backend = load_tokenizer(files).backend  # BERT's vocab.txt, or the error
    tokens = backend.get_vocab_size()
    if tokens > vocabulary:
        raise CheckpointError(
            f"{files.source}: the tokenizer has {tokens} tokens, but the network knows "
            f"{vocabulary} only"
        )
    return backend


def _special(files: Files, backend: tokenizers.Tokenizer, name: str, default: str | None) -> int:
    """The number of a special token, as the files name it."""
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        token = files.json(file).get(name)
        if token is not None:
            break
    if isinstance(token, dict):
        token = token.get("content")
    token = token or default
    if not isinstance(token, str):
        raise CheckpointError(
            f"{files.source}: no {name} in tokenizer_config.json; texts of this model need one"
        )
    # A piece of sentencepiece that stands for no text is kept behind a zero byte.
    for spelling in (token, f"\0{token}"):
        number = backend.token_to_id(spelling)
        if number is not None:
            return int(number)
    raise CheckpointError(f"{files.source}: {name} {token!r} is not in the tokenizer's vocabulary")
