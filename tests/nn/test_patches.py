import pytest
import timm.layers
import torch
from torch.nn import functional as F

from zoo.nn import PatchEmbedding, patchify, resample_grid, unpatchify


def test_a_patch_embedding_projects_each_square_alone() -> None:
    torch.manual_seed(0)
    embedding = PatchEmbedding(5, 4)
    pixels = torch.randn(2, 3, 8, 12)

    tokens = embedding(pixels)

    assert tokens.shape == (2, 6, 5)
    second = pixels[:, :, :4, 4:8].flatten(1)  # first row, second column
    assert embedding.projection.bias is not None
    by_hand = second @ embedding.projection.weight.flatten(1).T + embedding.projection.bias
    torch.testing.assert_close(tokens[:, 1], by_hand)


def test_pixels_that_fill_no_patch_are_left_out() -> None:
    torch.manual_seed(0)
    embedding = PatchEmbedding(5, 4, bias=False)
    pixels = torch.randn(1, 3, 11, 9)
    torch.testing.assert_close(embedding(pixels), embedding(pixels[:, :, :8, :8]))


@pytest.mark.parametrize("shape", [(1, 3, 3, 8), (1, 1, 8, 8)])
def test_less_than_a_patch_or_other_channels_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least one patch of 4x4 pixels, got"):
        PatchEmbedding(5, 4)(torch.zeros(shape))


def test_patches_are_put_together_again() -> None:
    pixels = torch.randn(2, 3, 8, 12)
    patches = patchify(pixels, 4)
    assert patches.shape == (2, 6, 48)
    assert torch.equal(patches[0, 1], pixels[0, :, :4, 4:8].permute(1, 2, 0).flatten())
    assert torch.equal(unpatchify(patches, 4, (2, 3)), pixels)


@pytest.mark.parametrize("new", [(3, 3), (7, 5), (2, 6)])
def test_a_grid_is_stretched_as_timm_and_as_transformers_do(new: tuple[int, int]) -> None:
    torch.manual_seed(0)
    positions = torch.randn(1, 16, 6)

    as_timm = timm.layers.resample_abs_pos_embed(
        positions, new_size=list(new), old_size=[4, 4], num_prefix_tokens=0
    )
    torch.testing.assert_close(
        resample_grid(positions, old=(4, 4), new=new, antialias=True), as_timm
    )
    grid = positions.reshape(1, 4, 4, 6).permute(0, 3, 1, 2)
    as_transformers = F.interpolate(grid, size=new, mode="bicubic", align_corners=False)
    torch.testing.assert_close(
        resample_grid(positions, old=(4, 4), new=new, antialias=False),
        as_transformers.permute(0, 2, 3, 1).reshape(1, -1, 6),
    )


def test_the_grid_itself_is_left_as_it_is() -> None:
    positions = torch.randn(1, 6, 4)
    assert resample_grid(positions, old=(2, 3), new=(2, 3), antialias=True) is positions
