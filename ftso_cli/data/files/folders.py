"""Images in class folders: the parts of a set, and reading its files when they are asked for."""

import math
import os
import random
import time
from bisect import bisect
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import PIL
import torch
from torch import Tensor

from ftso_cli.bounds import LEAST_PIXELS
from ftso_cli.data.files.cache import CacheKey, find_place, stamp_files
from ftso_cli.data.files.decode import (
    Pixels,
    Transform,
    check_file,
    decode,
    decode_with,
    printable_path,
    quiet,
    stored_size,
)
from ftso_cli.data.files.frames import Frame, ImageOptions, Size
from ftso_cli.data.files.layout import read_layout
from ftso_cli.data.files.listing import Files, class_folders, list_classes, list_images
from ftso_cli.data.files.skipped_files import SkippedFiles
from ftso_cli.data.sources import CHUNK, ImageData, ImageSource, Progress
from ftso_cli.data.splits import (
    HELD_OUT,
    WHOLE_GROUPS,
    fold_of,
    group_numbers,
    hold_out_fold,
    hold_out_test,
    hold_out_validation,
    of_each_class,
)
from ftso_cli.errors import DataError

MEMORY_LIMIT = 2 * 1024**3
"""Bytes of decoded images that a source remembers; a larger set is decoded anew each time it is read."""

SETTLED = 2_000_000_000
"""Nanoseconds since its last change from which a file may be cached: no clock of a file system ticks more coarsely, and
a younger file could change once more and keep its stamp."""

SMALL = 64
"""The default size in pixels, and the largest at which a folder of square images keeps its own."""

BROKEN = -1
"""The label in the cache of an image whose file can't be read: it is tried again each time."""

SAMPLE = 64
"""Images whose size is looked at."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Used for every folder: photographs are close to it, and nothing needs to be read to know it."""


NO_GROUPS: Mapping[str, str] = {}

Result = TypeVar("Result")


