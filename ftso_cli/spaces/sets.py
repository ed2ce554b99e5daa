"""The images of the data sets known by name. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ftso_cli.spaces.darts import IMAGENET_PIXELS

Resize = Literal["crop", "pad", "stretch"]
"""The way in which pictures of other shapes are brought to the image size: `ftso_cli.data.files.frames`."""


@dataclass(frozen=True, kw_only=True)
class Images:
    """Classes, colour channels and side in pixels of the images of a data set."""

    classes: int
    channels: int
    pixels: int


IMAGES: Mapping[str, Images] = {
    "digits": Images(classes=10, channels=1, pixels=8),
    "cifar10": Images(classes=10, channels=3, pixels=32),
    "cifar100": Images(classes=100, channels=3, pixels=32),
    "fashion-mnist": Images(classes=10, channels=1, pixels=28),
    "imagenet": Images(classes=1000, channels=3, pixels=IMAGENET_PIXELS),
}
