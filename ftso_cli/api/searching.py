"""Running a search and recording it: its images, its phases, the step of history that it leaves."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ftso_cli.api.record import Stopwatch, versions
from ftso_cli.api.settings import check_seed
from ftso_cli.errors import DataError
from ftso_cli.genotype import Genotype, Step
from ftso_cli.settings.capacity import CapacitySettings
from ftso_cli.settings.searches import RaceSettings, SearchSettings
from ftso_cli.spaces.darts import IMAGENET_PIXELS

if TYPE_CHECKING:
    import torch

    from ftso_cli.data import ImageData


class Update(Protocol):
    """Moves a progress bar."""

    def __call__(self, done: int, total: int, figures: str = "") -> None:
        """Shows `done` of `total` steps, with figures as text."""


Bar = Callable[[str, str], AbstractContextManager[Update]]
"""Makes a progress bar with a title, for steps of a unit."""


def bars(progress: Update | None) -> Bar:
    """Bars that call `progress` for the steps of the work itself, and not while images are read; or nothing at all."""

    @contextmanager
    def bar(title: str, unit: str) -> Iterator[Update]:
        def quiet(done: int, total: int, figures: str = "") -> None:
            return

        yield quiet if progress is None or unit == "image" else progress

    return bar


@dataclass(frozen=True, kw_only=True)
class Request:
    """A search as it is asked for."""

    command: str
    data: str
    image_size: int | None
    settings: SearchSettings | RaceSettings | CapacitySettings
    seed: int | None
    device: str
    notes: list[str] = field(default_factory=list)
    """What its record says besides; a search may add to them."""

    @property
    def side(self) -> int | None:
        """The side that images are brought to, None for that of the data set; the ImageNet stem has its own."""
        return self.image_size or (IMAGENET_PIXELS if self.settings.stem == "imagenet" else None)

    def recorded(self, images: "ImageData") -> dict[str, Any]:
        """The settings as history, checkpoints and journals keep them, with the images in hand and their size."""
        known = {"images": images.fingerprint} if images.fingerprint else {}
        return self.settings.recorded() | {"image_size": list(images.image_size)} | known


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


def execute(request: Request, search: Search, watch: Stopwatch, bar: Bar) -> tuple[Genotype, dict[str, Any]]:
    """Runs the search; gives its genotype, recorded, and the facts of it for --json."""
    check_seed(request.seed)
    from ftso_cli.data import open_images, read_training
    from ftso_cli.nn.device import choose_device, enough_memory, peak_memory
    from ftso_cli.nn.readings import Throttle

    device = choose_device(request.device)
    watch.lap("start")
    images = open_images(request.data, image_size=request.side)
    if request.settings.takes_all_images:
        # A few iterations read only what they need, and so does a search on a share of the images.
        with bar("read images", "image") as update:
            images = read_training(images, update)
    watch.lap("data")
    last: dict[str, float] = {}
    with bar(request.command, "it") as update:
        look, figures = Throttle(device), ""

        def on_iteration(state: Standing) -> None:
            nonlocal figures
            if look.due() or state.iteration == state.iterations:
                last.update(state.facts)
                figures = state.figures
            update(state.iteration, state.iterations, figures)

        with enough_memory(device), _naming_all(images):
            genotype = search(images, device, on_iteration)
    watch.lap("search")
    watch.peak_memory = peak_memory(device)
    step = step_of(request, images, device)
    facts: dict[str, Any] = {"data": images.name, "device": device.type}
    facts |= {} if request.seed is None else {"seed": request.seed}
    return genotype.with_step(step, watch.times()), facts | images.left_out.facts() | last


@contextmanager
def _naming_all(images: "ImageData") -> Iterator[None]:
    """Around a search that reads only what it needs: where an image can't be read, all are read, and the bad named."""
    from ftso_cli.data.left_out import FEW

    try:
        yield
    except DataError:
        problems = sorted(images.train.load_all().values())
        if len(problems) < 2:
            raise
        more = f" and {len(problems) - FEW:,} more" if len(problems) > FEW else ""
        raise DataError(f"{len(problems):,} images can't be read: {', '.join(problems[:FEW])}{more}") from None


def step_of(request: Request, images: "ImageData", device: "torch.device") -> Step:
    """What history says of the search."""
    return Step(
        command=request.command,
        settings=request.recorded(images),
        seed=request.seed,
        data=images.name,
        device=device.type,
        versions=versions(),
        notes=tuple(request.notes),
    )
