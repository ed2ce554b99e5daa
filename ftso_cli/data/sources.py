"""Data sets: labelled images that are read by index, with their classes and statistics."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ftso_cli.data.files.decode import Transform
from ftso_cli.data.files.frames import Frame, Size
from ftso_cli.data.files.skipped_files import Changes, SkippedFiles
from ftso_cli.errors import DataError

Progress = Callable[[int, int], None]
"""Called with the number of images that are ready and the number of all."""

CHUNK = 512
"""Images between two calls of an `Update`."""


Arrays = tuple[Tensor, Tensor]
"""Images (N, C, H, W) uint8 and their labels (N,) int64."""


class ImageSource(Protocol):
    """Labelled images of one size, read by index."""

    @property
    def labels(self) -> Tensor:
        """The class of every image, (N,) int64."""

    def __len__(self) -> int: ...

    @property
    def streams(self) -> bool:
        """True where every `read` decodes files, because memory shall not hold the set."""

    def read(self, indices: Tensor) -> Tensor:
        """The images at `indices`, (n, C, H, W) uint8; raises `DataError` with the name of a damaged file."""

    def read_each(self, indices: Tensor, transforms: Sequence[Transform]) -> Tensor:
        """Return what each transform makes of its whole image at `indices`, all of one size, (n, C, H, W) uint8."""

    def reframed(self, frame: Frame | None) -> "ImageSource":
        """Return the same images in another frame of the same size.

        For None they stay whole, for `read_each`: `load_all` does nothing.
        """

    def load_all(self, progress: Progress | None = None) -> Mapping[int, str]:
        """Makes every later `read` a copy from memory, or looks at the files of a set that memory shall not hold.

        Returns by index what is wrong with images that can't be read.
        """

    @property
    def paths(self) -> Sequence[str]:
        """The file of every image; none for a set that is not made of image files."""

    @property
    def loaded(self) -> Tensor | None:
        """All images, (N, C, H, W) uint8, where memory holds every one of them already; else None."""


class ArraySource:
    """Images in memory, (N, C, H, W) uint8, brought into a `frame` where it has another size than theirs.

    Resizing happens on reading, so that a short search pays for the images it needs only.
    """

    def __init__(self, images: Tensor, labels: Tensor, frame: Frame | None = None) -> None:
        if len(images) != len(labels):
            raise DataError(f"{len(images)} images but {len(labels)} labels")
        self._images = images
        self._labels = labels
        self._frame = frame or Frame((images.shape[-2], images.shape[-1]))
        self._whole = False

    @property
    def labels(self) -> Tensor:
        """The class of every image, (N,) int64."""
        return self._labels

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def paths(self) -> Sequence[str]:
        """Empty: the images are no files."""
        return ()

    @property
    def streams(self) -> bool:
        """False: images are in memory."""
        return False

    def read(self, indices: Tensor) -> Tensor:
        """The images at `indices`, (n, C, H, W) uint8."""
        return framed_pixels(self._images[indices], self._frame)

    def read_each(self, indices: Tensor, transforms: Sequence[Transform]) -> Tensor:
        """Return what each transform makes of its image at `indices`, (n, C, H, W) uint8."""
        pictures = [Image.fromarray(_last(image).numpy()) for image in self._images[indices]]
        pixels = [np.asarray(make(picture)) for make, picture in zip(transforms, pictures, strict=True)]
        made = torch.from_numpy(np.stack(pixels))
        return made.unsqueeze(1) if made.dim() == 3 else made.permute(0, 3, 1, 2).contiguous()

    def load_all(self, progress: Progress | None = None) -> Mapping[int, str]:
        """Resizes everything now, so that no epoch does it again."""
        if self._whole or self.loaded is not None:
            return {}
        parts: list[Tensor] = []
        for chunk in torch.split(self._images, CHUNK):
            parts.append(framed_pixels(chunk, self._frame))
            if progress is not None:
                progress(sum(map(len, parts)), len(self))
        self._images, self._frame = torch.cat(parts), Frame(self._frame.size)
        return {}

    @property
    def loaded(self) -> Tensor | None:
        """All images, (N, C, H, W) uint8; None while some are still to be resized."""
        ready = not self._whole and not self._frame.margin and self._images.shape[-2:] == self._frame.size
        return self._images if ready else None

    def reframed(self, frame: Frame | None) -> "ArraySource":
        """Return the same images in another frame, or left whole for None."""
        other = copy(self)
        other._frame, other._whole = frame or self._frame, frame is None
        return other


class Selected:
    """The images of `source` at `indices`, as a source of their own."""

    def __init__(self, source: ImageSource, indices: Tensor) -> None:
        self._source, self._indices = source, indices

    @property
    def labels(self) -> Tensor:
        """The class of every image, (N,) int64."""
        return self._source.labels[self._indices]

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def paths(self) -> Sequence[str]:
        """The file of every image."""
        known = self._source.paths
        return [known[index] for index in self._indices.tolist()] if known else ()

    @property
    def streams(self) -> bool:
        """True where the source streams."""
        return self._source.streams

    def read(self, indices: Tensor) -> Tensor:
        """The images at `indices`, (n, C, H, W) uint8."""
        return self._source.read(self._indices[indices])

    def read_each(self, indices: Tensor, transforms: Sequence[Transform]) -> Tensor:
        """Return what each transform makes of its image at `indices`, (n, C, H, W) uint8."""
        return self._source.read_each(self._indices[indices], transforms)

    def reframed(self, frame: Frame | None) -> "Selected":
        """Return the same images in another frame."""
        return Selected(self._source.reframed(frame), self._indices)

    def load_all(self, progress: Progress | None = None) -> Mapping[int, str]:
        """Loads the whole source."""
        problems = self._source.load_all(progress)
        return {at: problems[index] for at, index in enumerate(self._indices.tolist()) if index in problems}

    @property
    def loaded(self) -> Tensor | None:
        """All images, (N, C, H, W) uint8, in memory of their own; None for a set that streams."""
        return None if self.streams else self.read(torch.arange(len(self)))


def _last(image: Tensor) -> Tensor:
    """Return an image (C, H, W) as (H, W, C), or (H, W) where it is grey, as Pillow has them."""
    return image[0] if len(image) == 1 else image.permute(1, 2, 0).contiguous()


def framed_pixels(images: Tensor, frame: Frame) -> Tensor:
    """Images (N, C, H, W) uint8 brought into a frame as `frames.framed` brings pictures."""
    (height, width), placed = frame.size, frame.place(*images.shape[-2:])
    resized = images if images.shape[-2:] == placed.size else _resize(images, placed.size)
    down, across = placed.size
    # A negative edge cuts.
    edges = (placed.left, width - across - placed.left, placed.top, height - down - placed.top)
    return functional.pad(resized, edges) if any(edges) else resized


def _resize(images: Tensor, size: Size) -> Tensor:
    """Images (N, C, H, W) brought to `size` by bilinear interpolation with antialiasing."""
    resized = functional.interpolate(images.float(), size=size, mode="bilinear", antialias=True)
    return resized.round_().clamp_(0, 255).to(torch.uint8)


@dataclass(frozen=True, kw_only=True)
class ImageData:
    """A data set and what is known about it: `image_size` is (height, width), `mean` and `std` are of pixels in 0..1.

    `val`, which validates a training as it goes on, is None where the set has none; `val_share` says which share of
    the training images it is, 0 for images of its own. `flip` says whether a mirrored image keeps its class, `skipped`
    what was passed over in a folder, `root` where the folder is, `test_from` and `val_from` where the images of a part
    come from, `changes` how the images differ from those of a run, and `remarks` what else a user should know of them.
    """

    name: str
    classes: tuple[str, ...]
    channels: int
    image_size: tuple[int, int]
    train: ImageSource
    val: ImageSource | None = None
    test: ImageSource | None = None
    flip: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    skipped: SkippedFiles = field(default_factory=SkippedFiles)
    root: str = ""
    test_from: str = ""
    val_from: str = ""
    val_share: float = 0.0
    groups: Mapping[str, str] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)
    remarks: tuple[str, ...] = ()

    @property
    def final(self) -> ImageSource:
        """The images that the reported accuracy is measured on; raises `DataError` where there are none."""
        if self.test is None:
            raise DataError(f"{self.name}: has no test images to measure the accuracy on")
        return self.test

    @property
    def fingerprint(self) -> str:
        """The number of training images and a digest of their names; "" where they are no files."""
        names = [path.removeprefix(os.path.join(self.root, "")) for path in self.train.paths]
        return f"{len(names)} ({sha256(os.fsencode(chr(0).join(names))).hexdigest()[:12]})" if names else ""

    def names(self, source: ImageSource, broken: Collection[str] = ()) -> list[str]:
        """Return the names of the images of a part: paths below `root` with slashes, or numbers of what is no file.

        Those whose paths are among `broken` are left out.
        """
        if not source.paths:
            return [str(number) for number in range(len(source))]
        root = os.path.join(self.root, "")
        return [path.removeprefix(root).replace(os.sep, "/") for path in source.paths if path not in broken]

    def normalise(self, images: Tensor) -> Tensor:
        """Pixels (n, C, H, W) uint8 as float32 of mean 0 and standard deviation 1 a channel."""
        mean, scale = _scaled(self.mean, self.std, images.device)
        return images.float().sub_(mean).div_(scale)


@lru_cache(maxsize=16)
def _scaled(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of pixels in 0..255, (C, 1, 1) each, on a device."""
    found = (255 * torch.tensor(values).view(-1, 1, 1) for values in (mean, std))
    centre, scale = (values.to(device) for values in found)
    return centre, scale


def as_imagenet(data: ImageData) -> ImageData:
    """Return a data set as networks for ImageNet see it.

    Training images are whole, for random crops (`photos.PhotoAugmentation`); the others are the centre of a picture
    of 8/7 of their size: 256 for 224 pixels.
    """
    frame = Frame(data.image_size, margin=True)
    val, test = (None if held is None else held.reframed(frame) for held in (data.val, data.test))
    return replace(data, train=data.train.reframed(None), val=val, test=test)
