"""CLIP: a picture and the text that describes it become vectors that point the same way.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021.
https://arxiv.org/abs/2103.00020
Reference code: openai/CLIP, clip/model.py; mlfoundations/open_clip, src/open_clip/transformer.py.

LAION's, DataComp's, DFN's and MetaCLIP's models are this network, trained on other pictures, some
with another activation.

Shapes: B batch, P patches, T tokens, C width of a tower, E width of an embedding, K texts.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.nn import PatchEmbedding, Segments
from zoo.text import TokenBatch
from zoo_clip.blocks import Block, Tower


@dataclass(frozen=True)
class ClipConfig:
    """The sizes of both towers.

    ``image_size`` and ``patch`` are pixels along an edge; ``max_length`` counts tokens, special
    ones included; ``embedding`` is E. ``end`` is the token at which a text is read off, the one
    with the largest number if None. ``unstated`` are facts that the files leave to convention.
    """

    image_size: int
    patch: int
    vision: Tower
    vocabulary: int
    max_length: int
    text: Tower
    embedding: int
    end: int | None
    unstated: tuple[str, ...] = ()

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


class VisionTower(nn.Module):
    """A Vision Transformer that says what a picture shows with its class token."""

    def __init__(self, tower: Tower, *, image_size: int, patch: int, embedding: int) -> None:
        super().__init__()
        self.class_token = nn.Parameter(torch.empty(tower.width))
        self.patches = PatchEmbedding(tower.width, patch, bias=False)
        self.positions = nn.Parameter(torch.empty((image_size // patch) ** 2 + 1, tower.width))
        self.pre_norm = nn.LayerNorm(tower.width, eps=tower.norm_eps)
        self.blocks = nn.ModuleList(Block(tower) for _ in range(tower.layers))
        self.norm = nn.LayerNorm(tower.width, eps=tower.norm_eps)
        self.projection = nn.Linear(tower.width, embedding, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, E)."""
        x = self.patches(pixels)  # (B, P, C)
        x = torch.cat([self.class_token.expand(x.size(0), 1, -1), x], dim=1)  # (B, 1 + P, C)
        x = self.pre_norm(x + self.positions)
        for block in self.blocks[:-1]:
            x = block(x)
        # Of the last block only the class token is read, so only that asks.
        x = self.blocks[-1](x[:, :1], x)  # (B, 1, C)
        return self.projection(self.norm(x[:, 0]))


class TextTower(nn.Module):
    """A causal Transformer that says what a text means with its last token, ``<|endoftext|>``.

    No token sees a later one, so padding behind the last changes nothing and is left out.
    """

    def __init__(self, tower: Tower, *, vocabulary: int, max_length: int, embedding: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, tower.width)
        self.positions = nn.Parameter(torch.empty(max_length, tower.width))
        self.blocks = nn.ModuleList(Block(tower) for _ in range(tower.layers))
        self.norm = nn.LayerNorm(tower.width, eps=tower.norm_eps)
        self.projection = nn.Linear(tower.width, embedding, bias=False)

    def forward(self, texts: TokenBatch) -> Tensor:
        """Texts, n of them -> (n, E)."""
        x = self.token_embedding(texts.tokens) + self.positions[texts.positions]  # (B, T, C)
        mask = texts.mask if isinstance(texts.mask, Segments) else None  # padding is never seen
        for block in self.blocks:
            x = block(x, mask=mask, causal=True)
        return self.projection(self.norm(texts.last(x)))


class Clip(nn.Module):
    """Both towers, and how sharply similarity is told apart."""

    exclusive = True  # whether texts share the probability of a picture

    def __init__(self, vision: nn.Module, text: nn.Module) -> None:
        super().__init__()
        self.vision = vision
        self.text = text
        self.logit_scale = nn.Parameter(torch.empty(()))  # a logarithm

    def compile(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (as nn.Module)
        """Compile each tower by itself, as tasks call them."""
        self.vision.compile(*args, **kwargs)
        self.text.compile(*args, **kwargs)

    def embed_images(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W), normalised -> (B, E), of any length."""
        return self.vision(pixels)

    def embed_texts(self, texts: TokenBatch) -> Tensor:
        """Texts, n of them -> (n, E), of any length."""
        return self.text(texts)

    def logits(self, similarity: Tensor) -> Tensor:
        """Cosines of pictures and texts, (B, K), as logits."""
        return similarity * self.logit_scale.float().exp()

    def probabilities(self, similarity: Tensor) -> Tensor:
        """Cosines, (B, K), as shares of K texts of which one is right."""
        return self.logits(similarity).softmax(dim=-1)


def build(config: ClipConfig) -> Clip:
    """CLIP as OpenAI made it, its texts read by a causal Transformer."""
    vision = VisionTower(
        config.vision,
        image_size=config.image_size,
        patch=config.patch,
        embedding=config.embedding,
    )
    text = TextTower(
        config.text,
        vocabulary=config.vocabulary,
        max_length=config.max_length,
        embedding=config.embedding,
    )
    return Clip(vision, text)
