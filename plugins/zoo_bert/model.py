"""BERT: a Transformer encoder that sees both sides of every token.

Devlin et al., "BERT", 2018. https://arxiv.org/abs/1810.04805
Reference code: google-research/bert, modeling.py; transformers, models/bert/modeling_bert.py.

RoBERTa (Liu et al., 2019, https://arxiv.org/abs/1907.11692) is the same network trained longer; it
counts positions from ``padding + 1``. DistilBERT (Sanh et al., 2019,
https://arxiv.org/abs/1910.01108) has half the layers and no segment embeddings.

Shapes: B batch, T tokens, C width, V vocabulary, K classes.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zoo.nn import Attention, FeedForward, Segments, activation


@dataclass(frozen=True)
class BertConfig:
    """The sizes of one network, and which head stands on it.

    ``first_position`` is the row of the position table that a text's first token takes;
    ``segments`` the number of segment embeddings, 0 for none; ``tied`` says that a masked language
    model may lack a decoder matrix and use the token embeddings for it. ``labels`` name the classes
    of a classification head, which are independent of each other if ``multi_label``.
    """

    vocabulary: int
    width: int
    layers: int
    heads: int
    hidden: int
    positions: int
    first_position: int
    segments: int
    activation: str
    norm_eps: float
    head: Literal["masked-language-model", "classification"] | None
    head_activation: str
    tied: bool
    labels: tuple[str, ...]
    multi_label: bool

    @property
    def max_length(self) -> int:
        """The most tokens that have a position."""
        return self.positions - self.first_position


class Embeddings(nn.Module):
    """What a token is, where it stands and which of two texts it belongs to, summed."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.token = nn.Embedding(config.vocabulary, config.width)
        self.position = nn.Embedding(config.positions, config.width)
        if config.segments:
            self.segment = nn.Embedding(config.segments, config.width)
        self.norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.first_position = config.first_position
        self.segments = config.segments

    def forward(self, tokens: Tensor, positions: Tensor, segments: Tensor) -> Tensor:
        """(B, T) three times -> (B, T, C)."""
        x = self.token(tokens)
        if self.segments:
            # RoBERTa has one row, for both texts of a pair.
            x = x + self.segment(segments.clamp(max=self.segments - 1))
        return self.norm(x + self.position(positions + self.first_position))


class Block(nn.Module):
    """Attention, then a feed-forward network, each added to its input and then normalised."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = Attention(config.width, config.heads)
        self.attention_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.feed_forward = FeedForward(config.width, config.hidden, config.activation)
        self.feed_forward_norm = nn.LayerNorm(config.width, eps=config.norm_eps)

    def forward(self, x: Tensor, mask: Tensor | Segments | None) -> Tensor:
        """(B, T, C) -> (B, T, C), post-norm."""
        x = self.attention_norm(x + self.attention(x, mask=mask))
        return self.feed_forward_norm(x + self.feed_forward(x))


class Bert(nn.Module):
    """The encoder: tokens to one vector each."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))

    def forward(
        self,
        tokens: Tensor,
        *,
        positions: Tensor | None = None,
        segments: Tensor | None = None,
        mask: Tensor | Segments | None = None,
    ) -> Tensor:
        """(B, T) -> (B, T, C).

        Args:
            tokens: Token numbers, (B, T).
            positions: Each token's place in its text, from 0; by default row by row from the left.
            segments: 0 for tokens of a first text, 1 for a second's; 0 by default.
            mask: True where a token may be attended to, broadcast to (B, H, T, T); or the segments
                of a packed row.
        """
        if positions is None:
            positions = torch.arange(tokens.size(1), device=tokens.device).expand_as(tokens)
        if segments is None:
            segments = torch.zeros_like(tokens)
        x = self.embeddings(tokens, positions, segments)
        for block in self.blocks:
            x = block(x, mask)
        return x

    @property
    def encoder(self) -> "Bert":
        """Itself: what a head would stand on."""
        return self


class MaskedLanguageModel(nn.Module):
    """The encoder, and a guess of the token at each place. BERT, section 3.1, task 1."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.encoder = Bert(config)
        self.transform = nn.Linear(config.width, config.width)
        self.activation = activation(config.head_activation)
        self.norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.decoder = nn.Linear(config.width, config.vocabulary)

    def compile(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (as nn.Module)
        """Compile the encoder, which tasks call; they call the head apart from it."""
        self.encoder.compile(*args, **kwargs)

    def predict(self, x: Tensor) -> Tensor:
        """(…, C) -> (…, V): logits of the vocabulary for encoded tokens."""
        return self.decoder(self.norm(self.activation(self.transform(x))))

    def forward(self, tokens: Tensor, *, mask: Tensor | Segments | None = None) -> Tensor:
        """(B, T) -> (B, T, V)."""
        return self.predict(self.encoder(tokens, mask=mask))


class SequenceClassifier(nn.Module):
    """The encoder, and classes read off a text's first token. BERT, section 4.1."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.encoder = Bert(config)
        self.transform = nn.Linear(config.width, config.width)
        self.activation = activation(config.head_activation)
        self.classifier = nn.Linear(config.width, len(config.labels))
        self.labels = config.labels
        self.multi_label = config.multi_label

    def compile(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (as nn.Module)
        """Compile the encoder, which tasks call; they call the head apart from it."""
        self.encoder.compile(*args, **kwargs)

    def classify(self, first: Tensor) -> Tensor:
        """(B, C) -> (B, K): logits of the classes, from each text's first encoded token."""
        return self.classifier(self.activation(self.transform(first)))

    def forward(self, tokens: Tensor, *, mask: Tensor | Segments | None = None) -> Tensor:
        """(B, T) -> (B, K)."""
        return self.classify(self.encoder(tokens, mask=mask)[:, 0])


def build(config: BertConfig) -> Bert | MaskedLanguageModel | SequenceClassifier:
    """The network that a config describes: the bare encoder, or the encoder under its head."""
    match config.head:
        case "masked-language-model":
            return MaskedLanguageModel(config)
        case "classification":
            return SequenceClassifier(config)
        case None:
            return Bert(config)
