"""Opens a data set by its name or its folder."""

import os
from dataclasses import replace
from pathlib import Path

import platformdirs

from ftso_cli.bounds import LEAST_PIXELS, MOST_PIXELS
from ftso_cli.data.files.decode import printable_path
from ftso_cli.data.files.folders import open_folder, open_test_folder
from ftso_cli.data.files.frames import AS_IT_IS, ImageOptions
from ftso_cli.data.files.labels import folder_of, is_table, open_table, open_test_table
from ftso_cli.data.files.listing import list_folders
from ftso_cli.data.files.skipped_files import Changes
from ftso_cli.data.named import DOWNLOADED, NAMES, open_digits, open_downloaded
from ftso_cli.data.record import ImageRecord, compare_labels, other_classes, recorded_data
from ftso_cli.data.sources import ImageData
from ftso_cli.data.splits import with_fold, with_validation
from ftso_cli.errors import DataError, SettingsError, nearest, short, unknown


def open_images(
    data: str,
    wanted: ImageOptions = AS_IT_IS,
    *,
    image_size: int | None = None,
    root: Path | None = None,
    validation: float = 0.0,
) -> ImageData:
    """The data set that `data` means: one of `NAMES`, a folder of images in class folders, or a table of them.

    A name comes before a folder of that name; ./digits is the folder. `image_size` asks for squares. The share
    `validation` of the training images is laid aside for validation in a set that has no images for that. Sets are
    downloaded into `root`, by default $FTSO_DATA or the user's data folder, unless `root` has them as a folder of
    images of that name already (cifar10/train/CLASS/*.png). Raises `DataError` for a set that can't be found or is
    damaged.
    """
    wanted = wanted if image_size is None else replace(wanted, size=(image_size, image_size))
    for side in wanted.size or ():
        if not LEAST_PIXELS <= side <= MOST_PIXELS:
            raise SettingsError(f"the image size must lie between {LEAST_PIXELS} and {MOST_PIXELS} pixels, not {side}")
    if is_table(data):
        return open_table(data, wanted, validation)
    folder = image_folder(data, root)
    if folder is None:
        known = open_digits(wanted) if data == "digits" else open_downloaded(data, _store(root), wanted)
        return with_validation(with_fold(known, wanted.fold), validation)
    if data in NAMES:
        return _known_as(data, open_folder(str(folder), wanted, validation))
    return open_folder(data, wanted, validation)


def image_folder(data: str, root: Path | None = None) -> Path | None:
    """The folder of images that `data` means, of a table the one that it lies in; None for a set that has none.

    Raises `DataError` where there is none.
    """
    if data == "digits":
        return None
    if data in DOWNLOADED:
        folder = _store(root) / data
        return folder if (folder / "train").is_dir() else None
    if data == "imagenet":
        folder = _store(root) / data
        if (folder / "train").is_dir():
            return folder
        raise DataError(
            "imagenet can't be downloaded; give the folder that you have it in, with DIR/train/CLASS/*.JPEG "
            f"and DIR/val/CLASS/*.JPEG: --data DIR, or put it in {printable_path(str(folder))}"
        )
    if is_table(data):
        return folder_of(data)
    place = Path(os.path.expanduser(data))
    if not data or not os.path.exists(place):
        raise DataError(_nothing_called(data, place))
    if not os.path.isdir(place):
        raise DataError(
            f"{data}: is a file; unpack it and give the folder, --data DIR with DIR/train/CLASS/*.jpg, or a table "
            "LABELS.csv of path,label"
        )
    return place


def open_recorded(
    data: str,
    record: ImageRecord,
    classes: tuple[str, ...],
    wanted: ImageOptions,
    *,
    validation: float = 0.0,
    stand_in: bool = False,
) -> tuple[ImageData, Changes]:
    """The images of a record in the data set that `data` means, and how what is there differs from it.

    The training images are divided anew where another share of them than in the record is for `validation`.

    With `stand_in`, training images that are gone keep their place. Raises `RunError` where the classes are others.
    """
    folder = image_folder(data)
    if folder is not None and record.test:
        asked = record.divided(data, validation)
        images, changes = recorded_data(data, folder, asked, classes, wanted, stand_in=stand_in)
        return _known_as(data, images), changes
    images = open_images(data, wanted, validation=validation)
    if images.classes != classes:
        raise other_classes(data, classes)
    return images, compare_labels(images, record)


def open_tests(data: str, classes: tuple[str, ...], wanted: ImageOptions) -> ImageData:
    """The images that `data` has for testing a network of these classes: its test part, else all of a folder.

    Raises `DataError` for a class that the network doesn't know.
    """
    if is_table(data):
        return open_test_table(data, classes, wanted)
    folder = image_folder(data)
    if folder is not None:
        return _known_as(data, open_test_folder(str(folder), classes, wanted))
    images = open_images(data, wanted)
    if images.classes != classes:
        raise other_classes(data, classes)
    return images


def _nothing_called(data: str, place: Path) -> str:
    """Says that there is no such set or folder, and what may be meant."""
    is_path = os.sep in data
    if is_path or nearest(data, NAMES) is None:
        near = nearest(place.name, _folders(place.parent), cutoff=0.75)
        if near is not None:
            return f"{short(data)}: no such folder, did you mean {printable_path(str(Path(data).parent / near))}?"
    if is_path:
        return f"{short(data)}: no such folder; give one with DIR/train/CLASS/*.jpg or DIR/CLASS/*.jpg"
    hint = "or a folder with DIR/train/CLASS/*.jpg; --data digits needs no download"
    return f"{unknown('data set', data, NAMES)}, {hint}"


def _folders(place: Path) -> list[str]:
    try:
        return list_folders(place)
    except DataError:
        return []


def _known_as(name: str, data: ImageData) -> ImageData:
    """A folder of images under the name that was asked for, with the mean and deviation that a set of it has."""
    if name not in DOWNLOADED:
        return replace(data, name=name)
    known = DOWNLOADED[name]
    grey_as_rgb = 3 // len(known.mean)
    return replace(data, name=name, mean=known.mean * grey_as_rgb, std=known.std * grey_as_rgb)


def _store(root: Path | None) -> Path:
    return root or data_folder()


def data_folder() -> Path:
    """Return the folder of downloaded sets: $FTSO_DATA, or the user's data folder of this system."""
    chosen = os.environ.get("FTSO_DATA")
    return Path(chosen).expanduser() if chosen else platformdirs.user_data_path("ftso", appauthor=False)
