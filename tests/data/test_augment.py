"""Crop, flip and cutout against plain loops over single images."""

import pytest
import torch

from ftso_cli.data import Augmentation, open_images
from ftso_cli.data.batching.augment import random_crop, random_cutout, random_flip
from ftso_cli.errors import SettingsError

N, C, H, W = 64, 3, 12, 10


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(seed: int = 1) -> torch.Tensor:
    return torch.randint(1, 256, (N, C, H, W), dtype=torch.uint8, generator=generator(seed))


def plain_crop(image: torch.Tensor, padding: int, top: int, left: int) -> torch.Tensor:
    canvas = torch.zeros(C, H + 2 * padding, W + 2 * padding, dtype=image.dtype)
    canvas[:, padding : padding + H, padding : padding + W] = image
    return canvas[:, top : top + H, left : left + W]


def plain_cutout(image: torch.Tensor, length: int, row: int, column: int) -> torch.Tensor:
    """DARTS, utils.Cutout, for one image with the centre given."""
    top, bottom = max(row - length // 2, 0), min(row + length // 2, H)
    left, right = max(column - length // 2, 0), min(column + length // 2, W)
    cut = image.clone()
    cut[:, top:bottom, left:right] = 0
    return cut


def test_every_crop_is_a_window_of_its_own_padded_image():
    batch = images()
    for image, crop in zip(batch, random_crop(batch, 3, generator()), strict=True):
        windows = [plain_crop(image, 3, top, left) for top in range(7) for left in range(7)]
        assert any(torch.equal(crop, window) for window in windows)


def test_every_offset_of_a_crop_comes_up_about_as_often_as_any_other():
    batch = torch.zeros(9000, 1, 5, 5, dtype=torch.uint8)
    batch[:, :, 2, 2] = 1
    places = torch.nonzero(random_crop(batch, 1, generator()))[:, 2:]
    counts = torch.zeros(5, 5)
    counts.index_put_((places[:, 0], places[:, 1]), torch.ones(len(places)), accumulate=True)
    assert (counts > 0).sum() == 9
    assert counts[1:4, 1:4].sub(1000).abs().max() < 150


def test_about_half_of_the_images_are_mirrored_and_the_others_untouched():
    batch = images()
    flipped = random_flip(batch, generator())
    mirrored = [torch.equal(new, old.flip(2)) for new, old in zip(flipped, batch, strict=True)]
    same = [torch.equal(new, old) for new, old in zip(flipped, batch, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 20 < sum(mirrored) < 44


@pytest.mark.parametrize("length", [2, 6, 16])
def test_every_cutout_is_that_of_the_published_code_at_some_centre(length):
    batch = images().float()
    for image, cut in zip(batch, random_cutout(batch, length, generator()), strict=True):
        candidates = [plain_cutout(image, length, row, column) for row in range(H) for column in range(W)]
        assert any(torch.equal(cut, candidate) for candidate in candidates)


def test_a_cutout_of_odd_length_has_that_length():
    cut = random_cutout(torch.ones(500, 1, 9, 9), 3, generator())
    assert (cut == 0).sum(dim=(1, 2, 3)).max() == 9


def test_the_centre_of_a_cutout_is_uniform_over_the_image():
    batch = torch.ones(20_000, 1, 4, 4)
    # A square of one pixel is its own centre.
    share = (random_cutout(batch, 1, generator()) == 0).float().mean(dim=(0, 1))
    assert share.sub(1 / 16).abs().max() < 0.01


def test_augmentation_does_not_write_into_the_images_it_is_given():
    batch = images()
    before = batch.clone()
    Augmentation(padding=2, cutout=4)(batch, lambda x: x.float(), generator())
    assert torch.equal(batch, before)


def test_the_border_is_black_and_the_cut_square_is_the_mean():
    batch = torch.full((200, 1, 8, 8), 255, dtype=torch.uint8)
    out = Augmentation(padding=2, flip=False, cutout=2)(batch, lambda x: x.float() / 255 * 2 - 1, generator())
    assert set(out.unique().tolist()) == {-1.0, 0.0, 1.0}


def test_the_same_generator_state_gives_the_same_images():
    augment = Augmentation(padding=2, cutout=4)
    first, again, other = (augment(images(), lambda x: x.float(), generator(seed)) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_default_follows_the_size_and_the_kind_of_the_images():
    digits = open_images("digits")
    assert Augmentation.of(digits) == Augmentation(padding=1, flip=False, cutout=0)
    assert Augmentation.of(open_images("digits", image_size=32), cutout=16).padding == 4


@pytest.mark.parametrize("name", ["padding", "cutout"])
def test_negative_pixels_are_refused(name):
    with pytest.raises(SettingsError, match=f"{name} must be at least 0"):
        Augmentation(**{name: -1})
