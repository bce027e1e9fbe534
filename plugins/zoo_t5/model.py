"""T5: an encoder-decoder that knows positions by their distance alone.

Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer",
2019. https://arxiv.org/abs/1910.10683
Reference code: google-research/text-to-text-transfer-transformer; transformers, models/t5.

T5 1.1 (Shazeer, 2020, https://arxiv.org/abs/2002.05202) has a gated feed-forward network and a head
of its own; FLAN-T5 (Chung et al., 2022, https://arxiv.org/abs/2210.11416) is T5 1.1 trained on, and
mT5 (Xue et al., 2020, https://arxiv.org/abs/2010.11934) T5 1.1 in 101 languages.

Pre-norm, no biases, norms without a mean, and attention without the factor 1/√D, which the initial
weights had in them.

Shapes: B batch, S source tokens, T target tokens, C width, H heads, D width of a head, V words;
P prompts and R rows of a state (`zoo.nn.SourceState`).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.nn import Cache, GatedFeedForward, KeysValues, SourceState, activation, together
from zoo.text import TokenBatch

NO_END = 2**20
"""Tokens: more than fit into any memory."""


@dataclass(frozen=True)
class T5Config:
    """The sizes of one network.

    Distances beyond ``max_distance`` share one of the ``buckets``. ``gated`` says which of the two
    feed-forward networks; ``tied`` that the head may be the token embeddings, and ``scaled`` that
    it reads vectors times 1/√width. ``start`` is the token that every answer is made to follow.
    """

    vocabulary: int
    width: int
    encoder_layers: int
    decoder_layers: int
    heads: int
    head_width: int
    hidden: int
    activation: str
    gated: bool
    norm_eps: float
    buckets: int
    max_distance: int
    tied: bool
    scaled: bool
    start: int

    @property
    def max_length(self) -> int:
        """Distances have no end, so no length is too much."""
        return NO_END


class RelativeBias(nn.Module):
    """What each head adds to a score because of the distance: section 2.1, "relative position".

    Half of the buckets hold one distance each; the others grow with the logarithm. An encoder has
    buckets for either direction.
    """

    def __init__(self, config: T5Config, *, both_sides: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(config.buckets, config.heads)
        self.buckets = config.buckets // 2 if both_sides else config.buckets
        self.max_distance = config.max_distance
        self.both_sides = both_sides

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Positions (T,) or (B, T) of queries and (S,) of keys -> (1 or B, H, T, S)."""
        bias = self.table(self._bucket(keys - queries.unsqueeze(-1)))  # (…, T, S, H)
        return bias.movedim(-1, -3).view(-1, bias.size(-1), *bias.shape[-3:-1])

    def _bucket(self, distance: Tensor) -> Tensor:
        """Key minus query -> the number of its bucket."""
        exact = self.buckets // 2
        far = distance.abs() if self.both_sides else (-distance).clamp(min=0)
        # The clamp keeps the logarithm finite where it is not used.
        growth = (far.clamp(min=exact).float() / exact).log() / math.log(self.max_distance / exact)
        grown = exact + (growth * (self.buckets - exact)).long()
        bucket = torch.where(far < exact, far, grown.clamp(max=self.buckets - 1))
        return bucket + self.buckets * (distance > 0) if self.both_sides else bucket


