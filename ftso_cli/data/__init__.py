"""Data sets, splits, batches and augmentation.

open_images     a set by name or by folder: `ImageData`, whose parts are `ImageSource`s
as_imagenet     a set whole for random crops in training, and the centre of larger pictures in tests
search_halves   the images for the weights and for the architecture
hold_out        a part of a set laid aside
Batches         endless seeded batches for training; `eval_batches` goes through once, in order
AheadBatches    batches read ahead in a thread
Augmentation    crop, flip and cutout, a batch at a time
on_device       a part of a set as a GPU reads it, kept in its memory where it fits
read_training   reads every training image and leaves out what can't be read; `read_held_out` does so with the others
ImageRecord     the images of a training, by name and checksum; `record_of` makes it, `recorded_data` opens it
"""

from ftso_cli.data.batching.augment import Augmentation
from ftso_cli.data.batching.batches import Batches, eval_batches
from ftso_cli.data.batching.prefetch import PrefetchedBatches
from ftso_cli.data.batching.resident import on_device
from ftso_cli.data.checks import read_held_out, read_training_images, readable_batches, reread_training
from ftso_cli.data.files.skipped_files import Changes
from ftso_cli.data.named import NAMES
from ftso_cli.data.record import ImageRecord, record_of
from ftso_cli.data.sets import image_folder, open_images, open_recorded, open_tests
from ftso_cli.data.sources import ImageData, ImageSource, as_imagenet
from ftso_cli.data.splits import hold_out, search_halves, split

__all__ = [
    "NAMES",
    "Augmentation",
    "Batches",
    "Changes",
    "ImageData",
    "ImageRecord",
    "ImageSource",
    "PrefetchedBatches",
    "as_imagenet",
    "eval_batches",
    "hold_out",
    "image_folder",
    "on_device",
    "open_images",
    "open_recorded",
    "open_tests",
    "read_held_out",
    "read_training_images",
    "readable_batches",
    "record_of",
    "reread_training",
    "search_halves",
    "split",
]
