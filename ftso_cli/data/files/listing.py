"""The class folders of a folder, and the image files in them."""

import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from ftso_cli.data.files.decode import SUFFIXES, printable_path
from ftso_cli.data.files.skipped_files import SkippedFiles, is_text, skipped_kind
from ftso_cli.errors import DataError
from ftso_cli.files import RUN_CONFIG, RUN_GENOTYPE

Files = tuple[list[str], Tensor]
"""Paths of images, and their labels (N,) int64."""

SYSTEM = frozenset({"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"})
"""Folders that operating systems and archives put beside those of a user."""

MARKS = tuple(
    frozenset(names)
    for names in (
        (RUN_CONFIG, RUN_GENOTYPE),
        ("study.json",),
        ("alphas.csv",),
        ("betas.csv",),
        ("checkpoint.safetensors",),
        (".ftso.lock",),
    )
)
"""Files that tell a folder that ftso made or makes: a run, a study, a search."""


def list_classes(folder: Path, found: Sequence[str] | None = None) -> list[str]:
    """The names of the class folders, sorted; `found` are those that `class_folders` gives.

    Raises `DataError` for less than two, a name that is not UTF-8, or two that look alike.
    """
    classes = sorted(class_folders(folder) if found is None else found)
    if len(classes) < 2:
        few = f"only one class folder ({classes[0]})" if classes else "no class folders"
        raise DataError(
            f"{printable_path(str(folder))}: has {few}; images belong into two or more, as DIR/train/CLASS/*.jpg"
        )
    alike: dict[str, str] = {}
    for name in classes:
        if not is_text(name):
            raise DataError(f"{printable_path(str(folder / name))}: the name is not UTF-8; rename the folder")
        other = alike.setdefault(spelled(name), name)
        if other != name:
            raise DataError(
                f"{printable_path(str(folder))}: two class folders are called {name}, their accents are stored "
                "in two ways; join them, or rename one"
            )
    return classes


def spelled(name: str) -> str:
    """A name in the one spelling of Unicode (NFC) in which equal letters are equal."""
    return unicodedata.normalize("NFC", name)


def list_images(
    folder: Path,
    classes: Sequence[str],
    skipped: SkippedFiles | None = None,
    *,
    found: Sequence[str] | None = None,
    may_lack: bool = False,
    nested: bool = False,
) -> Files:
    """The image files in the class folders of `folder`, sorted by class and name, with the labels of `classes`.

    Adds what is passed over to `left_out`; `found` are the class folders where they are known. With `nested`, images in
    folders within a class folder are of that class. Raises `DataError` for
    a class that is not in `classes`, for none at all, and unless a class `may_lack` images for one without any.
    """
    passed = SkippedFiles() if skipped is None else skipped
    names = sorted(class_folders(folder, passed) if found is None else found)
    label_of = {spelled(name): label for label, name in enumerate(classes)}
    unknown = next((name for name in names if spelled(name) not in label_of), None)
    if unknown is not None or not names:
        problem = "has no class folders" if unknown is None else f"has a class {unknown!r} that train lacks"
        raise DataError(f"{printable_path(str(folder))}: {problem}")
    paths: list[str] = []
    labels: list[Tensor] = []
    for name in names:
        images = sorted(_images(folder / name, passed, nested))
        if not images:
            if not may_lack:
                raise DataError(_no_images(folder / name))
            passed.add("empty", str(folder / name))
        paths += images
        labels.append(torch.full((len(images),), label_of[spelled(name)]))
    if not paths:
        raise DataError(
            f"{printable_path(str(folder))}: its class folders have no images ({' '.join(sorted(SUFFIXES))})"
        )
    return paths, torch.cat(labels)


def _no_images(folder: Path) -> str:
    within = SkippedFiles()
    _images(folder, within)
    kinds = f"; it has {within}" if within else ""
    return f"{printable_path(str(folder))}: no images in this class folder ({' '.join(sorted(SUFFIXES))}){kinds}"


def list_below(folder: Path, skipped: SkippedFiles | None = None) -> list[str]:
    """The image files in a folder and in the folders below it, sorted; raises `DataError` where there are none.

    Adds images of kinds that are not read to `left_out`.
    """
    passed = SkippedFiles() if skipped is None else skipped
    found: list[str] = []
    # Not by os.walk, which calls itself for each folder in a folder.
    folders = [folder]
    while folders:
        for entry in entries(folders.pop()):
            if _hidden(entry.name) or entry.name in SYSTEM:
                continue
            if leads_to(entry.is_dir):
                folders += [] if entry.is_symlink() else [Path(entry.path)]
            elif called_image(entry.name):
                found.append(entry.path)
            elif (kind := skipped_kind(_suffix(entry.name))) != "other":
                passed.add(kind, entry.path)
    if not found:
        kinds = f"; it has {passed}" if passed else ""
        raise DataError(f"{printable_path(str(folder))}: has no images ({' '.join(sorted(SUFFIXES))}){kinds}")
    return sorted(found)


