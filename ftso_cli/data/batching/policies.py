"""The light and the strong augmentation: crops and operations of torchvision on the decoded images of a batch.

The kernels are torchvision's. The draws are ours: its own transforms take no generator, so a run could not go on from a
checkpoint with the images that it would have seen.
"""

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import ClassVar

import torch
from torch import Generator, Tensor
from torchvision.transforms.v2 import functional

from ftso_cli.data.batching.augment import WHOLE, Augmentation, Share, numbers
from ftso_cli.data.batching.photos import CROP_NUMBERS, crop_box
from ftso_cli.data.sources import ImageData

SMALL = 32
"""Images up to this side are padded and cropped: a part of so few pixels, made larger again, is only blurred."""

LEAST_AREA = 0.5
"""The least share of an image that a random resized crop of it has."""

Operation = Callable[[Tensor], Tensor]
"""An operation on images (n, C, H, W) uint8, which gives each of them what it would give it alone."""


@dataclass(frozen=True, kw_only=True)
class LightAugmentation(Augmentation):
    """Random crops and flip. Images up to `SMALL` pixels are padded and cropped, larger ones cropped and resized."""

    one_by_one: ClassVar[bool] = True

    @classmethod
    def of(cls, data: ImageData, cutout: int = 0) -> "LightAugmentation":
        """Return the one for the size of `data`; images are mirrored where classes allow it."""
        side = min(data.image_size)
        return cls(padding=max(side // 8, 1) if side <= SMALL else 0, flip=data.flip, cutout=cutout)

    def crop(self, images: Tensor, generator: Generator, share: Share) -> Tensor:
        """Return random crops of images (N, C, H, W) uint8, of their size."""
        if self.padding:
            return super().crop(images, generator, share)
        return random_resized_crop(images, generator, share)


@dataclass(frozen=True, kw_only=True)
class StrongAugmentation(LightAugmentation):
    """The light augmentation, and one operation of TrivialAugment for each image."""

    def change(self, images: Tensor, generator: Generator, share: Share) -> Tensor:
        """Return images (N, C, H, W) uint8 in other colours, or sheared, moved, rotated."""
        return trivial_augment(images, generator, share)


def random_resized_crop(images: Tensor, generator: Generator, share: Share = WHOLE) -> Tensor:
    """Cut a part of at least `LEAST_AREA` out of each of (N, C, H, W) uint8, and resize it to (H, W).

    The parts are drawn as RandomResizedCrop draws them, and are 3/4 to 4/3 times as wide as they would be in the shape
    of the image.
    """
    height, width = images.shape[2:]
    crops = []
    for image, row in zip(images, numbers(len(images), CROP_NUMBERS, generator, share), strict=True):
        box = crop_box(height, width, row, LEAST_AREA, width / height)
        crops.append(functional.resized_crop_image(image, *box, [height, width]))
    return torch.stack(crops)


def trivial_augment(images: Tensor, generator: Generator, share: Share = WHOLE) -> Tensor:
    """Apply a random operation of a random magnitude to each of (N, C, H, W) uint8: TrivialAugmentWide.

    Müller and Hutter (2021), the wide space, as torchvision has it: what comes in from outside is black. Images smaller
    than its largest translation, 32 pixels, move by at most their side. Grey images (C = 1) keep their colour.
    """
    groups: dict[tuple[str, float], list[int]] = defaultdict(list)
    for at, row in enumerate(numbers(len(images), 3, generator, share)):
        groups[drawn_operation(*row)].append(at)
    changed = images.clone()
    for (name, magnitude), members in groups.items():
        # Images that are dealt with alike share a call; a single one needs no copy.
        index = members if len(members) > 1 else slice(members[0], members[0] + 1)
        changed[index] = operation(name, magnitude, images.shape[2], images.shape[3])(images[index])
    return changed


LEVELS = 31
"""Values that the magnitude of an operation has."""

SIGNED: dict[str, float] = {
    "ShearX": 0.99,
    "ShearY": 0.99,
    "TranslateX": 32.0,
    "TranslateY": 32.0,
    "Rotate": 135.0,
    "Brightness": 0.99,
    "Color": 0.99,
    "Contrast": 0.99,
    "Sharpness": 0.99,
}
"""The largest magnitude of the operations that go both ways."""

OPERATIONS = ("Identity", *SIGNED, "Posterize", "Solarize", "AutoContrast", "Equalize")
"""The operations of TrivialAugment, as torchvision names them."""


def drawn_operation(which: float, level: float, sign: float) -> tuple[str, float]:
    """Return an operation and its magnitude by three random numbers from 0 to 1, 1 excluded."""
    name = OPERATIONS[int(which * len(OPERATIONS))]
    magnitude = magnitudes(name)[int(level * LEVELS)]
    return name, -magnitude if name in SIGNED and sign < 0.5 else magnitude


@cache
def magnitudes(name: str) -> tuple[float, ...]:
    """Return the magnitudes of an operation: degrees, pixels, shares, bits that are kept, a threshold of 0 to 255."""
    if name in SIGNED:
        return tuple(torch.linspace(0, SIGNED[name], LEVELS).tolist())
    if name == "Posterize":
        return tuple(torch.linspace(8, 2, LEVELS).round().tolist())
    return tuple((255 * torch.linspace(1, 0, LEVELS).double()).tolist()) if name == "Solarize" else (0.0,) * LEVELS


def operation(name: str, magnitude: float, height: int, width: int) -> Operation:
    """Return an operation of TrivialAugment, of images of this size, as TrivialAugmentWide calls it."""
    shear = partial(functional.affine_image, angle=0.0, translate=[0, 0], scale=1.0, center=[0.0, 0.0])
    # A crop that reaches outside moves an image by whole pixels, as the affine map does, in a tenth of its time.
    move = partial(functional.crop_image, top=0, left=0, height=height, width=width)
    match name:
        case "ShearX":
            return partial(shear, shear=[math.degrees(math.atan(magnitude)), 0.0])
        case "ShearY":
            return partial(shear, shear=[0.0, math.degrees(math.atan(magnitude))])
        case "TranslateX":
            return partial(move, left=-int(magnitude * min(1, width / 32)))
        case "TranslateY":
            return partial(move, top=-int(magnitude * min(1, height / 32)))
        case "Rotate":
            return partial(functional.rotate_image, angle=magnitude)
        case "Brightness":
            return partial(functional.adjust_brightness_image, brightness_factor=1 + magnitude)
        case "Color":
            return partial(functional.adjust_saturation_image, saturation_factor=1 + magnitude)
        case "Contrast":
            return partial(functional.adjust_contrast_image, contrast_factor=1 + magnitude)
        case "Sharpness":
            return partial(functional.adjust_sharpness_image, sharpness_factor=1 + magnitude)
        case "Posterize":
            return partial(functional.posterize_image, bits=int(magnitude))
        case "Solarize":
            return partial(functional.solarize_image, threshold=magnitude)
        case "AutoContrast":
            return functional.autocontrast_image  # type: ignore[no-any-return]
        case "Equalize":
            return functional.equalize_image  # type: ignore[no-any-return]
        case _:
            return lambda images: images