class FolderSource:
    """Image files, decoded in threads when they are read, and remembered as uint8 up to `memory_limit` bytes.

    What the cache has at `place` is not decoded. Once all images are remembered, they are written there.
    """

    def __init__(
        self, files: Files, frame: Frame, *, memory_limit: int = MEMORY_LIMIT, place: CacheKey | None = None
    ) -> None:
        self._paths, self._labels = list(files[0]), files[1]
        self._frame = frame
        shape = (len(self._paths), 3, *frame.size)
        self._known = torch.zeros(len(self._paths), dtype=torch.bool)
        self._memory: Tensor | None = None
        self._place = place
        self._entry = place.read() if place else None
        if self._entry and (self._entry.images.shape, len(self._entry.stamps)) != (shape, len(self._paths)):
            self._entry = None
        self._stamps = torch.zeros((len(self._paths), 3), dtype=torch.int64)
        self._worth_writing = False
        self._broken: set[int] = set()
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
    def paths(self) -> Sequence[str]:
        """The file of every image."""
        return self._paths

    @property
    def streams(self) -> bool:
        """True where the set is larger than `memory_limit`."""
        return self._memory is None

    def read(self, indices: Tensor) -> Tensor:
        """The images at `indices`, (n, 3, H, W) uint8; raises `DataError` with the name of a damaged file."""
        if self._memory is None:
            pixels, problems = self._decode(indices)
        else:
            problems = self._remember(indices, self._memory)
            pixels = self._memory[indices]
        if problems:
            raise DataError(problems[min(problems)])
        return pixels

    def read_each(self, indices: Tensor, transforms: Sequence[Transform]) -> Tensor:
        """Return what each transform makes of its image at `indices`, (n, 3, H, W) uint8; raises `DataError`."""
        paths = [self._paths[index] for index in indices.tolist()]
        pairs = zip(paths, transforms, strict=True)
        found = _tried([partial(decode_with, path, self._frame.size, transform) for path, transform in pairs])
        if broken := next((each for each in found if isinstance(each, DataError)), None):
            raise broken
        return self._stacked(found)

    def reframed(self, frame: Frame | None) -> "FolderSource":
        """Return the same images in another frame, or left whole for None. They are not cached."""
        other = copy(self)
        other._frame = frame or self._frame
        other._place = other._entry = None
        other._known = torch.zeros_like(self._known)
        other._memory = None if frame is None or self._memory is None else torch.empty_like(self._memory)
        return other

    def load_all(self, progress: Progress | None = None) -> Mapping[int, str]:
        """Decodes every image that is not remembered yet; of a set larger than `memory_limit`, opens every file.

        Returns by index what is wrong with files that can't be read.
        """
        problems: dict[int, str] = {}
        for start in range(0, len(self), CHUNK):
            stop = min(start + CHUNK, len(self))
            chunk = torch.arange(start, stop)
            if self._memory is None:
                problems |= self._look_at(chunk)
            else:
                problems |= self._remember(chunk, self._memory)
            if progress is not None:
                progress(stop, len(self))
        return problems

    @property
    def loaded(self) -> Tensor | None:
        """All images, (N, 3, H, W) uint8; None while some are still to be decoded."""
        return self._memory if bool(self._known.all()) else None

    def stand_in(self, broken: Collection[int]) -> None:
        """Lets the next image of its class, in order, take the place of each broken one, so that the order stays.

        Raises `DataError` where a class has no image left.
        """
        # Not to the cache: what it has under the name of a file is that file.
        self._place = None
        labels = self._labels.tolist()
        sound = [index for index in range(len(self)) if index not in broken]
        own: dict[int, list[int]] = {
            label: [index for index in sound if labels[index] == label] for label in set(labels)
        }
        for index in sorted(broken):
            candidates = own[labels[index]]
            if not candidates:
                raise DataError(
                    f"{printable_path(str(Path(self._paths[index]).parent))}: none of its images can be read"
                )
            other = candidates[bisect(candidates, index) % len(candidates)]
            self._paths[index] = self._paths[other]
            if self._memory is not None:
                self._memory[index] = self.read(torch.tensor([other]))[0]
                self._known[index] = True

    def _remember(self, indices: Tensor, memory: Tensor) -> dict[int, str]:
        """Reads those at `indices` that are not remembered; returns by index what is wrong with files."""
        missing = indices[~self._known[indices]]
        if not len(missing):
            return {}
        # Before decoding: a file that changes meanwhile has another stamp than the one that is kept.
        until = time.time_ns() - SETTLED
        self._stamps[missing] = stamp_files([self._paths[index] for index in missing.tolist()], until=until)
        decoded = missing[~self._cached(missing)]
        memory[decoded], problems = self._decode(decoded)
        self._known[missing] = True
        self._known[list(problems)] = False
        self._broken |= problems.keys()
        self._worth_writing |= bool((self._stamps[decoded].any(1) & self._known[decoded]).any())
        if self._place and self._worth_writing and int(self._known.sum()) + len(self._broken) == len(self):
            labels = self._labels.clone()
            labels[list(self._broken)] = BROKEN
            self._place.write(memory, labels, self._stamps)
            self._worth_writing = False
        return problems

    def _cached(self, indices: Tensor) -> Tensor:
        """Return which images at `indices` the cache has as their files are now, (n,) bool."""
        if self._entry is None:
            return torch.zeros(len(indices), dtype=torch.bool)
        stamps = self._stamps[indices]
        fresh = (stamps == self._entry.stamps[indices]).all(1) & stamps.any(1)
        fresh &= self._entry.labels[indices] != BROKEN
        fresh[fresh.clone()] = self._entry.sound(indices[fresh])
        return fresh

    def _decode(self, indices: Tensor) -> tuple[Tensor, dict[int, str]]:
        """The images at `indices`, black where a file can't be read; by index what is wrong with it."""
        paths = [self._paths[index] for index in indices.tolist()]
        found = _tried([partial(decode, path, self._frame) for path in paths])
        return self._stacked(found), _problems(indices, found)

    def _stacked(self, found: Sequence[Pixels | DataError]) -> Tensor:
        """Images as (n, 3, H, W) uint8, black in the place of an error."""
        shape = (*self._frame.size, 3)
        black = np.zeros(shape, dtype=np.uint8)
        images = [black if isinstance(each, DataError) else each for each in found]
        pixels = torch.from_numpy(np.stack(images) if images else np.empty((0, *shape), np.uint8))
        return pixels.permute(0, 3, 1, 2).contiguous()

    def _look_at(self, indices: Tensor) -> dict[int, str]:
        """Opens the files at `indices` without decoding them; returns by index what is wrong with them."""
        return _problems(indices, _tried([partial(check_file, self._paths[index]) for index in indices.tolist()]))


