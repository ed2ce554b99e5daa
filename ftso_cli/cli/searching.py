"""What the commands that search share: options, the run with its progress bar, the record of it."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer
from rich.console import RenderableType

from ftso_cli.cli import common
from ftso_cli.cli.progress import bar
from ftso_cli.errors import FileError
from ftso_cli.genotype import Genotype, Step, storage
from ftso_cli.search.capacity_settings import CapacitySettings
from ftso_cli.search.recipes import IMAGENET, OPERATOR_SETS
from ftso_cli.search.settings import OPERATORS, RaceSettings, SearchSettings

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
    if output is None and DEFAULT_OUTPUT.exists():
        raise FileError(
            f"{DEFAULT_OUTPUT} exists; name another file with -o FILE, or replace it with -o {DEFAULT_OUTPUT}"
        )
    return output or DEFAULT_OUTPUT


def epochs_option(default: int) -> Any:
    """The --epochs option, with the default that its search has."""
    return typer.Option("--epochs", "-e", min=1, help="Passes over the images.", show_default=str(default))


def operators(values: list[str] | None) -> tuple[str, ...]:
    """The operators that --op or --ops lists; 3op and 4op stand for those of the paper's Table 3."""
    return tuple(op for name in common.listed(values) for op in OPERATOR_SETS.get(name, (name,)))


def recipe(chosen: Recipe, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a recipe has instead of the method's own settings, and what the command line gives instead of either."""
    own = IMAGENET if chosen is Recipe.imagenet else {}
    return {**own, **{name: value for name, value in given.items() if value is not None}}


def check_length(iters: int | None, epochs: int | None) -> None:
    """A search is as long as --iters or --epochs says, not both."""
    if iters is not None and epochs is not None:
        raise typer.BadParameter("give --iters or --epochs, not both", param_hint="--iters")


@dataclass(frozen=True, kw_only=True)
class Request:
    """A search as the command line asks for it."""

    command: str
    data: str
    image_size: int | None
    settings: SearchSettings | RaceSettings | CapacitySettings
    seed: int | None
    device: str
    output: Path
    notes: list[str] = field(default_factory=list)
    """What its record says besides; a search may add to them."""


class Standing(Protocol):
    """Where a search stands, as its engine reports it after every step."""

    @property
    def iteration(self) -> int:
        """Iterations that are done."""

    @property
    def iterations(self) -> int:
        """Iterations of the whole search."""

    @property
    def figures(self) -> str:
        """What to show beside the progress bar."""

    @property
    def facts(self) -> dict[str, float]:
        """What --json tells of the last iteration."""


Search = Callable[["ImageData", "torch.device", Callable[[Standing], None]], Genotype]


def execute(
    request: Request,
    search: Search,
    watch: common.Stopwatch,
    below: Callable[[], RenderableType | None] | None = None,
) -> tuple[Genotype, dict[str, Any]]:
    """Runs the search and writes its genotype; also gives the facts of it for --json. `below` is shown meanwhile."""
    common.check_writable(request.output)
    from ftso_cli.data import open_images
    from ftso_cli.nn.device import choose_device

    device = choose_device(request.device)
    watch.lap("start")
    images = open_images(request.data, image_size=request.image_size)
    if request.settings.takes_all_images:
        # A few iterations read only what they need, and so does a search on a share of the images.
        with bar("read images", "image") as progress:
            images.train.load_all(progress.update)
    watch.lap("data")
    last: dict[str, float] = {}
    with bar(request.command, "it", below) as progress:

        def on_iteration(state: Standing) -> None:
            last.update(state.facts)
            progress.update(state.iteration, state.iterations, state.figures)

        genotype = search(images, device, on_iteration)
    watch.lap("search")
    step = Step(
        command=request.command,
        settings=request.settings.recorded() | {"image_size": list(images.image_size)},
        seed=request.seed,
        data=images.name,
        device=device.type,
        versions=common.versions(),
        notes=tuple(request.notes),
    )
    storage.write(genotype.with_step(step, watch.times()), request.output)
    watch.lap("write")
    facts: dict[str, Any] = {"file": str(request.output), "data": images.name, "device": device.type}
    facts |= {} if request.seed is None else {"seed": request.seed}
    return genotype, facts | last | {"seconds": watch.seconds}


def counted(genotype: Genotype) -> str:
    """How many edges carry which operator, on one line."""
    counts = Counter(edge.op for cell in genotype.cells.values() for edge in cell.kept)
    return "operators: " + ", ".join(f"{count} × {op}" for op, count in counts.most_common())


def seconds(watch: common.Stopwatch) -> str:
    """The seconds of every phase, on one line."""
    phases = "  ".join(f"{phase} {value:.2f}" for phase, value in watch.seconds.items())
    return f"{sum(watch.seconds.values()):.2f} s: {phases}"