class Attention(nn.Module):
    """Attention whose scores are not divided by √D, and which a bias tells of positions."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        inner = config.heads * config.head_width
        self.query = nn.Linear(config.width, inner, bias=False)
        self.key = nn.Linear(config.width, inner, bias=False)
        self.value = nn.Linear(config.width, inner, bias=False)
        self.output = nn.Linear(inner, config.width, bias=False)
        self.heads = config.heads

    def keys_values(self, context: Tensor) -> KeysValues:
        """(B, S, C) -> keys and values, (B, H, S, D)."""
        key, value = together(context, self.key, self.value)
        return self._split_heads(key), self._split_heads(value)

    def forward(
        self,
        x: Tensor,
        source: KeysValues | None = None,
        *,
        bias: Tensor | None,
        cache: Cache | None = None,
    ) -> Tensor:
        """(B, T, C) -> (B, T, C).

        Args:
            x: Tokens that ask.
            source: Keys and values that answer; those of ``x`` itself unless given.
            bias: Added to the scores, or True where a query may look; broadcast to (B, H, T, S).
            cache: Keys and values of earlier tokens, which these are appended to.
        """
        if source is None:
            projected = together(x, self.query, self.key, self.value)
            query, key, value = map(self._split_heads, projected)  # (B, H, T, D) each
        else:
            query = self._split_heads(self.query(x))  # (B, H, T, D)
            key, value = source  # (B, H, S, D)
        if cache is not None:
            key, value = cache.append(key, value)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=1.0)
        return self.output(attended.transpose(1, 2).flatten(2))  # (B, T, C)

    def _split_heads(self, x: Tensor) -> Tensor:
        """(B, T, H · D) -> (B, H, T, D)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    """T5 1.0's: widen, apply an activation, narrow; without biases."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.up = nn.Linear(config.width, config.hidden, bias=False)
        self.activation = activation(config.activation)
        self.down = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) -> (…, C)."""
        return self.down(self.activation(self.up(x)))


def feed_forward(config: T5Config) -> nn.Module:
    """The kind that the config names."""
    if config.gated:
        return GatedFeedForward(config.width, config.hidden, config.activation)
    return FeedForward(config)


def norm(config: T5Config) -> nn.RMSNorm:
    """A norm that divides by the root of the mean square, and subtracts nothing."""
    return nn.RMSNorm(config.width, eps=config.norm_eps)


class EncoderBlock(nn.Module):
    """Attention, then a feed-forward network."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.attention_norm = norm(config)
        self.attention = Attention(config)
        self.feed_forward_norm = norm(config)
        self.feed_forward = feed_forward(config)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """(B, S, C) -> (B, S, C), pre-norm."""
        x = x + self.attention(self.attention_norm(x), bias=bias)
        return x + self.feed_forward(self.feed_forward_norm(x))


class DecoderBlock(nn.Module):
    """Attention to what is written, then to the source, then a feed-forward network."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.attention_norm = norm(config)
        self.attention = Attention(config)
        self.cross_attention_norm = norm(config)
        self.cross_attention = Attention(config)
        self.feed_forward_norm = norm(config)
        self.feed_forward = feed_forward(config)

    def forward(
        self,
        x: Tensor,
        bias: Tensor,
        source: KeysValues,
        source_mask: Tensor | None,
        cache: Cache | None,
    ) -> Tensor:
        """(B, T, C) -> (B, T, C), pre-norm."""
        x = x + self.attention(self.attention_norm(x), bias=bias, cache=cache)
        x = x + self.cross_attention(self.cross_attention_norm(x), source, bias=source_mask)
        return x + self.feed_forward(self.feed_forward_norm(x))


