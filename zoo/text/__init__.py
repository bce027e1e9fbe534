"""Text in: tokenizers, batches of tokens, pooling."""

from zoo.text.batch import TokenBatch
from zoo.text.pooling import Pooling
from zoo.text.preprocessor import TextPreprocessor, load_preprocessor
from zoo.text.tokenizer import Tokenizer

__all__ = ["Pooling", "TextPreprocessor", "TokenBatch", "Tokenizer", "load_preprocessor"]
