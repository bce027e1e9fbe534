"""A picture as a sequence: patches that become tokens, and the grid of their positions."""

from torch import Tensor, nn
from torch.nn import functional as F


class PatchEmbedding(nn.Module):
    """Cut a picture into squares and project each to a token.

    A convolution whose kernel does not overlap is that projection. Pixels to the right and below
    that fill no patch are left out.

    Shapes: B batch, H and W pixels, P edge of a patch, N = (H // P) · (W // P) patches, C width.
    Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020, section 3.1.
    https://arxiv.org/abs/2010.11929

    Args:
        width: C.
        patch: P, pixels.
        bias: Whether the projection adds one; CLIP's does not.
    """

    def __init__(self, width: int, patch: int, *, bias: bool = True) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, width, kernel_size=patch, stride=patch, bias=bias)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, N, C), row by row.

        Raises:
            ValueError: The picture is smaller than a patch, or has other than 3 channels.
        """
        patch = self.projection.kernel_size[0]
        channels, H, W = pixels.shape[1:]
        if channels != 3 or min(H, W) < patch:
            raise ValueError(
                f"expected 3 channels and at least one patch of {patch}x{patch} pixels, "
                f"got {channels} channels of {H}x{W}"
            )
        return self.projection(pixels).flatten(2).transpose(1, 2)


def resample_grid(
    positions: Tensor, *, old: tuple[int, int], new: tuple[int, int], antialias: bool
) -> Tensor:
    """Stretch a learned grid of positions over more or fewer patches, by bicubic interpolation.

    Shapes: N patches of the grid it was learned for, M of the new one, C width.

    Args:
        positions: (1, N, C), row by row.
        old: Rows and columns of it.
        new: Rows and columns wanted.
        antialias: Whether shrinking averages over all that it covers, as timm does it; transformers
            takes the nearest four by four.

    Returns:
        (1, M, C); the positions as they are if the grid is the same.
    """
    if old == new:
        return positions
    grid = positions.float().unflatten(1, old).permute(0, 3, 1, 2)  # (1, C, rows, columns)
    grid = F.interpolate(grid, size=new, mode="bicubic", align_corners=False, antialias=antialias)
    return grid.flatten(2).transpose(1, 2).to(positions.dtype)


def patchify(pixels: Tensor, patch: int) -> Tensor:
    """Cut pictures into patches: (B, 3, H, W) -> (B, N, P · P · 3), the channels last in each."""
    rows = pixels.unflatten(2, (-1, patch)).unflatten(4, (-1, patch))  # (B, 3, rows, P, columns, P)
    return rows.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def unpatchify(patches: Tensor, patch: int, grid: tuple[int, int]) -> Tensor:
    """Put patches together again: (B, N, P · P · 3) -> (B, 3, H, W), the inverse of `patchify`."""
    squares = patches.unflatten(1, grid).unflatten(3, (patch, patch, 3))
    return squares.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)
