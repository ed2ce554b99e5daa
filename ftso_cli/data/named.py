"""Data sets that are known by name: digits, which come with ftso, and those that torchvision downloads."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ftso_cli.data.files.cache import CacheKey, Entry, find_place, stamp_files
from ftso_cli.data.files.decode import Transform, printable_path
from ftso_cli.data.files.frames import AS_IT_IS, Frame, ImageOptions
from ftso_cli.data.sources import Arrays, ArraySource, ImageData, Progress
from ftso_cli.data.splits import HELD_OUT, hold_out_test
from ftso_cli.errors import DataError
from ftso_cli.spaces.sets import IMAGES, Images

PARTS = ("train", "test")

DIGITS = Path(__file__).with_name("digits.csv.gz")
"""The test part of the Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, UCI Machine Learning Repository,
1998, CC BY 4.0) as scikit-learn has it: 64 pixels from 0 to 16 and the label, an image a row.
"""


@dataclass(frozen=True, kw_only=True)
class NamedSet:
    """A set that torchvision has: its class there, the folder of its files, and the known mean and deviation of its
    training pixels.
    """

    torchvision: str
    folder: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


DOWNLOADED = {
    "cifar10": NamedSet(
        torchvision="CIFAR10",
        folder="cifar-10-batches-py",
        mean=(0.49139968, 0.48215827, 0.44653124),
        std=(0.24703233, 0.24348505, 0.26158768),
    ),
    "cifar100": NamedSet(
        torchvision="CIFAR100",
        folder="cifar-100-python",
        mean=(0.5071, 0.4867, 0.4408),
        std=(0.2675, 0.2565, 0.2761),
    ),
    "fashion-mnist": NamedSet(torchvision="FashionMNIST", folder="FashionMNIST/raw", mean=(0.2860,), std=(0.3530,)),
}
"""CIFAR-10 as in DARTS (`utils.py`), CIFAR-100 as in NATS-Bench, Fashion-MNIST as computed from its files."""

NAMES = ("digits", *DOWNLOADED, "imagenet")


def open_digits(wanted: ImageOptions = AS_IT_IS) -> ImageData:
    """1,797 handwritten digits of 8x8 pixels; a fifth of each class is the test set, always the same."""
    images, labels = _digits()
    frame = _frame("digits", wanted)
    stay, held = hold_out_test(labels)
    pixels = images[stay].double() / 255
    return ImageData(
        name="digits",
        classes=tuple("0123456789"),
        channels=1,
        image_size=frame.size,
        train=ArraySource(images[stay], labels[stay], frame),
        test=ArraySource(images[held], labels[held], frame),
        flip=False,
        mean=(round(float(pixels.mean()), 4),),
        std=(round(float(pixels.std()), 4),),
        test_from=f"{HELD_OUT} of digits",
    )


def _frame(name: str, wanted: ImageOptions) -> Frame:
    """The frame of a set, whose images keep their size where no other is wanted."""
    own = IMAGES[name].pixels
    return Frame(wanted.size or (own, own), wanted.resize)


def _digits() -> tuple[Tensor, Tensor]:
    """Images (1797, 1, 8, 8) uint8 and labels."""
    table = np.loadtxt(DIGITS, delimiter=",")
    pixels = np.rint(table[:, :-1] * (255 / 16)).astype(np.uint8)
    return torch.from_numpy(pixels).view(-1, 1, 8, 8), torch.from_numpy(table[:, -1].astype(np.int64))


def open_downloaded(name: str, root: Path, wanted: ImageOptions) -> ImageData:
    """CIFAR-10, CIFAR-100 or Fashion-MNIST: from the cache, else from `root`, else downloaded into it.

    Raises `DataError` that says which file belongs where, if there is no way to get it.
    """
    known, frame = DOWNLOADED[name], _frame(name, wanted)
    sources: dict[str, ArraySource]
    if entries := _from_cache(name, root):
        classes = entries["train"].classes
        sources = {part: CachedSource(entries[part], frame, partial(_restored, name, root, part)) for part in PARTS}
    else:
        arrays, classes = _from_files(name, root)
        sources = {part: ArraySource(*arrays[part], frame) for part in PARTS}
    return ImageData(
        name=name,
        classes=classes,
        channels=len(known.mean),
        image_size=frame.size,
        train=sources["train"],
        test=sources["test"],
        flip=True,
        mean=known.mean,
        std=known.std,
        test_from=f"the test part of {name}",
        remarks=_remarks(name, root, sources),
    )


def _remarks(name: str, root: Path, sources: Mapping[str, ArraySource]) -> tuple[str, ...]:
    """A remark where the files of a set have other labels than the published ones: another set in its format."""
    from ftso_cli.data.downloads import is_published

    if all(is_published(name, part, "labels", sources[part].labels) for part in PARTS):
        return ()
    return (f"{printable_path(str(root / DOWNLOADED[name].folder))}: not the published {name}, other labels",)


class CachedSource(ArraySource):
    """Images of the cache, checked when they are first read; `restore` gives all of them where one is damaged."""

    def __init__(self, entry: Entry, frame: Frame, restore: Callable[[], Tensor]) -> None:
        super().__init__(entry.images, entry.labels, frame)
        self._entry = entry
        self._restore = restore
        self._checked = torch.zeros(len(self), dtype=torch.bool)

    def read(self, indices: Tensor) -> Tensor:
        """The images at `indices`, (n, C, H, W) uint8."""
        self._check(indices)
        return super().read(indices)

    def read_each(self, indices: Tensor, transforms: Sequence[Transform]) -> Tensor:
        """Return what each transform makes of its image at `indices`, (n, C, H, W) uint8."""
        self._check(indices)
        return super().read_each(indices, transforms)

    def load_all(self, progress: Progress | None = None) -> Mapping[int, str]:
        """Checks everything now, and resizes it."""
        self._check(torch.arange(len(self)))
        return super().load_all(progress)

    @property
    def loaded(self) -> Tensor | None:
        """All images; None while some are still to be checked or resized."""
        return super().loaded if bool(self._checked.all()) else None

    def _check(self, indices: Tensor) -> None:
        new = indices[~self._checked[indices]]
        if self._entry.sound(new).all():
            self._checked[new] = True
        else:
            self._images = self._restore()
            self._checked[:] = True


def _restored(name: str, root: Path, part: str) -> Tensor:
    return _from_files(name, root)[0][part][0]


def _from_cache(name: str, root: Path) -> dict[str, Entry] | None:
    """The entries of both parts; None where one is missing or the files of the set are others now."""
    files, stamps = _files(name, root)
    places = _places(name, root, files)
    entries = {part: entry for part, place in places.items() if (entry := place.read())}
    fresh = len(files) and all(
        torch.equal(entry.stamps, stamps) and _fits(entry, IMAGES[name]) for entry in entries.values()
    )
    return entries if fresh and len(entries) == len(PARTS) else None


def _fits(entry: Entry, known: Images) -> bool:
    """Return True where an entry has images of the size of a set, each of one of its classes."""
    shape = (known.channels, known.pixels, known.pixels)
    inside = (entry.labels >= 0) & (entry.labels < len(entry.classes))
    return entry.images.shape[1:] == shape and bool(inside.all())


def _from_files(name: str, root: Path) -> tuple[dict[str, Arrays], tuple[str, ...]]:
    """Images and labels of both parts, and the classes, as torchvision reads them; writes them to the cache."""
    from torchvision import datasets

    from ftso_cli.data.downloads import is_published, read_torchvision

    before, stamps_before = _files(name, root)
    train, test, classes = read_torchvision(getattr(datasets, DOWNLOADED[name].torchvision), name, root)
    arrays = {"train": train, "test": test}
    for part, (images, labels) in arrays.items():
        if is_published(name, part, "labels", labels) and not is_published(name, part, "images", images):
            folder = printable_path(str(root / DOWNLOADED[name].folder))
            raise DataError(f"{folder}: the {part} images are damaged; remove their file, and it is downloaded again")
    files, stamps = _files(name, root)
    # Files that were not there have just been downloaded; others may have been changed while they were read.
    if not before or (before == files and torch.equal(stamps_before, stamps)):
        for part, place in _places(name, root, files).items():
            place.write(*arrays[part], stamps, classes)
    return arrays, classes


def _files(name: str, root: Path) -> tuple[list[str], Tensor]:
    """The files of a set below `root`, and their stamps."""
    try:
        files = sorted(str(path) for path in (root / DOWNLOADED[name].folder).iterdir())
    except OSError:
        files = []
    # Trusted however young they are: these files are published, and nobody changes them right after the download.
    return files, stamp_files(files)


def _places(name: str, root: Path, files: list[str]) -> dict[str, CacheKey]:
    of = {"set": name, "root": os.path.realpath(root)}
    places = {part: find_place({**of, "part": part}, [os.path.basename(file) for file in files]) for part in PARTS}
    return {part: place for part, place in places.items() if place}