def _tried(readers: Sequence[Callable[[], Result]]) -> list[Result | DataError]:
    """Return what `readers` give, in order, or the error of each, by as many threads as torch uses.

    Pillow lets threads run at the same time.
    """
    threads = torch.get_num_threads()
    # A few parts a thread: small images would spend more time on being handed out than on decoding.
    step = max(1, math.ceil(len(readers) / (4 * threads)))
    parts = [readers[start : start + step] for start in range(0, len(readers), step)]
    with quiet(), ThreadPoolExecutor(threads) as pool:
        return [result for part in pool.map(_try_each, parts) for result in part]


def _try_each(readers: Sequence[Callable[[], Result]]) -> list[Result | DataError]:
    results: list[Result | DataError] = []
    for read in readers:
        try:
            results.append(read())
        except DataError as error:
            results.append(error)
    return results


def _problems(indices: Tensor, found: Sequence[object]) -> dict[int, str]:
    pairs = zip(indices.tolist(), found, strict=True)
    return {index: str(each) for index, each in pairs if isinstance(each, DataError)}


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The files of a set by part: train, test and maybe val.

    `come_from` says by part where they come from, `val_share` which share of the training images was laid aside as
    `val`, and `groups` by path which images belong together.
    """

    files: Mapping[str, Files]
    come_from: Mapping[str, str]
    val_share: float = 0.0
    groups: Mapping[str, str] = field(default_factory=dict)


def open_folder(data: str, wanted: ImageOptions, validation: float = 0.0) -> ImageData:
    """The data set in folder `data`: class folders in `train` with `val` or `test` beside it, or class folders alone.

    Without a folder for testing, that for validation is it. Where there is none either, or `validation` is above 0 and
    takes it, a fifth of each class of the training images becomes the test set, always the same. Without a folder for
    validation, the share `validation` of the training images that are left is laid aside, always the same too.
    Images are RGB, by default squares of `own_size`. Raises `DataError` where a folder, a class or
    images are missing.
    """
    skipped = SkippedFiles()
    layout = read_layout(data, skipped)
    found = class_folders(layout.train, skipped)
    classes = list_classes(layout.train, found)
    files = {"train": list_images(layout.train, classes, skipped, found=found, nested=wanted.nested)}
    held = {part: place for part, place in layout.parts.items() if part != "train"}
    for part, place in held.items():
        files[part] = list_images(place, classes, skipped, may_lack=True, nested=wanted.nested)
    parts = with_parts(
        data, files, {part: printable_path(str(place)) for part, place in held.items()}, wanted, validation
    )
    return folder_data(data, layout.folder, tuple(classes), wanted, parts, skipped=skipped)


def with_parts(
    data: str,
    files: Mapping[str, Files],
    come_from: Mapping[str, str],
    wanted: ImageOptions,
    validation: float,
    groups: Mapping[str, str] = NO_GROUPS,
) -> Parts:
    """The parts of a set, with images for testing and, for a share `validation` above 0, for validation laid aside.

    The fold that is `wanted` takes the place of images for testing.

    Raises `DataError` where there are too few.
    """
    files, come_from = dict(files), dict(come_from)
    whole = WHOLE_GROUPS if groups else ""
    if wanted.fold is not None:
        paths, labels = files["train"]
        held = hold_out_fold(labels, wanted.fold, group_numbers(paths, groups))
        files["train"], files["test"] = _divided(files["train"], held)
        come_from["test"] = f"{fold_of(wanted.fold, data)}{whole}"
    if not validation and "test" not in files and "val" in files:
        files["test"], come_from["test"] = files.pop("val"), come_from.pop("val")
    if "test" not in files:
        files["train"], files["test"] = _divided(files["train"], _test_of(data, files["train"], groups))
        come_from["test"] = f"{HELD_OUT} of {printable_path(data)}{whole}"
    val_share = 0.0 if "val" in files else validation
    if val_share:
        paths, labels = files["train"]
        held = hold_out_validation(labels, val_share, group_numbers(paths, groups))
        files["train"], files["val"] = _divided(files["train"], held)
        come_from["val"] = f"{of_each_class(val_share, data)}{whole}"
    return Parts(files=files, come_from=come_from, val_share=val_share, groups=groups)


def open_test_folder(data: str, classes: tuple[str, ...], wanted: ImageOptions) -> ImageData:
    """The images in folder `data` for testing a network of these classes: its test part, or all of class folders alone.

    Raises `DataError` for a class that the network doesn't know.
    """
    skipped = SkippedFiles()
    layout = read_layout(data, skipped, may_lack_train=True)
    folder = layout.parts.get("test", layout.parts.get("val", layout.train))
    files = list_images(folder, classes, skipped, may_lack=True, nested=wanted.nested)
    parts = Parts(files={"train": files, "test": files}, come_from={"test": printable_path(str(folder))})
    return folder_data(data, layout.folder, classes, wanted, parts, skipped=skipped)


def folder_data(
    data: str, folder: Path, classes: tuple[str, ...], wanted: ImageOptions, parts: Parts, *, skipped: SkippedFiles
) -> ImageData:
    """The data set of these files by part, which lie below `folder`."""
    frame = Frame(wanted.size or own_size(parts.files["train"][0]), wanted.resize)
    sources: dict[str, ImageSource] = {
        part: FolderSource(of_part, frame, place=_place(folder, part, frame, of_part[0]))
        for part, of_part in parts.files.items()
    }
    return ImageData(
        name=data,
        classes=classes,
        channels=3,
        image_size=frame.size,
        train=sources["train"],
        val=sources.get("val"),
        test=sources.get("test"),
        flip=True,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        skipped=skipped,
        root=str(folder),
        test_from=parts.come_from.get("test", ""),
        val_from=parts.come_from.get("val", ""),
        val_share=parts.val_share,
        groups=parts.groups,
    )


def _test_of(data: str, files: Files, groups: Mapping[str, str]) -> tuple[Tensor, Tensor]:
    """Indices of the files for training and of those for testing; raises `DataError` where these are none."""
    stay, held = hold_out_test(files[1], group_numbers(files[0], groups))
    if not len(held):
        classes = len(set(files[1].tolist()))
        raise DataError(
            f"{printable_path(data)}: {len(files[0])} images of {classes} classes are too few to lay some aside "
            "for testing; give more images, or a folder of test images beside train"
        )
    return stay, held


def _divided(files: Files, chosen: Sequence[Tensor]) -> list[Files]:
    """The files at each of the indices that are `chosen`."""
    paths, labels = files
    return [([paths[index] for index in part.tolist()], labels[part]) for part in chosen]


def _place(folder: Path, part: str, frame: Frame, paths: Sequence[str]) -> CacheKey | None:
    """Return the cache's place of the decoded images; another Pillow may decode them a little differently."""
    root = str(folder)
    names = [path.removeprefix(root).lstrip(os.sep) for path in paths]
    size = "x".join(map(str, frame.size))
    of = {"folder": os.path.realpath(folder), "part": part, "size": size, "resize": frame.resize}
    return find_place(of, names, pillow=PIL.__version__)


def own_size(paths: Sequence[str]) -> Size:
    """The size of the images where all of a sample are squares of one size of at most 64 pixels, else that of 64.

    The sample is drawn by a fixed seed; files that can't be read are passed over.
    """
    sample = random.Random(0).sample(paths, min(len(paths), SAMPLE))
    sizes = set()
    with quiet():
        for path in sample:
            with suppress(DataError):
                sizes.add(stored_size(path))
    width, height = sizes.pop() if len(sizes) == 1 else (0, 1)
    side = max(width, LEAST_PIXELS) if width == height <= SMALL else SMALL
    return side, side
