"""Opens a data set by its name or its folder."""

import os
from dataclasses import replace
from pathlib import Path

import platformdirs

from ftso_cli.data.decode import shown
from ftso_cli.data.folders import open_folder
from ftso_cli.data.listing import list_folders
from ftso_cli.data.named import DOWNLOADED, NAMES, open_digits, open_downloaded
from ftso_cli.data.sources import ImageData
from ftso_cli.errors import DataError, SettingsError, nearest, short, unknown

SIZES = (4, 1024)
"""The smallest and the largest image size in pixels."""


def open_images(data: str, *, image_size: int | None = None, root: Path | None = None) -> ImageData:
    """The data set that `data` means: one of `NAMES`, or a folder of images in class folders (see `open_folder`).

    A name comes before a folder of that name; ./digits is the folder. Images of named sets are resized where
    `image_size` asks for it. Sets are downloaded into `root`, by default $FTSO_DATA or the user's data folder, unless
    `root` has them as a folder of images of that name already (cifar10/train/CLASS/*.png).
    Raises `DataError` for a set that can't be found or is damaged.
    """
    if image_size is not None and not SIZES[0] <= image_size <= SIZES[1]:
        raise SettingsError(f"the image size must lie between {SIZES[0]} and {SIZES[1]} pixels, not {image_size}")
    if data == "digits":
        return open_digits(image_size)
    if data in DOWNLOADED:
        store = root or data_folder()
        if (store / data / "train").is_dir():
            return _open_as(data, store / data, image_size)
        return open_downloaded(data, store, image_size)
    if data == "imagenet":
        kept = (root or data_folder()) / data
        if (kept / "train").is_dir():
            return replace(open_folder(str(kept), image_size), name=data)
        raise DataError(
            "imagenet can't be downloaded; give the folder that you have it in, with DIR/train/CLASS/*.JPEG "
            f"and DIR/val/CLASS/*.JPEG: --data DIR, or put it in {shown(str(kept))}"
        )
    place = os.path.expanduser(data)
    if not os.path.exists(place):
        raise DataError(_nothing_called(data, Path(place)))
    if not os.path.isdir(place):
        raise DataError(f"{data}: is a file; unpack it and give the folder, --data DIR with DIR/train/CLASS/*.jpg")
    return open_folder(data, image_size)


def _nothing_called(data: str, place: Path) -> str:
    """Says that there is no such set or folder, and what may be meant."""
    is_path = os.sep in data
    if is_path or nearest(data, NAMES) is None:
        near = nearest(place.name, _folders(place.parent), cutoff=0.75)
        if near is not None:
            return f"{short(data)}: no such folder, did you mean {shown(str(Path(data).parent / near))}?"
    if is_path:
        return f"{short(data)}: no such folder; give one with DIR/train/CLASS/*.jpg or DIR/CLASS/*.jpg"
    hint = "or a folder with DIR/train/CLASS/*.jpg; --data digits needs no download"
    return f"{unknown('data set', data, NAMES)}, {hint}"


def _folders(place: Path) -> list[str]:
    try:
        return list_folders(place)
    except DataError:
        return []


def _open_as(name: str, folder: Path, image_size: int | None) -> ImageData:
    """A folder of images that holds the set `name`, with the known mean and deviation of that set."""
    known = DOWNLOADED[name]
    grey_as_rgb = 3 // len(known.mean)
    images = open_folder(str(folder), image_size)
    return replace(images, name=name, mean=known.mean * grey_as_rgb, std=known.std * grey_as_rgb)


def data_folder() -> Path:
    """Where downloaded sets are kept: $FTSO_DATA, or the user's data folder of this system."""
    chosen = os.environ.get("FTSO_DATA")
    return Path(chosen).expanduser() if chosen else platformdirs.user_data_path("ftso", appauthor=False)
