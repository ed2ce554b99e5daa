"""A cache of decoded images: one memory-mapped file a set and part, of which only what is read is loaded.

An entry is a safetensors file. Its tensors:

images     (N, C, H, W) uint8
labels     (N,) int64
checksums  (N,) int64: CRC-32 of the pixels of each image, compared when the image is first read
stamps     (F, 3) int64: size, time of modification and time of change of the files that the images come from

Its metadata, as JSON under `ftso`: `about` says what was decoded, from which files and by which versions, and must be
what is asked for; `classes` are their names, where the set brings them; `seal` is the CRC-32 of all but the pixels.

The cache never decides what is seen. Whatever is missing, damaged or older than its file is taken from the files
again, and where an entry can't be written nothing is lost but time.
"""

import json
import math
import os
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ftso_cli import __version__, caching
from ftso_cli.errors import FileError
from ftso_cli.files import replacing

LIMIT = 1024**3
"""Bytes of pixels that an entry may have; larger sets are not cached."""

ROOM = 4 * 1024**3
"""Bytes that the whole cache may take; entries that were not used for the longest time go first."""

_FAILURES = (OSError, FileError, SafetensorError, RuntimeError, ValueError, TypeError, KeyError)
"""What a missing or damaged file, a full disk or a folder without permission can lead to."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Images of the cache; `images` is a private map of the file, so writing to it changes the memory only."""

    images: Tensor
    labels: Tensor
    checksums: Tensor
    stamps: Tensor
    classes: tuple[str, ...]

    def sound(self, indices: Tensor) -> Tensor:
        """Which images at `indices` have the pixels that were written, (n,) bool."""
        return _checksums(self.images, indices) == self.checksums[indices]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in the cache certain images are kept: the file, and what it must be about."""

    file: Path
    about: Mapping[str, str | int]

    def read(self) -> Entry | None:
        """The entry; None where there is none, or it is about other files, made by another version or damaged."""
        try:
            entry = self._mapped()
        except _FAILURES:
            return None
        with suppress(OSError):
            os.utime(self.file)
        return entry

    def _mapped(self) -> Entry | None:
        with safe_open(self.file, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in ("images", "labels", "checksums", "stamps")}
            known = json.loads(file.metadata()["ftso"])
        if known["about"] != self.about or known["seal"] != _seal(known["about"], known["classes"], tensors):
            return None
        return Entry(**tensors, classes=tuple(known["classes"]))

    def write(self, images: Tensor, labels: Tensor, stamps: Tensor, classes: Sequence[str] = ()) -> None:
        """Writes the entry, whole or not at all; does nothing for more than `LIMIT` bytes or where it can't."""
        if images.numel() > LIMIT:
            return
        from safetensors.torch import save_file

        checksums = _checksums(images, torch.arange(len(images)))
        tensors = {"images": images, "labels": labels, "checksums": checksums, "stamps": stamps}
        known = {"about": self.about, "classes": classes, "seal": _seal(self.about, classes, tensors)}
        with suppress(*_FAILURES):
            caching.prepare(self.file.parent)
            with replacing(self.file) as temporary:
                save_file(tensors, temporary, {"ftso": json.dumps(known)})
            _make_room(self.file.parent)


def find_place(of: Mapping[str, str | int], files: Sequence[str], **versions: str) -> Place | None:
    """The place of the images `of` a set, decoded from `files` by `versions`; None where the cache is turned off.

    There is one place for each `of`: what is there for other files or by other versions will be replaced.
    Raises `FileError` where the folder of the cache holds other things.
    """
    folder = caching.room("images")
    if folder is None:
        return None
    listing = sha256(os.fsencode("\0".join(files))).hexdigest()
    name = sha256(json.dumps(of).encode()).hexdigest()[:32]
    return Place(
        file=folder / f"{name}.safetensors",
        about={**of, **versions, "ftso": __version__, "files": listing},
    )


def stamp_files(files: Sequence[str], *, until: float = math.inf) -> Tensor:
    """Stamps (F, 3) int64 of `files`; zeros for one that isn't there or has changed after the time `until` in ns."""
    return torch.tensor([_stamp(file, until) for file in files], dtype=torch.int64).view(-1, 3)


def _stamp(file: str, until: float) -> tuple[int, int, int]:
    try:
        found = os.stat(file)
    except OSError:
        return 0, 0, 0
    if max(found.st_mtime_ns, found.st_ctime_ns) > until:
        return 0, 0, 0
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _checksums(images: Tensor, indices: Tensor) -> Tensor:
    pixels = images.numpy()
    return torch.tensor([zlib.crc32(pixels[index].data) for index in indices.tolist()], dtype=torch.int64)


def _seal(about: Mapping[str, str | int], classes: Sequence[str], tensors: Mapping[str, Tensor]) -> str:
    shapes = [(name, str(tensor.dtype), *tensor.shape) for name, tensor in tensors.items()]
    seal = zlib.crc32(json.dumps([about, classes, shapes]).encode())
    for name, tensor in tensors.items():
        if name != "images":
            seal = zlib.crc32(tensor.numpy().data, seal)
    return f"{seal:08x}"


def _make_room(folder: Path) -> None:
    """Removes what was not used for the longest time, leftovers of a killed process among it."""
    files = [(path, path.stat()) for path in caching.own_files(folder)]
    used = 0
    for path, found in sorted(files, key=lambda file: file[1].st_mtime, reverse=True):
        used += found.st_size
        if used > ROOM:
            path.unlink(missing_ok=True)
