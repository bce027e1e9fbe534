"""Text in and out: tokenizers, batches of tokens, pooling, prompts, streams."""

from zoo.text.batch import TokenBatch
from zoo.text.chat import ChatTemplate, Message
from zoo.text.pooling import Pooling
from zoo.text.preprocessor import TextPreprocessor, load_preprocessor
from zoo.text.prompts import PromptPreprocessor, load_prompts
from zoo.text.stream import TextStream
from zoo.text.tokenizer import Tokenizer

__all__ = [
    "ChatTemplate",
    "Message",
    "Pooling",
    "PromptPreprocessor",
    "TextPreprocessor",
    "TextStream",
    "TokenBatch",
    "Tokenizer",
    "load_preprocessor",
    "load_prompts",
]
