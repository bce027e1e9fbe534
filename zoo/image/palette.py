"""Pictures as tokens: each pixel is the number of a colour of a palette."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from zoo.image.preprocessor import ImagePreprocessor


@dataclass(frozen=True)
class PalettePreprocessor:
    """How a checkpoint wants its pictures, where it writes them in colours of its own.

    Shapes: N pictures, H and W what the network gets, K colours.

    Args:
        image: Resizes and normalises.
        palette: (K, 3), the colours as ``image`` makes numbers of them.
    """

    image: ImagePreprocessor
    palette: Tensor

    @property
    def facts(self) -> dict[str, str | int | bool]:
        """What a registry's entry may state of these files, beside the network's config."""
        return self.image.facts

    def tokens(self, numbers: Tensor) -> Tensor:
        """The palette's nearest colour to each pixel, row by row: (N, 3, H, W) -> (N, H * W)."""
        pixels = numbers.float().flatten(2).transpose(1, 2)  # (N, H * W, 3)
        # |p - c|^2 without |p|^2, which is the same for all colours
        squares = self.palette.square().sum(dim=1)
        return (squares - 2 * pixels @ self.palette.T).argmin(dim=2)

    def pixels(self, tokens: Tensor) -> Tensor:
        """The colours of pictures' tokens: (N, H * W) -> (N, H, W, 3), 0 to 255."""
        transform = self.image.transform
        grid = self.palette[tokens].unflatten(1, (transform.height, transform.width))
        return transform.denormalize(grid.permute(0, 3, 1, 2))
