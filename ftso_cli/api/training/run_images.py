"""The images of a training: those that are asked for, those that its run names, others to test it on."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ftso_cli.errors import RunError, SettingsError
from ftso_cli.settings.config_file import ConfigFile
from ftso_cli.settings.recipes import Recipe

if TYPE_CHECKING:
    from ftso_cli.data import ImageData, ImageRecord
    from ftso_cli.data.files.frames import ImageOptions
    from ftso_cli.training.run import Config


def requested_images(data: str, asked: ConfigFile, settings: Recipe) -> "ImageData":
    """The images of a new training: those of the run whose settings it repeats, where they are in `data`."""
    from ftso_cli.data import image_folder, open_images
    from ftso_cli.data.files.frames import ImageOptions
    from ftso_cli.data.files.skipped_files import with_count
    from ftso_cli.data.record import holds_tests
    from ftso_cli.training.run import read_images

    record = None if asked.images is None else read_images(Path(asked.images))
    folder = None if record is None else image_folder(data)
    wanted = ImageOptions(
        asked.image_size or settings.image_size, asked.resize or "crop", bool(asked.nested), asked.fold
    )
    if record is not None and folder is not None and holds_tests(folder, record):
        images = _recorded(data, record, asked.classes or record.classes, wanted, settings.validation)
        _check_validates(images)
    else:
        images = open_images(data, wanted, validation=settings.validation)
        if folder is not None:
            remark = f"the images of the run in {asked.images} are not in {data}; its test images are chosen anew"
            images = replace(images, remarks=(remark,))
    if asked.start_from is not None and asked.mean is not None and asked.std is not None:
        if len(asked.mean) != images.channels:
            raise SettingsError(
                f"{asked.start_from}: its network takes images of {with_count(len(asked.mean), 'channel')}, and "
                f"those of {data} have {images.channels}"
            )
        # As the network to start from is used to see them.
        images = replace(images, mean=asked.mean, std=asked.std)
    return _as_trained(images, settings, asked.flip)


def images_of(config: "Config", record: "ImageRecord | None", *, stand_in: bool = False) -> "ImageData":
    """The images that a run was started on, as its record names them; raises `RunError` for other classes.

    Without a record, those that an earlier version would choose from the folder as it is now.
    """
    from ftso_cli.data import open_images
    from ftso_cli.data.record import other_classes

    wanted = _wanted(config)
    if record is not None:
        images = _recorded(config.data, record, config.classes, wanted, config.recipe.validation, stand_in=stand_in)
        if stand_in:
            _check_validates(images)
    else:
        images = open_images(config.data, wanted, validation=config.recipe.validation)
        if images.classes != config.classes:
            raise other_classes(config.data, config.classes)
        if images.root:
            remark = (
                "the run names no test images, an earlier version made it: they are chosen anew from the files that "
                "are there now, and may have been training images"
            )
            images = replace(images, remarks=(remark,))
    return _as_trained(replace(images, mean=config.mean, std=config.std), config.recipe, config.flip)


def _as_trained(data: "ImageData", recipe: Recipe, flip: bool | None) -> "ImageData":
    """The images as a recipe cuts them out, mirrored where `flip` says so."""
    from ftso_cli.data import as_imagenet

    framed = as_imagenet(data) if recipe.augmentation == "imagenet" else data
    return framed if flip is None else replace(framed, flip=flip)


def _recorded(
    data: str,
    record: "ImageRecord",
    classes: tuple[str, ...],
    wanted: "ImageOptions",
    validation: float,
    *,
    stand_in: bool = False,
) -> "ImageData":
    from ftso_cli.data import open_recorded

    images, changes = open_recorded(data, record, classes, wanted, validation=validation, stand_in=stand_in)
    return replace(images, changes=changes)


def _check_validates(data: "ImageData") -> None:
    """Raise `RunError` where all images that validate a training are gone; a test of its network needs none."""
    if data.val is None and (gone := data.changes.missing_val):
        raise RunError(f"{data.name}: none of the {len(gone)} validation images of the run are there")


def other_tests(data: str, config: "Config", record: "ImageRecord | None") -> "ImageData":
    """The test images in `data`: those of the run where that is its folder, moved; else all that it has for testing."""
    from ftso_cli.data import image_folder, open_tests
    from ftso_cli.data.files.labels import is_table
    from ftso_cli.data.record import holds_tests

    folder, wanted = image_folder(data), _wanted(config)
    # Another table in the same folder names other images.
    same = not is_table(data) or os.path.basename(data) == os.path.basename(config.data)
    if record is not None and folder is not None and same and holds_tests(folder, record):
        images = _recorded(data, record, config.classes, wanted, config.recipe.validation)
    else:
        images = open_tests(data, config.classes, wanted)
    return _as_trained(replace(images, mean=config.mean, std=config.std), config.recipe, config.flip)


def is_gone(data: str) -> bool:
    """Return True where the data set of a run is a folder that isn't where it was."""
    from ftso_cli.data import NAMES

    return data not in NAMES and not os.path.exists(data)


def _wanted(config: "Config") -> "ImageOptions":
    """Return how the images of a run are read."""
    from ftso_cli.data.files.frames import ImageOptions

    return ImageOptions(config.image_size, config.resize, config.nested, config.fold)
