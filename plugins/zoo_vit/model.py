"""ViT: a Transformer encoder whose words are squares of a picture.

Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020. https://arxiv.org/abs/2010.11929
Reference code: google-research/vision_transformer, models_vit.py; timm, vision_transformer.py.

DeiT (Touvron et al., 2021, https://arxiv.org/abs/2012.12877) adds a token that learns from a
teacher, and a head for it. DINOv2 (Oquab et al., 2023, https://arxiv.org/abs/2304.07193) scales
what each layer adds, and in its largest size gates the feed-forward network; its later checkpoints
have registers (Darcet et al., 2023, https://arxiv.org/abs/2309.16588): tokens that mean nothing.

Shapes: B batch, H and W pixels, N patches, T tokens = N and the prefix, C width, K classes.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zoo.nn import Attention, FeedForward, GatedFeedForward, PatchEmbedding, resample_grid

Pooling = Literal["token", "average", "token and average", "token or distilled"]


@dataclass(frozen=True)
class ViTConfig:
    """The sizes of one network, and what stands on it.

    Args:
        layout: Which publisher's names the weights have.
        image_height: Pixels that the grid of positions was learned for.
        image_width: Likewise.
        patch: Edge of a patch, pixels.
        width: C.
        layers: Blocks.
        heads: Of attention.
        hidden: Width inside the feed-forward network.
        activation: Of the feed-forward network; the gate's where it has one.
        gated: Whether it has one.
        norm_eps: Of all norms.
        class_token: Whether the first token is a learned one that sums the picture up.
        distillation_token: Whether the next is DeiT's.
        registers: How many tokens without a meaning follow.
        prefix_positions: How many tokens before the patches have a position.
        layer_scale: Whether what a layer adds is scaled, channel by channel.
        antialias: How a grid of positions shrinks; see `zoo.nn.resample_grid`.
        pooling: What the classes are read off.
        norm_after_pooling: Whether the last norm follows the pooling instead of the blocks.
        labels: Of the classes; none for a network without a head.
        multi_label: Whether several may hold at once.
    """

    layout: str
    image_height: int
    image_width: int
    patch: int
    width: int
    layers: int
    heads: int
    hidden: int
    activation: str
    gated: bool
    norm_eps: float
    class_token: bool
    distillation_token: bool
    registers: int
    prefix_positions: int
    layer_scale: bool
    antialias: bool
    pooling: Pooling
    norm_after_pooling: bool
    labels: tuple[str, ...]
    multi_label: bool

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.image_height // self.patch, self.image_width // self.patch


class Embeddings(nn.Module):
    """Patches and where they stand, after the tokens that stand for none."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        rows, columns = config.grid
        self.patches = PatchEmbedding(config.width, config.patch)
        self.positions = nn.Parameter(
            torch.empty(1, config.prefix_positions + rows * columns, config.width)
        )
        if config.class_token:
            self.class_token = nn.Parameter(torch.empty(1, 1, config.width))
        if config.distillation_token:
            self.distillation_token = nn.Parameter(torch.empty(1, 1, config.width))
        if config.registers:
            self.registers = nn.Parameter(torch.empty(1, config.registers, config.width))
        self.config = config

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, T, C)."""
        positions = self.patch_positions(pixels.size(2), pixels.size(3))
        x = self.patches(pixels) + positions  # (B, N, C)
        prefix = self.prefix().expand(x.size(0), -1, -1)
        return torch.cat([prefix, x], dim=1)

    def prefix(self) -> Tensor:
        """The tokens before the patches, with the positions that they have: (1, T - N, C)."""
        config = self.config
        tokens: list[Tensor] = []
        if config.class_token:
            tokens.append(self.class_token)
        if config.distillation_token:
            tokens.append(self.distillation_token)
        if config.prefix_positions:
            tokens = [torch.cat(tokens, dim=1) + self.positions[:, : config.prefix_positions]]
        if config.registers:
            tokens.append(self.registers)
        return torch.cat([self.positions[:, :0], *tokens], dim=1)

    def patch_positions(self, height: int, width: int) -> Tensor:
        """(1, N, C) for a picture of so many pixels; another grid than the learned is stretched."""
        config = self.config
        return resample_grid(
            self.positions[:, config.prefix_positions :],
            old=config.grid,
            new=(height // config.patch, width // config.patch),
            antialias=config.antialias,
        )


class Block(nn.Module):
    """Attention, then a feed-forward network: each reads the normalised stream, and adds to it."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        width, eps = config.width, config.norm_eps
        self.attention_norm = nn.LayerNorm(width, eps=eps)
        self.attention = Attention(width, config.heads)
        self.feed_forward_norm = nn.LayerNorm(width, eps=eps)
        self.feed_forward = (
            GatedFeedForward(width, config.hidden, config.activation, bias=True)
            if config.gated
            else FeedForward(width, config.hidden, config.activation)
        )
        if config.layer_scale:
            self.attention_scale = nn.Parameter(torch.empty(width))
            self.feed_forward_scale = nn.Parameter(torch.empty(width))
        self.layer_scale = config.layer_scale

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, T, C) -> (B, T, C), pre-norm.

        Args:
            x: Tokens that ask.
            context: All tokens, (B, S, C), where only some of them ask.
        """
        asked = None if context is None else self.attention_norm(context)
        attended = self.attention(self.attention_norm(x), asked)
        x = x + (attended * self.attention_scale if self.layer_scale else attended)
        forwarded = self.feed_forward(self.feed_forward_norm(x))
        return x + (forwarded * self.feed_forward_scale if self.layer_scale else forwarded)


class VisionTransformer(nn.Module):
    """The encoder: a picture to one vector, or to one for each token."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.prefix = config.class_token + config.distillation_token + config.registers
        self.pooling = config.pooling
        self.norm_after_pooling = config.norm_after_pooling

    def forward(self, pixels: Tensor, *, first: int | None = None) -> Tensor:
        """(B, 3, H, W) -> (B, T, C).

        Args:
            pixels: Of pictures.
            first: Of how many tokens the result is wanted, of all unless given: (B, first, C). In
                the last block only these ask.
        """
        x = self.embeddings(pixels)
        for block in self.blocks[:-1]:
            x = block(x)
        x = self.blocks[-1](x) if first is None else self.blocks[-1](x[:, :first], x)
        return x if self.norm_after_pooling else self.norm(x)

    def embed_images(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C): what sums a picture up, its class token or the average patch."""
        if self.pooling != "average":
            return self(pixels, first=1)[:, 0]
        pooled = self(pixels)[:, self.prefix :].mean(dim=1)
        return self.norm(pooled) if self.norm_after_pooling else pooled

    @property
    def encoder(self) -> "VisionTransformer":
        """Itself: what a head would stand on."""
        return self


class ImageClassifier(nn.Module):
    """The encoder, and classes read off what it makes of the whole picture."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.encoder = VisionTransformer(config)
        width = config.width * 2 if config.pooling == "token and average" else config.width
        self.classifier = nn.Linear(width, len(config.labels))
        if config.pooling == "token or distilled":
            self.distilled_classifier = nn.Linear(width, len(config.labels))
        self.pooling = config.pooling
        self.labels = config.labels
        self.multi_label = config.multi_label

    def compile(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (as nn.Module)
        """Compile the encoder, which tasks call; what stands on it is little."""
        self.encoder.compile(*args, **kwargs)

    def embed_images(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C), before the classes."""
        return self.encoder.embed_images(pixels)

    def classify_images(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K): logits."""
        if self.pooling == "token and average":  # DINOv2, section 7.1
            x = self.encoder(pixels)
            average = x[:, self.encoder.prefix :].mean(dim=1)
            return self.classifier(torch.cat([x[:, 0], average], dim=1))
        if self.pooling == "token or distilled":  # DeiT, section 4: both heads vote
            x = self.encoder(pixels, first=2)
            return (self.classifier(x[:, 0]) + self.distilled_classifier(x[:, 1])) / 2
        return self.classifier(self.encoder.embed_images(pixels))

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K)."""
        return self.classify_images(pixels)


def build(config: ViTConfig) -> VisionTransformer | ImageClassifier:
    """The network that a config describes: the bare encoder, or the encoder under its head."""
    return ImageClassifier(config) if config.labels else VisionTransformer(config)
