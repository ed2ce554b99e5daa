"""The images of a training: those that are asked for, those that its run names, others to test it on."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ftso_cli.training.recipes import Recipe
from ftso_cli.training.request import Request

if TYPE_CHECKING:
    from ftso_cli.data import ImageData, ImageRecord
    from ftso_cli.training.run import Config


def asked_images(data: str, asked: Request, settings: Recipe) -> "ImageData":
    """The images of a new training: those of the run whose settings it repeats, where they are in `data`."""
    from ftso_cli.data import image_folder, open_images
    from ftso_cli.data.record import holds_tests
    from ftso_cli.training.run import read_images

    record = None if asked.images is None else read_images(Path(asked.images))
    folder = None if record is None else image_folder(data)
    size, as_imagenet = asked.side or settings.image_size, settings.augmentation == "imagenet"
    if record is not None and folder is not None and holds_tests(folder, record):
        images = _recorded(data, record, asked.classes or record.classes, size, as_imagenet)
    else:
        images = open_images(data, image_size=size, as_imagenet=as_imagenet)
        if folder is not None:
            remark = f"the images of the run in {asked.images} are not in {data}; its test images are chosen anew"
            images = replace(images, remarks=(remark,))
    return images if asked.flip is None else replace(images, flip=asked.flip)


def images_of(config: "Config", record: "ImageRecord | None", *, stand_in: bool = False) -> "ImageData":
    """The images that a run was started on, as its record names them; raises `RunError` for other classes.

    Without a record, those that an earlier version would choose from the folder as it is now.
    """
    from ftso_cli.data import open_images
    from ftso_cli.data.record import other_classes

    size, as_imagenet = _side(config), config.recipe.augmentation == "imagenet"
    if record is not None:
        images = _recorded(config.data, record, config.classes, size, as_imagenet, stand_in=stand_in)
    else:
        images = open_images(config.data, image_size=size, as_imagenet=as_imagenet)
        if images.classes != config.classes:
            raise other_classes(config.data, config.classes)
        if images.root:
            remark = (
                "the run names no test images, an earlier version made it: they are chosen anew from the files that "
                "are there now, and may have been training images"
            )
            images = replace(images, remarks=(remark,))
    return images if config.flip is None else replace(images, flip=config.flip)


def _recorded(
    data: str,
    record: "ImageRecord",
    classes: tuple[str, ...],
    size: int | None,
    as_imagenet: bool,
    *,
    stand_in: bool = False,
) -> "ImageData":
    from ftso_cli.data import open_recorded

    images, changes = open_recorded(data, record, classes, size, as_imagenet=as_imagenet, stand_in=stand_in)
    return replace(images, changes=changes)


def other_tests(data: str, config: "Config", record: "ImageRecord | None") -> "ImageData":
    """The test images in `data`: those of the run where that is its folder, moved; else all that it has for testing."""
    from ftso_cli.data import image_folder, open_tests
    from ftso_cli.data.record import holds_tests

    folder, size, as_imagenet = image_folder(data), _side(config), config.recipe.augmentation == "imagenet"
    if record is not None and folder is not None and holds_tests(folder, record):
        images = _recorded(data, record, config.classes, size, as_imagenet)
    else:
        images = open_tests(data, config.classes, size, as_imagenet=as_imagenet)
    return replace(images, mean=config.mean, std=config.std)


def is_gone(data: str) -> bool:
    """Return True where the data set of a run is a folder that isn't where it was."""
    from ftso_cli.data import NAMES

    return data not in NAMES and not os.path.exists(data)


def _side(config: "Config") -> int | None:
    height, width = config.image_size
    return height if height == width else None
