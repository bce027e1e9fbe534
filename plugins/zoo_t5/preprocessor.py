"""What T5's files say of its texts: the tokenizer, and how its authors generate."""

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.checkpoint import Files
from zoo.generation import Settings
from zoo.generation.published import published_settings
from zoo.text import TextPreprocessor
from zoo.text import load_preprocessor as load_text
from zoo_t5.model import NO_END, T5Config


@dataclass(frozen=True)
class T5Preprocessor:
    """A tokenizer that ends texts with ``</s>``, and the settings of generation."""

    text: TextPreprocessor
    settings: Settings

    @property
    def facts(self) -> dict[str, int | None]:
        """What a registry's entry may state of these files, beside the network's config."""
        return {"max_length": None if self.text.max_length == NO_END else self.text.max_length}

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text; warn of what is cut.

        Raises:
            InputError: A text is empty.
        """
        return [encoding.ids for encoding in self.text.encode(texts)]

    def encode_targets(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of texts as the decoder writes them, without an end."""
        tokenizer = self.text.tokenizer
        encodings = tokenizer.backend.encode_batch(list(texts), add_special_tokens=False)
        return [tokenizer.checked(encoding.ids) for encoding in encodings]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without special ones."""
        return self.text.tokenizer.decode(tokens)


def load_preprocessor(files: Files, config: T5Config) -> T5Preprocessor:
    """Read ``tokenizer.json`` or ``spiece.model``, and ``generation_config.json``.

    Raises:
        CheckpointError: A file is missing or damaged, or contradicts the config.
    """
    settings = published_settings(
        files, vocabulary=config.vocabulary, start=config.start, max_length=config.max_length
    )
    return T5Preprocessor(load_text(files, config), settings)
