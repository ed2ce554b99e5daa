"""Remarks on a folder of images: entries that are not used, broken files, changes since a training."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ftso_cli.data.files.decode import HEIF_REMEDY, HEIF_SUFFIXES, UNREAD, printable_path

KINDS = {
    "other": "no suffix of an image",
    "heic": f"HEIC photo, {HEIF_REMEDY}",
    "unread": "image of a kind that is not read, convert it to JPEG or PNG",
    "hidden": "hidden",
    "folders": "folder within a class",
    "nested": "image in a folder within a class, move it up into the class or train with --nested",
    "loose": "image beside the class folders",
    "hidden_classes": "hidden folder of images, rename it to make it a class",
    "empty": "class folder without images",
    "names": "name that is not UTF-8, rename it",
    "system": "folder of an operating system",
    "made": "folder that ftso made",
}
"""The kinds of entries that are passed over, as a user reads them."""

FEW = 20
"""Names that a message lists."""


@dataclass(frozen=True)
class SkippedFiles:
    """Entries of a folder of images that are passed over.

    `counts` says how many of each of `KINDS`, and `first` names the first of each. `beside` names what lies beside the
    folders that are used, and `broken` says by path what is wrong with an image file.
    """

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    beside: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, path: str, count: int = 1) -> None:
        """Counts an entry of a folder."""
        self.counts[kind] += count
        self.first[kind] = min(path, self.first.get(kind, path))

    def facts(self) -> dict[str, object]:
        """Counts and names for --json; nothing where there are none."""
        known = {"left_out": dict(self.counts), "not_used": self.beside, "broken": list(self.broken)}
        return {name: value for name, value in known.items() if value}

    def lines(self) -> list[str]:
        """Remarks for a user: what is not used, and every broken file."""
        remarks = [f"left out: {self}"] if self.counts else []
        if self.beside:
            remarks.append(f"not used: {list_names(map(printable_path, self.beside))}")
        if self.broken:
            remarks += [f"left out, can't be read: {with_count(len(self.broken), 'image')}", *broken_lines(self.broken)]
        return remarks

    def __bool__(self) -> bool:
        return bool(self.counts or self.beside or self.broken)

    def __str__(self) -> str:
        kinds = [kind for kind in KINDS if self.counts[kind]]
        return ", ".join(
            f"{self.counts[kind]:,} × {KINDS[kind]} ({printable_path(self.first[kind])})" for kind in kinds
        )


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Differences between the images of a folder and those of a record, by name."""

    missing_train: Sequence[str] = ()
    missing_val: Sequence[str] = ()
    missing_test: Sequence[str] = ()
    changed_train: Sequence[str] = ()
    changed_val: Sequence[str] = ()
    changed_test: Sequence[str] = ()
    added: Sequence[str] = ()
    others: str = ""
    """A remark where the test images of a set that is not made of files are others."""

    @property
    def in_test(self) -> bool:
        """True where test images are gone, changed or others."""
        return bool(self.missing_test or self.changed_test or self.others)

    def lines(self) -> list[str]:
        """Remarks for a user."""
        kinds = (
            (self.missing_test, "test image", "gone since the training"),
            (self.changed_test, "test image", "changed since the training"),
            (self.missing_val, "validation image", "gone since the training"),
            (self.changed_val, "validation image", "changed since the training"),
            (self.missing_train, "training image", "gone since the training"),
            (self.changed_train, "training image", "changed since the training"),
            (self.added, "image", "added since the training, not used"),
        )
        remarks = [
            f"{with_count(len(names), noun)} {what}: {list_names(map(printable_path, names))}"
            for names, noun, what in kinds
            if names
        ]
        return remarks + ([self.others] if self.others else [])

    def facts(self) -> dict[str, list[str]]:
        """The names for --json; nothing where nothing has changed."""
        known = {
            "missing": [*self.missing_test, *self.missing_val, *self.missing_train],
            "changed": [*self.changed_test, *self.changed_val, *self.changed_train],
            "added": list(self.added),
        }
        return {name: names for name, names in known.items() if names}


def broken_lines(broken: Mapping[str, str]) -> list[str]:
    """A line for each file that can't be read, which names it and says why; of very many only the first."""
    lines = [f"  {problem}" for _, problem in sorted(broken.items())[: 5 * FEW]]
    more = len(broken) - len(lines)
    return lines + ([f"  and {more:,} more"] if more else [])


def list_names(names: Iterable[str]) -> str:
    """Names with commas between them; of many the first, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - FEW:,} more" if len(every) > FEW else ""
    return ", ".join(every[:FEW]) + more


def with_count(count: int, noun: str) -> str:
    """A number of things, as in `1 image` or `1,200 images`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def skipped_kind(suffix: str) -> str:
    """Return the kind, of `KINDS`, of a file with this suffix that is passed over."""
    if suffix in HEIF_SUFFIXES:
        return "heic"
    return "unread" if suffix in UNREAD else "other"


def is_text(name: str) -> bool:
    """Return True where a file name is UTF-8: Python marks other bytes so that they can't be written."""
    try:
        os.fspath(name).encode()
    except UnicodeEncodeError:
        return False
    return True
