"""Augmentation of photographs: the crops, flips and colours of torchvision's transforms, drawn from a seed."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from ftso_cli.data import Batches, as_imagenet, open_images
from ftso_cli.data.batching.photos import CROP_NUMBERS, JITTER, NUMBERS, Draw, PhotoAugmentation, crop_box
from ftso_cli.data.files.decode import decode
from ftso_cli.data.files.folders import FolderSource
from ftso_cli.data.files.frames import Frame
from ftso_cli.data.sources import ArraySource
from tests.data.images import write_folder, write_image

SIZE = 24


def photograph(width: int = 90, height: int = 60) -> Image.Image:
    """A picture whose colours change smoothly, so that resizing hardly rounds."""
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([255 * rows / height, 255 * columns / width, 128 + 100 * np.sin(rows / 9)], axis=2)
    return Image.fromarray(pixels.astype(np.uint8))


def draws(count: int, seed: int = 0) -> list[Draw]:
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.rand((count, NUMBERS), generator=generator, dtype=torch.float64)
    return [Draw(size=(SIZE, SIZE), numbers=tuple(row)) for row in numbers.tolist()]


# Crops


@pytest.mark.parametrize("shape", [(60, 90), (90, 60), (64, 64), (375, 500)])
def test_crops_are_distributed_as_those_of_torchvision(shape: tuple[int, int]) -> None:
    mine = [draw.box(*shape) for draw in draws(4000)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawer, picture = v2.RandomResizedCrop(SIZE), torch.empty(3, *shape)
        theirs = [drawer.make_params([picture]) for _ in range(4000)]
    for place, name in enumerate(("top", "left", "height", "width")):
        found = sorted(box[place] for box in mine)
        expected = sorted(int(box[name]) for box in theirs)
        for share in (0.05, 0.25, 0.5, 0.75, 0.95):
            at = int(share * 4000)
            assert abs(found[at] - expected[at]) <= 0.04 * max(shape) + 1, (name, share)
    for top, left, height, width in mine:
        assert 0 <= top <= shape[0] - height and 0 <= left <= shape[1] - width


def test_crops_reach_every_edge_and_their_shares_lie_in_the_published_range() -> None:
    boxes = [draw.box(300, 400) for draw in draws(4000)]
    assert min(top for top, *_ in boxes) == 0 == min(left for _, left, *_ in boxes)
    assert max(top + height for top, _, height, _ in boxes) == 300
    assert max(left + width for _, left, _, width in boxes) == 400
    shares = [height * width / 120_000 for *_, height, width in boxes]
    ratios = [width / height for *_, height, width in boxes]
    assert min(shares) == pytest.approx(0.08, abs=0.005) and max(shares) > 0.95
    assert min(ratios) == pytest.approx(3 / 4, abs=0.02) and max(ratios) == pytest.approx(4 / 3, abs=0.02)


@pytest.mark.parametrize("shape", [(1, 400), (400, 1)])
def test_a_picture_that_no_crop_fits_gives_its_centre(shape: tuple[int, int]) -> None:
    top, left, height, width = draws(1)[0].box(*shape)
    assert (height, width) == (1, 1) and abs(max(top, left) - 200) <= 1


@pytest.mark.parametrize("size", [(4, 1024), (1024, 4)])
def test_a_crop_has_a_pixel_however_narrow_it_is(size: tuple[int, int]) -> None:
    for draw in draws(50):
        top, left, height, width = replace(draw, size=size).box(10, 12)
        assert 1 <= height <= 10 - top and 1 <= width <= 12 - left


def test_the_pixels_are_those_of_torchvisions_crop() -> None:
    picture, (draw,) = photograph(), draws(1)
    expected = v2.functional.resized_crop(picture, *draw.box(60, 90), [SIZE, SIZE])
    for change, factor in draw.changes():
        expected = change(expected, factor)
    assert np.array_equal(np.asarray(draw(picture)), np.asarray(expected))


def test_colours_change_in_every_order_and_by_factors_of_the_published_range() -> None:
    changes = [draw.changes() for draw in draws(2000)]
    assert len({tuple(change for change, _ in each) for each in changes}) == math.factorial(4)
    for change, low, high in JITTER:
        factors = [dict(each)[change] for each in changes]
        assert low <= min(factors) < low + 0.01 and high - 0.01 < max(factors) <= high
        assert np.mean(factors) == pytest.approx((low + high) / 2, abs=0.02)


def test_crops_have_about_the_shape_that_they_are_resized_to() -> None:
    square = [crop_box(300, 300, draw.numbers[:CROP_NUMBERS], 0.08) for draw in draws(500)]
    for aspect in (0.5, 3.0):
        wide = [replace(draw, size=(SIZE, round(aspect * SIZE))).box(300, 300) for draw in draws(500)]
        ratios = [width / height for *_, height, width in wide]
        assert 0.7 * aspect < min(ratios) and max(ratios) < 1.4 * aspect
        assert np.mean(ratios) == pytest.approx(
            aspect * np.mean([width / height for *_, height, width in square]), rel=0.1
        )


def test_grey_pictures_stay_grey() -> None:
    assert draws(1)[0](photograph().convert("L")).mode == "L"


# Sources


def test_a_folder_gives_random_crops_of_whole_pictures_in_a_seeded_order(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"a": 6, "b": 6}, size=(50, 40))
    data = as_imagenet(open_images(str(folder), image_size=SIZE))
    assert data.train.streams and data.test is not None and not data.test.streams

    def batches(seed: int = 3) -> Batches:
        augment = PhotoAugmentation.of(data)
        indices = torch.arange(len(data.train))
        return Batches(data.train, indices, 4, seed, normalise=data.normalise, augment=augment)

    first, again, other = batches(), batches(), batches(4)
    seen = [next(first)[0] for _ in range(5)]
    assert all(torch.equal(images, next(again)[0]) for images in seen)
    assert not torch.equal(seen[0], next(other)[0])
    assert seen[0].shape == (4, 3, SIZE, SIZE)
    resumed = batches()
    for _ in range(3):
        next(resumed)
    later = batches()
    later.restore(resumed.state())
    assert torch.equal(next(later)[0], seen[3]) and torch.equal(next(later)[0], seen[4])


def test_two_processes_share_a_batch_as_one_has_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"a": 6, "b": 6}, size=(50, 40))
    data = as_imagenet(open_images(str(folder), image_size=SIZE))
    augment, indices = PhotoAugmentation.of(data), torch.arange(len(data.train))

    def batch(share: tuple[int, int]) -> torch.Tensor:
        own = Batches(data.train, indices, 8, 0, normalise=data.normalise, augment=augment, share=share)
        return next(own)[0]

    whole = batch((0, 1))
    for rank in (0, 1):
        assert torch.equal(batch((rank, 2)), whole[rank::2])


def test_the_train_images_of_a_named_set_stay_as_they_are_and_are_cropped() -> None:
    data = as_imagenet(open_images("digits", image_size=SIZE))
    data.train.load_all()
    crops = PhotoAugmentation.of(data).read(data.train, torch.arange(5), torch.Generator().manual_seed(0))
    assert crops.shape == (5, 1, SIZE, SIZE) and crops.dtype == torch.uint8
    assert isinstance(data.train, ArraySource) and data.train.read(torch.arange(2)).shape == (2, 1, SIZE, SIZE)


# Tests: Resize 256, CenterCrop 224


@pytest.mark.parametrize("shape", [(90, 60), (60, 90), (61, 83), (30, 30)])
def test_the_centre_is_cut_out_of_a_larger_picture_as_torchvision_does(shape: tuple[int, int], tmp_path: Path) -> None:
    path = write_image(tmp_path / "image.png", size=shape)
    with Image.open(path) as image:
        published = v2.Compose([v2.Resize(32), v2.CenterCrop(28)])(image.convert("RGB"))
    assert np.array_equal(decode(str(path), Frame((28, 28), margin=True)), np.asarray(published))


def test_test_images_are_framed_so_from_files_and_from_arrays(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 1}, size=(50, 40))
    paths = sorted((folder / "val").rglob("*.png"))
    expected = np.stack([decode(str(path), Frame((28, 28), margin=True)) for path in paths]).transpose(0, 3, 1, 2)
    for _ in range(2):
        framed = as_imagenet(open_images(str(folder), image_size=28))
        framed.final.load_all()
        assert np.array_equal(framed.final.read(torch.arange(2)).numpy(), expected)
        plain = open_images(str(folder), image_size=28).final.read(torch.arange(2))
        assert np.array_equal(plain.numpy()[0], decode(str(paths[0]), Frame((28, 28))).transpose(2, 0, 1))
    digits = as_imagenet(open_images("digits", image_size=8)).final
    once = digits.read(torch.arange(3))
    digits.load_all()
    assert torch.equal(digits.read(torch.arange(3)), once) and once.shape == (3, 1, 8, 8)
    assert not torch.equal(once, open_images("digits").final.read(torch.arange(3)))


def test_a_jpeg_is_decoded_smaller_only_where_every_crop_stays_large_enough(tmp_path: Path) -> None:
    sizes = []
    for side in (80, 900):
        Image.new("RGB", (side, side), "red").save(tmp_path / f"{side}.jpg")
        source = FolderSource(([str(tmp_path / f"{side}.jpg")], torch.zeros(1, dtype=torch.int64)), Frame((SIZE, SIZE)))

        def seen(image: Image.Image) -> Image.Image:
            sizes.append(image.size[0])
            return image.resize((SIZE, SIZE))

        assert source.read_each(torch.tensor([0]), [seen]).shape == (1, 3, SIZE, SIZE)
    assert sizes[0] == 80 and SIZE / math.sqrt(0.08) <= sizes[1] < 900
