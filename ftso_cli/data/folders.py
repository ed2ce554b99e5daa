"""Images in class folders: the parts of a set, and reading its files when they are asked for."""

import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import partial
from pathlib import Path

import numpy as np
import PIL
import torch
from torch import Tensor

from ftso_cli.data.cache import Place, find_place, stamp_files
from ftso_cli.data.decode import Pixels, Transform, decode, decode_with, quiet, shown, stored_size
from ftso_cli.data.listing import Files, LeftOut, list_classes, list_folders, list_images
from ftso_cli.data.sources import CHUNK, ImageData, ImageSource, Progress
from ftso_cli.data.splits import lay_aside_test
from ftso_cli.errors import DataError

Decoder = Callable[[], Pixels]

MEMORY_LIMIT = 2 * 1024**3
"""Bytes of decoded images that a source remembers; a larger set is decoded anew each time it is read."""

SETTLED = 2_000_000_000
"""Nanoseconds since its last change from which a file may be cached: no clock of a file system ticks more coarsely, and
a younger file could change once more and keep its stamp."""

SMALL = 64
"""The default size in pixels, and the largest at which a folder of square images keeps its own."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Used for every folder: photographs are close to it, and nothing needs to be read to know it."""


class FolderSource:
    """Image files, decoded in threads when they are read, and remembered as uint8 up to `memory_limit` bytes.

    What the cache has at `place` is not decoded. Once all images are remembered, they are written there.
    """

    def __init__(
        self, files: Files, size: int, *, memory_limit: int = MEMORY_LIMIT, place: Place | None = None
    ) -> None:
        self._paths, self._labels = files
        self._size, self._shorter = size, size
        shape = (len(self._paths), 3, size, size)
        self._known = torch.zeros(len(self._paths), dtype=torch.bool)
        self._memory: Tensor | None = None
        self._place = place
        self._entry = place.read() if place else None
        self._stamps = torch.zeros((len(self._paths), 3), dtype=torch.int64)
        self._worth_writing = False
        if self._entry:
            self._memory = self._entry.images
        elif torch.Size(shape).numel() <= memory_limit:
            # The system gives pages when they are first written: images that are never read take no memory.
            self._memory = torch.empty(shape, dtype=torch.uint8)

    @property
    def labels(self) -> Tensor:
        """The class of every image, (N,) int64."""
        return self._labels

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def streams(self) -> bool:
        """Whether the set is larger than `memory_limit`."""
        return self._memory is None

    def read(self, indices: Tensor) -> Tensor:
        """The images at `indices`, (n, 3, size, size) uint8; raises `DataError` with the name of a damaged file."""
        if self._memory is None:
            return self._decode(indices)
        missing = indices[~self._known[indices]]
        if len(missing):
            self._remember(missing, self._memory)
        return self._memory[indices]

    def read_each(self, indices: Tensor, transforms: Sequence[Transform]) -> Tensor:
        """Return what each transform makes of its image at `indices`, (n, 3, H, W) uint8; raises `DataError`."""
        paths = [self._paths[index] for index in indices.tolist()]
        pairs = zip(paths, transforms, strict=True)
        return self._in_threads([partial(decode_with, path, self._size, transform) for path, transform in pairs])

    def reframed(self, shorter: int | None) -> "FolderSource":
        """Return the same images, to be cut out of a larger picture, or left whole for None. They are not cached."""
        other = copy(self)
        other._shorter = shorter or self._size
        other._place = other._entry = None
        other._known = torch.zeros_like(self._known)
        other._memory = None if shorter is None or self._memory is None else torch.empty_like(self._memory)
        return other

    def load_all(self, progress: Progress | None = None) -> None:
        """Decodes every image that is not remembered yet; does nothing where the set is larger than `memory_limit`."""
        if self._memory is None:
            return
        for start in range(0, len(self), CHUNK):
            stop = min(start + CHUNK, len(self))
            self.read(torch.arange(start, stop))
            if progress is not None:
                progress(stop, len(self))

    @property
    def loaded(self) -> Tensor | None:
        """All images, (N, 3, size, size) uint8; None while some are still to be decoded."""
        return self._memory if bool(self._known.all()) else None

    def _remember(self, missing: Tensor, memory: Tensor) -> None:
        # Before decoding: a file that changes meanwhile has another stamp than the one that is kept.
        until = time.time_ns() - SETTLED
        self._stamps[missing] = stamp_files([self._paths[index] for index in missing.tolist()], until=until)
        decoded = missing[~self._cached(missing)]
        memory[decoded] = self._decode(decoded)
        self._known[missing] = True
        self._worth_writing |= bool(self._stamps[decoded].any())
        if self._place and self._worth_writing and self._known.all():
            self._place.write(memory, self._labels, self._stamps)
            self._worth_writing = False

    def _cached(self, indices: Tensor) -> Tensor:
        """Which images at `indices` the cache has as their files are now, (n,) bool."""
        if self._entry is None:
            return torch.zeros(len(indices), dtype=torch.bool)
        stamps = self._stamps[indices]
        fresh = (stamps == self._entry.stamps[indices]).all(1) & stamps.any(1)
        fresh[fresh.clone()] = self._entry.sound(indices[fresh])
        return fresh

    def _decode(self, indices: Tensor) -> Tensor:
        paths = [self._paths[index] for index in indices.tolist()]
        return self._in_threads([partial(decode, path, self._size, self._shorter) for path in paths])

    def _in_threads(self, decoders: Sequence[Decoder]) -> Tensor:
        with quiet():
            pixels = np.stack(_decoded(decoders)) if decoders else np.empty((0, *[self._size] * 2, 3), "u1")
        return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def _decoded(decoders: Sequence[Decoder]) -> list[Pixels]:
    """The images in order, decoded by as many threads as torch uses; Pillow lets them run at the same time."""
    threads = torch.get_num_threads()
    # A few parts a thread: small images would spend more time on being handed out than on decoding.
    step = math.ceil(len(decoders) / (4 * threads))
    parts = [decoders[start : start + step] for start in range(0, len(decoders), step)]
    with ThreadPoolExecutor(threads) as pool:
        return [pixels for part in pool.map(_decode_part, parts) for pixels in part]


