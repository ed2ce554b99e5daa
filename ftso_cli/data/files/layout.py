"""The layout of a data set: its folders of images for training, for validation and for testing."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ftso_cli.data.files.decode import printable_path
from ftso_cli.data.files.listing import SYSTEM, class_folders, entries, holds_images, leads_to
from ftso_cli.data.files.skipped_files import SkippedFiles, is_text
from ftso_cli.errors import DataError

PARTS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""The names of the folder of each part, in any case."""


@dataclass(frozen=True, kw_only=True)
class FolderLayout:
    """The folders of a data set by part. Without a folder `train`, the class folders lie in `folder` itself."""

    folder: Path
    parts: dict[str, Path]

    @property
    def train(self) -> Path:
        """The folder of the training classes."""
        return self.parts.get("train", self.folder)


def read_layout(data: str, skipped: SkippedFiles, *, may_lack_train: bool = False) -> FolderLayout:
    """The layout of folder `data`; what lies beside its parts is added to `left_out`.

    A folder that holds images itself is a class, whatever its name, unless a part for training has been found. Raises
    `DataError` where two folders have names of one part or two parts are one folder, and unless it `may_lack_train`
    where a part for testing has none for training beside it.
    """
    if not is_text(data):
        # It is kept in the history of a search and in the settings of a training, which are UTF-8.
        raise DataError(f"{printable_path(data)}: the name is not UTF-8; rename the folder")
    folder = Path(os.path.expanduser(data))
    inside = entries(folder)
    names = sorted(entry.name for entry in inside if leads_to(entry.is_dir))
    parts: dict[str, Path] = {}
    for part in PARTS:
        if name := _folder_of(part, folder, names, divided="train" in parts):
            parts[part] = folder / name
    if not parts:
        return FolderLayout(folder=folder, parts={})
    if "train" not in parts and not may_lack_train:
        found = " and ".join(path.name for path in parts.values())
        raise DataError(f"{printable_path(data)}: has {found} but no train beside it")
    _check_apart(parts)
    used = {path.name for path in parts.values()}
    for entry in sorted(inside, key=lambda entry: entry.name):
        if entry.name in SYSTEM:
            skipped.add("system", entry.path)
        elif entry.name not in used and not entry.name.startswith("."):
            skipped.beside.append(entry.name + ("/" if leads_to(entry.is_dir) else ""))
    return FolderLayout(folder=folder, parts=parts)


def _check_apart(parts: Mapping[str, Path]) -> None:
    """Raise `DataError` where links make one folder two parts: what is trained on tests nothing."""
    found: dict[str, Path] = {}
    for path in parts.values():
        other = found.setdefault(os.path.realpath(path), path)
        if other is not path:
            raise DataError(
                f"{printable_path(str(other))} and {path.name} are one folder, by a link; remove one of them"
            )


def _folder_of(part: str, folder: Path, names: Sequence[str], *, divided: bool) -> str:
    """The name of the folder of a part; "" where there is none. In a set that is `divided` no such name is a class."""
    called = [name for name in names if name.lower() in PARTS[part]]
    found = [name for name in called if divided or not _is_class(folder / name)]
    if len(found) > 1:
        raise DataError(f"{printable_path(str(folder))}: has {' and '.join(found)}; keep one of them, or join them")
    return found[0] if found else ""


def _is_class(folder: Path) -> bool:
    """Return True for a folder that is a class and no part: it holds images, and no two folders of images."""
    if not holds_images(folder):
        return False
    return sum(holds_images(folder / name) for name in class_folders(folder)) < 2
