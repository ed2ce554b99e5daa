"""Training, prediction from a file and from Pillow see the same pixels of every kind of image."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

import ftso_cli
from ftso_cli.data.files.folders import FolderSource
from ftso_cli.data.files.frames import Frame
from ftso_cli.errors import DataError
from ftso_cli.training.use.classifier import Classifier
from tests.images import write_folder

SIZE = (40, 24)
"""Width and height of the pictures."""


def scene() -> Image.Image:
    """A picture whose corners differ."""
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    pixels = np.stack([rows * 10, columns * 6, (rows + columns) * 3 % 256], 2)
    return Image.fromarray(pixels.astype(np.uint8))


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    scene().save(path, exif=exif)


def deep(path: Path) -> None:
    grey = np.asarray(scene().convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(path)


def ten_bits(path: Path) -> None:
    grey = np.asarray(scene().convert("L")).astype(">u2") * 4
    path.write_bytes(f"P5 {SIZE[0]} {SIZE[1]} 1023\n".encode() + grey.tobytes())


def transparent(path: Path) -> None:
    image = scene().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(SIZE))
    image.save(path)


def animated(path: Path) -> None:
    scene().save(path, save_all=True, append_images=[Image.new("RGB", SIZE, "red")] * 2)


def as_mode(mode: str, **settings: object):
    return lambda path: scene().convert(mode).save(path, **settings)


KINDS = {
    "exif.jpg": turned,
    "exif.png": turned,
    "deep.png": deep,
    "deep.tif": deep,
    "ten.pgm": ten_bits,
    "alpha.png": transparent,
    "alpha.webp": transparent,
    "grey.jpg": as_mode("L"),
    "grey_alpha.png": as_mode("LA"),
    "bits.png": as_mode("1"),
    "cmyk.jpg": as_mode("CMYK"),
    "cmyk.tif": as_mode("CMYK"),
    "palette.png": as_mode("P"),
    "palette.gif": as_mode("P"),
    "key.png": as_mode("P", transparency=3),
    "ycc.jpg": as_mode("YCbCr"),
    "packed.tif": as_mode("RGB", compression="tiff_lzw"),
    "progressive.jpg": as_mode("RGB", progressive=True),
    "moving.gif": animated,
    "moving.png": animated,
    "moving.webp": animated,
}


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    folder = tmp_path_factory.mktemp("colours")
    images = write_folder(folder / "images", train=4, test=1)
    small = {"channels": 4, "cells": 1, "epochs": 1, "batch_size": 4, "auxiliary": 0.0}
    return ftso_cli.train("ftso_residual", data=images, output=folder / "run", **small).load()


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_image_is_seen_alike(kind: str, resize: str, classifier: Classifier, tmp_path: Path) -> None:
    if kind.endswith("webp") and not features.check("webp"):
        pytest.skip("this Pillow reads no WebP")
    path = tmp_path / kind
    KINDS[kind](path)
    classifier.image_size, classifier.frame = (12, 30), Frame((12, 30), resize)
    source = FolderSource(([str(path)], torch.zeros(1, dtype=torch.int64)), classifier.frame)
    trained = source.read(torch.tensor([0]))[0]
    assert trained.float().std() > 5
    assert torch.equal((classifier.preprocess(path) * 255).round().to(torch.uint8), trained)
    with Image.open(path) as image:
        assert torch.equal((classifier.preprocess(image) * 255).round().to(torch.uint8), trained)


def test_a_picture_in_memory_that_cannot_be_used_is_told_as_a_file_is(classifier: Classifier) -> None:
    for picture in (Image.new("F", (4, 4)), Image.new("I", (4, 4)), Image.new("1", (8_000, 8_000))):
        with pytest.raises(DataError, match="the image can't be used: "):
            classifier.preprocess(picture)