class Encoder(nn.Module):
    """Tokens' vectors to one vector each; the first block's bias serves all."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.bias = RelativeBias(config, both_sides=True)
        self.blocks = nn.ModuleList(EncoderBlock(config) for _ in range(config.encoder_layers))
        self.norm = norm(config)

    def forward(self, x: Tensor, *, mask: Tensor | None = None) -> Tensor:
        """(B, S, C) -> (B, S, C); ``mask`` is True where there is a token, (B, 1, 1, S)."""
        positions = torch.arange(x.size(1), device=x.device)
        bias = _hidden(self.bias(positions, positions), mask)
        for block in self.blocks:
            x = block(x, bias)
        return self.norm(x)


class Decoder(nn.Module):
    """Target tokens' vectors to what the head reads."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.bias = RelativeBias(config, both_sides=False)
        self.blocks = nn.ModuleList(DecoderBlock(config) for _ in range(config.decoder_layers))
        self.norm = norm(config)

    def sources(self, context: Tensor) -> list[KeysValues]:
        """What each block asks of the source, (B, S, C): its keys and values, (B, H, S, D)."""
        blocks = cast("Iterable[DecoderBlock]", self.blocks)  # a ModuleList forgets what it holds
        return [block.cross_attention.keys_values(context) for block in blocks]

    def forward(
        self,
        x: Tensor,
        sources: Sequence[KeysValues],
        *,
        positions: Tensor,
        keys: Tensor,
        mask: Tensor | None,
        source_mask: Tensor | None = None,
        caches: Sequence[Cache] | None = None,
    ) -> Tensor:
        """(B, T, C) -> (B, T, C).

        Args:
            x: Target tokens; those that the caches do not hold yet.
            sources: Keys and values of the source for each block, from `sources`.
            positions: Where the tokens stand, (T,), or (B, T) where rows differ.
            keys: Where those stand that they may look at, (S,).
            mask: True where they may, broadcast to (B, H, T, S); None for everywhere.
            source_mask: True where the source has a token, (B, 1, 1, S).
            caches: Keys and values of earlier target tokens for each block.
        """
        bias = _hidden(self.bias(positions, keys), mask)
        for number, block in enumerate(self.blocks):
            x = block(x, bias, sources[number], source_mask, caches[number] if caches else None)
        return self.norm(x)


class T5(nn.Module):
    """Tokens in, logits of the next target token out."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.token = nn.Embedding(config.vocabulary, config.width)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.head = nn.Linear(config.width, config.vocabulary, bias=False)
        self.scale = config.width**-0.5 if config.scaled else 1.0
        self.max_length = config.max_length
        self.start = config.start

    def forward(self, source: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
        """(B, S) and (B, T) tokens -> (B, T, V).

        ``mask`` is True where the source has a token, (B, 1, 1, S).
        """
        context = self.encoder(self.token(source), mask=mask)
        positions = torch.arange(target.size(1), device=target.device)
        y = self.decoder(
            self.token(target),
            self.decoder.sources(context),
            positions=positions,
            keys=positions,
            mask=positions <= positions.unsqueeze(1),
            source_mask=mask,
        )
        return self.predict(y)

    def compile(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (as nn.Module)
        """Compile the encoder alone: the decoder, with its state, would be compiled each step."""
        self.encoder.compile(*args, **kwargs)

    def begin(self, prompt: Sequence[int]) -> Sequence[int]:
        """The start token, whatever the prompt."""
        return (self.start,)

    def prefill(self, prompts: Sequence[Sequence[int]], *, room: int) -> tuple[Tensor, SourceState]:
        """Read P prompts: (P, C), of which `predict` makes logits, and the state."""
        device = self.head.weight.device
        # A packed row would need a bias for each text in it.
        batch = TokenBatch(prompts, packed=False, device=device)
        tokens, real = batch.padded(batch.tokens.unsqueeze(-1))  # (P, S, 1), (P, S)
        mask = None if real is None else real[:, None, None, :]
        context = self.encoder(self.token(tokens.squeeze(-1)), mask=mask)
        state = SourceState(self.decoder.sources(context), mask, room=room)
        return self.decode(torch.full((len(prompts),), self.start, device=device), state), state

    def decode(self, tokens: Tensor, state: SourceState) -> Tensor:
        """Append a token to each row, (R,): (R, C), of which `predict` makes logits."""
        positions, mask = state.past.extend(1)
        P = state.sources[0][0].size(0)
        y = self.decoder(
            self.token(tokens.view(P, -1)),  # (P, R/P, C): all rows of a prompt, side by side
            state.sources,
            positions=positions,
            keys=state.past.key_positions,
            mask=mask,
            source_mask=state.mask,
            caches=state.past.layers,
        )
        return y.flatten(0, 1)

    def predict(self, hidden: Tensor) -> Tensor:
        """(…, C) -> (…, V): logits of the next token."""
        return self.head(hidden * self.scale)


def _hidden(bias: Tensor, mask: Tensor | None) -> Tensor:
    """A bias that forbids what a mask does."""
    return bias if mask is None else bias.masked_fill(~mask, float("-inf"))
