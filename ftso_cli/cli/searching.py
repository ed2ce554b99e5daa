"""What the commands that search share: options, the run with its progress bar, the record of it."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from ftso_cli import processes
from ftso_cli.api import searching
from ftso_cli.cli import common
from ftso_cli.cli.console import next_step
from ftso_cli.cli.progress import bar
from ftso_cli.errors import FileError
from ftso_cli.genotype import Genotype, storage
from ftso_cli.settings.methods import IMAGENET
from ftso_cli.settings.searches import OPERATORS

if TYPE_CHECKING:
    import torch

    from ftso_cli.data import ImageData

ItersOption = Annotated[
    int | None, typer.Option("--iters", "-i", min=1, help="Iterations, instead of epochs.", show_default=False)
]
ChannelsOption = Annotated[int, typer.Option(min=1, help="Channels of the first cells.")]
CellsOption = Annotated[int, typer.Option(min=1, help="Cells of the super-net.")]
PartialOption = Annotated[
    int, typer.Option(min=1, help="One in so many channels passes through the operators (PC-DARTS); 1 is DARTS.")
]
BatchOption = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        "-b",
        min=2,
        help="Images a step.",
        show_default=f"{OPERATORS.batch_size}; imagenet {IMAGENET['batch_size']}",
    ),
]
WeightRateOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Learning rate of the weights; falls to 0 along a cosine over the epochs.",
        show_default=f"{OPERATORS.weight_rate:g}; imagenet {IMAGENET['weight_rate']:g}",
    ),
]
ArchRateOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Learning rate of α and β.",
        show_default=f"{OPERATORS.arch_rate:g}; imagenet {IMAGENET['arch_rate']:g}",
    ),
]

WARMUP = "Share of the search, 0 to 1, in which only weights learn and α and β are held."
WarmupOption = Annotated[float, typer.Option(min=0, help=WARMUP)]


class Recipe(StrEnum):
    """The values of --recipe."""

    cifar = "cifar"
    imagenet = "imagenet"


RecipeOption = Annotated[
    Recipe,
    typer.Option(
        help="Settings for images as those of CIFAR-10 or of ImageNet; options given beside it win (docs/methods.md)."
    ),
]
WeightShareOption = Annotated[
    float | None,
    typer.Option(min=0, help="Share of the training images that moves the weights.", show_default="0.5; imagenet 0.1"),
]
ArchShareOption = Annotated[
    float | None,
    typer.Option(min=0, help="Share of them that moves α and β.", show_default="0.5; imagenet 0.025"),
]

DEFAULT_OUTPUT = Path("cell.json")
NewFileOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="The genotype file.", show_default=str(DEFAULT_OUTPUT)),
]


def new_file(output: Path | None) -> Path:
    """The file to write; a default is never written over, for a search may have taken hours."""
    if output is None and os.path.lexists(DEFAULT_OUTPUT):
        raise FileError(
            f"{DEFAULT_OUTPUT} exists; name another file with -o FILE, or replace it with -o {DEFAULT_OUTPUT}"
        )
    return DEFAULT_OUTPUT if output is None else output


def epochs_option(default: int) -> Any:
    """The --epochs option, with the default that its search has."""
    return typer.Option("--epochs", "-e", min=1, help="Passes over the images.", show_default=str(default))


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the command line gives."""
    return {name: value for name, value in options.items() if value is not None}


def check_length(iters: int | None, epochs: int | None) -> None:
    """A search is as long as --iters or --epochs says, not both."""
    if iters is not None and epochs is not None:
        raise typer.BadParameter("give --iters or --epochs, not both", param_hint="--iters")


@dataclass(frozen=True, kw_only=True)
class Request(searching.Request):
    """A search as the command line asks for it."""

    output: Path


def propose_training(request: Request) -> None:
    """The command that trains what was found, on the same images."""
    next_step("train", request.output, data=request.data, image_size=request.image_size)


def execute(
    request: Request,
    search: searching.Search,
    watch: common.Stopwatch,
    below: Callable[[], RenderableType | None] | None = None,
) -> tuple[Genotype, dict[str, Any]]:
    """Runs the search and writes its genotype; also gives the facts of it for --json. `below` is shown meanwhile.

    Of the processes that search together only the first writes.
    """
    common.check_writable(request.output)

    @contextmanager
    def shown(title: str, unit: str) -> Iterator[searching.Update]:
        with bar(title, unit, None if unit == "image" else below) as progress:
            yield progress.update

    def told(images: "ImageData", device: "torch.device", each: Callable[[searching.Standing], None]) -> Genotype:
        common.tell_name(request.data)
        common.tell_images(images)
        return search(images, device, each)

    genotype, facts = searching.execute(request, told, watch, shown)
    if processes.place().first:
        storage.write(genotype, request.output)
    watch.lap("write")
    return genotype, {"file": str(request.output), **facts, **watch.facts()}


def counted(genotype: Genotype) -> str:
    """How many edges carry which operator, on one line."""
    counts = Counter(edge.op for cell in genotype.cells.values() for edge in cell.kept)
    return "operators: " + ", ".join(f"{count} × {op}" for op, count in counts.most_common())
