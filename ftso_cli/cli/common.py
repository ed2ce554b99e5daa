"""Arguments and options that several commands share, and what they do with a genotype."""

import os
import platform
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import JsonValue

from ftso_cli import __version__
from ftso_cli.errors import FileError, FtsoError, GenotypeError, RunError, SettingsError, short
from ftso_cli.genotype import Genotype, Step, Times, library
from ftso_cli.genotype.schema import MOST_SEEDS

if TYPE_CHECKING:
    from ftso_cli.data import ImageData
    from ftso_cli.training.run import Config

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


def output_for(cell: str, output: Path | None, *, as_json: bool = False) -> Path:
    """Where an edited genotype goes: `output`, or back to where it was read. A published cell is never changed."""
    if output is None and library.is_name(cell):
        raise FtsoError(f"{cell} is a published cell and stays as it is; name a file of your own with -o FILE")
    target = Path(cell) if output is None else output
    if as_json and str(target) == "-":
        raise FtsoError("with --json, stdout is for the result; name a file for the genotype with -o FILE")
    return target


_STARTED = time.perf_counter()
"""About when the process started: this module is imported before any work is done."""


class Stopwatch:
    """Seconds by phase, the first of them from the start of the process: `lap` ends a phase."""

    def __init__(self) -> None:
        self.started = datetime.now(UTC)
        self.seconds: dict[str, float] = {}
        self._last = _STARTED

    def lap(self, phase: str) -> float:
        """Ends the phase and gives its seconds."""
        now = time.perf_counter()
        self.seconds[phase] = round(now - self._last, 4)
        self._last = now
        return self.seconds[phase]

    def times(self) -> Times:
        """The phases so far, as the genotype stores them."""
        return Times(started=self.started.isoformat(timespec="seconds"), seconds=dict(self.seconds))


def edited(genotype: Genotype, command: str, watch: Stopwatch, **settings: JsonValue) -> Genotype:
    """The genotype with an editing command added to its history."""
    known: dict[str, JsonValue] = {name: value for name, value in settings.items() if value is not None}
    watch.lap("edit")
    return genotype.with_step(Step(command=command, settings=known, versions={"ftso": __version__}), watch.times())


DEFAULT_DATA = "digits"
"""The data set that needs no download."""


def data_option(shown: str | bool = True) -> Any:
    """The --data option, with the default that its help shows."""
    text = (
        "digits, cifar10, cifar100, fashion-mnist, or a folder of images: `DIR/train/CLASS/*.jpg` or `DIR/CLASS/*.jpg`."
    )
    return typer.Option("--data", "-d", metavar="DATA", help=text, show_default=shown)


DataOption = Annotated[str, data_option()]
ImageSizeOption = Annotated[
    int | None,
    typer.Option(min=1, help="Scale and crop the images of a folder to this side.", show_default="that of the images"),
]
SeedOption = Annotated[int, typer.Option("--seed", "-s", min=0, help="The same seed gives the same result.")]
DeviceOption = Annotated[
    str, typer.Option(metavar="DEVICE", help="auto (a GPU where there is one), cpu, cuda, cuda:1, mps.")
]


def listed(values: list[str] | None) -> tuple[str, ...]:
    """The values of an option that can be repeated and may hold several, separated by commas."""
    return tuple(part.strip() for value in values or () for part in value.split(",") if part.strip())


def seeds_of(text: str) -> tuple[int, ...]:
    """The seeds that `0-15`, `3,5,8` or `0-3,9` means; raises `SettingsError` for anything else, or one twice."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,12})(?:-(\d{1,12}))?", part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last or last - first >= MOST_SEEDS:
            raise SettingsError(f"seeds are written as 0-15 or 3,5,8, at most {MOST_SEEDS} of them, not {short(text)}")
        seeds += range(first, last + 1)
    if len(set(seeds)) < len(seeds) or len(seeds) > MOST_SEEDS:
        raise SettingsError(f"--seeds {short(text)} has a seed twice, or more than {MOST_SEEDS}")
    return tuple(seeds)


@contextmanager
def about_file(name: str) -> Iterator[None]:
    """Puts the name of the file before a complaint about the genotype in it, and in the commands it proposes."""
    try:
        yield
    except GenotypeError as error:
        raise GenotypeError(f"{name}: {str(error).replace('FILE', name)}") from None


def check_writable(path: Path) -> None:
    """Raises `FileError` where a result could not be written, so that no long work is done for nothing."""
    folder = Path(os.path.realpath(path)).parent
    if path.is_dir():
        raise FileError(f"{path}: is a folder; give a file name, as in -o {path / 'cell.json'}")
    if not folder.is_dir():
        raise FileError(f"{path}: there is no folder {folder.name}; make it first")
    if not os.access(folder, os.W_OK):
        raise FileError(f"{path}: can't be written, the folder is read-only")


def versions() -> dict[str, str]:
    """The versions that a search or a training depends on. Imports torch."""
    import torch

    return {"ftso": __version__, "torch": torch.__version__, "python": platform.python_version()}


def images_of(config: "Config") -> "ImageData":
    """The images that a run was started on; raises `RunError` where they have other classes by now."""
    from ftso_cli.data import open_images

    size = config.image_size[0] if config.image_size[0] == config.image_size[1] else None
    images = open_images(config.data, image_size=size)
    if images.classes != config.classes:
        raise RunError(f"{config.data}: has other classes than the run was started with")
    return images
