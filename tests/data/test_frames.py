"""Pictures of any shape become images of one size: cut out, between bars, or stretched."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ftso_cli.data import ImageData, as_imagenet, open_images
from ftso_cli.data.files.decode import decode, quiet
from ftso_cli.data.files.folders import FolderSource
from ftso_cli.data.files.frames import Frame, ImageOptions, framed
from ftso_cli.data.sources import ArraySource
from ftso_cli.errors import SettingsError
from tests.data.images import write_folder, write_image

RED, BLUE, BLACK = (255, 0, 0), (0, 0, 255), (0, 0, 0)


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    """A picture of 30 rows and 90 columns: blue, red and blue thirds beside each other."""
    picture = Image.new("RGB", (90, 30), BLUE)
    picture.paste(RED, (30, 0, 60, 30))
    picture.save(tmp_path / "flag.png")
    return tmp_path / "flag.png"


def pixels(path: Path, frame: Frame) -> np.ndarray:
    with quiet():
        return decode(str(path), frame)


def test_cropping_keeps_the_centre_and_padding_and_stretching_keep_all(flag: Path) -> None:
    cropped = pixels(flag, Frame((30, 30)))
    assert (cropped == RED).all()
    padded = pixels(flag, Frame((30, 30), "pad"))
    assert (padded[:10] == BLACK).all() and (padded[20:] == BLACK).all()
    assert (padded[12:18, 2:8] == BLUE).all() and (padded[12:18, 12:18] == RED).all()
    stretched = pixels(flag, Frame((30, 30), "stretch"))
    assert (
        (stretched[:, :8] == BLUE).all()
        and (stretched[:, 12:18] == RED).all()
        and not (stretched == BLACK).all(2).any()
    )


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(20, 60), (30, 90), (60, 180)])
def test_a_picture_of_the_shape_of_the_images_is_seen_whole_however_it_is_brought_to_them(
    flag: Path, resize: str, size: tuple[int, int]
) -> None:
    found = pixels(flag, Frame(size, resize))
    assert found.shape == (*size, 3)
    assert np.array_equal(found, pixels(flag, Frame(size)))
    assert (found[:, : size[1] // 4] == BLUE).all() and (found[:, 3 * size[1] // 8 : size[1] // 2] == RED).all()


def test_a_rectangle_is_cut_out_of_the_centre(flag: Path) -> None:
    with Image.open(flag) as picture:
        expected = picture.crop((35, 0, 55, 30)).resize((40, 60), Image.Resampling.BILINEAR)
    assert np.array_equal(pixels(flag, Frame((60, 40))), np.asarray(expected))
    assert (pixels(flag, Frame((30, 60)))[:, :14] == BLUE).all()


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("margin", [False, True])
@pytest.mark.parametrize("shape", [(1, 20_000), (20_000, 1), (1, 1), (7, 5)])
def test_pictures_of_any_shape_have_an_image(shape: tuple[int, int], resize: str, margin: bool, tmp_path: Path) -> None:
    path = write_image(tmp_path / "thin.png", size=shape)
    for size in ((8, 8), (16, 4)):
        assert pixels(path, Frame(size, resize, margin)).shape == (*size, 3)


def test_a_picture_whose_margin_would_fill_the_memory_is_cut_without_it() -> None:
    thin = Image.new("RGB", (400_000, 1), RED)
    image = np.asarray(framed(thin, Frame((224, 224), margin=True)))
    assert image.shape == (224, 224, 3) and (image == RED).all()


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("shape", [(8, 8), (9, 14), (20, 7)])
def test_images_in_memory_are_framed_as_files_are(shape: tuple[int, int], resize: str, tmp_path: Path) -> None:
    rows, columns = (torch.linspace(0, 1, 4 * side) for side in shape)
    smooth = torch.stack(
        [rows.view(-1, 1) * columns, rows.view(-1, 1).expand(-1, 4 * shape[1]), columns.expand(4 * shape[0], -1)]
    )
    arrays = (255 * torch.stack([smooth, 1 - smooth])).round().to(torch.uint8)
    Image.fromarray(arrays[1].permute(1, 2, 0).numpy()).save(tmp_path / "a.png")
    for size in ((12, 12), (10, 30), (31, 8)):
        source = ArraySource(arrays, torch.tensor([0, 1]), Frame(size, resize))
        assert source.loaded is None
        found = source.read(torch.tensor([1]))[0].permute(1, 2, 0).numpy().astype(int)
        near = np.abs(found - pixels(tmp_path / "a.png", Frame(size, resize))) <= 16
        assert found.shape == (*size, 3) and near.all()
        source.load_all()
        assert source.loaded is not None and torch.equal(source.loaded, source.read(torch.arange(2)))


def test_digits_become_rectangles() -> None:
    data = open_images("digits", ImageOptions((8, 16), "pad"))
    assert data.image_size == (8, 16)
    plain = open_images("digits").train.read(torch.arange(5))
    padded = data.train.read(torch.arange(5))
    assert (
        torch.equal(padded[:, :, :, 4:12], plain) and not padded[:, :, :, :4].any() and not padded[:, :, :, 12:].any()
    )


@pytest.fixture
def wide(tmp_path: Path) -> str:
    return str(write_folder(tmp_path / "wide", {"a": 6, "b": 6}, (30, 12)))


def all_of(data: ImageData) -> torch.Tensor:
    return data.train.read(torch.arange(len(data.train)))


def test_the_cache_keeps_images_of_every_frame_apart(wide: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftso_cli.data.files.folders.SETTLED", 0)
    wishes = [
        ImageOptions(size, resize) for size in ((8, 8), (8, 16), (16, 8)) for resize in ("crop", "pad", "stretch")
    ]
    first = [all_of(open_images(wide, wanted)) for wanted in wishes]
    for wanted, images in zip(wishes, first, strict=True):
        source = open_images(wide, wanted).train
        assert isinstance(source, FolderSource) and source._entry is not None
        assert torch.equal(source.read(torch.arange(len(source))), images)
    assert len({images.numpy().tobytes() for images in first}) == len(wishes)


def test_networks_for_imagenet_see_rectangles_cut_out_of_larger_ones(wide: str) -> None:
    data = as_imagenet(open_images(wide, ImageOptions((14, 28))))
    assert data.final.read(torch.arange(2)).shape == (2, 3, 14, 28)
    with Image.open(data.final.paths[0]) as picture:
        larger = picture.resize((40, 16), Image.Resampling.BILINEAR).crop((6, 1, 34, 15))
    assert np.array_equal(data.final.read(torch.arange(1))[0].permute(1, 2, 0).numpy(), np.asarray(larger))


@pytest.mark.parametrize("size", [(3, 8), (8, 1025), (0, 0)])
def test_a_side_outside_its_range_is_refused(wide: str, size: tuple[int, int]) -> None:
    with pytest.raises(SettingsError, match="must lie between 4 and 1024 pixels"):
        open_images(wide, ImageOptions(size))
