"""Data sets, splits, batches and augmentation.

open_images     a set by name or by folder: `ImageData`, whose parts are `ImageSource`s
as_imagenet     a set whole for random crops in training, and the centre of larger pictures in tests
search_halves   the images for the weights and for the architecture
hold_out        a part of a set laid aside
Batches         endless seeded batches for training; `eval_batches` goes through once, in order
AheadBatches    batches read ahead in a thread
Augmentation    crop, flip and cutout, a batch at a time
on_device       a part of a set as a GPU reads it, kept in its memory where it fits
"""

from ftso_cli.data.ahead import AheadBatches
from ftso_cli.data.augment import Augmentation
from ftso_cli.data.batches import Batches, eval_batches
from ftso_cli.data.named import NAMES
from ftso_cli.data.resident import on_device
from ftso_cli.data.sets import open_images
from ftso_cli.data.sources import ImageData, ImageSource, as_imagenet
from ftso_cli.data.splits import hold_out, search_halves, split

__all__ = [
    "NAMES",
    "AheadBatches",
    "Augmentation",
    "Batches",
    "ImageData",
    "ImageSource",
    "as_imagenet",
    "eval_batches",
    "hold_out",
    "on_device",
    "open_images",
    "search_halves",
    "split",
]
