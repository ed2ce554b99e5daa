"""Writing genotype files and reporting on images, as several commands do."""

import os
import time
from typing import TYPE_CHECKING, Any

from ftso_cli.api import record
from ftso_cli.cli.console import note, warn
from ftso_cli.errors import FtsoError
from ftso_cli.genotype import library
from ftso_cli.spaces.sets import IMAGES

if TYPE_CHECKING:
    from ftso_cli.data import ImageData, ImageSource

FEW = 10
"""Classes that a remark names."""


def in_place(given: dict[str, Any]) -> None:
    """Fill in the file of an edited genotype: that of the cell, where no other is named."""
    cell = given["cell"]
    if "output" not in given and library.is_name(cell):
        raise FtsoError(f"{cell} is a published cell and stays as it is; name a file of your own with -o FILE")
    given.setdefault("output", cell)


def not_both(output: object, as_json: bool) -> object:
    """Return the file of a genotype; raises `FtsoError` where both it and the result go to stdout."""
    if as_json and str(output) == "-":
        raise FtsoError("with --json, stdout is for the result; name a file for the genotype with -o FILE")
    return output


_STARTED = time.perf_counter()
"""About when the process started: this module is imported before any work is done."""


def stopwatch() -> record.Stopwatch:
    """Return a stopwatch whose first phase began with the process."""
    return record.Stopwatch(_STARTED)


def print_images(data: "ImageData", *, tested: bool = False) -> None:
    """Remarks on a data set: where test images come from, what was passed over, what differs from a run's.

    Of a named set, whose test images are known, only what is `tested` says so.
    """
    if tested or data.root:
        note(f"test images: {len(data.final):,}, {data.test_from}{_lacking(data, data.final)}")
    if tested and data.val is not None:
        note(f"validation images: {len(data.val):,}, {data.val_from}{_lacking(data, data.val)}")
    for line in (*data.remarks, *data.changes.lines()):
        warn(line)
    for line in data.skipped.lines():
        note(line)


def _lacking(data: "ImageData", part: "ImageSource") -> str:
    """Name classes of which a part has no image."""
    there = set(part.labels.tolist())
    lacking = [name for label, name in enumerate(data.classes) if label not in there]
    more = " and others" if len(lacking) > FEW else ""
    return f"; none of {', '.join(lacking[:FEW])}{more}" if lacking else ""


def print_name(data: str) -> None:
    """Says that a name is the data set of that name, where a folder is called so, too."""
    if os.path.isdir(data) and data == os.path.basename(data) and data in IMAGES:
        note(f"{data} is the data set of that name; the folder here is --data ./{data}")
