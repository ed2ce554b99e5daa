"""Which image files a folder of class folders has, and what in it is passed over."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ftso_cli.data.decode import SUFFIXES, shown
from ftso_cli.errors import DataError

Files = tuple[list[str], Tensor]
"""Paths of images, and their labels (N,) int64."""

KINDS = {
    "other": "no suffix of an image",
    "hidden": "hidden",
    "folders": "folder within a class",
    "loose": "image beside the class folders",
}
"""What is passed over, as a user reads it."""


@dataclass(frozen=True)
class LeftOut:
    """What was passed over in class folders: how many of each of `KINDS`, and the first of each by name."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, entry: os.DirEntry[str]) -> None:
        """Counts an entry of a folder."""
        self.counts[kind] += 1
        self.first[kind] = min(entry.path, self.first.get(kind, entry.path))

    def facts(self) -> dict[str, dict[str, int]]:
        """The counts for --json; nothing where there are none."""
        return {"left_out": dict(self.counts)} if self else {}

    def __bool__(self) -> bool:
        return bool(self.counts)

    def __str__(self) -> str:
        kinds = [kind for kind in KINDS if self.counts[kind]]
        return ", ".join(f"{self.counts[kind]:,} × {KINDS[kind]} ({shown(self.first[kind])})" for kind in kinds)


def list_classes(folder: Path) -> list[str]:
    """The names of the class folders, sorted; raises `DataError` for less than two, or a name that is no text."""
    classes = sorted(list_folders(folder))
    if len(classes) < 2:
        found = f"only one class folder ({classes[0]})" if classes else "no class folders"
        raise DataError(f"{shown(str(folder))}: has {found}; images belong into two or more, as DIR/train/CLASS/*.jpg")
    for name in classes:
        if not is_text(name):
            raise DataError(f"{shown(str(folder / name))}: the name is not UTF-8; rename the folder")
    return classes


def is_text(name: str) -> bool:
    """False for a file name whose bytes are not UTF-8: Python marks them so that they can't be written again."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def list_images(folder: Path, classes: Sequence[str], left_out: LeftOut | None = None) -> Files:
    """The image files in the class folders of `folder`, sorted by class and name, with the labels of `classes`.

    Adds what is passed over to `left_out`. Raises `DataError` for a class without images or that is not in `classes`.
    """
    passed = LeftOut() if left_out is None else left_out
    found = sorted(_folders_beside_images(folder, passed))
    label_of = {name: label for label, name in enumerate(classes)}
    unknown = [name for name in found if name not in label_of]
    if unknown or not found:
        problem = f"has a class {unknown[0]!r} that train lacks" if unknown else "has no class folders"
        raise DataError(f"{shown(str(folder))}: {problem}")
    paths: list[str] = []
    labels: list[Tensor] = []
    for name in found:
        images = sorted(_images(folder / name, passed))
        if not images:
            raise DataError(
                f"{shown(str(folder / name))}: no images in this class folder ({' '.join(sorted(SUFFIXES))})"
            )
        paths += images
        labels.append(torch.full((len(images),), label_of[name]))
    return paths, torch.cat(labels)


def list_below(folder: Path) -> list[str]:
    """The image files in a folder and in the folders below it, sorted; raises `DataError` where there are none."""
    found: list[str] = []
    # Not by os.walk, which calls itself for each folder in a folder.
    folders = [folder]
    while folders:
        for entry in _entries(folders.pop()):
            if not _hidden(entry) and not entry.is_symlink() and _leads_to(entry.is_dir):
                folders.append(Path(entry.path))
            elif _called_image(entry) and not _leads_to(entry.is_dir):
                found.append(entry.path)
    if not found:
        raise DataError(f"{shown(str(folder))}: has no images ({' '.join(sorted(SUFFIXES))})")
    return sorted(found)


def list_folders(folder: Path) -> list[str]:
    """The names of the folders in `folder`, hidden ones left out."""
    return [entry.name for entry in _entries(folder) if not _hidden(entry) and _leads_to(entry.is_dir)]


def _folders_beside_images(folder: Path, left_out: LeftOut) -> list[str]:
    folders: list[str] = []
    for entry in _entries(folder):
        if _hidden(entry):
            continue
        if _leads_to(entry.is_dir):
            folders.append(entry.name)
        elif _called_image(entry):
            left_out.add("loose", entry)
    return folders


def _images(folder: Path, left_out: LeftOut) -> list[str]:
    images: list[str] = []
    for entry in _entries(folder):
        if _hidden(entry):
            left_out.add("hidden", entry)
        elif not _called_image(entry):
            left_out.add("folders" if _leads_to(entry.is_dir) else "other", entry)
        elif _leads_to(entry.is_file):
            images.append(entry.path)
        elif _leads_to(entry.is_dir):
            left_out.add("folders", entry)
        elif entry.is_symlink():
            raise DataError(f"{shown(entry.path)}: a link that leads to no file; remove or replace it")
        else:
            raise DataError(f"{shown(entry.path)}: neither a file nor a folder; remove it")
    return images


def _hidden(entry: os.DirEntry[str]) -> bool:
    return entry.name.startswith(".")


def _called_image(entry: os.DirEntry[str]) -> bool:
    # os.path.splitext would take as long as all the rest.
    return entry.name[entry.name.rfind(".") :].lower() in SUFFIXES


def _leads_to(check: Callable[[], bool]) -> bool:
    """The answer of an entry's `is_dir` or `is_file`; False for a link that leads to itself."""
    try:
        return check()
    except OSError:
        return False


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DataError(f"{shown(str(folder))}: can't be read ({error.strerror})") from None
