"""Chinese-CLIP: CLIP's pictures with texts that a Chinese BERT reads.

Yang et al., "Chinese CLIP", 2022. https://arxiv.org/abs/2211.01335
Reference code: OFA-Sys/Chinese-CLIP, cn_clip/clip/model.py.

Shapes: B batch, T tokens, C width, E width of an embedding, K texts.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.nn import Attention, FeedForward, Segments
from zoo.text import TokenBatch
from zoo_clip.blocks import Tower
from zoo_clip.clip import Clip, VisionTower


@dataclass(frozen=True)
class ChineseClipConfig:
    """The sizes of both towers.

    ``image_size`` and ``patch`` are pixels along an edge; ``max_length`` counts tokens, special
    ones included, of a text in training, fewer than ``positions``. ``segments`` is BERT's.
    """

    image_size: int
    patch: int
    vision: Tower
    vocabulary: int
    positions: int
    segments: int
    max_length: int
    text: Tower
    embedding: int

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


class TextBlock(nn.Module):
    """BERT's block: each part is added to its input, and the sum normalised."""

    def __init__(self, tower: Tower) -> None:
        super().__init__()
        self.attention = Attention(tower.width, tower.heads)
        self.attention_norm = nn.LayerNorm(tower.width, eps=tower.norm_eps)
        self.feed_forward = FeedForward(tower.width, tower.hidden, tower.activation)
        self.feed_forward_norm = nn.LayerNorm(tower.width, eps=tower.norm_eps)

    def forward(self, x: Tensor, mask: Tensor | Segments | None) -> Tensor:
        """(B, T, C) -> (B, T, C), post-norm."""
        x = self.attention_norm(x + self.attention(x, mask=mask))
        return self.feed_forward_norm(x + self.feed_forward(x))


class TextTower(nn.Module):
    """BERT, which says what a text means with its first token, ``[CLS]``."""

    def __init__(self, config: ChineseClipConfig) -> None:
        super().__init__()
        tower = config.text
        self.token_embedding = nn.Embedding(config.vocabulary, tower.width)
        self.position_embedding = nn.Embedding(config.positions, tower.width)
        self.segment_embedding = nn.Embedding(config.segments, tower.width)
        self.embedding_norm = nn.LayerNorm(tower.width, eps=tower.norm_eps)
        self.blocks = nn.ModuleList(TextBlock(tower) for _ in range(tower.layers))
        self.projection = nn.Linear(tower.width, config.embedding, bias=False)

    def forward(self, texts: TokenBatch) -> Tensor:
        """Texts, n of them -> (n, E)."""
        x = self.token_embedding(texts.tokens) + self.segment_embedding(texts.segments)
        x = self.embedding_norm(x + self.position_embedding(texts.positions))  # (B, T, C)
        for block in self.blocks:
            x = block(x, texts.mask)
        return self.projection(texts.first(x))


def build(config: ChineseClipConfig) -> Clip:
    """CLIP with a BERT for its texts."""
    vision = VisionTower(
        config.vision,
        image_size=config.image_size,
        patch=config.patch,
        embedding=config.embedding,
    )
    return Clip(vision, TextTower(config))
