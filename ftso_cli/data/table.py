"""A data set at a glance: images of each class by part, sizes and kinds, and what may mislead about an accuracy."""

import os
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from ftso_cli.data.batching.balance import ClassSizes
from ftso_cli.data.files.decode import JPEG_SUFFIXES, quiet, stored_size
from ftso_cli.data.files.skipped_files import SkippedFiles
from ftso_cli.data.near_duplicates import NearDuplicates, find_near_duplicates
from ftso_cli.data.sources import ImageData, ImageSource
from ftso_cli.errors import DataError

SAMPLE = 500
"""Files whose size is looked at."""

NAMED = 5
"""Pairs of images that look alike that are named."""

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True, kw_only=True)
class PartDuplicates:
    """A part, the images in it that look like training images, and the names of the first such pairs."""

    part: str
    found: NearDuplicates
    names: tuple[tuple[str, str], ...]
    other_class: int
    """Pairs whose images are of two classes."""


@dataclass(frozen=True, kw_only=True)
class SetTable:
    """A data set at a glance.

    `counts` has the images of each class by part. `sizes` are those of the smallest file, of the median and of the
    largest among `measured`; of a set that is not made of files, none. `baseline` is the share of test images that are
    of the class `answer`.
    """

    name: str
    classes: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    image_size: Size
    sizes: tuple[Size, Size, Size] | None
    measured: int
    kinds: Mapping[str, int]
    baseline: float
    alike: tuple[PartDuplicates, ...]
    skipped: SkippedFiles

    @property
    def trained(self) -> ClassSizes:
        """The classes of the training images."""
        return ClassSizes(counts=self.counts["train"])

    @property
    def answer(self) -> str:
        """The most frequent class in training."""
        return self.classes[self.trained.largest]

    def facts(self) -> dict[str, object]:
        """The table for --json."""
        by_class = {
            name: {part: counts[label] for part, counts in self.counts.items()}
            for label, name in enumerate(self.classes)
        }
        smallest, median, largest = self.sizes or (self.image_size,) * 3
        return {
            "classes": by_class,
            "sizes": {"smallest": smallest, "median": median, "largest": largest},
            "kinds": dict(self.kinds),
            "baseline": {"class": self.answer, "accuracy": self.baseline},
            "imbalance": self.trained.ratio,
            "look_alikes": {each.part: _alike_facts(each) for each in self.alike},
            **self.skipped.facts(),
        }


def _alike_facts(alike: PartDuplicates) -> dict[str, object]:
    return {
        "images": len(alike.found.pairs),
        "of": alike.found.compared,
        "training_images": alike.found.training,
        "of_another_class": alike.other_class,
        "first": [list(pair) for pair in alike.names],
        **({"why_not": alike.found.why_not} if alike.found.why_not else {}),
    }


def describe_set(data: ImageData) -> SetTable:
    """A data set at a glance. Its images should have been read: what is not in memory yet is read for it."""
    parts = {"train": data.train, "val": data.val, "test": data.final}
    there = {part: source for part, source in parts.items() if source is not None}
    counts = {part: ClassSizes.of(source.labels, len(data.classes)).counts for part, source in there.items()}
    height, width = data.image_size
    paths = [path for source in there.values() for path in source.paths]
    measured = _sizes(paths)
    held = {part: source for part, source in there.items() if part != "train"}
    alike = zip(held.items(), find_near_duplicates(data.train, *held.values()), strict=True)
    return SetTable(
        name=data.name,
        classes=data.classes,
        counts=counts,
        image_size=(width, height),
        sizes=(measured[0], measured[len(measured) // 2], measured[-1]) if measured else None,
        measured=len(measured),
        kinds=Counter(map(_kind, paths)),
        baseline=counts["test"][ClassSizes(counts=counts["train"]).largest] / sum(counts["test"]),
        alike=tuple(_alike(data, part, source, found) for (part, source), found in alike),
        skipped=data.skipped,
    )


def _sizes(paths: list[str]) -> list[Size]:
    """Width and height of a sample of files, by area; files that can't be read are passed over."""
    sample = random.Random(0).sample(paths, min(len(paths), SAMPLE))
    return sorted(_measured(sample), key=lambda size: (size[0] * size[1], size))


def _measured(paths: list[str]) -> Iterator[Size]:
    with quiet():
        for path in paths:
            with suppress(DataError):
                yield stored_size(path)


def _kind(path: str) -> str:
    """The kind of an image file by its suffix, as in PNG."""
    suffix = os.path.splitext(path)[1].lower()
    return "JPEG" if suffix in JPEG_SUFFIXES else "TIFF" if suffix == ".tif" else suffix[1:].upper()


def _alike(data: ImageData, part: str, source: ImageSource, found: NearDuplicates) -> PartDuplicates:
    return PartDuplicates(
        part=part,
        found=found,
        names=tuple(
            (_name(data, part, source, one), _name(data, "train", data.train, other))
            for one, other in found.pairs[:NAMED]
        ),
        other_class=sum(int(source.labels[one] != data.train.labels[other]) for one, other in found.pairs),
    )


def _name(data: ImageData, part: str, source: ImageSource, index: int) -> str:
    """The file of an image below the folder of its set, or its number in its part."""
    if not source.paths:
        return f"{part} {index}"
    return source.paths[index].removeprefix(os.path.join(data.root, ""))
