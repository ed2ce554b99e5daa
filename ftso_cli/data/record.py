"""The images of a training and of its test: names and checksums, so that later they are known again."""

import os
from collections.abc import Mapping, Sequence
from hashlib import file_digest, sha256
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field

from ftso_cli.data.decode import shown
from ftso_cli.data.folders import folder_data, own_size
from ftso_cli.data.left_out import Changes, LeftOut
from ftso_cli.data.listing import Files, class_folders, list_images, spelled
from ftso_cli.data.sources import ImageData, ImageSource
from ftso_cli.errors import FtsoError, RunError, short
from ftso_cli.genotype.schema import Model

FORMAT: Literal["ftso-images/1"] = "ftso-images/1"


def _below(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or len(path.parts) < 2 or "\0" in name:
        raise ValueError(f"{short(name)} is no file in a class folder")
    return name


Name = Annotated[str, AfterValidator(_below)]


class ImageRecord(Model):
    """The images of a run. Names are paths below the folder of the data set, with slashes.

    `train` has the bytes of each file and `test` its SHA-256; `broken` names what could not be read. Of a set that is
    not made of image files, `labels` is the SHA-256 of the labels of the test images, in order.
    """

    format: Literal["ftso-images/1"]
    test_from: Annotated[str, Field(max_length=10_000)]
    train: Mapping[Name, int] = {}
    test: Mapping[Name, str] = {}
    broken: tuple[Name, ...] = ()
    labels: str = ""

    @property
    def tests(self) -> str:
        """A digest of the test images: equal where two networks were tested on the same."""
        names = "".join(f"{name}\0{checksum}\0" for name, checksum in sorted(self.test.items()))
        return sha256((names or self.labels).encode()).hexdigest()[:16]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, sorted; none for a set that is not made of image files."""
        return tuple(sorted({_class(name) for name in self.train}))


def record_of(data: ImageData) -> ImageRecord:
    """The record of a data set as it is read now; reads the files of all test images."""
    held = data.final
    if not held.paths:
        return ImageRecord(format=FORMAT, test_from=data.test_from, labels=_labels(held))
    return ImageRecord(
        format=FORMAT,
        test_from=data.test_from,
        train={_name(path, data.root): os.stat(path).st_size for path in data.train.paths},
        test={_name(path, data.root): _checksum(Path(path)) or "" for path in held.paths},
        broken=tuple(_name(path, data.root) for path in data.left_out.broken),
    )


def recorded_data(
    data: str,
    folder: Path,
    record: ImageRecord,
    classes: tuple[str, ...],
    size: int | None,
    *,
    stand_in: bool = False,
) -> tuple[ImageData, Changes]:
    """The images of a record that are in `folder`, and how what lies there differs from it.

    With `stand_in`, training images that are gone keep their place, for others to take it. Raises `RunError` where the
    folder or all images of a class are gone.
    """
    if not folder.is_dir():
        raise RunError(f"{shown(data)}: no such folder; its images are needed where they were when the run was started")
    sizes = {name: _size(folder / name) for name in record.train}
    found = {name: _checksum(folder / name) for name in record.test}
    _check_classes(data, classes, {**sizes, **found})
    changes = Changes(
        missing_train=[name for name, had in sizes.items() if had is None],
        missing_test=[name for name, had in found.items() if had is None],
        changed_train=[name for name, had in sizes.items() if had not in (None, record.train[name])],
        changed_test=[name for name, had in found.items() if had not in (None, record.test[name])],
        added=_added(folder, record),
    )
    train = [name for name, had in sizes.items() if stand_in or had is not None]
    test = [name for name, had in found.items() if had is not None]
    if not test:
        raise RunError(f"{shown(data)}: none of the {len(record.test)} test images of the run are there")
    files = {part: _files(names, folder, classes) for part, names in (("train", train), ("test", test))}
    size = size or own_size(files["train"][0])
    images = folder_data(data, folder, classes, size, files, left_out=LeftOut(), test_from=record.test_from)
    return images, changes


def compare_labels(images: ImageData, record: ImageRecord) -> Changes:
    """Compare the test images of a set that is not made of files with those of the record."""
    if _labels(images.final) == record.labels:
        return Changes()
    return Changes(others=f"the test images of {images.name} are others than those of the run")


def holds_tests(folder: Path, record: ImageRecord) -> bool:
    """Return True where most test images of a record lie in `folder`, unchanged: it is the folder, moved.

    Of very many, a thousand or two are looked at.
    """
    some = list(record.test.items())[:: 1 + len(record.test) // 1000]
    return 2 * sum(_checksum(folder / name) == checksum for name, checksum in some) > len(some)


def _check_classes(data: str, classes: tuple[str, ...], names: Mapping[str, object]) -> None:
    """Raise `RunError` where a class has no file left, or a file is of no class."""
    known = {spelled(name) for name in classes}
    recorded = {spelled(_class(name)) for name in names}
    there = {spelled(_class(name)) for name, had in names.items() if had is not None}
    if known - there or recorded - known:
        raise other_classes(data, classes)


def other_classes(data: str, classes: tuple[str, ...]) -> RunError:
    """The error for images whose classes are not those of a run."""
    return RunError(f"{data}: has other classes than the run was started with, {short(', '.join(classes), 200)}")


def _files(names: Sequence[str], folder: Path, classes: tuple[str, ...]) -> Files:
    label_of = {spelled(name): label for label, name in enumerate(classes)}
    labels = [label_of[spelled(_class(name))] for name in names]
    return [str(folder / name) for name in names], torch.tensor(labels, dtype=torch.int64)


def _added(folder: Path, record: ImageRecord) -> list[str]:
    """Images in class folders beside those of the record that it doesn't name."""
    known = {*record.train, *record.test, *record.broken}
    parts = {folder / Path(name).parent.parent for name in known}
    added: list[str] = []
    for part in sorted(parts):
        try:
            classes = class_folders(part)
            paths, _ = list_images(part, classes, found=classes, may_lack=True)
        except FtsoError:
            continue
        added += [name for path in paths if (name := _name(path, str(folder))) not in known]
    return added


def _class(name: str) -> str:
    return Path(name).parent.name


def _name(path: str, root: str) -> str:
    return path.removeprefix(os.path.join(root, "")).replace(os.sep, "/")


def _size(path: Path) -> int | None:
    """The bytes of a file; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size if S_ISREG(found.st_mode) else None


def _checksum(path: Path) -> str | None:
    """The SHA-256 of a file; None where it can't be read."""
    if _size(path) is None:
        return None
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _labels(source: ImageSource) -> str:
    return sha256(source.labels.numpy().tobytes()).hexdigest()
