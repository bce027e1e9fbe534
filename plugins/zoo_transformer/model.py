"""The Transformer: an encoder reads a sentence, a decoder writes another.

Vaswani et al., "Attention Is All You Need", 2017. https://arxiv.org/abs/1706.03762
Reference code: tensorflow/tensor2tensor, models/transformer.py; marian-nmt/marian-dev,
src/models/transformer.h, whose trained models transformers runs as models/marian.

Post-norm, as the paper has it: each sublayer's output is added to its input, then normalised.

Shapes: B batch, S source tokens, T target tokens, C width, V target vocabulary; P prompts and R
rows of a state (`zoo.nn.SourceState`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from zoo.nn import Attention, Cache, FeedForward, KeysValues, Segments, SourceState
from zoo.text import TokenBatch


@dataclass(frozen=True)
class StackConfig:
    """The sizes of an encoder or a decoder; ``final_norm`` says that another norm ends it."""

    width: int
    layers: int
    heads: int
    hidden: int
    activation: str
    norm_eps: float
    final_norm: bool


@dataclass(frozen=True)
class TransformerConfig:
    """The two stacks."""

    encoder: StackConfig
    decoder: StackConfig


@dataclass(frozen=True)
class TranslatorConfig(TransformerConfig):
    """A Transformer with words at both ends: embeddings and a head.

    ``vocabulary`` is the source's; ``positions`` the most tokens that have a place; ``scaled`` says
    that embeddings are multiplied by √width. ``shared`` source and target embeddings are one
    matrix, and a ``tied`` head is the target embeddings'. ``start`` is the token that every
    translation is made to follow.
    """

    vocabulary: int
    target_vocabulary: int
    positions: int
    scaled: bool
    shared: bool
    tied: bool
    start: int

    @property
    def max_length(self) -> int:
        """The most tokens that have a position."""
        return self.positions


def sinusoids(positions: int, width: int) -> Tensor:
    """The paper's section 3.5: sines and cosines of falling frequency, (positions, C).

    The paper interleaves them; tensor2tensor and Marian put all sines before all cosines, which
    differs by an order of the dimensions alone. In float64, on the CPU, whatever the default device
    is: at position 500 the angles of float32 are wrong in the fifth digit.
    """
    place = torch.arange(positions, dtype=torch.float64, device="cpu").unsqueeze(1)
    exponents = torch.arange(0, width, 2, dtype=torch.float64, device="cpu") / width
    angles = place * 10_000.0**-exponents  # (positions, C/2)
    return torch.cat((angles.sin(), angles.cos()), dim=1)[:, :width].float()


class Embedding(nn.Module):
    """What a token is and where it stands, summed."""

    def __init__(self, vocabulary: int, width: int, positions: int, *, scaled: bool) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.scale = width**0.5 if scaled else 1.0
        self.position = sinusoids(positions, width)

    def forward(self, tokens: Tensor, positions: slice | Tensor) -> Tensor:
        """(B, T) tokens and the places they stand at -> (B, T, C)."""
        x = self.token(tokens) * self.scale
        if self.position.device != x.device or self.position.dtype != x.dtype:
            self.position = self.position.to(x)  # once: no file holds the table, so none moves it
        return x + self.position[positions]


class EncoderBlock(nn.Module):
    """Attention, then a feed-forward network."""

    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.attention = Attention(config.width, config.heads)
        self.attention_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.feed_forward = FeedForward(config.width, config.hidden, config.activation)
        self.feed_forward_norm = nn.LayerNorm(config.width, eps=config.norm_eps)

    def forward(self, x: Tensor, mask: Tensor | Segments | None) -> Tensor:
        """(B, S, C) -> (B, S, C), post-norm."""
        x = self.attention_norm(x + self.attention(x, mask=mask))
        return self.feed_forward_norm(x + self.feed_forward(x))


class DecoderBlock(nn.Module):
    """Attention to what is written, then to the source, then a feed-forward network."""

    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.attention = Attention(config.width, config.heads)
        self.attention_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.cross_attention = Attention(config.width, config.heads)
        self.cross_attention_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.feed_forward = FeedForward(config.width, config.hidden, config.activation)
        self.feed_forward_norm = nn.LayerNorm(config.width, eps=config.norm_eps)

    def forward(
        self,
        x: Tensor,
        source: KeysValues,
        source_mask: Tensor | None,
        mask: Tensor | None,
        cache: Cache | None,
    ) -> Tensor:
        """(B, T, C) -> (B, T, C), post-norm."""
        x = self.attention_norm(x + self.attention(x, mask=mask, causal=True, cache=cache))
        x = self.cross_attention_norm(x + self.cross_attention(x, source, mask=source_mask))
        return self.feed_forward_norm(x + self.feed_forward(x))


class Encoder(nn.Module):
    """The left half of the paper's figure 1."""

    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(EncoderBlock(config) for _ in range(config.layers))
        self.norm = (
            nn.LayerNorm(config.width, eps=config.norm_eps) if config.final_norm else nn.Identity()
        )

    def forward(self, x: Tensor, *, mask: Tensor | Segments | None = None) -> Tensor:
        """(B, S, C) -> (B, S, C)."""
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x)


