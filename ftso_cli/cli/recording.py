"""What a search shows and keeps while it runs: options, the leading operators, lines of history, resuming."""

import math
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.text import Text

from ftso_cli.api import recorded
from ftso_cli.api.searching import Standing
from ftso_cli.cli import common, searching
from ftso_cli.cli.console import note, warn
from ftso_cli.genotype import Cell, Genotype
from ftso_cli.spaces import OPERATORS

if TYPE_CHECKING:
    import torch

    from ftso_cli.data import ImageData
    from ftso_cli.search.history import Record
    from ftso_cli.search.phases import Search

SAVE_MINUTES = recorded.SAVE_MINUTES


class Tracked(StrEnum):
    """The values of --track and --early-stop."""

    eigenvalue = "eigenvalue"


RunOption = Annotated[
    Path | None,
    typer.Option(
        "--run",
        metavar="DIR",
        help="Folder of α, β and losses over time, and of checkpoints.",
        show_default="OUTPUT.COMMAND",
    ),
]
TrackOption = Annotated[
    Tracked | None,
    typer.Option(help="Work out how sharply the held-out loss curves in α and β, every epoch.", show_default=False),
]
EarlyStopOption = Annotated[
    Tracked | None,
    typer.Option(help="Stop where that jumps, and take the cell from before (DARTS-ES).", show_default=False),
]
EveryOption = Annotated[
    int | None,
    typer.Option("--every", metavar="N", min=1, help="Iterations between records.", show_default="an epoch"),
]
SaveOption = Annotated[
    float, typer.Option("--save-every", metavar="MINUTES", min=0, help="Longest time between checkpoints.")
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on with the same search where it was stopped or killed.")
]


def options(
    request: searching.Request,
    run: Path | None,
    every: int | None,
    track: Tracked | None,
    early_stop: Tracked | None,
    resume: bool,
    save_minutes: float = recorded.SAVE_MINUTES,
) -> recorded.Options:
    """The options of a command; the run folder is the one asked for, or beside the genotype; none for stdout."""
    output = request.output
    beside = None if str(output) == "-" else output.parent / f"{output.stem}.{request.command}"
    return recorded.Options(
        folder=run or beside,
        every=every,
        track=track is not None,
        early_stop=early_stop is not None,
        save_minutes=save_minutes,
        resume=resume,
    )


class Recorded(recorded.Recorded):
    """A search that shows its leading operators and tells what it records."""

    def __init__(
        self, request: searching.Request, options: recorded.Options, make: recorded.Make, start: Genotype | None = None
    ) -> None:
        super().__init__(request, options, make, start)
        self.leaders = Leaders()
        self._warned = False

    def __call__(self, images: "ImageData", device: "torch.device", each: Callable[[Standing], None]) -> Genotype:
        """Runs it to the end; where it is interrupted, says how to go on."""
        try:
            return super().__call__(images, device, each)
        except KeyboardInterrupt:
            if self.options.folder is not None:
                note(f"stopped; {self.options.folder} holds all until here: give the same command with --resume")
            raise

    def on_begin(self, search: "Search", problem: str) -> None:
        """Says where a resumed search goes on."""
        if problem:
            warn(f"{problem}; going on from the checkpoint before it")
        if self.options.resume:
            note(f"going on after iteration {search.engine.iteration} of {search.engine.iterations}")

    def on_iteration(self, search: "Search") -> None:
        """Looks which operators lead."""
        self.leaders.look(search)

    def on_record(self, record: "Record") -> None:
        """A line of history, and once a warning where skip connections take over."""
        note(_line(record))
        if not self._warned and record.skips is not None and self.leaders.collapsing():
            self._warned = True
            warn(
                f"skip connections lead on {record.skips} of {record.edges} edges: the search is collapsing "
                "(--early-stop eigenvalue stops before)"
            )

    def on_stop(self, text: str) -> None:
        """Says that the search stopped early."""
        note(text)


def execute(
    request: searching.Request,
    options: recorded.Options,
    make: recorded.Make,
    watch: common.Stopwatch,
    start: Genotype | None = None,
) -> tuple[Genotype, dict[str, Any]]:
    """Runs a search, writes its genotype, and only then takes its checkpoints away; gives the facts for --json too."""
    search = Recorded(request, options, make, start)
    found = searching.execute(request, search, watch, search.leaders)
    search.close()
    return found


def _line(record: "Record") -> str:
    parts = [f"epoch {record.epoch:>3}  iteration {record.iteration:>6}"]
    for name, value in (("loss", record.weight_loss), ("held-out", record.arch_loss)):
        parts += [] if value is None else [f"{name} {value:.3f}"]
    parts += [] if record.skips is None else [f"skips {record.skips}/{record.edges}"]
    parts += [] if record.eigenvalue is None else [f"eigenvalue {record.eigenvalue:.4g}"]
    return "  ".join(parts)


class Leaders:
    """Which operator leads each edge now: shown below the progress bar, looked up once a second."""

    def __init__(self) -> None:
        self._genotype: Genotype | None = None
        self._looked = 0.0

    def look(self, search: "Search") -> None:
        """Looks again, where it is time to."""
        now = time.perf_counter()
        if now - self._looked >= 1 or search.engine.iteration == search.engine.iterations:
            self._genotype, self._looked = search.derive(), now

    def collapsing(self) -> bool:
        """Whether skip connections lead on more than half of the edges of a normal cell that have a choice."""
        if self._genotype is None:
            return False
        edges = self._genotype.cells[next(iter(self._genotype.cells))].kept
        skips = sum(edge.op == "skip_connect" and len(edge.alpha or ()) > 1 for edge in edges)
        return 2 * skips > len(edges)

    def __call__(self) -> RenderableType | None:
        """A column a cell."""
        if self._genotype is None or self._genotype.stage != "complete":
            return None
        return Columns([_column(kind, cell) for kind, cell in self._genotype.cells.items()], padding=(0, 5))


def _column(kind: str, cell: Cell) -> RenderableType:
    skips = sum(edge.op == "skip_connect" for edge in cell.kept)
    lines = [Text(f"{kind}: {skips} of {len(cell.kept)} skip", style="bold")]
    for edge in cell.kept:
        op = edge.op or ""
        share = f"{_share(edge.alpha, op):.1%}" if edge.alpha else ""
        lines.append(Text(f"{edge!s:>6}  {OPERATORS[op].label:<8} {share}"))
    return Group(*lines)


def _share(alpha: Mapping[str, float], op: str) -> float:
    """softmax(α) of one candidate."""
    top = max(alpha.values())
    return math.exp(alpha[op] - top) / sum(math.exp(value - top) for value in alpha.values())
