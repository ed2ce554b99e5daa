"""The images of a training and of its test: names and checksums, so that later they are known again."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import file_digest, sha256
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import Annotated, Literal, Self

import torch
from pydantic import AfterValidator, Field, model_validator

from ftso_cli.data.files.decode import printable_path
from ftso_cli.data.files.folders import Parts, folder_data
from ftso_cli.data.files.frames import ImageOptions
from ftso_cli.data.files.listing import Files, class_folders, list_images, spelled
from ftso_cli.data.files.skipped_files import Changes, SkippedFiles
from ftso_cli.data.sources import ImageData, ImageSource
from ftso_cli.data.splits import WHOLE_GROUPS, group_numbers, hold_out_validation, of_each_class
from ftso_cli.errors import FtsoError, RunError, short
from ftso_cli.genotype.schema import Model

FORMAT: Literal["ftso-images/1"] = "ftso-images/1"


def _below(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise ValueError(f"{short(name)} is no file below the folder of the images")
    return name


Name = Annotated[str, AfterValidator(_below)]

Label = Annotated[str, Field(min_length=1, max_length=255)]


class ImageRecord(Model):
    """The images of a run. Names are paths below the folder of the data set, with slashes.

    `train` and `val` have the bytes of each file and `test` its SHA-256; `broken` names what could not be read.
    `val_share` is the share of the training images that `val` is, 0 where it has images of its own. `labels_of` has the
    class of each image that does not lie in the folder of its class, and `groups` which images stay together. Of a set
    that is not made of image files, `labels` is the SHA-256 of the labels of the test images, in order.
    """

    format: Literal["ftso-images/1"]
    test_from: Annotated[str, Field(max_length=10_000)]
    val_from: Annotated[str, Field(max_length=10_000)] = ""
    val_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    train: Mapping[Name, int] = {}
    val: Mapping[Name, int] = {}
    test: Mapping[Name, str] = {}
    broken: tuple[Name, ...] = ()
    labels_of: Mapping[Name, Label] = {}
    groups: Mapping[Name, Label] = {}
    labels: str = ""

    @model_validator(mode="after")
    def _names_an_image_once(self) -> Self:
        known = len(self.train) + len(self.val) + len(self.test)
        if known > len({*self.train, *self.val, *self.test}):
            raise ValueError("an image is in two parts")
        return self

    @property
    def tests(self) -> str:
        """A digest of the test images: equal where two networks were tested on the same."""
        names = "".join(f"{name}\0{checksum}\0" for name, checksum in sorted(self.test.items()))
        return sha256((names or self.labels).encode()).hexdigest()[:16]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, sorted; none for a set that is not made of image files."""
        return tuple(sorted({self.class_of(name) for name in self.train}))

    def class_of(self, name: str) -> str:
        """The class of an image: that of its folder where no other is recorded."""
        return self.labels_of.get(name) or Path(name).parent.name

    def counts(self, classes: Sequence[str]) -> dict[str, list[int]]:
        """Return the images of each class, in the order of `classes`, of the parts `train` and `val`, where known."""
        number = {spelled(name): at for at, name in enumerate(classes)}
        found = {}
        for part, names in (("train", self.train), ("val", self.val)):
            of_class = Counter(number.get(spelled(self.class_of(name)), -1) for name in names)
            if names and -1 not in of_class:
                found[part] = [of_class[at] for at in range(len(classes))]
        return found

    def divided(self, data: str, share: float) -> "ImageRecord":
        """Return the record with the `share` of the training images of `data` as `val`, where it has none of its own.

        Raises `DataError` where these are none.
        """
        if share == self.val_share or (self.val and not self.val_share):
            return self
        sizes = {**self.train, **self.val}
        names = sorted(sizes, key=lambda name: (self.class_of(name), name))
        label_of = {name: label for label, name in enumerate(sorted({self.class_of(name) for name in names}))}
        labels = torch.tensor([label_of[self.class_of(name)] for name in names], dtype=torch.int64)
        stay, held = (
            hold_out_validation(labels, share, group_numbers(names, self.groups))
            if share
            else (torch.arange(len(names)), labels[:0])
        )
        train, val = ({names[at]: sizes[names[at]] for at in part.tolist()} for part in (stay, held))
        come_from = of_each_class(share, data) + (WHOLE_GROUPS if self.groups else "") if share else ""
        return self.model_copy(update={"train": train, "val": val, "val_share": share, "val_from": come_from})


def record_of(data: ImageData) -> ImageRecord:
    """The record of a data set as it is read now; reads the files of all test images."""
    held = data.final
    if not held.paths:
        return ImageRecord(format=FORMAT, test_from=data.test_from, labels=_labels(held))
    class_of = {
        _name(path, data.root): data.classes[label]
        for source in (data.train, data.val, held)
        if source is not None
        for path, label in zip(source.paths, source.labels.tolist(), strict=True)
    }
    elsewhere = {name: label for name, label in class_of.items() if spelled(Path(name).parent.name) != spelled(label)}
    groups = {_name(path, data.root): group for path, group in data.groups.items()}
    return ImageRecord(
        format=FORMAT,
        test_from=data.test_from,
        val_from=data.val_from,
        val_share=data.val_share,
        train={_name(path, data.root): os.stat(path).st_size for path in data.train.paths},
        val={_name(path, data.root): os.stat(path).st_size for path in ([] if data.val is None else data.val.paths)},
        test={_name(path, data.root): checksum_of(Path(path)) or "" for path in held.paths},
        labels_of=elsewhere,
        groups={name: group for name, group in groups.items() if name in class_of},
        broken=tuple(_name(path, data.root) for path in data.skipped.broken),
    )


