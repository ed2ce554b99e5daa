"""Running a search and recording it: its images, its phases, the step of history that it leaves."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ftso_cli import processes
from ftso_cli.api.cells import check_writable
from ftso_cli.api.listening import Listener
from ftso_cli.api.record import versions
from ftso_cli.errors import DataError
from ftso_cli.genotype import Genotype, Step, storage
from ftso_cli.settings.asktell import AskTellSettings
from ftso_cli.settings.capacity import CapacitySettings
from ftso_cli.settings.searches import RaceSettings, SearchSettings
from ftso_cli.settings.shared import OnImages
from ftso_cli.spaces.darts import IMAGENET_PIXELS

if TYPE_CHECKING:
    import torch

    from ftso_cli.data import ImageData
    from ftso_cli.search.operators.capacity import Choice
    from ftso_cli.search.race.ranking import RankedCandidate as Finalist


TaskSettings = SearchSettings | RaceSettings | CapacitySettings | AskTellSettings
"""The settings that decide the result of a search."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A search as it is run: what decides its result, and where it is written to."""

    command: str
    data: str
    image_size: int | None = None
    settings: TaskSettings
    seed: int | None
    device: str = "auto"
    output: Path | None = None
    """The genotype file; None where it is only returned, - for standard output."""
    notes: list[str] = field(default_factory=list)
    """Remarks for the record; a search may add to them."""

    @property
    def side(self) -> int | None:
        """The side that images are brought to, None for that of the data set; the ImageNet stem has its own."""
        return self.image_size or (IMAGENET_PIXELS if self.settings.stem == "imagenet" else None)

    @property
    def file(self) -> Path | None:
        """The genotype file, beside which a search keeps what it can go on from; None for standard output."""
        return None if self.output is None or str(self.output) == "-" else self.output

    def recorded(self, data: "ImageData") -> dict[str, Any]:
        """Return the settings as history, checkpoints and journals keep them, with the images and their size."""
        known = {"images": data.fingerprint} if data.fingerprint else {}
        return self.settings.recorded() | {"image_size": list(data.image_size)} | known


def task_of(command: str, request: OnImages, settings: TaskSettings, seed: int | None) -> Task:
    """Return the task of a request."""
    output: Any = getattr(request, "output", None)
    return Task(
        command=command,
        data=str(request.data),
        image_size=request.image_size,
        settings=settings,
        seed=seed,
        device=request.device,
        output=output,
    )


class IterationState(Protocol):
    """The state of a search, as its engine reports it after every step."""

    @property
    def iteration(self) -> int:
        """Iterations that are done."""

    @property
    def iterations(self) -> int:
        """Iterations of the whole search."""

    @property
    def figures(self) -> str:
        """Figures to show beside the progress bar."""

    @property
    def facts(self) -> dict[str, float]:
        """Facts of the last iteration."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The result of a search: its genotype, facts and remarks, and of some searches what it was chosen among."""

    genotype: Genotype
    facts: dict[str, Any]
    notes: tuple[str, ...] = ()
    final: "tuple[Finalist, ...]" = ()
    """The finalists of a race."""
    choice: "Choice | None" = None
    """The cells that a search by capacity trained."""


Search = Callable[["ImageData", "torch.device", Callable[[IterationState], None]], Genotype]


def execute(task: Task, search: Search, listener: Listener) -> tuple[Genotype, dict[str, Any]]:
    """Run the search and write its genotype, recorded; returns it, and facts of the search.

    Of the processes that search together only the first writes.
    """
    if task.output is not None:
        check_writable(task.output)
    from ftso_cli.data import open_images, read_training_images
    from ftso_cli.nn.device import choose_device, enough_memory, peak_memory
    from ftso_cli.nn.readings import Throttle

    watch = listener.watch
    device = choose_device(task.device)
    watch.lap("start")
    images = open_images(task.data, image_size=task.side)
    if task.settings.takes_all_images:
        # A few iterations read only what they need, and so does a search on a share of the images.
        with listener.bar("read images", "image") as update:
            images = read_training_images(images, update)
    watch.lap("data")
    listener.images(task.data, images)
    last: dict[str, float] = {}
    with listener.bar(task.command, "iteration") as update:
        look, figures = Throttle(device), ""

        def on_iteration(state: IterationState) -> None:
            nonlocal figures
            if look.due() or state.iteration == state.iterations:
                last.update(state.facts)
                figures = state.figures
            update(state.iteration, state.iterations, figures)

        with enough_memory(device), _naming_all(images):
            genotype = search(images, device, on_iteration)
    watch.lap("search")
    watch.peak_memory = peak_memory(device)
    genotype = genotype.with_step(step_of(task, images, device), watch.times())
    facts: dict[str, Any] = {"data": images.name, "device": device.type}
    facts |= {} if task.seed is None else {"seed": task.seed}
    return genotype, _written(genotype, task, listener) | facts | images.skipped.facts() | last | watch.facts()


def _written(genotype: Genotype, task: Task, listener: Listener) -> dict[str, Any]:
    """Write the genotype where a file was asked for; returns the fact of it."""
    if task.output is None:
        return {}
    if processes.process_rank().first:
        storage.write_genotype(genotype, task.output)
    listener.watch.lap("write")
    return {"file": str(task.output)}


@contextmanager
def _naming_all(data: "ImageData") -> Iterator[None]:
    """Around a search that reads only what it needs: where an image can't be read, all are read, and the bad named."""
    from ftso_cli.data.files.skipped_files import FEW

    try:
        yield
    except DataError:
        problems = sorted(data.train.load_all().values())
        if len(problems) < 2:
            raise
        more = f" and {len(problems) - FEW:,} more" if len(problems) > FEW else ""
        raise DataError(f"{len(problems):,} images can't be read: {', '.join(problems[:FEW])}{more}") from None


def step_of(task: Task, data: "ImageData", device: "torch.device") -> Step:
    """Return what history says of the search."""
    return Step(
        command=task.command,
        settings=task.recorded(data),
        seed=task.seed,
        data=data.name,
        device=device.type,
        versions=versions(),
        notes=tuple(task.notes),
    )