class Decoder(nn.Module):
    """The right half of the paper's figure 1."""

    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(DecoderBlock(config) for _ in range(config.layers))
        self.norm = (
            nn.LayerNorm(config.width, eps=config.norm_eps) if config.final_norm else nn.Identity()
        )

    def sources(self, context: Tensor) -> list[KeysValues]:
        """What each block asks of the source, (B, S, C): its keys and values, (B, H, S, D)."""
        blocks = cast("Iterable[DecoderBlock]", self.blocks)  # a ModuleList forgets what it holds
        return [block.cross_attention.keys_values(context) for block in blocks]

    def forward(
        self,
        x: Tensor,
        sources: Sequence[KeysValues],
        *,
        source_mask: Tensor | None = None,
        mask: Tensor | None = None,
        caches: Sequence[Cache] | None = None,
    ) -> Tensor:
        """(B, T, C) -> (B, T, C).

        Args:
            x: Target tokens; those that the caches do not hold yet.
            sources: Keys and values of the source for each block, from `sources`.
            source_mask: True where the source has a token, (B, 1, 1, S).
            mask: True where a target token may look, if causality is not enough; see `KVCache`.
            caches: Keys and values of earlier target tokens for each block.
        """
        for number, block in enumerate(self.blocks):
            x = block(x, sources[number], source_mask, mask, caches[number] if caches else None)
        return self.norm(x)


class Transformer(nn.Module):
    """Both stacks, from vectors to vectors: what torch.nn.Transformer is."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config.encoder)
        self.decoder = Decoder(config.decoder)

    def forward(self, source: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
        """(B, S, C) and (B, T, C) -> (B, T, C); a target sees only what came before it.

        ``mask`` is True where the source has a token, (B, 1, 1, S).
        """
        context = self.encoder(source, mask=mask)
        return self.decoder(target, self.decoder.sources(context), source_mask=mask)


class Translator(Transformer):
    """The whole of figure 1: tokens in, logits of the next target token out."""

    def __init__(self, config: TranslatorConfig) -> None:
        super().__init__(config)
        width, positions, scaled = config.encoder.width, config.positions, config.scaled
        self.source = Embedding(config.vocabulary, width, positions, scaled=scaled)
        self.target = Embedding(config.target_vocabulary, width, positions, scaled=scaled)
        self.head = nn.Linear(width, config.target_vocabulary)
        self.max_length = config.max_length
        self.start = config.start

    def forward(self, source: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
        """(B, S) and (B, T) tokens -> (B, T, V); ``mask`` as in `Transformer`."""
        x = self.source(source, slice(source.size(1)))
        y = self.target(target, slice(target.size(1)))
        return self.predict(super().forward(x, y, mask=mask))

    def compile(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (as nn.Module)
        """Compile the encoder alone: the decoder, with its state, would be compiled each step."""
        self.encoder.compile(*args, **kwargs)

    def begin(self, prompt: Sequence[int]) -> Sequence[int]:
        """The start token, whatever is to be translated."""
        return (self.start,)

    def prefill(self, prompts: Sequence[Sequence[int]], *, room: int) -> tuple[Tensor, SourceState]:
        """Read P prompts: (P, C), of which `predict` makes logits, and the state."""
        device = self.head.weight.device
        batch = TokenBatch(prompts, packed=device.type == "cpu", device=device)
        encoded = self.encoder(self.source(batch.tokens, batch.positions), mask=batch.mask)
        context, real = batch.padded(encoded)  # (P, S, C), (P, S)
        mask = None if real is None else real[:, None, None, :]
        state = SourceState(self.decoder.sources(context), mask, room=room)
        return self.decode(torch.full((len(prompts),), self.start, device=device), state), state

    def decode(self, tokens: Tensor, state: SourceState) -> Tensor:
        """Append a token to each row, (R,): (R, C), of which `predict` makes logits."""
        positions, mask = state.past.extend(1)
        x = self.decoder(
            self.target(tokens.unsqueeze(1), positions),  # (R, 1, C)
            state.sources,
            source_mask=state.mask,
            mask=mask,
            caches=state.past.layers,
        )
        return x.squeeze(1)

    def predict(self, hidden: Tensor) -> Tensor:
        """(…, C) -> (…, V): logits of the next token."""
        return self.head(hidden)


def build(config: TransformerConfig) -> Transformer:
    """The network that a config describes: with words at both ends, or the stacks alone."""
    return Translator(config) if isinstance(config, TranslatorConfig) else Transformer(config)
