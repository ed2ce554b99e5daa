"""What a search shows and keeps while it runs: options, the leading operators, lines of history, resuming."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.text import Text

from ftso_cli.cli import common, searching
from ftso_cli.cli.console import note, warn
from ftso_cli.genotype import Cell, Genotype
from ftso_cli.spaces import OPERATORS

if TYPE_CHECKING:
    import torch

    from ftso_cli.data import ImageData
    from ftso_cli.search.history import Record
    from ftso_cli.search.phases import Search
    from ftso_cli.search.recorder import Recorder


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
SAVE_MINUTES = 10.0

Make = Callable[["ImageData", "torch.device"], "Search"]
"""Makes the search, ready to run."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line asks to keep of a search."""

    folder: Path | None
    every: int | None = None
    track: bool = False
    early_stop: bool = False
    save_minutes: float = SAVE_MINUTES
    resume: bool = False


def options(
    request: searching.Request,
    run: Path | None,
    every: int | None,
    track: Tracked | None,
    early_stop: Tracked | None,
    resume: bool,
    save_minutes: float = SAVE_MINUTES,
) -> Options:
    """The options of a command; the run folder is the one asked for, or beside the genotype; none for stdout."""
    output = request.output
    beside = None if str(output) == "-" else output.parent / f"{output.stem}.{request.command}"
    return Options(
        folder=run or beside,
        every=every,
        track=track is not None,
        early_stop=early_stop is not None,
        save_minutes=save_minutes,
        resume=resume,
    )


@dataclass
class Recorded:
    """Runs a search with its history, checkpoints and live view; `close` once the result is written."""

    request: searching.Request
    options: Options
    make: Make
    start: Genotype | None = None
    """The cell that the search started from, where it did."""
    leaders: "Leaders" = field(default_factory=lambda: Leaders())
    _recorder: "Recorder | None" = None
    _warned: bool = False

    def __call__(
        self, images: "ImageData", device: "torch.device", each: Callable[[searching.Standing], None]
    ) -> Genotype:
        """Runs it to the end."""
        from ftso_cli.search.recorder import Recorder, Recording

        search = self.make(images, device)
        recording = Recording(
            folder=self.options.folder,
            every=self.options.every,
            track=self.options.track,
            early_stop=self.options.early_stop,
            save_minutes=self.options.save_minutes,
        )
        self._recorder = recorder = Recorder(search, recording, self._identity(images.name, device.type))
        if problem := recorder.begin(resume=self.options.resume):
            warn(f"{problem}; going on from the checkpoint before it")
        if self.options.resume:
            note(f"going on after iteration {search.engine.iteration} of {search.engine.iterations}")

        def on_iteration(state: searching.Standing) -> None:
            self.leaders.look(search)
            each(state)

        try:
            found = recorder.run(on_iteration, self._tell)
        except KeyboardInterrupt:
            if self.options.folder is not None:
                note(f"stopped; {self.options.folder} holds all until here: give the same command with --resume")
            raise
        self._tell_stop(recorder)
        return found

    def close(self) -> None:
        """Takes the checkpoints away."""
        if self._recorder is not None:
            self._recorder.close()

    def _identity(self, data: str, device: str) -> dict[str, Any]:
        """All that decides the result, to be compared on resuming."""
        request = self.request
        start = None if self.start is None else sha256(self.start.model_dump_json().encode()).hexdigest()[:16]
        kept = {"command": request.command, "data": data, "seed": request.seed, "device": device, "start": start}
        asked = {"every": self.options.every, "early_stop": self.options.early_stop, "track": self.options.track}
        return request.settings.recorded() | kept | asked

    def _tell(self, record: "Record") -> None:
        note(_line(record))
        if not self._warned and record.skips is not None and self.leaders.collapsing():
            self._warned = True
            warn(
                f"skip connections lead on {record.skips} of {record.edges} edges: the search is collapsing "
                "(--early-stop eigenvalue stops before)"
            )

    def _tell_stop(self, recorder: "Recorder") -> None:
        if (place := recorder.stopped) is not None:
            now, then = recorder.history.records[-1], recorder.history.records[place]
            text = (
                f"stopped at iteration {now.iteration}: the dominant eigenvalue has jumped; "
                f"the cell is that of iteration {then.iteration}"
            )
            self.request.notes.append(text)
            note(text)


def execute(
    request: searching.Request,
    options: Options,
    make: Make,
    watch: common.Stopwatch,
    start: Genotype | None = None,
) -> tuple[Genotype, dict[str, Any]]:
    """Runs a search, writes its genotype, and only then takes its checkpoints away; gives the facts for --json too."""
    recorded = Recorded(request, options, make, start)
    found = searching.execute(request, recorded, watch, recorded.leaders)
    recorded.close()
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