def list_folders(folder: Path) -> list[str]:
    """The names of the folders in `folder`, hidden ones left out."""
    return [entry.name for entry in entries(folder) if not _hidden(entry.name) and leads_to(entry.is_dir)]


def class_folders(folder: Path, skipped: SkippedFiles | None = None) -> list[str]:
    """The folders in `folder` that may be classes: not hidden, not of an operating system, not made by ftso.

    Adds the others, and images beside them, to `left_out`.
    """
    passed = SkippedFiles() if skipped is None else skipped
    classes: list[str] = []
    for entry in entries(folder):
        if not leads_to(entry.is_dir):
            if called_image(entry.name) and not _hidden(entry.name):
                passed.add("loose", entry.path)
        elif kind := _no_class(entry):
            passed.add(kind, entry.path)
        elif not _hidden(entry.name):
            classes.append(entry.name)
    return classes


def _no_class(entry: os.DirEntry[str]) -> str:
    """Return the kind, of `KINDS`, of a folder that is passed over; "" for a class, or one of no interest."""
    if entry.name in SYSTEM:
        return "system"
    if _hidden(entry.name):
        return "hidden_classes" if holds_images(Path(entry.path)) else ""
    return "made" if _made_here(Path(entry.path)) else ""


def holds_images(folder: Path) -> bool:
    """Return True where image files lie in the folder itself."""
    return any(called_image(name) and not _hidden(name) for name in _names(folder))


def _made_here(folder: Path) -> bool:
    """Return True for a folder that ftso made: a run, a search, a study, or a folder of such alone."""
    names = _names(folder)
    if _marked(names):
        return True
    if any(map(called_image, names)):
        return False
    below = [folder / name for name in names if not _hidden(name) and os.path.isdir(folder / name)]
    return folder.suffix == ".seeds" or (bool(below) and all(_marked(_names(each)) for each in below))


def _marked(names: Sequence[str]) -> bool:
    return any(marks.issubset(names) for marks in MARKS)


def _names(folder: Path) -> list[str]:
    """The names in a folder; none where it can't be read."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _images(folder: Path, skipped: SkippedFiles, nested: bool = False) -> list[str]:
    images: list[str] = []
    # Not by os.walk, which calls itself for each folder in a folder.
    folders = [folder]
    for entry in chain.from_iterable(entries(each) for each in _popped(folders)):
        if nested and _goes_into(entry):
            folders.append(Path(entry.path))
            continue
        if _hidden(entry.name):
            skipped.add("hidden", entry.path)
        elif not called_image(entry.name):
            _pass_over(entry, skipped)
        elif not is_text(entry.name):
            skipped.add("names", entry.path)
        elif leads_to(entry.is_file):
            images.append(entry.path)
        elif leads_to(entry.is_dir):
            _pass_over(entry, skipped)
        elif entry.is_symlink():
            raise DataError(f"{printable_path(entry.path)}: a link that leads to no file; remove or replace it")
        else:
            raise DataError(f"{printable_path(entry.path)}: neither a file nor a folder; remove it")
    return images


def _popped(folders: list[Path]) -> Iterator[Path]:
    """The folders of a list that grows while they are taken from it."""
    while folders:
        yield folders.pop()


def _goes_into(entry: os.DirEntry[str]) -> bool:
    """Return True for a folder within a class whose images are of that class: no link, which may lead back."""
    own = not _hidden(entry.name) and entry.name not in SYSTEM and is_text(entry.name)
    return own and not entry.is_symlink() and leads_to(entry.is_dir)


def _pass_over(entry: os.DirEntry[str], skipped: SkippedFiles) -> None:
    """Counts an entry of a class folder that is no image."""
    if not leads_to(entry.is_dir):
        skipped.add(skipped_kind(_suffix(entry.name)), entry.path)
        return
    skipped.add("folders", entry.path)
    if nested := [name for name in _names(Path(entry.path)) if called_image(name)]:
        skipped.add("nested", os.path.join(entry.path, min(nested)), len(nested))


def _hidden(name: str) -> bool:
    return name.startswith(".")


def called_image(name: str) -> bool:
    """Return True for a file name with the suffix of an image that is read."""
    return _suffix(name) in SUFFIXES


def _suffix(name: str) -> str:
    # os.path.splitext would take as long as all the rest.
    return name[name.rfind(".") :].lower()


def leads_to(check: Callable[[], bool]) -> bool:
    """The answer of an entry's `is_dir` or `is_file`; False for a link that leads to itself."""
    try:
        return check()
    except OSError:
        return False


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder; raises `DataError` where it can't be read."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError as error:
        raise DataError(f"{printable_path(str(folder))}: can't be read ({error.strerror})") from None
