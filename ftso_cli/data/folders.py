"""Images in class folders: which files there are, and reading them when they are asked for."""

import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import PIL
import torch
from torch import Tensor

from ftso_cli.data.cache import Place, find_place, stamp_files
from ftso_cli.data.decode import SUFFIXES, Pixels, decode, quiet, shown, stored_size
from ftso_cli.data.sources import CHUNK, ImageData, ImageSource, Progress
from ftso_cli.data.splits import lay_aside_test
from ftso_cli.errors import DataError

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

Files = tuple[list[str], Tensor]
"""Paths of images, and their labels (N,) int64."""


class FolderSource:
    """Image files, decoded in threads when they are read, and remembered as uint8 up to `memory_limit` bytes.

    What the cache has at `place` is not decoded. Once all images are remembered, they are written there.
    """

    def __init__(
        self, files: Files, size: int, *, memory_limit: int = MEMORY_LIMIT, place: Place | None = None
    ) -> None:
        self._paths, self._labels = files
        self._size = size
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

    def load_all(self, progress: Progress | None = None) -> None:
        """Decodes every image that is not remembered yet; does nothing where the set is larger than `memory_limit`."""
        if self._memory is None:
            return
        for start in range(0, len(self), CHUNK):
            stop = min(start + CHUNK, len(self))
            self.read(torch.arange(start, stop))
            if progress is not None:
                progress(stop, len(self))

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
        with quiet():
            pixels = np.stack(_decode_files(paths, self._size)) if paths else np.empty((0, *[self._size] * 2, 3), "u1")
        return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def _decode_files(paths: Sequence[str], size: int) -> list[Pixels]:
    """The images in order, decoded by as many threads as torch uses; Pillow lets them run at the same time."""
    threads = torch.get_num_threads()
    # A few parts a thread: small images would spend more time on being handed out than on decoding.
    step = math.ceil(len(paths) / (4 * threads))
    parts = [paths[start : start + step] for start in range(0, len(paths), step)]
    with ThreadPoolExecutor(threads) as pool:
        return [pixels for part in pool.map(partial(_decode_part, size=size), parts) for pixels in part]


def _decode_part(paths: Sequence[str], size: int) -> list[Pixels]:
    return [decode(path, size) for path in paths]


def open_folder(data: str, image_size: int | None = None) -> ImageData:
    """The data set in folder `data`: `train/CLASS/*` with `val` or `test` beside it, or one level of class folders.

    Where only training images are there, a fifth of each class becomes the test set, always the same.
    Images are RGB squares of `image_size`, by default of the first image's own size where that is square and at most
    64 pixels, else 64. Raises `DataError` where a folder, a class or images are missing.
    """
    folder = Path(os.path.expanduser(data))
    inside = set(_folders(folder))
    train = folder / "train" if "train" in inside else folder
    if train == folder and inside & {"val", "test"}:
        raise DataError(f"{shown(data)}: has {' and '.join(sorted(inside & {'val', 'test'}))} but no train beside it")
    classes = _classes(train)
    files = list_images(train, classes)
    size = image_size or _own_size(files[0][0])
    parts = {"train": files}
    if train != folder:
        parts |= {part: list_images(folder / part, classes) for part in ("val", "test") if part in inside}
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


def _classes(folder: Path) -> list[str]:
    classes = sorted(_folders(folder))
    if len(classes) < 2:
        found = f"only one class folder ({classes[0]})" if classes else "no class folders"
        raise DataError(f"{shown(str(folder))}: has {found}; images belong into two or more, as DIR/train/CLASS/*.jpg")
    for name in classes:
        if not _is_text(name):
            raise DataError(f"{shown(str(folder / name))}: the name is not UTF-8; rename the folder")
    return classes


def _is_text(name: str) -> bool:
    """False for a file name whose bytes are not UTF-8: Python marks them so that they can't be written again."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def list_images(folder: Path, classes: Sequence[str]) -> Files:
    """The image files in the class folders of `folder`, sorted by class and name, with the labels of `classes`."""
    found = sorted(_folders(folder))
    unknown = [name for name in found if name not in set(classes)]
    if unknown or not found:
        problem = f"has a class {unknown[0]!r} that train lacks" if unknown else "has no class folders"
        raise DataError(f"{shown(str(folder))}: {problem}")
    label_of = {name: label for label, name in enumerate(classes)}
    paths: list[str] = []
    labels: list[Tensor] = []
    for name in found:
        images = sorted(_images(folder / name))
        if not images:
            raise DataError(
                f"{shown(str(folder / name))}: no images in this class folder ({' '.join(sorted(SUFFIXES))})"
            )
        paths += images
        labels.append(torch.full((len(images),), label_of[name]))
    return paths, torch.cat(labels)


def _folders(folder: Path) -> list[str]:
    return [entry.name for entry in _entries(folder) if _leads_to(entry.is_dir)]


def _images(folder: Path) -> list[str]:
    images: list[str] = []
    for entry in _entries(folder):
        name = entry.name
        # os.path.splitext would take as long as all the rest.
        if name[name.rfind(".") :].lower() not in SUFFIXES:
            continue
        if _leads_to(entry.is_file):
            images.append(entry.path)
        elif entry.is_symlink():
            raise DataError(f"{shown(entry.path)}: a link that leads to no file; remove or replace it")
    return images


def _leads_to(check: Callable[[], bool]) -> bool:
    """The answer of an entry's `is_dir` or `is_file`; False for a link that leads to itself."""
    try:
        return check()
    except OSError:
        return False


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{shown(str(folder))}: can't be read ({error.strerror})") from None
