"""Reading every image before work begins, and going on without those that can't be read."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ftso_cli.data.batching.batches import Batch
from ftso_cli.data.files.folders import FolderSource
from ftso_cli.data.sources import ImageData, ImageSource, Progress, Selected
from ftso_cli.errors import DataError


def read_training_images(data: ImageData, progress: Progress | None = None) -> ImageData:
    """Reads all training images now; gives the data without those that can't be read, which `left_out` then names.

    Raises `DataError` where no image of a class is left.
    """
    problems = data.train.load_all(progress)
    if not problems:
        return data
    kept = [index for index in range(len(data.train)) if index not in problems]
    train = Selected(data.train, torch.tensor(kept, dtype=torch.int64))
    _note(data, data.train, problems)
    if gone := set(data.train.labels.tolist()) - set(train.labels.tolist()):
        raise DataError(f"{data.name}: no training image of {data.classes[min(gone)]} can be read")
    return replace(data, train=train)


def reread_training(data: ImageData, progress: Progress | None = None) -> int:
    """Reads the training images of a run that goes on, where another of its class takes the place of each that is gone.

    Returns how many do; those that are there and can't be read are named in `left_out`.
    """
    problems = data.train.load_all(progress)
    if not problems or not isinstance(data.train, FolderSource):
        return 0
    paths = data.train.paths
    _note(data, data.train, {index: problem for index, problem in problems.items() if os.path.exists(paths[index])})
    data.train.stand_in(problems)
    return len(problems)


def read_held_out(data: ImageData, progress: Progress | None = None) -> ImageData:
    """Reads the images for validation and for testing now; gives the data without those that can't be read.

    `left_out` then names them. Raises `DataError` where no image of a part can be read.
    """
    if data.val is not None:
        data = replace(data, val=_sound(data, data.val, "validation", progress))
    return replace(data, test=_sound(data, data.final, "test", progress))


def _sound(data: ImageData, source: ImageSource, called: str, progress: Progress | None) -> ImageSource:
    problems = source.load_all(progress)
    if not problems:
        return source
    kept = [index for index in range(len(source)) if index not in problems]
    if not kept:
        first = problems[min(problems)]
        raise DataError(f"{data.name}: none of the {len(source)} {called} images can be read; the first: {first}")
    _note(data, source, problems)
    return Selected(source, torch.tensor(kept, dtype=torch.int64))


def _note(data: ImageData, source: ImageSource, problems: Mapping[int, str]) -> None:
    data.skipped.broken.update({source.paths[index]: problem for index, problem in problems.items()})


def readable_batches(source: ImageSource, batch_size: int, data: ImageData, broken: dict[str, str]) -> Iterator[Batch]:
    """The images of `source` once, in order, as `data` normalises them; files that can't be read go to `broken`."""
    for chosen in torch.split(torch.arange(len(source)), batch_size):
        try:
            pixels = source.read(chosen)
        except DataError:
            chosen = _readable(source, chosen, broken)
            pixels = source.read(chosen)
        if len(chosen):
            yield data.normalise(pixels), source.labels[chosen]


def _readable(source: ImageSource, chosen: Tensor, broken: dict[str, str]) -> Tensor:
    """The indices among `chosen` of images that can be read."""
    sound = []
    for index in chosen.tolist():
        try:
            source.read(torch.tensor([index]))
            sound.append(index)
        except DataError as error:
            broken[source.paths[index]] = str(error)
    return torch.tensor(sound, dtype=torch.int64)