def recorded_data(
    data: str,
    folder: Path,
    record: ImageRecord,
    classes: tuple[str, ...],
    wanted: ImageOptions,
    *,
    stand_in: bool = False,
) -> tuple[ImageData, Changes]:
    """The images of a record that are in `folder`, and how what lies there differs from it.

    With `stand_in`, training images that are gone keep their place, for others to take it. Raises `RunError` where the
    folder or all images of a class are gone.
    """
    if not folder.is_dir():
        raise RunError(
            f"{printable_path(data)}: no such folder; its images are needed where they were when the run was started"
        )
    sizes = {name: _size(folder / name) for name in record.train}
    validating = {name: _size(folder / name) for name in record.val}
    found = {name: checksum_of(folder / name) for name in record.test}
    _check_classes(data, classes, record, {**sizes, **validating, **found})
    changes = Changes(
        missing_train=[name for name, had in sizes.items() if had is None],
        missing_val=[name for name, had in validating.items() if had is None],
        missing_test=[name for name, had in found.items() if had is None],
        changed_train=[name for name, had in sizes.items() if had not in (None, record.train[name])],
        changed_val=[name for name, had in validating.items() if had not in (None, record.val[name])],
        changed_test=[name for name, had in found.items() if had not in (None, record.test[name])],
        added=_added(folder, record, wanted.nested),
    )
    train = [name for name, had in sizes.items() if stand_in or had is not None]
    parts = {"train": train}
    for part, there in (("val", validating), ("test", found)):
        parts[part] = [name for name, had in there.items() if had is not None]
    if not parts["test"]:
        raise RunError(f"{printable_path(data)}: none of the {len(record.test)} test images of the run are there")
    # Where all training images are gone, the others can be tested.
    files = {part: _files(names, folder, classes, record) for part, names in parts.items() if names or part == "train"}
    come_from = {"test": record.test_from, "val": record.val_from}
    groups = {str(folder / name): group for name, group in record.groups.items()}
    division = Parts(files=files, come_from=come_from, val_share=record.val_share, groups=groups)
    return folder_data(data, folder, classes, wanted, division, skipped=SkippedFiles()), changes


def compare_labels(data: ImageData, record: ImageRecord) -> Changes:
    """Compare the test images of a set that is not made of files with those of the record."""
    if _labels(data.final) == record.labels:
        return Changes()
    return Changes(others=f"the test images of {data.name} are others than those of the run")


def holds_tests(folder: Path, record: ImageRecord) -> bool:
    """Return True where most test images of a record lie in `folder`, unchanged: it is the folder, moved.

    Of very many, a thousand or two are looked at.
    """
    some = list(record.test.items())[:: 1 + len(record.test) // 1000]
    return 2 * sum(checksum_of(folder / name) == checksum for name, checksum in some) > len(some)


def _check_classes(data: str, classes: tuple[str, ...], record: ImageRecord, names: Mapping[str, object]) -> None:
    """Raise `RunError` where a class has no file left, or a file is of no class."""
    known = {spelled(name) for name in classes}
    recorded = {spelled(record.class_of(name)) for name in names}
    there = {spelled(record.class_of(name)) for name, had in names.items() if had is not None}
    if known - there or recorded - known:
        raise other_classes(data, classes)


def other_classes(data: str, classes: tuple[str, ...]) -> RunError:
    """The error for images whose classes are not those of a run."""
    return RunError(f"{data}: has other classes than the run was started with, {short(', '.join(classes), 200)}")


def _files(names: Sequence[str], folder: Path, classes: tuple[str, ...], record: ImageRecord) -> Files:
    label_of = {spelled(name): label for label, name in enumerate(classes)}
    labels = [label_of[spelled(record.class_of(name))] for name in names]
    return [str(folder / name) for name in names], torch.tensor(labels, dtype=torch.int64)


def _added(folder: Path, record: ImageRecord, nested: bool) -> list[str]:
    """Images in class folders beside those of the record that it doesn't name; none where labels are from a table."""
    if record.labels_of and not nested:
        return []
    known = {*record.train, *record.val, *record.test, *record.broken}
    parts = {folder / _part(name, record.class_of(name)) for name in known}
    added: list[str] = []
    for part in sorted(parts):
        try:
            classes = class_folders(part)
            paths, _ = list_images(part, classes, found=classes, may_lack=True, nested=nested)
        except FtsoError:
            continue
        added += [name for path in paths if (name := _name(path, str(folder))) not in known]
    return added


def _part(name: str, label: str) -> Path:
    """The folder that the class folder of an image lies in."""
    above = [*Path(name).parts[:-1]]
    at = next((at for at, each in enumerate(above) if spelled(each) == spelled(label)), max(0, len(above) - 1))
    return Path(*above[:at])


def _name(path: str, root: str) -> str:
    return path.removeprefix(os.path.join(root, "")).replace(os.sep, "/")


def _size(path: Path) -> int | None:
    """The bytes of a file; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size if S_ISREG(found.st_mode) else None


def checksum_of(path: Path) -> str | None:
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
