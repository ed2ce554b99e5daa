"""Data sets that are known by name: digits of scikit-learn, and those that torchvision downloads."""

import gzip
import os
import re
import socket
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ftso_cli.data.decode import shown
from ftso_cli.data.sources import ArraySource, ImageData
from ftso_cli.data.splits import lay_aside_test
from ftso_cli.errors import DataError

TIMEOUT = 20.0
"""Seconds that a server may stay silent before a download is given up."""


@dataclass(frozen=True, kw_only=True)
class NamedSet:
    """A set that torchvision has: the name of its class, and the known mean and deviation of its training pixels."""

    torchvision: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


DOWNLOADED = {
    "cifar10": NamedSet(
        torchvision="CIFAR10", mean=(0.49139968, 0.48215827, 0.44653124), std=(0.24703233, 0.24348505, 0.26158768)
    ),
    "cifar100": NamedSet(torchvision="CIFAR100", mean=(0.5071, 0.4867, 0.4408), std=(0.2675, 0.2565, 0.2761)),
    "fashion-mnist": NamedSet(torchvision="FashionMNIST", mean=(0.2860,), std=(0.3530,)),
}
"""CIFAR-10 as in DARTS (`utils.py`), CIFAR-100 as in NATS-Bench, Fashion-MNIST as computed from its files."""

NAMES = ("digits", *DOWNLOADED, "imagenet")


def open_digits(size: int | None = None) -> ImageData:
    """1,797 handwritten digits of 8x8 pixels; a fifth of each class is the test set, always the same."""
    images, labels = _digits()
    stay, held = lay_aside_test(labels)
    pixels = images[stay].double() / 255
    return ImageData(
        name="digits",
        classes=tuple("0123456789"),
        channels=1,
        image_size=(size or 8, size or 8),
        train=ArraySource(images[stay], labels[stay], size),
        test=ArraySource(images[held], labels[held], size),
        flip=False,
        mean=(round(float(pixels.mean()), 4),),
        std=(round(float(pixels.std()), 4),),
    )


def _digits() -> tuple[Tensor, Tensor]:
    """Images (1797, 1, 8, 8) uint8 and labels, from the file in scikit-learn, whose import would take a second."""
    package = find_spec("sklearn")
    folders = package.submodule_search_locations if package else None
    file = Path(folders[0], "datasets", "data", "digits.csv.gz") if folders else Path()
    if file.is_file():
        with gzip.open(file, "rt") as lines:
            table = np.loadtxt(lines, delimiter=",")
    else:
        from sklearn.datasets import load_digits

        digits = load_digits()
        table = np.column_stack([digits.data, digits.target])
    pixels = np.rint(table[:, :-1] * (255 / 16)).astype(np.uint8)
    return torch.from_numpy(pixels).view(-1, 1, 8, 8), torch.from_numpy(table[:, -1].astype(np.int64))


def open_downloaded(name: str, root: Path, size: int | None = None) -> ImageData:
    """CIFAR-10, CIFAR-100 or Fashion-MNIST, from `root` or downloaded into it.

    Raises `DataError` that says which file belongs where, if there is no way to get it.
    """
    from torchvision import datasets

    known = DOWNLOADED[name]
    train, test, classes = read_torchvision(getattr(datasets, known.torchvision), name, root)
    own = train[0].shape[-1]
    return ImageData(
        name=name,
        classes=classes,
        channels=train[0].shape[1],
        image_size=(size or own, size or own),
        train=ArraySource(*train, size),
        test=ArraySource(*test, size),
        flip=True,
        mean=known.mean,
        std=known.std,
    )


Arrays = tuple[Tensor, Tensor]


def read_torchvision(
    kind: type[Any], name: str, root: Path, timeout: float = TIMEOUT
) -> tuple[Arrays, Arrays, tuple[str, ...]]:
    """Training and test images (N, C, H, W) uint8 with labels, and class names, of a torchvision data set class."""
    # torchvision meets a missing or damaged file, a missing network or a full disk with errors of many kinds.
    with _quiet(timeout):
        try:
            return _read(kind, root)
        except Exception:
            pass
        try:
            _fetch(kind, root)
            return _read(kind, root)
        except DataError:
            raise
        except Exception as error:
            raise DataError(_advice(kind, name, root, error)) from None


def _read(kind: type[Any], root: Path) -> tuple[Arrays, Arrays, tuple[str, ...]]:
    train, test = kind(str(root), train=True), kind(str(root), train=False)
    return _arrays(train), _arrays(test), tuple(train.classes)


def _fetch(kind: type[Any], root: Path) -> None:
    """Downloads into a folder of its own and moves whole files, so that a kill leaves nothing half done.

    Archives that the user has put into `root` are taken instead of a download.
    """
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as name:
        work = Path(name)
        for file, checksum in _archives(kind):
            _lend(root / file, work / file, checksum)
        kind(str(work), download=True)
        archives = {work / file for file, _ in _archives(kind)}
        for path in [path for path in work.rglob("*") if path.is_file() and path not in archives]:
            target = root / path.relative_to(work)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)


def _lend(archive: Path, place: Path, checksum: str) -> None:
    from torchvision.datasets.utils import check_integrity

    if not archive.exists():
        return
    if not check_integrity(str(archive), checksum):
        raise DataError(f"{shown(str(archive))}: is not the published file (MD5 {checksum}); remove or replace it")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(archive.absolute())


def _archives(kind: type[Any]) -> list[tuple[str, str]]:
    """The files that torchvision downloads, below its root, with their MD5."""
    if hasattr(kind, "tgz_md5"):
        return [(kind.filename, kind.tgz_md5)]
    return [(f"{kind.__name__}/raw/{file}", checksum) for file, checksum in kind.resources]


def _arrays(part: Any) -> Arrays:
    images = torch.as_tensor(part.data)
    # CIFAR comes as (N, H, W, 3), Fashion-MNIST as (N, H, W).
    images = images.permute(0, 3, 1, 2).contiguous() if images.dim() == 4 else images.unsqueeze(1)
    labels = torch.as_tensor(part.targets, dtype=torch.int64)
    if len(labels) != len(images) or int(labels.max()) >= len(part.classes):
        raise ValueError("labels don't fit the images")
    return images, labels


@contextmanager
def _quiet(timeout: float) -> Iterator[None]:
    """torchvision downloads without a time limit, and older versions print to stdout."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(timeout)
    try:
        with warnings.catch_warnings(), redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            yield
    finally:
        socket.setdefaulttimeout(before)


def _advice(kind: type[Any], name: str, root: Path, error: Exception) -> str:
    files = [Path(file) for file, _ in _archives(kind)]
    names = ", ".join(file.name for file in files)
    return (
        f"{name} is not in {shown(str(root))} and can't be downloaded ({_reason(error)}); put {names} "
        f"into {shown(str(root / files[0].parent))}, or its images into {shown(str(root / name))}/train/CLASS, "
        "or use --data digits or a folder: --data DIR with DIR/train/CLASS/*.jpg"
    )


def _reason(error: Exception) -> str:
    """What went wrong, without the wrappings of urllib and torchvision."""
    text = str(error).rsplit("urlopen error", 1)[-1].strip(" \n<>")
    return " ".join(re.sub(r"\[Errno -?\d+\]", "", text).split())[:160] or type(error).__name__
