"""SigLIP: CLIP that asks of each pair of picture and text alone whether they belong together.

Zhai et al., "Sigmoid Loss for Language Image Pre-Training", 2023. https://arxiv.org/abs/2303.15343
Tschannen et al., "SigLIP 2", 2025. https://arxiv.org/abs/2502.14786 (the same network)
Reference code: google-research/big_vision, models/vit.py and models/proj/image_text/two_towers.py.

It has no class token, but a head that attends to all patches, and a text tower that sees both
sides, the padding too: a text is always as long as it was in training.

Shapes: B batch, P patches, T tokens, C width, K texts.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.nn import Attention, FeedForward, PatchEmbedding
from zoo.text import TokenBatch
from zoo_clip.blocks import Block, Tower


@dataclass(frozen=True)
class SiglipConfig:
    """The sizes of both towers, whose texts end up as wide as pictures.

    ``image_size`` and ``patch`` are pixels along an edge; each text has ``max_length`` tokens.
    """

    image_size: int
    patch: int
    vision: Tower
    vocabulary: int
    max_length: int
    text: Tower

    @property
    def facts(self) -> dict[str, str | int | float]:
        """What a registry's entry may state."""
        return {
            "image_size": self.image_size,
            "activation": self.vision.activation,
            "text_activation": self.text.activation,
            "norm_eps": self.vision.norm_eps,
            "max_length": self.max_length,
        }


class Pool(nn.Module):
    """One learned question to all patches, then a feed-forward network beside what it found."""

    def __init__(self, tower: Tower) -> None:
        super().__init__()
        self.probe = nn.Parameter(torch.empty(1, 1, tower.width))
        self.attention = Attention(tower.width, tower.heads)
        self.norm = nn.LayerNorm(tower.width, eps=tower.norm_eps)
        self.feed_forward = FeedForward(tower.width, tower.hidden, tower.activation)

    def forward(self, x: Tensor) -> Tensor:
        """(B, P, C) -> (B, C)."""
        y = self.attention(self.probe.expand(x.size(0), -1, -1), x)  # (B, 1, C)
        return (y + self.feed_forward(self.norm(y)))[:, 0]


class VisionTower(nn.Module):
    """A Vision Transformer without a class token."""

    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        tower = config.vision
        self.patches = PatchEmbedding(tower.width, config.patch)
        self.positions = nn.Parameter(
            torch.empty((config.image_size // config.patch) ** 2, tower.width)
        )
        self.blocks = nn.ModuleList(Block(tower) for _ in range(tower.layers))
        self.norm = nn.LayerNorm(tower.width, eps=tower.norm_eps)
        self.pool = Pool(tower)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C)."""
        x = self.patches(pixels) + self.positions  # (B, P, C)
        for block in self.blocks:
            x = block(x)
        return self.pool(self.norm(x))


class TextTower(nn.Module):
    """A Transformer that sees a whole text, and says what it means at its last place."""

    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        tower = config.text
        self.token_embedding = nn.Embedding(config.vocabulary, tower.width)
        self.positions = nn.Parameter(torch.empty(config.max_length, tower.width))
        self.blocks = nn.ModuleList(Block(tower) for _ in range(tower.layers))
        self.norm = nn.LayerNorm(tower.width, eps=tower.norm_eps)
        self.projection = nn.Linear(tower.width, config.vision.width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T), padded to the length of training -> (B, C)."""
        x = self.token_embedding(tokens) + self.positions  # (B, T, C)
        for block in self.blocks[:-1]:
            x = block(x)
        x = self.blocks[-1](x[:, -1:], x)  # (B, 1, C): only the last place is read
        return self.projection(self.norm(x[:, 0]))


class Siglip(nn.Module):
    """Both towers, and what turns a similarity into a probability."""

    exclusive = False  # whether texts share the probability of a picture

    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        self.vision = VisionTower(config)
        self.text = TextTower(config)
        self.logit_scale = nn.Parameter(torch.empty(()))  # a logarithm
        self.logit_bias = nn.Parameter(torch.empty(()))

    def compile(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (as nn.Module)
        """Compile each tower by itself, as tasks call them."""
        self.vision.compile(*args, **kwargs)
        self.text.compile(*args, **kwargs)

    def embed_images(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W), normalised -> (B, C), of any length."""
        return self.vision(pixels)

    def embed_texts(self, texts: TokenBatch) -> Tensor:
        """Texts, n of them, each as long as in training -> (n, C), of any length."""
        tokens = texts.tokens.view(len(texts.lengths), -1)  # (n, T), from one row or from n
        return self.text(tokens)

    def logits(self, similarity: Tensor) -> Tensor:
        """Cosines of pictures and texts, (B, K), as logits."""
        return similarity * self.logit_scale.float().exp() + self.logit_bias.float()

    def probabilities(self, similarity: Tensor) -> Tensor:
        """Cosines, (B, K), as probabilities of which each stands alone."""
        return self.logits(similarity).sigmoid()
