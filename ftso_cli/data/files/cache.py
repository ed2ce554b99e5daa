"""A cache of decoded images: one file a set and part, of which only what is asked for is read.

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
import stat
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from ftso_cli import __version__, caching
from ftso_cli.errors import FileError
from ftso_cli.files import replacing

LIMIT = 1024**3
"""Bytes of pixels that an entry may have; larger sets are not cached."""

ROOM = 4 * 1024**3
"""Bytes that the whole cache may take; entries that were not used for the longest time go first."""

HEADER = 100_000_000
"""Bytes that the head of an entry may have; it holds the names of the classes."""

_FAILURES = (
    OSError,
    FileError,
    SafetensorError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
)
"""The errors of a missing or damaged file, a full disk, a folder without permission."""


class _File:
    """A file that is open as long as somebody has this."""

    def __init__(self, path: Path) -> None:
        # Without waiting for whoever may write into a pipe in its place.
        self.number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        if not stat.S_ISREG(os.fstat(self.number).st_mode):
            raise ValueError("no file")

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)

    def read(self, length: int, start: int) -> bytearray:
        """Return `length` bytes from `start` on; raises `ValueError` where they are not there."""
        content = bytearray(length)
        if os.preadv(self.number, [content], start) != length:
            raise ValueError("cut short")
        return content


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Images of the cache; `images` is memory, into which `sound` reads those that it is asked for."""

    images: Tensor
    labels: Tensor
    checksums: Tensor
    stamps: Tensor
    classes: tuple[str, ...]
    file: _File
    start: int
    """The position of the first pixel in the file."""

    def sound(self, indices: Tensor) -> Tensor:
        """Reads the images at `indices`; which of them have the pixels that were written, (n,) bool.

        They are not mapped into memory: a map of a file that is cut short later ends the process.
        """
        pixels = self.images.numpy()
        length = math.prod(pixels.shape[1:])
        for index in indices.tolist():
            os.preadv(self.file.number, [pixels[index].reshape(-1).data], self.start + index * length)
        return _checksums(self.images, indices) == self.checksums[indices]


@dataclass(frozen=True, kw_only=True)
class CacheKey:
    """The place of certain images in the cache: the file, and what it must be about."""

    file: Path
    about: Mapping[str, str | int]

    def read(self) -> Entry | None:
        """The entry; None where there is none, or it is about other files, made by another version or damaged."""
        try:
            entry = self._opened()
        except _FAILURES:
            return None
        with suppress(OSError):
            os.utime(self.file)
        return entry

    def _opened(self) -> Entry | None:
        file = _File(self.file)
        length = int.from_bytes(file.read(8, 0), "little")
        if length > HEADER:
            return None
        header = json.loads(file.read(length, 8))
        known = json.loads(header["__metadata__"]["ftso"])
        if known["about"] != self.about:
            return None
        shape, start = tuple(header["images"]["shape"]), 8 + length + header["images"]["data_offsets"][0]
        ends = [about["data_offsets"][1] for name, about in header.items() if name != "__metadata__"]
        if os.fstat(file.number).st_size != 8 + length + max(ends):
            return None
        if header["images"]["dtype"] != "U8" or len(shape) != 4 or not 0 < math.prod(shape) <= LIMIT:
            return None
        tensors = {"images": torch.empty(shape, dtype=torch.uint8)}
        for name, rest in (("labels", ()), ("checksums", ()), ("stamps", (3,))):
            found = _integers(file, header[name], 8 + length)
            if found.shape[1:] != rest or (name != "stamps" and len(found) != shape[0]):
                return None
            tensors[name] = found
        if known["seal"] != _seal(known["about"], known["classes"], tensors):
            return None
        return Entry(**tensors, classes=tuple(map(str, known["classes"])), file=file, start=start)

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


def _integers(file: _File, about: Mapping[str, Any], start: int) -> Tensor:
    """A tensor of int64, as a header tells of it; raises `ValueError` for any other."""
    first, last = about["data_offsets"]
    if about["dtype"] != "I64" or not 0 <= last - first <= LIMIT or first < 0:
        raise ValueError("no integers")
    content = file.read(last - first, start + first)
    found = torch.frombuffer(content, dtype=torch.int64) if content else torch.empty(0, dtype=torch.int64)
    return found.view(about["shape"])


def find_place(of: Mapping[str, str | int], files: Sequence[str], **versions: str) -> CacheKey | None:
    """The place of the images `of` a set, decoded from `files` by `versions`; None where the cache is turned off.

    There is one place for each `of`: what is there for other files or by other versions will be replaced.
    Raises `FileError` where the folder of the cache holds other things.
    """
    folder = caching.cache_subfolder("images")
    if folder is None:
        return None
    listing = sha256(os.fsencode("\0".join(files))).hexdigest()
    name = sha256(json.dumps(of).encode()).hexdigest()[:32]
    return CacheKey(
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