def _decode_part(decoders: Sequence[Decoder]) -> list[Pixels]:
    return [decode_one() for decode_one in decoders]


def open_folder(data: str, image_size: int | None = None) -> ImageData:
    """The data set in folder `data`: `train/CLASS/*` with `val` or `test` beside it, or one level of class folders.

    Where only training images are there, a fifth of each class becomes the test set, always the same.
    Images are RGB squares of `image_size`, by default of the first image's own size where that is square and at most
    64 pixels, else 64. Raises `DataError` where a folder, a class or images are missing.
    """
    folder = Path(os.path.expanduser(data))
    inside = set(list_folders(folder))
    train = folder / "train" if "train" in inside else folder
    if train == folder and inside & {"val", "test"}:
        raise DataError(f"{shown(data)}: has {' and '.join(sorted(inside & {'val', 'test'}))} but no train beside it")
    classes = list_classes(train)
    left_out = LeftOut()
    files = list_images(train, classes, left_out)
    size = image_size or _own_size(files[0][0])
    parts = {"train": files}
    if train != folder:
        parts |= {part: list_images(folder / part, classes, left_out) for part in ("val", "test") if part in inside}
    if len(parts) == 1:
        parts = _with_test(data, files)
    sources: dict[str, ImageSource] = {
        part: FolderSource(part_files, size, place=_place(folder, part, size, part_files[0]))
        for part, part_files in parts.items()
    }
    return ImageData(
        name=data,
        classes=tuple(classes),
        channels=3,
        image_size=(size, size),
        **sources,
        flip=True,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        left_out=left_out,
    )


def _with_test(data: str, files: Files) -> dict[str, Files]:
    paths, labels = files
    stay, held = lay_aside_test(labels)
    if not len(held):
        raise DataError(f"{shown(data)}: {len(paths)} images are too few to lay some aside for testing")
    return {
        part: ([paths[index] for index in chosen.tolist()], labels[chosen])
        for part, chosen in (("train", stay), ("test", held))
    }


def _place(folder: Path, part: str, size: int, paths: Sequence[str]) -> Place | None:
    """Where the cache has the decoded images; another Pillow may decode them a little differently."""
    root = str(folder)
    names = [path.removeprefix(root).lstrip(os.sep) for path in paths]
    of: dict[str, str | int] = {"folder": os.path.realpath(folder), "part": part, "size": size}
    return find_place(of, names, pillow=PIL.__version__)


def _own_size(path: str) -> int:
    with quiet():
        width, height = stored_size(path)
    return width if width == height <= SMALL else SMALL
