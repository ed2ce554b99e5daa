"""Augmentation of photographs as ImageNet networks are trained with it: random resized crop, flip, colour jitter.

The kernels are torchvision's. The draws are ours: its own transforms take no generator, so a run could not go on from a
checkpoint with the pictures that it would have seen.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from PIL import Image
from torch import Generator, Tensor
from torchvision.transforms.v2 import functional

from ftso_cli.data.batching.augment import WHOLE, Augmentation, Share, numbers
from ftso_cli.data.files.decode import SMALLEST_CROP
from ftso_cli.data.files.frames import Size
from ftso_cli.data.sources import ImageData, ImageSource

RATIO = math.log(4 / 3)
"""Largest logarithm of width to height of a crop, and minus the smallest."""

TRIES = 10
"""Crops that are drawn before the centre is taken."""

JITTER: tuple[tuple[Callable[[Image.Image, float], Image.Image], float, float], ...] = (
    (functional.adjust_brightness, 0.6, 1.4),
    (functional.adjust_contrast, 0.6, 1.4),
    (functional.adjust_saturation, 0.6, 1.4),
    (functional.adjust_hue, -0.2, 0.2),
)
"""Changes of colour and the range of their factors (published code of PC-DARTS); they come in random order."""

CROP_NUMBERS = 2 * TRIES + 2
"""Random numbers that a crop takes."""

NUMBERS = CROP_NUMBERS + 2 * len(JITTER)
"""Random numbers that an image takes."""


@dataclass(frozen=True, kw_only=True)
class PhotoAugmentation(Augmentation):
    """Random crops of any size and shape, resized to `size`; flip; jitter of brightness, contrast, saturation and hue.

    RandomResizedCrop, RandomHorizontalFlip and ColorJitter(0.4, 0.4, 0.4, 0.2) of PC-DARTS' train_imagenet.py.
    """

    one_by_one: ClassVar[bool] = True

    size: Size
    padding: int = 0

    @classmethod
    def of(cls, data: ImageData, cutout: int = 0) -> "PhotoAugmentation":
        """Return the one for the size of `data`; images are mirrored where classes allow it."""
        return cls(size=data.image_size, flip=data.flip, cutout=cutout)

    def read(self, source: ImageSource, indices: Tensor, generator: Generator, share: Share = WHOLE) -> Tensor:
        """Return a random crop of each image at `indices`, in other colours, (n, C, H, W) uint8."""
        rows = numbers(len(indices), NUMBERS, generator, share)
        return source.read_each(indices, [Draw(size=self.size, numbers=row) for row in rows])


@dataclass(frozen=True, kw_only=True)
class Draw:
    """The changes of one image, decided by random numbers from 0 to 1."""

    size: Size
    numbers: Sequence[float]

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the image cut and resized to `size`, in other colours."""
        part: Image.Image = functional.resized_crop(image, *self.box(image.height, image.width), list(self.size))
        for change, factor in self.changes():
            part = change(part, factor)
        return part

    def box(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return top, left, height and width of the crop."""
        return crop_box(height, width, self.numbers[:CROP_NUMBERS], SMALLEST_CROP, self.size[1] / self.size[0])

    def changes(self) -> list[tuple[Callable[[Image.Image, float], Image.Image], float]]:
        """Return the changes of colour in their order, each with its factor."""
        own = self.numbers[CROP_NUMBERS:]
        factors = [(change, low + (high - low) * at) for (change, low, high), at in zip(JITTER, own, strict=False)]
        order = sorted(range(len(JITTER)), key=own[len(JITTER) :].__getitem__)
        return [factors[at] for at in order]


def crop_box(
    height: int, width: int, numbers: Sequence[float], least: float, aspect: float = 1.0
) -> tuple[int, int, int, int]:
    """Return top, left, height and width of a crop of at least a share of an image, as RandomResizedCrop draws it.

    `numbers` are `CROP_NUMBERS` random ones from 0 to 1, 1 excluded. The width of a crop is 3/4 to 4/3 of what it has
    by the `aspect`, the width for each height of what it is resized to.
    """
    across, down = numbers[2 * TRIES :]
    for share, shape in zip(numbers[:TRIES], numbers[TRIES : 2 * TRIES], strict=True):
        area = height * width * (least + (1 - least) * share)
        ratio = aspect * math.exp(RATIO * (2 * shape - 1))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            return int(down * (height - high + 1)), int(across * (width - wide + 1)), high, wide
    most = math.exp(RATIO)
    high, wide = max(min(height, round(width / aspect * most)), 1), max(min(width, round(height * aspect * most)), 1)
    return (height - high) // 2, (width - wide) // 2, high, wide
