"""Reading the data sets that torchvision has, and downloading them."""

import gzip
import os
import re
import socket
import sys
import tempfile
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from ftso_cli.data.files.decode import printable_path
from ftso_cli.data.sources import Arrays
from ftso_cli.errors import DataError

TIMEOUT = 20.0
"""Seconds that a server may stay silent before a download is given up."""

FASHION_MNIST = {
    "train-images-idx3-ubyte": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
    "train-labels-idx1-ubyte": "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
    "t10k-images-idx3-ubyte": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
    "t10k-labels-idx1-ubyte": "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
}
"""SHA-256 of the values in each file, behind its header: torchvision checks archives alone, which others pack anew."""

UNPACKED = 100_000_000
"""Bytes that are unpacked of an archive at most."""


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
    place.parent.mkdir(parents=True, exist_ok=True)
    if check_integrity(str(archive), checksum):
        place.symlink_to(archive.absolute())
    elif content := _published_content(archive):
        place.with_suffix("").write_bytes(content)
    else:
        raise DataError(
            f"{printable_path(str(archive))}: is not the published file (MD5 {checksum}); remove or replace it"
        )


def is_published(name: str, part: str, kind: str, values: torch.Tensor) -> bool:
    """Return True where `values`, the "images" or "labels" of a part of a set, are the published ones.

    Only Fashion-MNIST is looked at: torchvision checks the files of CIFAR each time.
    """
    if name != "fashion-mnist":
        return True
    known = FASHION_MNIST[f"{'train' if part == 'train' else 't10k'}-{kind}-idx{3 if kind == 'images' else 1}-ubyte"]
    return sha256(values.to(torch.uint8).numpy().tobytes()).hexdigest() == known


def _published_content(archive: Path) -> bytes | None:
    """Return the file of Fashion-MNIST in an archive that somebody else packed, as Debian did; None for another."""
    known = FASHION_MNIST.get(archive.stem)
    if known is None:
        return None
    try:
        with gzip.open(archive) as packed:
            content = packed.read(UNPACKED)
    except (OSError, EOFError, zlib.error):
        return None
    header = 4 + 4 * content[3] if len(content) > 3 else 0
    return content if sha256(content[header:]).hexdigest() == known else None


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
        f"{name} is not in {printable_path(str(root))} and can't be downloaded ({_reason(error)}); put {names} "
        f"into {printable_path(str(root / files[0].parent))}, or its images into "
        f"{printable_path(str(root / name))}/train/CLASS, "
        "or use --data digits or a folder: --data DIR with DIR/train/CLASS/*.jpg"
    )


def _reason(error: Exception) -> str:
    """Return the reason of an error, without the wrappings of urllib and torchvision."""
    text = str(error).rsplit("urlopen error", 1)[-1].strip(" \n<>")
    return " ".join(re.sub(r"\[Errno -?\d+\]", "", text).split())[:160] or type(error).__name__
