"""Arguments and options that several commands share, and what they do with a genotype."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ftso_cli import locks, processes, shell
from ftso_cli.api import record
from ftso_cli.bounds import MOST_PIXELS
from ftso_cli.cli.console import note, warn
from ftso_cli.errors import FileError, FtsoError
from ftso_cli.genotype import library
from ftso_cli.settings import shared
from ftso_cli.spaces.sets import IMAGES

if TYPE_CHECKING:
    from ftso_cli.data import ImageData

DEFAULT_DATA = shared.DEFAULT_DATA

FEW = 10
"""Classes that a remark names."""

CellArgument = Annotated[
    str,
    typer.Argument(
        metavar="CELL",
        help="A genotype file, - for standard input, or the name of a published cell.",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write here instead of updating CELL in place; - is stdout."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


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


class Stopwatch(record.Stopwatch):
    """Seconds by phase, the first of them from the start of the process: `lap` ends a phase."""

    def __init__(self) -> None:
        super().__init__(_STARTED)


def tell_images(images: "ImageData", *, tested: bool = False) -> None:
    """Remarks on a data set: where test images come from, what was passed over, what differs from a run's.

    Of a named set, whose test images are known, only what is `tested` says so.
    """
    if tested or images.root:
        note(f"test images: {len(images.final):,}, {images.test_from}{_beside_test(images)}")
    for line in (*images.remarks, *images.changes.lines()):
        warn(line)
    for line in images.left_out.lines():
        note(line)


def _beside_test(images: "ImageData") -> str:
    """Name images for validation that lie beside test images, and classes that have no test image."""
    parts = ["val images are not used"] if images.test is not None and images.val is not None else []
    tested = set(images.final.labels.tolist())
    if lacking := [name for label, name in enumerate(images.classes) if label not in tested]:
        parts.append(f"none of {', '.join(lacking[:FEW])}{' and others' if len(lacking) > FEW else ''}")
    return "".join(f"; {part}" for part in parts)


def data_option(shown: str | bool = True) -> Any:
    """The --data option, with the default that its help shows."""
    text = (
        "digits, cifar10, cifar100, fashion-mnist, or a folder of images: `DIR/train/CLASS/*.jpg` or `DIR/CLASS/*.jpg`."
    )
    return typer.Option("--data", "-d", metavar="DATA", help=text, show_default=shown)


DataOption = Annotated[str, data_option()]
ImageSizeOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_PIXELS,
        help="Scale and crop images to squares of this side.",
        show_default="that of a set; of a folder 64, or less where its images are smaller squares",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", "-s", min=0, help="The same seed gives the same result.")]
TrustOption = Annotated[
    bool,
    typer.Option("--trust-pickle", help="Read records that are pickles, which can run any code; needs nats_bench."),
]
DeviceOption = Annotated[
    str, typer.Option(metavar="DEVICE", help="auto (a GPU where there is one), cpu, cuda, cuda:1, mps.")
]


def hold(output: Path, context: typer.Context) -> Path:
    """Keeps other commands from writing a genotype to `output` until this one ends, and gives it back.

    Raises `BusyError` where another command holds it.
    """
    if str(output) != "-" and processes.place().first:
        context.with_resource(locks.alone(output))
    return output


@contextmanager
def telling(kept: Callable[[], str]) -> Iterator[None]:
    """On Ctrl-C says what is kept, and how to go on with it; `kept` gives "" where nothing is."""
    try:
        yield
    except KeyboardInterrupt:
        if text := kept():
            note(f"stopped; {text}")
        raise


def is_given(context: typer.Context, name: str) -> bool:
    """Whether the command line gives this parameter."""
    source = context.get_parameter_source(name)
    # By its name: typer has a copy of click's sources of its own.
    return source is not None and source.name == "COMMANDLINE"


def check_writable(path: Path) -> None:
    """Raises `FileError` where a result could not be written, so that no long work is done for nothing."""
    folder = Path(os.path.realpath(path)).parent
    if path.is_dir():
        raise FileError(f"{path}: is a folder; give a file name, as in -o {shell.argument(path / 'cell.json')}")
    if not folder.is_dir():
        raise FileError(f"{path}: there is no folder {folder.name}; make it first")
    if not os.access(folder, os.W_OK):
        raise FileError(f"{path}: can't be written, the folder is read-only")


def tell_name(data: str) -> None:
    """Says that a name is the data set of that name, where a folder is called so, too."""
    if os.path.isdir(data) and data == os.path.basename(data) and data in IMAGES:
        note(f"{data} is the data set of that name; the folder here is --data ./{data}")
