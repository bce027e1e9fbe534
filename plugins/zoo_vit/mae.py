"""MAE: an encoder that sees a quarter of a picture, and a decoder that paints the rest.

He et al., "Masked Autoencoders Are Scalable Vision Learners", 2021.
https://arxiv.org/abs/2111.06377. Reference code: facebookresearch/mae, models_mae.py.

Shapes: B batch, H and W pixels, N patches, V of them visible, C width, D width of the decoder, P
edge of a patch.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.nn import patchify, unpatchify
from zoo_vit.model import Block, VisionTransformer, ViTConfig


@dataclass(frozen=True)
class MAEConfig:
    """Two stacks of blocks, and how many of the patches are hidden.

    ``decoder`` says the sizes of the decoder's blocks. ``normalized_targets`` says that the decoder
    paints each patch with mean 0 and variance 1; the original then tells what it should have had.
    """

    encoder: ViTConfig
    decoder: ViTConfig
    mask_ratio: float
    normalized_targets: bool

    @property
    def patch(self) -> int:
        """Edge of a patch, pixels."""
        return self.encoder.patch


class Decoder(nn.Module):
    """Fills the gaps with one learned token, lets all tokens attend, predicts the pixels."""

    def __init__(self, config: MAEConfig) -> None:
        super().__init__()
        sizes = config.decoder
        rows, columns = sizes.grid
        self.narrow = nn.Linear(config.encoder.width, sizes.width)
        self.mask_token = nn.Parameter(torch.empty(1, 1, sizes.width))
        self.positions = nn.Parameter(torch.empty(1, 1 + rows * columns, sizes.width))
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(sizes.width, eps=sizes.norm_eps)
        self.pixels = nn.Linear(sizes.width, sizes.patch**2 * 3)

    def forward(self, x: Tensor, shuffled: Tensor) -> Tensor:
        """The class token and V visible ones -> all patches: (B, 1 + V, C) -> (B, N, P · P · 3).

        Args:
            x: What the encoder made of them.
            shuffled: (B, N): which patches they are, those that are hidden after them.
        """
        x = self.narrow(x)  # (B, 1 + V, D)
        B, N = shuffled.shape
        gaps = self.mask_token.expand(B, N + 1 - x.size(1), -1)
        places = shuffled.argsort(dim=1).unsqueeze(-1).expand(-1, -1, x.size(-1))
        patches = torch.cat([x[:, 1:], gaps], dim=1).gather(1, places)  # (B, N, D), in order
        x = torch.cat([x[:, :1], patches], dim=1) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.pixels(self.norm(x))[:, 1:]


class MaskedAutoencoder(nn.Module):
    """The encoder without what is hidden from it, and the decoder."""

    def __init__(self, config: MAEConfig) -> None:
        super().__init__()
        self.encoder = VisionTransformer(config.encoder)
        self.decoder = Decoder(config)
        self.config = config
        rows, columns = config.encoder.grid
        self.patches = rows * columns

    def compile(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (as nn.Module)
        """Compile the encoder for embeddings; painting calls its blocks, which stay as they are."""
        self.encoder.compile(*args, **kwargs)

    def embed_images(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C), with nothing hidden."""
        return self.encoder.embed_images(pixels)

    def predict(self, pixels: Tensor, noise: Tensor) -> Tensor:
        """What the decoder paints, (B, N, P · P · 3), hidden patches and visible ones.

        Args:
            pixels: (B, 3, H, W).
            noise: (B, N) random numbers: patches with the largest are hidden.
        """
        embeddings = self.encoder.embeddings
        x = embeddings.patches(pixels) + embeddings.patch_positions(*pixels.shape[2:])  # (B, N, C)
        shuffled = noise.argsort(dim=1)
        visible = shuffled[:, : self.visible(x.size(1))].unsqueeze(-1).expand(-1, -1, x.size(-1))
        x = torch.cat([embeddings.prefix().expand(x.size(0), -1, -1), x.gather(1, visible)], dim=1)
        for block in self.encoder.blocks:
            x = block(x)
        return self.decoder(self.encoder.norm(x), shuffled)

    def reconstruct(self, pixels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Paint what is hidden; what is visible stays.

        Args:
            pixels: (B, 3, H, W).
            noise: (B, N) random numbers: patches with the largest are hidden.

        Returns:
            (B, 3, H, W), and (B, 1, H, W) that is 1 where a patch was hidden.
        """
        patch, grid = self.config.patch, self.config.encoder.grid
        painted = self.predict(pixels, noise)  # (B, N, P · P · 3)
        original = patchify(pixels, patch)
        if self.config.normalized_targets:
            variance, mean = torch.var_mean(original, dim=-1, keepdim=True)
            painted = painted * (variance + 1e-6).sqrt() + mean
        rank = noise.argsort(dim=1).argsort(dim=1)
        hidden = (rank >= self.visible(rank.size(1))).unsqueeze(-1)  # (B, N, 1)
        together = torch.where(hidden, painted, original)
        mask = unpatchify(hidden.expand_as(original).to(pixels.dtype), patch, grid)
        return unpatchify(together, patch, grid), mask[:, :1]

    def visible(self, patches: int) -> int:
        """How many of so many patches the encoder sees."""
        return int(patches * (1 - self.config.mask_ratio))


def build(config: MAEConfig | ViTConfig) -> MaskedAutoencoder | VisionTransformer:
    """The autoencoder, or the encoder alone if that is all that a checkpoint has."""
    return MaskedAutoencoder(config) if isinstance(config, MAEConfig) else VisionTransformer(config)
